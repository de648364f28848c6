//! Runs of many sentences, which are read line by line and run several at a time.

use std::cell::RefCell;
use std::collections::VecDeque;

use super::context::Context;
use super::options::{BatchArgs, InputArgs, RunExtras, TextArgs, WeightsArgs};
use super::status::StatusLine;
use super::{input, output};
use crate::axis::Medium;
use crate::capture::Capture;
use crate::config::Settings;
use crate::corpus::{BadRow, Corpus, CorpusFiles, SentencePair};
use crate::engine::{ModelInfo, RunOptions, Session};
use crate::error::{Error, Result};

/// The engine's options for a run of `session` on a pair.
///
/// # Errors
/// [`Error::Usage`] for a model that sees and a pair with another source; those of [`TextArgs::options`].
pub fn run_options(
    session: &Session,
    pair: SentencePair,
    text: &TextArgs,
    extras: RunExtras,
    settings: &Settings,
) -> Result<RunOptions> {
    let info = session.info();
    let other = match &pair.audio {
        Some(path) => path.display().to_string(),
        None => beginning(&pair.source),
    };
    if info.medium == Medium::Picture && pair.image.is_none() && !other.trim().is_empty() {
        return Err(Error::Usage(format!(
            "{} sees: every line needs a picture (field or column `image`), and \"{other}\" has none",
            info.name
        )));
    }
    let mut options = text.options(pair.source, extras, settings)?;
    options.audio = pair.audio.map(|path| text.audio.of(path)).or(options.audio);
    options.image = pair.image.map(|path| text.image.of(path)).or(options.image);
    options.target = pair.target.or(options.target);
    Ok(options)
}

/// Reader of `--source-file` and `--target-file`, for commands with a row for each line.
pub struct SentencePairs {
    corpus: Corpus,
    /// Numbers of the lines without a source or a target, from 1.
    blank: Vec<u64>,
}

/// Opens the files of sentences; `None` if none is given.
///
/// # Errors
/// Those of [`CorpusFiles::open`]; [`Error::Usage`] for options without a file.
pub fn pairs(args: &BatchArgs) -> Result<Option<SentencePairs>> {
    args.files()?.map(|files| SentencePairs::open(&files)).transpose()
}

impl SentencePairs {
    /// Opens the files of sentences.
    ///
    /// # Errors
    /// Those of [`CorpusFiles::open`]; [`Error::Usage`] for options without a file.
    pub fn open(files: &CorpusFiles) -> Result<Self> {
        Ok(Self { corpus: files.open()?, blank: Vec::new() })
    }

    /// Tells the user which lines were blank, if any.
    pub fn note_blank_lines(&self) {
        const LISTED: usize = 10;
        let Some(path) = self.corpus.path().to_str().filter(|_| !self.blank.is_empty()) else { return };
        let numbers: Vec<_> = self.blank.iter().take(LISTED).map(u64::to_string).collect();
        let more = if self.blank.len() > LISTED { ", ..." } else { "" };
        let lines = if self.blank.len() == 1 { "line" } else { "lines" };
        output::note(&format!(
            "blank {lines} in {path}, with an empty row each: {}{more}",
            numbers.join(", ")
        ));
    }
}

impl Iterator for SentencePairs {
    type Item = Result<Option<SentencePair>>;

    /// Returns the next pair, or `None` for a blank line. Any other line that cannot be read is an error.
    fn next(&mut self) -> Option<Self::Item> {
        let row = self.corpus.next()?;
        self.corpus.take_notes().iter().for_each(|note| output::note(note));
        Some(row.and_then(|row| match row.pair {
            Ok(pair) => Ok(Some(pair)),
            Err(BadRow::Blank) => {
                self.blank.push(row.row + 1);
                Ok(None)
            }
            Err(BadRow::Invalid { place, why }) => Err(Error::BadFile { file: place, why }),
        }))
    }
}

/// The first characters of a text, for error messages.
fn beginning(text: &str) -> String {
    const LENGTH: usize = 40;
    let start: String = text.chars().take(LENGTH).collect();
    if text.chars().count() > LENGTH { start + "…" } else { start }
}

/// An opened model that runs sentences.
pub struct Runner<'a> {
    /// Settings and terminal.
    pub context: &'a Context,
    input: &'a InputArgs,
    weights: WeightsArgs,
    extras: RunExtras,
    session: Box<Session>,
    watch: StatusLine,
}

impl<'a> Runner<'a> {
    /// Opens the model.
    ///
    /// # Errors
    /// Those of the engine; [`Error::Usage`] for a capture file.
    pub fn open(input: &'a InputArgs, weights: WeightsArgs, context: &'a Context) -> Result<Self> {
        let watch = context.status_line();
        let session = input::session(input, "--source-file needs", &watch, context)?;
        Ok(Self { context, input, weights, extras: weights.extras(), session, watch })
    }

    /// The same runner for runs that keep `extras`.
    pub fn keeping(self, extras: RunExtras) -> Self {
        Self { extras, ..self }
    }

    /// Returns the model's description.
    pub fn info(&self) -> &ModelInfo {
        self.session.info()
    }

    /// Returns the opened model.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Runs sentences, several at a time. Calls `each` for every line in order, with its capture or `None`
    /// if it is blank. A line that cannot be read or run ends the runs after the lines before it.
    ///
    /// # Errors
    /// Those of the engine, of the lines, and of `each`.
    pub fn run_each(
        &self,
        lines: impl Iterator<Item = Result<Option<SentencePair>>>,
        mut each: impl FnMut(Option<Capture>) -> Result<()>,
    ) -> Result<()> {
        // Lines that are read and not passed on, and the error that ended reading.
        let waiting = RefCell::new(VecDeque::new());
        let mut failed = None;
        let mut noted = false;
        let lines = lines.map(|line| {
            let pair = line?;
            let options = pair.clone().map(|pair| self.options(pair)).transpose()?;
            Ok((pair, options))
        });
        let runs = lines.map_while(|line| match line {
            Ok((pair, options)) => {
                waiting.borrow_mut().push_back(pair);
                Some(options)
            }
            Err(error) => {
                failed = Some(error);
                None
            }
        });
        let runs = runs.flatten();
        self.session.run_many(runs, &self.watch, |_, capture| {
            loop {
                let Some(line) = waiting.borrow_mut().pop_front() else { return Ok(()) };
                let Some(pair) = line else {
                    each(None)?;
                    continue;
                };
                let capture = capture.map_err(|error| in_sentence(error, &pair))?;
                if pair.target.is_none() && !std::mem::replace(&mut noted, true) {
                    input::note_generation(&self.session, &capture);
                }
                return each(Some(input::weighted(capture, self.weights)?));
            }
        })?;
        // Blank lines at the end.
        waiting.into_inner().into_iter().try_for_each(|_| each(None))?;
        failed.map_or(Ok(()), Err)
    }

    fn options(&self, pair: SentencePair) -> Result<RunOptions> {
        let (text, settings) = (&self.input.text, &self.context.settings);
        run_options(&self.session, pair, text, self.extras.clone(), settings)
    }
}

/// Adds the beginning of its source to the error of a sentence.
pub fn in_sentence(error: Error, pair: &SentencePair) -> Error {
    match error {
        Error::Text(why) => Error::Text(format!("{why} (in \"{}\")", beginning(&pair.source))),
        error => error,
    }
}
