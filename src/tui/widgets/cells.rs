//! Text on terminal cells: widths, clipping, wrapping.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Returns the width of a text in columns.
pub fn width(text: &str) -> usize {
    if is_plain(text) {
        return text.len();
    }
    text.graphemes(true).map(grapheme_width).sum()
}

/// Returns true if the text is printable ASCII, so that each byte takes one column.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, 0x20..=0x7e))
}

/// Returns the width of a grapheme in columns, as [`put`] draws it.
pub fn grapheme_width(grapheme: &str) -> usize {
    if grapheme.contains(char::is_control) { 0 } else { glyphs(&simple(grapheme)).map(str::width).sum() }
}

/// Splits a grapheme before each character that takes columns of its own. Terminals that place characters one by
/// one need several cells for a conjunct such as क्ष; in one cell, its later characters would stay on the screen.
fn glyphs(grapheme: &str) -> impl Iterator<Item = &str> {
    let mut rest = grapheme;
    std::iter::from_fn(move || {
        let mut letters = rest.char_indices();
        letters.next()?;
        let end = letters.find(|(_, letter)| letter.width().is_some_and(|width| width > 0));
        let (glyph, after) = rest.split_at(end.map_or(rest.len(), |(at, _)| at));
        rest = after;
        Some(glyph)
    })
}

/// Joins emoji into one.
const ZERO_WIDTH_JOINER: char = '\u{200d}';

/// Returns the form in which a grapheme is drawn. Terminals disagree on the width of flags, of emoji that are
/// joined or have a skin tone, and of characters with an emoji presentation; where they disagree, parts of the
/// grapheme stay on the screen. A flag is drawn as its two letters, any other as its first character.
fn simple(grapheme: &str) -> Cow<'_, str> {
    let mut letters = grapheme.chars();
    let (Some(first), rest) = (letters.next(), letters) else { return "".into() };
    if rest.as_str().is_empty() {
        return grapheme.into();
    }
    let flag = '\u{1f1e6}'..='\u{1f1ff}';
    if grapheme.chars().all(|letter| flag.contains(&letter)) {
        let plain = |letter| char::from(b'A' + (u32::from(letter) - 0x1f1e6) as u8);
        return grapheme.chars().map(plain).collect::<String>().into();
    }
    // Variation selectors, keycaps, skin tones and the tags of regional flags.
    let decorates = |letter: char| matches!(u32::from(letter), 0xfe00..=0xfe0f | 0x20e3 | 0x1f3fb..=0x1f3ff | 0xe0020..=0xe007f);
    let emoji = first >= '\u{1f000}' || rest.clone().any(decorates);
    if emoji && rest.clone().any(|letter| decorates(letter) || letter == ZERO_WIDTH_JOINER) {
        return first.to_string().into();
    }
    grapheme.into()
}

/// Cuts a text to `columns`; `…` marks the cut.
pub fn fit(text: &str, columns: usize) -> String {
    cut(text, columns).into_owned()
}

/// Cuts a text like [`fit`], without copying a text that fits.
pub fn cut(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return text.into();
    }
    let Some(room) = columns.checked_sub(1) else { return "".into() };
    let mut out = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        let w = grapheme_width(grapheme);
        if used + w > room {
            break;
        }
        used += w;
        out.push_str(grapheme);
    }
    out.push('…');
    out.into()
}

/// Cuts a text to its last `columns`; `…` marks the cut.
pub fn tail(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_string();
    }
    let Some(room) = columns.checked_sub(1) else { return String::new() };
    let mut used = 0;
    let mut kept: Vec<&str> = text
        .graphemes(true)
        .rev()
        .take_while(|grapheme| {
            used += grapheme_width(grapheme);
            used <= room
        })
        .collect();
    kept.push("…");
    kept.into_iter().rev().collect()
}

/// Cuts a text or pads it on the left, so that it takes exactly `columns`.
pub fn fit_right(text: &str, columns: usize) -> String {
    let text = fit(text, columns);
    format!("{}{text}", " ".repeat(columns.saturating_sub(width(&text))))
}

/// Cuts a text or pads it on the right, so that it takes exactly `columns`.
pub fn fit_left(text: &str, columns: usize) -> String {
    let text = fit(text, columns);
    let pad = " ".repeat(columns.saturating_sub(width(&text)));
    text + &pad
}

/// Writes text at (`x`, `y`), clipped to `area`; returns the column after it.
pub fn put(buf: &mut Buffer, area: Rect, x: u16, y: u16, text: &str, style: Style) -> u16 {
    let area = area.intersection(buf.area);
    if y < area.top() || y >= area.bottom() || x < area.left() || x >= area.right() {
        return x.min(area.right());
    }
    let room = usize::from(area.right() - x);
    let text = cut(text, room);
    if !is_plain(&text) {
        return put_graphemes(buf, area, x, y, &text, style);
    }
    // Most text is ASCII: this is faster than splitting it into graphemes.
    for (x, byte) in (x..).zip(text.bytes()) {
        if let Some(cell) = buf.cell_mut((x, y)) {
            cell.set_char(char::from(byte)).set_style(style);
        }
    }
    x + text.len() as u16
}

/// Writes text of any script that fits into `area`; returns the column after it.
fn put_graphemes(buf: &mut Buffer, area: Rect, mut x: u16, y: u16, text: &str, style: Style) -> u16 {
    for grapheme in text.graphemes(true).filter(|grapheme| !grapheme.contains(char::is_control)) {
        for glyph in glyphs(&simple(grapheme)) {
            let end = x + glyph.width() as u16;
            if end > area.right() {
                return x;
            }
            if end == x {
                continue;
            }
            if let Some(cell) = buf.cell_mut((x, y)) {
                cell.set_symbol(glyph).set_style(style);
            }
            // The cell after a wide glyph shows its right half.
            for hidden in x + 1..end {
                if let Some(cell) = buf.cell_mut((hidden, y)) {
                    cell.reset();
                }
            }
            x = end;
        }
    }
    x
}

/// Fills a rectangle with one glyph.
pub fn fill(buf: &mut Buffer, area: Rect, glyph: char, style: Style) {
    let area = area.intersection(buf.area);
    for y in area.top()..area.bottom() {
        for x in area.left()..area.right() {
            if let Some(cell) = buf.cell_mut((x, y)) {
                cell.reset();
                cell.set_char(glyph).set_style(style);
            }
        }
    }
}

/// Breaks text into lines of at most `columns`, at spaces; where a stretch without a space is longer, as of Chinese,
/// between its words.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        let mut used = 0;
        let words = paragraph.split_inclusive(' ').flat_map(|word| {
            let fits = width(word.trim_end()) <= columns;
            let parts = (!fits).then(|| word.split_word_bounds()).into_iter().flatten();
            fits.then_some(word).into_iter().chain(parts)
        });
        for word in words {
            let w = width(word.trim_end());
            if used + w > columns && used > 0 && !word.trim().is_empty() {
                lines.push(std::mem::take(&mut line).trim_end().to_string());
                used = 0;
            }
            for grapheme in word.graphemes(true) {
                let g = grapheme_width(grapheme);
                if used + g > columns {
                    lines.push(std::mem::take(&mut line).trim_end().to_string());
                    used = 0;
                }
                if !(used == 0 && grapheme == " " && !lines.is_empty()) {
                    line.push_str(grapheme);
                    used += g;
                }
            }
        }
        lines.push(line.trim_end().to_string());
    }
    lines
}

/// Returns the part of a rectangle with the given offset and size, clipped to the rectangle.
pub fn part(area: Rect, x: u16, y: u16, width: u16, height: u16) -> Rect {
    let left = area.left().saturating_add(x).min(area.right());
    let top = area.top().saturating_add(y).min(area.bottom());
    Rect { x: left, y: top, width: width.min(area.right() - left), height: height.min(area.bottom() - top) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cutting_respects_wide_characters() {
        assert_eq!(fit("注意力", 6), "注意力");
        assert_eq!(fit("注意力", 5), "注意…");
        assert_eq!(fit("注意力", 4), "注…");
        assert_eq!(fit("abc", 0), "");
        assert_eq!(["abcd", "注意力"].map(|text| tail(text, 4)), ["abcd", "…力"]);
        assert_eq!((tail("abcde", 4), tail("abc", 0)), ("…cde".into(), String::new()));
        assert_eq!(fit_right("ab", 4), "  ab");
        assert_eq!(width(&fit_left("注", 3)), 3);
    }

    #[test]
    fn emoji_sequences_are_drawn_as_what_all_terminals_measure_alike() {
        for (sequence, drawn) in [
            ("👩‍👩‍👧", "👩"),
            ("🇫🇷", "FR"),
            ("👍🏽", "👍"),
            ("❤️", "❤"),
            ("1️⃣", "1"),
            ("🏴󠁧󠁢󠁳󠁣󠁴󠁿", "🏴"),
            ("é", "é"),
            ("e\u{301}", "e\u{301}"),
            ("क्ष", "क्ष"),
            ("नमस्ते", "नमस्ते"),
            ("한", "한"),
        ] {
            let graphemes: String = sequence.graphemes(true).map(simple).collect();
            assert_eq!(graphemes, drawn);
            let area = Rect::new(0, 0, 8, 1);
            let mut buf = Buffer::empty(area);
            assert_eq!(usize::from(put(&mut buf, area, 0, 0, sequence, Style::new())), width(sequence));
        }
    }

    #[test]
    fn every_character_with_a_width_has_a_cell_of_its_own() {
        let area = Rect::new(0, 0, 8, 1);
        let mut buf = Buffer::empty(area);
        put(&mut buf, area, 0, 0, "नमस्ते注e\u{301}", Style::new());
        let cells: Vec<&str> = (0..8).map(|x| buf[(x, 0)].symbol()).collect();
        assert_eq!(cells, ["न", "म", "स्", "ते", "注", " ", "e\u{301}", " "]);
        assert_eq!(["स्ते", "क्ष", "가", "\u{1100}\u{1161}"].map(grapheme_width), [2, 2, 2, 2]);
    }

    #[test]
    fn wrapping_breaks_at_spaces_and_inside_long_words() {
        assert_eq!(wrap("the children play", 9), ["the", "children", "play"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("", 3), [""]);
        assert_eq!(wrap("注意力", 4), ["注意", "力"]);
        assert_eq!(wrap("one two, three (3-9)", 7), ["one", "two,", "three", "(3-9)"]);
    }
}
