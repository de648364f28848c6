//! Corpora: sentences, or pairs of them, in files of several formats, read row by row.

mod column_names;
mod compressed;
mod delimited;
mod files;
mod lines;
mod objects;
mod sentence_pair;

pub use column_names::ColumnNames;
pub use compressed::ReadShare;
pub use files::{Corpus, CorpusFiles, CorpusFormat};
pub use lines::NumberedLines;
pub use sentence_pair::{BadRow, CorpusRow, SentencePair};
