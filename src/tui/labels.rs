//! What a token looks like on an axis and in running text.

use crate::token::Token;

/// The label of a token on an axis: its text without the tokenizer's space marker, every character visible.
pub fn label(token: &Token) -> String {
    let text = token.piece.trim_start_matches(['▁', 'Ġ']);
    if text.is_empty() { "␣".into() } else { visible(text) }
}

/// Whether the token starts a word, and its text in a running line.
pub fn surface(token: &Token) -> (bool, String) {
    let starts = token.special || token.piece.starts_with(['▁', 'Ġ']);
    (starts, label(token))
}

/// The text with every control and zero-width character replaced by something that shows.
pub fn visible(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' => '⏎',
            '\t' => '⇥',
            ' ' => '␣',
            '\u{7f}' => '␡',
            c if (c as u32) < 0x20 => char::from_u32(0x2400 + c as u32).unwrap_or('␣'),
            c if c.is_control() => '␦',
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => '∅',
            c => c,
        })
        .collect()
}
