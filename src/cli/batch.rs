//! Many sentences: read line by line, run one by one, in bounded memory.

use std::fs::File;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use super::common::{Input, Weighting};
use super::run::StatusLine;
use crate::capture::Capture;
use crate::engine::{self, Opened, Session};
use crate::error::{Error, Result};

/// Files with many sentences.
#[derive(Args)]
pub struct Files {
    /// Run every line of a file: text, or in a .jsonl file objects with `source` and, where there is one,
    /// `target`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["source", "target"], help_heading = "Text")]
    pub source_file: Option<PathBuf>,
    /// The targets, a line for each line of --source-file; without it they are generated.
    #[arg(long, value_name = "FILE", requires = "source_file", help_heading = "Text")]
    pub target_file: Option<PathBuf>,
}

/// A source and, where it is not to be generated, its target.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// The encoder's text.
    pub source: String,
    /// The decoder's text.
    pub target: Option<String>,
}

/// The lines of `--source-file` and `--target-file`, one after the other.
pub struct Pairs {
    sources: Numbered,
    targets: Option<Numbered>,
    objects: bool,
}

impl Files {
    /// The sentences; `None` where no file is given.
    ///
    /// # Errors
    /// [`Error::Io`] when a file cannot be opened.
    pub fn pairs(&self) -> Result<Option<Pairs>> {
        let Some(path) = &self.source_file else { return Ok(None) };
        let objects = path.extension().is_some_and(|ext| ext == "jsonl");
        if objects && self.target_file.is_some() {
            return Err(Error::Usage("a .jsonl file holds its targets: leave --target-file out".into()));
        }
        let targets = self.target_file.as_deref().map(Numbered::open).transpose()?;
        Ok(Some(Pairs { sources: Numbered::open(path)?, targets, objects }))
    }
}

impl Pairs {
    fn pair(&mut self, line: String) -> Result<Pair> {
        if line.trim().is_empty() {
            return Err(self.sources.bad("the line is empty"));
        }
        if self.objects {
            return object(&line).map_err(|why| self.sources.bad(&why));
        }
        let target = match &mut self.targets {
            None => None,
            Some(targets) => match targets.next() {
                Some(line) => Some(line?),
                None => return Err(targets.bad("there are fewer targets than sources")),
            },
        };
        Ok(Pair { source: line, target })
    }

    fn end(&mut self) -> Option<Result<Pair>> {
        let targets = self.targets.as_mut()?;
        targets.next().map(|_| Err(targets.bad("there are more targets than sources")))
    }
}

impl Iterator for Pairs {
    type Item = Result<Pair>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.sources.next() {
            Some(line) => Some(line.and_then(|line| self.pair(line))),
            None => self.end(),
        }
    }
}

fn object(line: &str) -> std::result::Result<Pair, String> {
    let value: Value = serde_json::from_str(line).map_err(|e| format!("not a JSON object: {e}"))?;
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_string);
    let source = text("source").ok_or("the object has no text named source")?;
    Ok(Pair { source, target: text("target") })
}

/// What a text is recognised by.
fn beginning(text: &str) -> String {
    const LENGTH: usize = 40;
    let start: String = text.chars().take(LENGTH).collect();
    if text.chars().count() > LENGTH { start + "…" } else { start }
}

/// The lines of a file, which can say where they are.
pub struct Numbered {
    path: PathBuf,
    at: usize,
    lines: Lines<BufReader<File>>,
}

impl Numbered {
    /// Opens a file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, e))?;
        Ok(Self { path: path.into(), at: 0, lines: BufReader::new(file).lines() })
    }

    /// What is wrong with the line that was read last.
    pub fn bad(&self, why: &str) -> Error {
        Error::BadFile { file: format!("{}, line {}", self.path.display(), self.at), why: why.into() }
    }
}

impl Iterator for Numbered {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.lines.next()?;
        self.at += 1;
        Some(line.map_err(|e| Error::io(&self.path, e)))
    }
}

/// An opened model that runs one sentence after the other.
pub struct Runner<'a> {
    input: &'a Input,
    weighting: Weighting,
    session: Box<Session>,
    watch: StatusLine,
}

impl<'a> Runner<'a> {
    /// Opens the model.
    ///
    /// # Errors
    /// What the engine finds wrong; [`Error::Usage`] for a capture file, which cannot be run.
    pub fn open(input: &'a Input, weighting: Weighting) -> Result<Self> {
        let watch = StatusLine::default();
        match engine::open(&input.open.options(&input.model)?, &watch)? {
            Opened::Model(session) => Ok(Self { input, weighting, session, watch }),
            Opened::Capture(_) => {
                Err(Error::Usage(format!("{} is a capture file: --source-file needs a model", input.model)))
            }
        }
    }

    /// Runs one sentence.
    ///
    /// # Errors
    /// What the engine finds wrong.
    pub fn run(&self, pair: &Pair) -> Result<Capture> {
        let mut options = self.input.text.options(pair.source.clone(), self.weighting.keep())?;
        options.target = pair.target.clone();
        let capture = self.session.run(&options, &self.watch).map_err(|error| match error {
            Error::Text(why) => Error::Text(format!("{why} (of \"{}\")", beginning(&pair.source))),
            error => error,
        });
        self.weighting.of(capture?)
    }

    /// Tells how many sentences are done.
    pub fn tell(&self, done: usize) {
        self.watch.say(&format_args!("{done} sentences"));
    }
}
