//! Display labels of vocabulary pieces, and word boundaries.

use super::sentencepiece::{SPACE, byte_of};
use crate::axis::AxisItem;

/// Shown for a space that would be invisible.
const OPEN_BOX: char = '␣';

/// Returns a piece as shown on screen: never empty, and with every character visible.
///
/// Marks of word boundaries are removed: `▁the` and `Ġthe` become `the`; likewise `##ing`, `th@@` and
/// `end</w>`. Pieces of byte-level BPE are decoded if they spell whole characters (`Ã©` becomes `é`). Byte
/// pieces show the character or the byte (`<0x0A>` becomes `⏎`, `<0xE3>` becomes `<E3>`).
pub fn label(piece: &str) -> String {
    if let Some(byte) = byte_of(piece) {
        return if byte.is_ascii() {
            visible(&char::from(byte).to_string())
        } else {
            format!("<{byte:02X}>")
        };
    }
    let text = match decode_bytes(piece) {
        Some(text) => text,
        None => unmarked(piece).replace(SPACE, " "),
    };
    let word = text.strip_prefix(' ').filter(|rest| !rest.trim().is_empty()).unwrap_or(&text);
    visible(word)
}

/// Returns the text that pieces spell together, word boundaries as spaces: `ĠMr`, `.` become ` Mr.`. Pieces of
/// byte-level BPE may share a character.
pub fn spelt<'a>(pieces: impl IntoIterator<Item = &'a str>) -> String {
    let joined: String = pieces.into_iter().collect();
    decode_bytes(&joined).unwrap_or_else(|| joined.replace(SPACE, " "))
}

/// Returns true if a piece carries a start-of-word mark (`▁`, `Ġ`). Vocabularies that mark the middle or the
/// end of words need [`word_starts`], which looks at neighbouring pieces, too.
pub fn starts_word(piece: &str) -> bool {
    piece.starts_with(['▁', 'Ġ'])
}

/// Convention by which a vocabulary marks words.
#[derive(Clone, Copy)]
enum WordMarks {
    /// `▁` or `Ġ` at the start.
    Start,
    /// `##` before every piece but the first.
    Middle,
    /// `@@` after every piece but the last.
    Continued,
    /// `</w>` at the end.
    End,
    /// Spaces are pieces of their own.
    Spaces,
    /// No marks: every piece is a word.
    None,
}

impl WordMarks {
    /// Detects the convention from the pieces of a sequence.
    fn of(tokens: &[AxisItem]) -> Self {
        let any = |mark: fn(&str) -> bool| tokens.iter().any(|token| !token.special && mark(&token.piece));
        match () {
            () if any(starts_word) => WordMarks::Start,
            () if any(|piece| piece.ends_with("</w>")) => WordMarks::End,
            () if any(is_continued) => WordMarks::Continued,
            () if any(is_middle) => WordMarks::Middle,
            () if any(is_blank) => WordMarks::Spaces,
            () => WordMarks::None,
        }
    }

    /// Returns true if a word starts at `piece`, which follows `before`.
    fn is_boundary(self, before: &str, piece: &str) -> bool {
        match self {
            WordMarks::Start => starts_word(piece),
            WordMarks::Middle => !is_middle(piece),
            WordMarks::Continued => !is_continued(before),
            WordMarks::End => before.ends_with("</w>"),
            WordMarks::Spaces => is_blank(before) || is_blank(piece),
            WordMarks::None => true,
        }
    }
}

fn is_middle(piece: &str) -> bool {
    piece.len() > 2 && piece.starts_with("##")
}

fn is_continued(piece: &str) -> bool {
    piece.len() > 2 && piece.ends_with("@@")
}

fn is_blank(piece: &str) -> bool {
    piece.chars().all(char::is_whitespace)
}

/// Returns, for every token of a sequence, true if it starts a word. The marks in use (`▁`, `Ġ`, `##`, `@@`,
/// `</w>` or separate spaces) are detected from the pieces. A special token is a word of its own.
pub fn word_starts(tokens: &[AxisItem]) -> Vec<bool> {
    let marks = WordMarks::of(tokens);
    let starts =
        |(at, token): (usize, &AxisItem)| match at.checked_sub(1).and_then(|before| tokens.get(before)) {
            None => true,
            Some(before) => token.special || before.special || marks.is_boundary(&before.piece, &token.piece),
        };
    tokens.iter().enumerate().map(starts).collect()
}

/// Removes the marks of a word's middle or end from a piece.
fn unmarked(piece: &str) -> &str {
    let strip = [piece.strip_prefix("##"), piece.strip_suffix("@@"), piece.strip_suffix("</w>")];
    strip.into_iter().flatten().find(|rest| !rest.is_empty()).unwrap_or(piece)
}

/// Decodes a piece of byte-level BPE; `None` for ASCII, for pieces with other characters, and if the bytes
/// are not UTF-8.
fn decode_bytes(piece: &str) -> Option<String> {
    if piece.is_ascii() {
        return None;
    }
    let bytes: Option<Vec<u8>> = piece.chars().map(byte_level).collect();
    String::from_utf8(bytes?).ok()
}

/// Returns the byte of a character in the byte-level alphabet (Radford et al. 2019): printable Latin-1
/// characters stand for themselves, U+0100 and following for the other bytes in order.
fn byte_level(c: char) -> Option<u8> {
    let printable = |byte: u8| matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    match u8::try_from(c) {
        Ok(byte) => printable(byte).then_some(byte),
        Err(_) => {
            let number = u8::try_from(u32::from(c).checked_sub(0x100)?).ok()?;
            (0..=u8::MAX).filter(|byte| !printable(*byte)).nth(number.into())
        }
    }
}

/// Abbreviations of characters that are invisible or change the writing direction.
const NAMES: [(char, &str); 28] = [
    ('\u{ad}', "SHY"),
    ('\u{34f}', "CGJ"),
    ('\u{61c}', "ALM"),
    ('\u{180e}', "MVS"),
    ('\u{200b}', "ZWSP"),
    ('\u{200c}', "ZWNJ"),
    ('\u{200d}', "ZWJ"),
    ('\u{200e}', "LRM"),
    ('\u{200f}', "RLM"),
    ('\u{2028}', "LS"),
    ('\u{2029}', "PS"),
    ('\u{202a}', "LRE"),
    ('\u{202b}', "RLE"),
    ('\u{202c}', "PDF"),
    ('\u{202d}', "LRO"),
    ('\u{202e}', "RLO"),
    ('\u{2060}', "WJ"),
    ('\u{2061}', "AF"),
    ('\u{2062}', "IT"),
    ('\u{2063}', "IS"),
    ('\u{2064}', "IP"),
    ('\u{2066}', "LRI"),
    ('\u{2067}', "RLI"),
    ('\u{2068}', "FSI"),
    ('\u{2069}', "PDI"),
    ('\u{fe0e}', "VS15"),
    ('\u{fe0f}', "VS16"),
    ('\u{feff}', "BOM"),
];

/// Makes every character of a text visible: `⏎` for a line break, `⇥` for a tab, `␣` for leading and trailing
/// spaces, control pictures, `⟨ZWJ⟩` and the like, `◌` under a combining mark without a base character.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let inner = text.trim_matches(' ');
    let start = text.len() - text.trim_start_matches(' ').len();
    let within = start..start + inner.len();
    let mut before: Option<char> = None;
    for (at, c) in text.char_indices() {
        let next = text[at + c.len_utf8()..].chars().next();
        match c {
            ' ' if within.contains(&at) => out.push(' '),
            '\n' | '\u{85}' => out.push('⏎'),
            '\t' => out.push('⇥'),
            '\u{7f}' => out.push('␡'),
            '\0'..='\u{1f}' => out.push(char::from_u32(0x2400 + u32::from(c)).unwrap_or(OPEN_BOX)),
            // joiners and variation selectors within an emoji stay
            '\u{200d}' if before.is_some_and(is_pictorial) && next.is_some_and(is_pictorial) => out.push(c),
            '\u{fe0e}' | '\u{fe0f}' if before.is_some_and(is_pictorial) => out.push(c),
            _ => push_visible(&mut out, c, before),
        }
        before = Some(c);
    }
    if out.is_empty() { OPEN_BOX.to_string() } else { out }
}

fn push_visible(out: &mut String, c: char, before: Option<char>) {
    if let Some((_, name)) = NAMES.iter().find(|(known, _)| *known == c) {
        out.push_str(&format!("⟨{name}⟩"));
    } else if c.is_whitespace() {
        out.push(OPEN_BOX);
    } else if c.is_control() || is_private(c) || is_tag(c) {
        out.push_str(&format!("⟨{:X}⟩", u32::from(c)));
    } else {
        let alone = before.is_none_or(|before| before.is_whitespace() || before.is_control());
        if alone && unicode_width::UnicodeWidthChar::width(c) == Some(0) {
            out.push('◌');
        }
        out.push(c);
    }
}

/// Returns true for emoji and for symbols that take a variation selector.
fn is_pictorial(c: char) -> bool {
    matches!(u32::from(c), 0x23 | 0x2a | 0x30..=0x39 | 0xa9 | 0xae | 0x2000..=0x2bff | 0x3000..=0x33ff | 0xfe0f | 0x1f000..=0x1faff)
        && !c.is_whitespace()
}

fn is_private(c: char) -> bool {
    matches!(u32::from(c), 0xe000..=0xf8ff | 0xf0000..=0x10ffff)
}

fn is_tag(c: char) -> bool {
    matches!(u32::from(c), 0xe0000..=0xe0fff | 0x180b..=0x180d | 0xfe00..=0xfe0d)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn word_marks_are_taken_off() {
        for (piece, expected) in [
            ("▁the", "the"),
            ("Ġthe", "the"),
            ("ing", "ing"),
            ("##ing", "ing"),
            ("th@@", "th"),
            ("end</w>", "end"),
            ("</s>", "</s>"),
            ("##", "##"),
            ("@@", "@@"),
            ("▁of▁the", "of the"),
        ] {
            assert_eq!(label(piece), expected, "{piece}");
        }
    }

    #[test]
    fn nothing_is_invisible() {
        for (piece, expected) in [
            ("▁", "␣"),
            ("▁▁", "␣␣"),
            ("▁▁a", "␣a"),
            ("Ġ", "␣"),
            ("ĠĠ", "␣␣"),
            ("Ċ", "⏎"),
            ("ĉ", "⇥"),
            ("", "␣"),
            ("\n", "⏎"),
            ("\u{1}", "␁"),
            ("\u{200b}", "⟨ZWSP⟩"),
            ("\u{202e}x", "⟨RLO⟩x"),
            ("\u{feff}", "⟨BOM⟩"),
            ("\u{301}", "◌\u{301}"),
            ("e\u{301}", "e\u{301}"),
            ("\u{3000}", "␣"),
            ("a\u{a0}b", "a␣b"),
            ("\u{85}", "⏎"),
            ("\u{e000}", "⟨E000⟩"),
        ] {
            assert_eq!(label(piece), expected, "{piece:?}");
        }
    }

    #[test]
    fn bytes_are_decoded_where_they_spell_characters() {
        assert_eq!(label("Ã©"), "é");
        assert_eq!(label("ĠÃ©tÃ©"), "été");
        assert_eq!(label("ðŁĻĤ"), "🙂");
        // these are letters of a vocabulary that has no bytes
        assert_eq!(label("né"), "né");
        assert_eq!(label("▁Łódź"), "Łódź");
        assert_eq!(label("日本"), "日本");
        assert_eq!(label("<0x0A>"), "⏎");
        assert_eq!(label("<0x41>"), "A");
        assert_eq!(label("<0xE3>"), "<E3>");
    }

    #[test]
    fn emoji_keep_their_joiners() {
        assert_eq!(label("👩\u{200d}👧"), "👩\u{200d}👧");
        assert_eq!(label("❤\u{fe0f}"), "❤\u{fe0f}");
        assert_eq!(label("👩\u{200d}"), "👩⟨ZWJ⟩");
    }

    fn starts(pieces: &[&str]) -> Vec<bool> {
        let token = |piece: &&str| {
            let special = piece.starts_with('<') && !piece.starts_with("<0");
            AxisItem::token(0, *piece, special)
        };
        word_starts(&pieces.iter().map(token).collect::<Vec<_>>())
    }

    #[test]
    fn words_begin_where_the_vocabulary_says() {
        assert_eq!(starts(&["▁The", "▁chil", "dren", ".", "</s>"]), [true, true, false, false, true]);
        assert_eq!(starts(&["<s>", "The", "Ġchil", "dren", "</s>"]), [true, true, true, false, true]);
        assert_eq!(starts(&["the", "chil", "##dren", "."]), [true, true, false, true]);
        assert_eq!(starts(&["the", "chil@@", "dren", "."]), [true, true, false, true]);
        assert_eq!(starts(&["the</w>", "chil", "dren</w>", ".</w>"]), [true, true, false, true]);
        assert_eq!(starts(&["a", "b", " ", "c", "d"]), [true, false, true, true, false]);
        assert_eq!(starts(&["日", "本"]), [true, true]);
        assert!(starts(&[]).is_empty());
    }
}
