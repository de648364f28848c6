//! Right-to-left text and Arabic shaping for short labels in PNG pictures.
//!
//! This is a small part of the Unicode bidirectional algorithm: runs of right-to-left letters are reversed,
//! while numbers and brackets within them keep their order. Arabic letters take their joined forms. Combining
//! marks follow their letter.

/// Arabic letters from U+0621 to U+064A: letter, code of its isolated form, number of forms.
///
/// The forms follow one another in the order isolated, final, initial, medial.
const LETTERS: [(char, u32, u8); 36] = [
    ('\u{621}', 0xFE80, 1),
    ('\u{622}', 0xFE81, 2),
    ('\u{623}', 0xFE83, 2),
    ('\u{624}', 0xFE85, 2),
    ('\u{625}', 0xFE87, 2),
    ('\u{626}', 0xFE89, 4),
    ('\u{627}', 0xFE8D, 2),
    ('\u{628}', 0xFE8F, 4),
    ('\u{629}', 0xFE93, 2),
    ('\u{62A}', 0xFE95, 4),
    ('\u{62B}', 0xFE99, 4),
    ('\u{62C}', 0xFE9D, 4),
    ('\u{62D}', 0xFEA1, 4),
    ('\u{62E}', 0xFEA5, 4),
    ('\u{62F}', 0xFEA9, 2),
    ('\u{630}', 0xFEAB, 2),
    ('\u{631}', 0xFEAD, 2),
    ('\u{632}', 0xFEAF, 2),
    ('\u{633}', 0xFEB1, 4),
    ('\u{634}', 0xFEB5, 4),
    ('\u{635}', 0xFEB9, 4),
    ('\u{636}', 0xFEBD, 4),
    ('\u{637}', 0xFEC1, 4),
    ('\u{638}', 0xFEC5, 4),
    ('\u{639}', 0xFEC9, 4),
    ('\u{63A}', 0xFECD, 4),
    ('\u{641}', 0xFED1, 4),
    ('\u{642}', 0xFED5, 4),
    ('\u{643}', 0xFED9, 4),
    ('\u{644}', 0xFEDD, 4),
    ('\u{645}', 0xFEE1, 4),
    ('\u{646}', 0xFEE5, 4),
    ('\u{647}', 0xFEE9, 4),
    ('\u{648}', 0xFEED, 2),
    ('\u{649}', 0xFEEF, 2),
    ('\u{64A}', 0xFEF1, 4),
];

/// Further letters of Persian and Urdu, as in [`LETTERS`].
const MORE: [(char, u32, u8); 6] = [
    ('\u{67E}', 0xFB56, 4),
    ('\u{686}', 0xFB7A, 4),
    ('\u{698}', 0xFB8A, 2),
    ('\u{6A9}', 0xFB8E, 4),
    ('\u{6AF}', 0xFB92, 4),
    ('\u{6CC}', 0xFBFC, 4),
];

/// Ligatures of lam with a following alef: the alef, the isolated form. The final form is the next code.
const LAM_ALEF: [(char, u32); 4] =
    [('\u{622}', 0xFEF5), ('\u{623}', 0xFEF7), ('\u{625}', 0xFEF9), ('\u{627}', 0xFEFB)];
const LAM: char = '\u{644}';

/// Returns the characters of a line in visual order, from left to right, with Arabic letters in their joined
/// forms.
pub fn visual(text: &str) -> Vec<char> {
    let characters: Vec<char> = text.chars().collect();
    let mut out = Vec::with_capacity(characters.len());
    let mut at = 0;
    while at < characters.len() {
        let rest = &characters[at..];
        let run = right_to_left_run(rest);
        if run == 0 {
            out.push(characters[at]);
            at += 1;
        } else {
            out.extend(joined(&rest[..run]).into_iter().rev());
            at += run;
        }
    }
    out
}

/// Keeps the two sides of `a → b` in place in viewers that reorder right-to-left text themselves, by putting
/// left-to-right marks around the arrow. Without them the arrow would point from `b` to `a`.
pub fn in_order(label: &str) -> String {
    if label.chars().any(is_right_to_left) {
        label.replace(" → ", "\u{200E} → \u{200E}")
    } else {
        label.into()
    }
}

/// Returns the length of the right-to-left run at the beginning, including spaces and marks between its
/// words.
fn right_to_left_run(characters: &[char]) -> usize {
    let mut run = 0;
    for (at, &character) in characters.iter().enumerate() {
        if is_right_to_left(character) {
            run = at + 1;
        } else if run == 0 || !(character == ' ' || is_mark(character)) {
            break;
        }
    }
    run
}

fn is_right_to_left(character: char) -> bool {
    // Arabic digits are written from left to right.
    matches!(character, '\u{5D0}'..='\u{5F4}' | '\u{608}'..='\u{65F}' | '\u{66A}'..='\u{6EF}' | '\u{6FA}'..='\u{77F}')
}

fn is_mark(character: char) -> bool {
    matches!(character, '\u{591}'..='\u{5C7}' | '\u{610}'..='\u{61A}' | '\u{64B}'..='\u{65F}' | '\u{670}')
}

fn forms(character: char) -> Option<(u32, u8)> {
    let all = LETTERS.iter().chain(&MORE);
    all.clone().find(|(letter, _, _)| *letter == character).map(|&(_, first, count)| (first, count))
}

/// Replaces the Arabic letters of a run by their joined forms; the run stays in reading order.
fn joined(run: &[char]) -> Vec<char> {
    let mut out = Vec::with_capacity(run.len());
    // True if the previous letter joins the next one.
    let mut before = false;
    let mut at = 0;
    while let Some(&character) = run.get(at) {
        at += 1;
        if is_mark(character) {
            out.push(character);
            continue;
        }
        let Some((first, count)) = forms(character) else {
            before = character == '\u{640}';
            out.push(character);
            continue;
        };
        let after = run[at..].iter().copied().find(|&next| !is_mark(next));
        let ligature = LAM_ALEF
            .iter()
            .find(|(alef, _)| character == LAM && run.get(at) == Some(alef))
            .map(|&(_, sign)| sign);
        if let Some(sign) = ligature {
            out.extend(char::from_u32(sign + u32::from(before)));
            before = false;
            at += 1;
            continue;
        }
        let joins_after = count == 4
            && after.is_some_and(|next| next == '\u{640}' || forms(next).is_some_and(|(_, n)| n > 1));
        let joins_before = before && count > 1;
        let form = match (joins_before, joins_after) {
            (false, false) => 0,
            (true, false) => 1,
            (false, true) => 2,
            (true, true) => 3,
        };
        out.extend(char::from_u32(first + form));
        before = joins_after;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(text: &str) -> String {
        visual(text).into_iter().collect()
    }

    #[test]
    fn left_to_right_text_stays() {
        assert_eq!(drawn("Les élèves → 你好 12"), "Les élèves → 你好 12");
    }

    #[test]
    fn arabic_joins_and_turns_round() {
        // kitab: kaf at the beginning, teh in the middle, alef at the end, beh alone.
        assert_eq!(drawn("كتاب"), "\u{FE8F}\u{FE8E}\u{FE98}\u{FEDB}");
        // la is one sign; behind a letter that joins, in its second form.
        assert_eq!(drawn("لا"), "\u{FEFB}");
        assert_eq!(drawn("بلا"), "\u{FEFC}\u{FE91}");
        assert_eq!(drawn("a → على"), "a → \u{FEF0}\u{FEE0}\u{FECB}");
    }

    #[test]
    fn arrows_keep_their_sides() {
        assert_eq!(in_order("של → ום"), "של\u{200E} → \u{200E}ום");
        assert_eq!(in_order("a → b"), "a → b");
    }

    #[test]
    fn hebrew_turns_round_as_one_run() {
        assert_eq!(drawn("שלום עולם!"), "םלוע םולש!");
    }

    #[test]
    fn the_built_in_font_has_every_form() {
        let fonts = crate::export::font::Fonts::built_in().unwrap();
        let all = LETTERS.iter().chain(&MORE).flat_map(|&(_, first, count)| first..first + u32::from(count));
        let all = all.chain(LAM_ALEF.iter().flat_map(|&(_, sign)| sign..sign + 2));
        let text: String = all.filter_map(char::from_u32).collect();
        assert_eq!(fonts.missing(&text), []);
    }
}
