//! Labels: what a piece of a vocabulary is shown as.

/// The label of a piece.
pub fn label(piece: &str) -> String {
    piece.replace('▁', " ")
}

/// Whether a piece begins a word.
pub fn starts_word(piece: &str) -> bool {
    piece.starts_with('▁')
}
