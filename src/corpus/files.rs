//! The files of a corpus.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::column_names::ColumnNames;
use super::compressed::ReadShare;
use super::delimited::DelimitedRows;
use super::lines::NumberedLines;
use super::objects;
use super::sentence_pair::{BadRow, CorpusRow, SentencePair};
use crate::columns::{ParquetFile, TextRows};
use crate::error::{Error, Result};

/// Format of a corpus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CorpusFormat {
    /// One sentence a line.
    Text,
    /// A JSON object a line.
    JsonLines,
    /// Tab-separated values with a header line.
    Tsv,
    /// Comma-separated values with a header line.
    Csv,
    /// Parquet.
    Parquet,
}

impl CorpusFormat {
    /// All formats, in the order in which options list them.
    pub const ALL: [CorpusFormat; 5] = [Self::Text, Self::JsonLines, Self::Tsv, Self::Csv, Self::Parquet];

    /// Returns the name used in options.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::JsonLines => "jsonl",
            Self::Tsv => "tsv",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
        }
    }

    /// Returns the format that a file's name tells: that of its extension before `.gz` or `.zst`, or text.
    pub fn of(path: &Path) -> Self {
        let extension = |path: &Path| path.extension().map(|end| end.to_string_lossy().to_lowercase());
        let end = match extension(path).as_deref() {
            Some("gz" | "zst") => extension(&path.with_extension("")),
            _ => extension(path),
        };
        match end.as_deref() {
            Some("jsonl" | "ndjson") => Self::JsonLines,
            Some("tsv") => Self::Tsv,
            Some("csv") => Self::Csv,
            Some("parquet") => Self::Parquet,
            _ => Self::Text,
        }
    }
}

impl FromStr for CorpusFormat {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let found = Self::ALL.into_iter().find(|format| format.name() == text);
        found.ok_or_else(|| format!("'{text}' is not one of {}", Self::ALL.map(Self::name).join(", ")))
    }
}

/// The files of a corpus and how they are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CorpusFiles {
    /// File of the sources; `-` is standard input.
    pub source: PathBuf,
    /// File of the targets, one line for each line of the sources.
    pub target: Option<PathBuf>,
    /// Names of the columns.
    pub columns: ColumnNames,
    /// Format of the sources; `None` to tell it from the name.
    pub format: Option<CorpusFormat>,
}

/// Reader of a corpus, row by row. It ends at the first error.
pub struct Corpus {
    rows: RowReader,
    /// True after an error.
    failed: bool,
    /// Number of the next row.
    next: u64,
    path: PathBuf,
}

enum RowReader {
    Lines {
        sources: NumberedLines,
        targets: Option<NumberedLines>,
    },
    Objects(NumberedLines, ColumnNames),
    Delimited(DelimitedRows),
    /// Columns of texts, of which the first holds sources, or paths of files.
    Columns {
        rows: TextRows,
        sources: SourceColumn,
        share: ReadShare,
    },
}

/// Content of the column of sources.
#[derive(Clone, Copy)]
enum SourceColumn {
    Texts,
    Recordings,
    Pictures,
}

/// A row, or the reason why it is none.
type ReadPair = std::result::Result<SentencePair, BadRow>;

impl CorpusFiles {
    /// Opens the files.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::BadFile`] if a column is missing; [`Error::Usage`] if there are targets apart
    /// from a file with columns, or columns are numbered, but none of the sources.
    pub fn open(&self) -> Result<Corpus> {
        let format = self.format.unwrap_or_else(|| CorpusFormat::of(&self.source));
        if format != CorpusFormat::Text && self.target.is_some() {
            let name = format.name();
            return Err(Error::Usage(format!("a .{name} file has its own targets: leave out --target-file")));
        }
        if format == CorpusFormat::Text && self.columns != ColumnNames::default() {
            return Err(Error::Usage("lines of text have no columns: give --source-format".into()));
        }
        let lines = || NumberedLines::open(&self.source);
        let rows = match format {
            CorpusFormat::Text => RowReader::Lines {
                sources: lines()?,
                targets: self.target.as_deref().map(NumberedLines::open).transpose()?,
            },
            CorpusFormat::JsonLines => RowReader::Objects(lines()?, self.columns.clone()),
            CorpusFormat::Tsv => RowReader::Delimited(DelimitedRows::new(lines()?, false, &self.columns)?),
            CorpusFormat::Csv => RowReader::Delimited(DelimitedRows::new(lines()?, true, &self.columns)?),
            CorpusFormat::Parquet => self.columns_of(ParquetFile::open(&self.source)?)?,
        };
        Ok(Corpus { rows, failed: false, next: 0, path: self.source.clone() })
    }

    fn columns_of(&self, file: ParquetFile) -> Result<RowReader> {
        let there = file.names();
        let [source, audio, image, target] = self.columns.all();
        let has = |name: &str| there.iter().any(|found| found == name);
        let takes = |given: &Option<String>, name: &str| given.is_some() || (!has(source) && has(name));
        let (sources, name) = match (takes(&self.columns.audio, audio), takes(&self.columns.image, image)) {
            (true, _) => (SourceColumn::Recordings, audio),
            (false, true) => (SourceColumn::Pictures, image),
            (false, false) => (SourceColumn::Texts, source),
        };
        let mut names = vec![name];
        if self.columns.target.is_some() || has(target) {
            names.push(target);
        }
        let share = ReadShare::of_rows(file.rows());
        Ok(RowReader::Columns { rows: TextRows::new(file, &names)?, sources, share })
    }
}

impl Corpus {
    /// Path of the sources.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The share of the corpus that was read, as it grows.
    pub fn share(&self) -> ReadShare {
        match &self.rows {
            RowReader::Lines { sources, .. } => sources.share(),
            RowReader::Objects(lines, _) => lines.share(),
            RowReader::Delimited(rows) => rows.lines.share(),
            RowReader::Columns { share, .. } => share.clone(),
        }
    }

    /// Returns the notes for the user since the last call, such as on a byte order mark.
    pub fn take_notes(&mut self) -> Vec<String> {
        match &mut self.rows {
            RowReader::Lines { sources, targets } => {
                let mut notes = sources.take_notes();
                notes.extend(targets.iter_mut().flat_map(NumberedLines::take_notes));
                notes
            }
            RowReader::Objects(lines, _) => lines.take_notes(),
            RowReader::Delimited(rows) => rows.lines.take_notes(),
            RowReader::Columns { .. } => Vec::new(),
        }
    }

    fn pair(&mut self) -> Result<Option<ReadPair>> {
        match &mut self.rows {
            RowReader::Lines { sources, targets } => line(sources, targets.as_mut()),
            RowReader::Objects(lines, names) => {
                let Some(line) = lines.read()? else { return Ok(None) };
                Ok(Some(match line {
                    Ok(line) if line.trim().is_empty() => Err(BadRow::Blank),
                    line => line
                        .and_then(|line| objects::pair(&line, names))
                        .map_err(|why| BadRow::Invalid { place: lines.place(), why }),
                }))
            }
            RowReader::Delimited(rows) => rows.read(),
            RowReader::Columns { rows, sources, share } => {
                let Some(texts) = rows.next().transpose()? else { return Ok(None) };
                share.add_row();
                let mut texts = texts.into_iter();
                let source = texts.next().flatten().unwrap_or_default();
                // A missing target is a blank one: none is generated among given ones.
                let target = texts.next().map(Option::unwrap_or_default);
                let pair = SentencePair { target, ..SentencePair::default() };
                Ok(Some(Ok(match sources {
                    SourceColumn::Texts => SentencePair { source, ..pair },
                    SourceColumn::Recordings => SentencePair { audio: Some(source.into()), ..pair },
                    SourceColumn::Pictures => SentencePair { image: Some(source.into()), ..pair },
                })))
            }
        }
    }
}

/// Reads a line of each file.
fn line(sources: &mut NumberedLines, targets: Option<&mut NumberedLines>) -> Result<Option<ReadPair>> {
    let source = sources.read()?;
    let invalid = |lines: &NumberedLines, why: String| BadRow::Invalid { place: lines.place(), why };
    let target = match targets {
        None => None,
        Some(targets) => match (targets.read()?, source.is_some()) {
            (Some(target), true) => Some(target.map_err(|why| invalid(targets, why))),
            (None, true) => return Err(targets.error("there are fewer targets than sources")),
            (Some(_), false) => return Err(targets.error("there are more targets than sources")),
            (None, false) => None,
        },
    };
    let Some(source) = source else { return Ok(None) };
    let source = source.map_err(|why| invalid(sources, why));
    Ok(Some(source.and_then(|source| {
        Ok(SentencePair { source, target: target.transpose()?, ..SentencePair::default() })
    })))
}

impl Iterator for Corpus {
    type Item = Result<CorpusRow>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let pair = match self.pair().transpose()? {
            Ok(Ok(pair)) if pair.is_blank() => Err(BadRow::Blank),
            Ok(pair) => pair,
            Err(error) => {
                self.failed = true;
                return Some(Err(error));
            }
        };
        let row = self.next;
        self.next += 1;
        Some(Ok(CorpusRow { row, pair }))
    }
}
