//! Options for files of many sentences.

use std::path::PathBuf;

use clap::Args;
use clap::builder::TypedValueParser;

use super::parsers::named;
use crate::corpus::{ColumnNames, CorpusFiles, CorpusFormat};
use crate::error::{Error, Result};

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
    /// Returns the files; `None` if none is given.
    ///
    /// # Errors
    /// [`Error::Usage`] for an option that says how to read --source-file where there is none: clap requires
    /// nothing of an option whose requirement conflicts with another one, such as --source.
    pub fn files(&self) -> Result<Option<CorpusFiles>> {
        let Some(source) = self.source_file.clone() else {
            let lonely = [
                ("--target-file", self.target_file.is_some()),
                ("--source-column", self.source_column.is_some()),
                ("--target-column", self.target_column.is_some()),
                ("--audio-column", self.audio_column.is_some()),
                ("--image-column", self.image_column.is_some()),
                ("--source-format", self.source_format.is_some()),
            ];
            return match lonely.iter().find(|(_, given)| *given) {
                Some((option, _)) => Err(needs_source_file(option)),
                None => Ok(None),
            };
        };
        Ok(Some(CorpusFiles {
            source,
            target: self.target_file.clone(),
            columns: ColumnNames {
                source: self.source_column.clone(),
                audio: self.audio_column.clone(),
                image: self.image_column.clone(),
                target: self.target_column.clone(),
            },
            format: self.source_format,
        }))
    }
}

/// The error for an option that has a meaning only with --source-file.
pub fn needs_source_file(option: &str) -> Error {
    Error::Usage(format!("{option} needs --source-file FILE"))
}
