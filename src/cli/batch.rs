//! Runs of many sentences, which are read line by line and run one by one.

use std::cell::Cell;
use std::fs::File;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::context::Context;
use super::input;
use super::options::{BatchArgs, InputArgs, WeightsArgs};
use super::status::StatusLine;
use crate::capture::Capture;
use crate::engine::Session;
use crate::error::{Error, Result};

/// A source and its target.
#[derive(Clone, Debug, PartialEq)]
pub struct SentencePair {
    /// The encoder's text.
    pub source: String,
    /// The decoder's text; `None` to generate it.
    pub target: Option<String>,
}

/// Reader of `--source-file` and `--target-file`.
pub struct SentencePairs {
    sources: NumberedLines,
    targets: Option<NumberedLines>,
    objects: bool,
}

/// Opens the files of sentences; `None` if none is given.
///
/// # Errors
/// [`Error::Io`] if a file cannot be opened; [`Error::Usage`] if there are targets for a .jsonl file.
pub fn pairs(args: &BatchArgs) -> Result<Option<SentencePairs>> {
    let Some(path) = &args.source_file else { return Ok(None) };
    let objects = path.extension().is_some_and(|ext| ext == "jsonl");
    if objects && args.target_file.is_some() {
        return Err(Error::Usage("a .jsonl file has its own targets: leave out --target-file".into()));
    }
    let targets = args.target_file.as_deref().map(NumberedLines::open).transpose()?;
    Ok(Some(SentencePairs { sources: NumberedLines::open(path)?, targets, objects }))
}

impl SentencePairs {
    fn pair(&mut self, line: String) -> Result<SentencePair> {
        if line.trim().is_empty() {
            return Err(self.sources.error("the line is empty"));
        }
        if self.objects {
            return object(&line).map_err(|why| self.sources.error(&why));
        }
        let target = match &mut self.targets {
            None => None,
            Some(targets) => match targets.next() {
                Some(line) => Some(line?),
                None => return Err(targets.error("there are fewer targets than sources")),
            },
        };
        Ok(SentencePair { source: line, target })
    }

    fn end(&mut self) -> Option<Result<SentencePair>> {
        let targets = self.targets.as_mut()?;
        targets.next().map(|_| Err(targets.error("there are more targets than sources")))
    }
}

impl Iterator for SentencePairs {
    type Item = Result<SentencePair>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.sources.next() {
            Some(line) => Some(line.and_then(|line| self.pair(line))),
            None => self.end(),
        }
    }
}

fn object(line: &str) -> std::result::Result<SentencePair, String> {
    let value: Value = serde_json::from_str(line).map_err(|e| format!("not a JSON object: {e}"))?;
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_string);
    let source = text("source").ok_or("the object has no string field `source`")?;
    Ok(SentencePair { source, target: text("target") })
}

/// The first characters of a text, for error messages.
fn beginning(text: &str) -> String {
    const LENGTH: usize = 40;
    let start: String = text.chars().take(LENGTH).collect();
    if text.chars().count() > LENGTH { start + "…" } else { start }
}

/// Reader of a file's lines that counts them for error messages.
pub struct NumberedLines {
    path: PathBuf,
    at: usize,
    lines: Lines<BufReader<File>>,
}

impl NumberedLines {
    /// Opens a file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, e))?;
        Ok(Self { path: path.into(), at: 0, lines: BufReader::new(file).lines() })
    }

    /// Creates the error for the line that was read last.
    pub fn error(&self, why: &str) -> Error {
        Error::BadFile { file: format!("{}, line {}", self.path.display(), self.at), why: why.into() }
    }
}

impl Iterator for NumberedLines {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.lines.next()?;
        self.at += 1;
        Some(line.map_err(|e| Error::io(&self.path, e)))
    }
}

/// An opened model that runs one sentence after the other.
pub struct Runner<'a> {
    /// Settings and terminal.
    pub context: &'a Context,
    input: &'a InputArgs,
    weights: WeightsArgs,
    session: Box<Session>,
    watch: StatusLine,
    /// True once the user knows how targets are generated.
    noted: Cell<bool>,
}

impl<'a> Runner<'a> {
    /// Opens the model.
    ///
    /// # Errors
    /// Those of the engine; [`Error::Usage`] for a capture file.
    pub fn open(input: &'a InputArgs, weights: WeightsArgs, context: &'a Context) -> Result<Self> {
        let watch = context.status_line();
        let session = input::session(input, "--source-file needs", &watch, context)?;
        Ok(Self { context, input, weights, session, watch, noted: Cell::new(false) })
    }

    /// Runs one sentence.
    ///
    /// # Errors
    /// Those of the engine.
    pub fn run(&self, pair: &SentencePair) -> Result<Capture> {
        let settings = &self.context.settings;
        let mut options = self.input.text.options(pair.source.clone(), self.weights.extras(), settings);
        options.target = pair.target.clone();
        let capture = self.session.run(&options, &self.watch).map_err(|error| match error {
            Error::Text(why) => Error::Text(format!("{why} (in \"{}\")", beginning(&pair.source))),
            error => error,
        })?;
        if options.target.is_none() && !self.noted.replace(true) {
            input::note_generation(&self.session, &capture);
        }
        input::weighted(capture, self.weights)
    }

    /// Shows how many sentences are done.
    pub fn show_progress(&self, done: usize) {
        self.watch.say(&format_args!("{done} sentences"));
    }
}
