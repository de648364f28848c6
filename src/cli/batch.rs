//! Runs of many sentences, which are read line by line and run several at a time.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::context::Context;
use super::options::{BatchArgs, InputArgs, RunExtras, TextArgs, WeightsArgs};
use super::status::StatusLine;
use super::{input, output};
use crate::capture::Capture;
use crate::config::Settings;
use crate::engine::{ModelInfo, RunOptions, Session};
use crate::error::{Error, Result};

/// A source and its target.
#[derive(Clone, Debug, PartialEq)]
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

impl SentencePair {
    /// The engine's options for a run on the pair.
    ///
    /// # Errors
    /// Those of [`TextArgs::options`].
    pub fn options(self, text: &TextArgs, extras: RunExtras, settings: &Settings) -> Result<RunOptions> {
        let mut options = text.options(self.source, extras, settings)?;
        options.audio = self.audio.map(|path| text.audio.of(path)).or(options.audio);
        options.image = self.image.map(|path| text.image.of(path)).or(options.image);
        options.target = self.target.or(options.target);
        Ok(options)
    }
}

/// Reader of `--source-file` and `--target-file`.
pub struct SentencePairs {
    sources: NumberedLines,
    targets: Option<NumberedLines>,
    objects: bool,
    /// Numbers of the lines without a source or a target, from 1.
    blank: Vec<usize>,
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
    Ok(Some(SentencePairs { sources: NumberedLines::open(path)?, targets, objects, blank: Vec::new() }))
}

impl SentencePairs {
    /// Pairs a source with its target; `None` if either is blank.
    fn pair(&mut self, line: String) -> Result<Option<SentencePair>> {
        let pair = self.read_pair(line)?;
        let is_blank = |text: &str| text.trim().is_empty();
        let is_file = pair.audio.is_some() || pair.image.is_some();
        if (is_blank(&pair.source) && !is_file) || pair.target.as_deref().is_some_and(is_blank) {
            self.blank.push(self.sources.at);
            return Ok(None);
        }
        Ok(Some(pair))
    }

    fn read_pair(&mut self, line: String) -> Result<SentencePair> {
        if self.objects && !line.trim().is_empty() {
            return object(&line).map_err(|why| self.sources.error(&why));
        }
        let target = match &mut self.targets {
            None => None,
            Some(targets) => match targets.next() {
                Some(line) => Some(line?),
                None => return Err(targets.error("there are fewer targets than sources")),
            },
        };
        Ok(SentencePair { source: line, audio: None, image: None, target })
    }

    /// Tells the user which lines were blank, if any.
    pub fn note_blank_lines(&self) {
        const LISTED: usize = 10;
        let Some(path) = self.sources.path.to_str().filter(|_| !self.blank.is_empty()) else { return };
        let numbers: Vec<_> = self.blank.iter().take(LISTED).map(usize::to_string).collect();
        let more = if self.blank.len() > LISTED { ", ..." } else { "" };
        let lines = if self.blank.len() == 1 { "line" } else { "lines" };
        output::note(&format!(
            "blank {lines} in {path}, with an empty row each: {}{more}",
            numbers.join(", ")
        ));
    }

    fn end(&mut self) -> Option<Result<Option<SentencePair>>> {
        let targets = self.targets.as_mut()?;
        targets.next().map(|_| Err(targets.error("there are more targets than sources")))
    }
}

impl Iterator for SentencePairs {
    type Item = Result<Option<SentencePair>>;

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
    let source = text("source");
    let [audio, image] = ["audio", "image"].map(|name| text(name).map(PathBuf::from));
    match [source.is_some(), audio.is_some(), image.is_some()].into_iter().filter(|&given| given).count() {
        1 => Ok(SentencePair { source: source.unwrap_or_default(), audio, image, target: text("target") }),
        _ => Err("the object needs one string field: `source`, `audio` or `image`".into()),
    }
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
    /// Number of the line that was read last, from 1.
    at: usize,
    file: BufReader<File>,
}

impl NumberedLines {
    /// Opens a file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, e))?;
        Ok(Self { path: path.into(), at: 0, file: BufReader::new(file) })
    }

    /// Creates the error for the line that was read last.
    pub fn error(&self, why: &str) -> Error {
        Error::BadFile { file: format!("{}, line {}", self.path.display(), self.at), why: why.into() }
    }
}

impl NumberedLines {
    /// Decodes the line that was read last, without a byte order mark at its start.
    fn text(&self, line: Vec<u8>) -> Result<String> {
        const MARK: char = '\u{feff}';
        if self.at == 1 && (line.starts_with(&[0xff, 0xfe]) || line.starts_with(&[0xfe, 0xff])) {
            return Err(self.error("the file is UTF-16, as its byte order mark says: convert it to UTF-8"));
        }
        let line = String::from_utf8(line).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            self.error(&format!("byte {} is not valid UTF-8", at + 1))
        })?;
        let Some(rest) = line.strip_prefix(MARK) else { return Ok(line) };
        output::note(&format!("{}, line {}: byte order mark left out", self.path.display(), self.at));
        Ok(rest.into())
    }
}

impl Iterator for NumberedLines {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut line = Vec::new();
        match self.file.read_until(b'\n', &mut line) {
            Ok(0) => return None,
            Ok(_) => self.at += 1,
            Err(error) => return Some(Err(Error::io(&self.path, error))),
        }
        if line.ends_with(b"\n") {
            line.pop();
            if line.ends_with(b"\r") {
                line.pop();
            }
        }
        Some(self.text(line))
    }
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
        pair.options(&self.input.text, self.extras.clone(), &self.context.settings)
    }
}

/// Adds the beginning of its source to the error of a sentence.
fn in_sentence(error: Error, pair: &SentencePair) -> Error {
    match error {
        Error::Text(why) => Error::Text(format!("{why} (in \"{}\")", beginning(&pair.source))),
        error => error,
    }
}
