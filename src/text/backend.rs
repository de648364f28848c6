//! The interface that every tokenizer implements.

use crate::error::{Error, Result};
use crate::panics;

/// A tokenizer of one language side: text to ids and back.
pub(crate) trait Backend: Send + Sync {
    /// Returns the ids of a text, surrounded by special tokens if `add_special_tokens` is set.
    fn encode(&self, text: &str, add_special_tokens: bool) -> Result<Vec<u32>>;
    /// Returns the piece with that id, spelled as in the vocabulary.
    fn piece(&self, id: u32) -> Option<String>;
    /// Returns the id of a piece.
    fn id(&self, piece: &str) -> Option<u32>;
    /// Returns true for special tokens (end, start, padding, language tags), but not for the unknown token.
    fn is_special(&self, id: u32) -> bool;
    /// Returns the text of ids, skipping special tokens.
    fn decode(&self, ids: &[u32]) -> String;
}

/// Wraps an error of the `tokenizers` or `regex` crate.
pub(crate) fn tokenizer_error(error: impl std::fmt::Display) -> Error {
    Error::Tokenizer(error.to_string())
}

/// Calls into the `tokenizers` crate, which panics on some broken files.
///
/// # Errors
/// [`Error::Tokenizer`] in place of a panic, and the errors of `call`.
pub(crate) fn guarded<T>(call: impl FnOnce() -> Result<T>) -> Result<T> {
    let broken = |why: String| Err(Error::Tokenizer(format!("the tokenizer's files are broken: {why}")));
    panics::catch(call).unwrap_or_else(broken)
}

/// Removes the spaces before punctuation and English contractions, as transformers' `clean_up_tokenization`
/// does.
pub(crate) fn clean_up(text: &str) -> String {
    const SPACED: [(&str, &str); 10] = [
        (" .", "."),
        (" ?", "?"),
        (" !", "!"),
        (" ,", ","),
        (" ' ", "'"),
        (" n't", "n't"),
        (" 'm", "'m"),
        (" 's", "'s"),
        (" 've", "'ve"),
        (" 're", "'re"),
    ];
    SPACED.iter().fold(text.to_string(), |text, (from, to)| text.replace(from, to))
}
