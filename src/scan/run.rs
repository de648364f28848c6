//! Runs of the rows of a corpus, many at a time.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::PathBuf;

use super::measures::SentenceMeasures;
use super::options::ScanOptions;
use crate::capture::Capture;
use crate::corpus::{CorpusRow, SentencePair};
use crate::engine::{AudioOptions, ImageOptions, RunOptions, Session};
use crate::error::{Error, Result};
use crate::progress::{Progress, Watch};

/// A row of a corpus with its measures.
#[derive(Clone, Debug)]
pub struct ScannedRow {
    /// Number of the row in its file, from 0.
    pub row: u64,
    /// File of a recording or a picture.
    pub media: Option<PathBuf>,
    /// True if the target was generated.
    pub generated: bool,
    /// The measures, or the reason why there are none.
    pub outcome: std::result::Result<Box<SentenceMeasures>, String>,
}

/// A row that waits for its capture, or that has none.
struct WaitingRow {
    row: u64,
    media: Option<PathBuf>,
    generated: bool,
    bad: Option<String>,
}

/// Runs the model on the rows of a corpus, many at a time, and measures each. `each` receives every row in
/// order, rows that cannot be read or run too; its error ends the scan. `run` has the options of all runs, such
/// as the languages. Nothing is reported to `watch`, which may cancel.
///
/// # Errors
/// [`Error::Cancelled`]; errors of the files, of the model, and of `each`.
pub fn measure_each(
    session: &Session,
    rows: impl Iterator<Item = Result<CorpusRow>>,
    run: &RunOptions,
    options: &ScanOptions,
    watch: &dyn Watch,
    mut each: impl FnMut(ScannedRow) -> Result<()>,
) -> Result<()> {
    let waiting: RefCell<VecDeque<WaitingRow>> = RefCell::default();
    let mut failed = None;
    let rows = rows.map_while(|row| row.map_err(|error| failed = Some(error)).ok());
    let runs = rows.filter_map(|CorpusRow { row, pair }| {
        let wait = |row| waiting.borrow_mut().push_back(row);
        match pair {
            Ok(pair) => {
                let media = pair.audio.clone().or_else(|| pair.image.clone());
                wait(WaitingRow { row, media, generated: pair.target.is_none(), bad: None });
                Some(options.run(with_texts(run, pair)))
            }
            Err(bad) => {
                wait(WaitingRow { row, media: None, generated: false, bad: Some(bad.to_string()) });
                None
            }
        }
    });
    let bad_row = |WaitingRow { row, media, generated, bad }: WaitingRow| ScannedRow {
        row,
        media,
        generated,
        outcome: Err(bad.unwrap_or_default()),
    };
    let measure = |capture: Capture| SentenceMeasures::of(&capture, options).map(Box::new);
    session.measure_many(runs, &Silent(watch), measure, |_, measured| {
        loop {
            let Some(next) = waiting.borrow_mut().pop_front() else { return Ok(()) };
            if next.bad.is_some() {
                each(bad_row(next))?;
                continue;
            }
            let outcome = match measured {
                Ok(measures) => Ok(measures),
                Err(error) if is_of_the_row(&error) => Err(error.to_string()),
                Err(error) => return Err(error),
            };
            let WaitingRow { row, media, generated, .. } = next;
            return each(ScannedRow { row, media, generated, outcome });
        }
    })?;
    // Rows at the end that cannot be run.
    waiting.into_inner().into_iter().map(bad_row).try_for_each(each)?;
    failed.map_or(Ok(()), Err)
}

/// Returns true for an error that says nothing of other rows.
fn is_of_the_row(error: &Error) -> bool {
    matches!(
        error,
        Error::Text(_)
            | Error::Audio(_)
            | Error::Picture(_)
            | Error::OutsideVocabulary { .. }
            | Error::Io { .. }
            | Error::BadFile { .. }
    )
}

/// The options of the run on a pair.
fn with_texts(run: &RunOptions, pair: SentencePair) -> RunOptions {
    let audio = pair.audio.map(|path| AudioOptions { path, ..run.audio.clone().unwrap_or_default() });
    let image = pair.image.map(|path| ImageOptions { path, ..run.image.clone().unwrap_or_default() });
    RunOptions { source: pair.source, audio, image, target: pair.target, ..run.clone() }
}

/// Cancels when another watch does, and reports nothing.
struct Silent<'a>(&'a dyn Watch);

impl Watch for Silent<'_> {
    fn progress(&self, _: Progress) {}

    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }
}
