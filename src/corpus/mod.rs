//! Corpora: sentences, or pairs of them, in files of several formats, read row by row.

mod compressed;
mod delimited;
mod files;
mod lines;
mod objects;
mod sentence_pair;

pub use compressed::ReadShare;
pub use files::{ColumnNames, Corpus, CorpusFiles, CorpusFormat};
pub use lines::NumberedLines;
pub use sentence_pair::{BadRow, CorpusRow, SentencePair};
