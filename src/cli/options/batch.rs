//! Options for files of many sentences.

use std::path::PathBuf;

use clap::Args;
use clap::builder::TypedValueParser;

use super::parsers::named;
use crate::corpus::{ColumnNames, CorpusFiles, CorpusFormat};

/// Files of many sentences.
#[derive(Args)]
pub struct BatchArgs {
    /// Run every line of a file (`-` reads standard input): text, or by its extension .jsonl, .tsv, .csv or
    /// .parquet with the fields or columns `source`, `audio` or `image`, and, optionally, `target`.
    /// It may be compressed (.gz, .zst).
    #[arg(long, value_name = "FILE", conflicts_with_all = ["source", "target", "audio", "image"],
          help_heading = "Text")]
    pub source_file: Option<PathBuf>,
    /// Targets, one line for each line of --source-file; generated if absent.
    #[arg(long, value_name = "FILE", requires = "source_file", help_heading = "Text")]
    pub target_file: Option<PathBuf>,
    /// Column or field of the sources; `translation.en` leads into a nested one. In .tsv and .csv files without a
    /// header line the number of the column, from 1.
    #[arg(long, value_name = "NAME", requires = "source_file", help_heading = "Text")]
    source_column: Option<String>,
    /// Column or field of the targets, given in the same way.
    #[arg(long, value_name = "NAME", requires = "source_file", help_heading = "Text")]
    target_column: Option<String>,
    /// Column or field of the paths of recordings, given in the same way.
    #[arg(long, value_name = "NAME", requires = "source_file", help_heading = "Text")]
    audio_column: Option<String>,
    /// Column or field of the paths of pictures, given in the same way.
    #[arg(long, value_name = "NAME", requires = "source_file", help_heading = "Text")]
    image_column: Option<String>,
    /// Format of --source-file, whatever its extension.
    #[arg(long, value_name = "FORMAT", requires = "source_file", help_heading = "Text",
          value_parser = formats())]
    source_format: Option<CorpusFormat>,
}

fn formats() -> impl TypedValueParser<Value = CorpusFormat> {
    named(CorpusFormat::ALL.map(CorpusFormat::name))
}

impl BatchArgs {
    /// The files; `None` if none is given.
    pub fn files(&self) -> Option<CorpusFiles> {
        Some(CorpusFiles {
            source: self.source_file.clone()?,
            target: self.target_file.clone(),
            columns: ColumnNames {
                source: self.source_column.clone(),
                audio: self.audio_column.clone(),
                image: self.image_column.clone(),
                target: self.target_column.clone(),
            },
            format: self.source_format,
        })
    }
}
