//! Rows of a corpus.

use std::fmt;
use std::path::PathBuf;

/// A source and its target.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SentencePair {
    /// The encoder's text; empty for a recording or a picture.
    pub source: String,
    /// The recording of a speech model.
    pub audio: Option<PathBuf>,
    /// The picture of a vision model.
    pub image: Option<PathBuf>,
    /// The decoder's text; `None` to generate it.
    pub target: Option<String>,
}

/// A row of a corpus.
#[derive(Clone, Debug, PartialEq)]
pub struct CorpusRow {
    /// Number of the row in its file, from 0.
    pub row: u64,
    /// The sentences, or the reason why they cannot be used.
    pub pair: Result<SentencePair, BadRow>,
}

/// The reason why a row of a corpus cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadRow {
    /// The source or the target has no text.
    Blank,
    /// The row cannot be read.
    Invalid {
        /// The file and the line.
        place: String,
        /// Reason.
        why: String,
    },
}

impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blank => f.write_str("the source or the target is blank"),
            Self::Invalid { why, .. } => f.write_str(why),
        }
    }
}

impl SentencePair {
    /// Returns true if the source or a given target has no text.
    pub fn is_blank(&self) -> bool {
        let is_blank = |text: &str| text.trim().is_empty();
        let is_file = self.audio.is_some() || self.image.is_some();
        (is_blank(&self.source) && !is_file) || self.target.as_deref().is_some_and(is_blank)
    }
}
