//! Words in a sequence of tokens.

use std::ops::Range;

use crate::axis::AxisItem;
use crate::text::label;

/// Returns the label of the token at a position, or an empty string beyond the end.
pub(super) fn label_at(tokens: &[AxisItem], position: usize) -> String {
    tokens.get(position).map(|token| label(&token.piece)).unwrap_or_default()
}

/// Returns the positions of the tokens that spell a word, at its last occurrence.
pub(super) fn find_word(tokens: &[AxisItem], word: &str) -> Option<Range<usize>> {
    let spelt_from = |start: usize| {
        let mut text = String::new();
        for (end, token) in tokens.iter().enumerate().skip(start) {
            text.push_str(&label(&token.piece));
            if text == word {
                return Some(start..end + 1);
            }
            if !word.starts_with(&text) {
                return None;
            }
        }
        None
    };
    (0..tokens.len()).rev().find_map(spelt_from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_across_their_tokens() {
        let pieces = ["▁fat", "ig", "uée", "▁et", "▁fat", "ig", "ué", "."];
        let tokens: Vec<AxisItem> = pieces.iter().map(|piece| AxisItem::token(0, *piece, false)).collect();
        assert_eq!(find_word(&tokens, "fatiguée"), Some(0..3));
        assert_eq!(find_word(&tokens, "fatigué"), Some(4..7));
        assert_eq!(find_word(&tokens, "et"), Some(3..4));
        assert_eq!(find_word(&tokens, "fat"), Some(4..5));
        assert_eq!(find_word(&tokens, "chat"), None);
    }
}
