//! `attn-tui align` of a recording: words with their times.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use clap::builder::TypedValueParser;

use super::AlignArgs;
use super::fallback::{FallbackArgs, note_fallback};
use crate::analysis::word_times::TimedWord;
use crate::capture::Capture;
use crate::cli::context::Context;
use crate::cli::options::{RunExtras, cross_head, named};
use crate::cli::{input, output};
use crate::engine::Session;
use crate::error::{Error, Result};
use crate::export::spoken::{recorded_seconds, timed_words, upper_heads};
use crate::export::table::{Cell, Table};
use crate::export::transcript::TranscriptFormat;
use crate::matrix::Matrix;
use crate::site::{Head, Kind};

/// Options for the times of words.
#[derive(Args)]
pub struct WordTimesArgs {
    /// Heads that align: `config` (those of generation_config.json), `all`, layers and heads such as
    /// `2.2,3.0`, or `auto`: for a text those of --layer; for a recording `config`, or without it the heads
    /// of the upper half of the layers; for a picture the heads that are most local.
    #[arg(long, value_name = "HEADS", default_value = "auto", conflicts_with_all = ["layer", "head"],
          help_heading = "Heads")]
    pub(super) heads: HeadChoice,
    /// Rank every cross-attention head by how well it aligns, at the row that predicts a token and at the row
    /// that is fed it, and choose a set of predicting heads. --gold FILE is the reference; without it the
    /// heads of the upper layers together are. For recordings it has the words' own times, as --json prints
    /// them (one list for each line of --source-file).
    #[arg(long, conflicts_with_all = ["per_head", "format"], help_heading = "Heads")]
    pub(super) find_heads: bool,
    /// Write a copy of the model's generation_config.json with the chosen set of heads as its
    /// alignment_heads.
    #[arg(long, value_name = "FILE", requires = "find_heads", help_heading = "Heads")]
    pub(super) write_config: Option<PathBuf>,
    /// Hear the whole recording, however long, window after window, as transformers does it with timestamps;
    /// --from says where to begin. Each window begins where the last complete sentence of the one before
    /// ends.
    #[arg(long, requires = "audio", conflicts_with_all = ["target", "find_heads"], help_heading = "Sound")]
    whole: bool,
    #[command(flatten)]
    fallback: FallbackArgs,
    /// Print the words of a recording as subtitles (srt, vtt) or for speech tools (ctm, textgrid), or those
    /// of a picture for OCR tools (hocr).
    #[arg(long, conflicts_with_all = ["json", "csv", "tokens", "output"], value_parser = formats(), help_heading = "Output")]
    pub(super) format: Option<WordFormat>,
}

/// `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WordFormat {
    /// Words of a recording.
    Times(TranscriptFormat),
    /// Words of a picture.
    Hocr,
}

impl WordFormat {
    const HOCR: &str = "hocr";
}

impl FromStr for WordFormat {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        if text == Self::HOCR { Ok(Self::Hocr) } else { text.parse().map(Self::Times) }
    }
}

fn formats() -> impl TypedValueParser<Value = WordFormat> {
    let names = TranscriptFormat::ALL.into_iter().map(TranscriptFormat::name).chain([WordFormat::HOCR]);
    named(names.collect::<Vec<_>>())
}

/// `--heads`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HeadChoice {
    Auto,
    Config,
    All,
    Listed(Vec<Head>),
}

impl FromStr for HeadChoice {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "config" => Ok(Self::Config),
            "all" => Ok(Self::All),
            listed => {
                let heads = listed.split(',').map(cross_head).collect::<std::result::Result<Vec<Head>, _>>();
                let why = "must be auto, config, all, or layers and heads from 0 such as 2.2,3.0";
                heads.map(Self::Listed).map_err(|_| why.into())
            }
        }
    }
}

impl HeadChoice {
    /// Returns the chosen heads. `auto` stands for the choice for recordings; for texts and pictures it is
    /// resolved before.
    pub(super) fn heads(&self, capture: &Capture) -> Result<Vec<Head>> {
        let config = &capture.alignment_heads;
        let heads = match self {
            Self::Listed(heads) => heads.clone(),
            Self::All => capture.heads_of(Kind::Cross),
            Self::Config if !config.is_empty() => config.clone(),
            // A list that was copied from a larger model names heads that this one lacks.
            Self::Auto if config.iter().any(|head| capture.check(*head).is_ok()) => {
                config.iter().copied().filter(|head| capture.check(*head).is_ok()).collect()
            }
            Self::Config => {
                return Err(Error::NoSuchHead(
                    "there is no generation_config.json with alignment_heads".into(),
                ));
            }
            Self::Auto => {
                output::note("the model names no heads that align: those of the upper layers are taken");
                upper_heads(capture)
            }
        };
        heads.iter().try_for_each(|head| capture.check(*head))?;
        Ok(heads)
    }
}

/// Runs the model on the recording and prints the times of its words.
///
/// # Errors
/// Those of the engine and of [`print`].
pub fn run(args: &AlignArgs, context: &Context) -> Result<()> {
    if args.times.whole {
        return whole(args, context);
    }
    let (_, capture) = hear(args, context)?;
    print(args, &capture, context)
}

/// Returns true if the command line gives one recording and a model to hear it.
pub(super) fn is_one_recording(args: &AlignArgs) -> bool {
    args.input.text.audio.audio.is_some()
}

/// Runs the model on the recording.
///
/// # Errors
/// Those of the engine.
pub(super) fn hear(args: &AlignArgs, context: &Context) -> Result<(Box<Session>, Capture)> {
    let watch = context.status_line();
    let session = input::session(&args.input, "timing words needs", &watch, context)?;
    let extras = RunExtras { predictions: true, ..RunExtras::default() };
    let text = &args.input.text;
    let options = text.options(input::source(text, &session)?, extras, &context.settings)?;
    let capture = session.run(&options, &watch)?;
    capture.notes.iter().for_each(|note| output::note(note));
    if options.target.is_none() {
        input::note_generation(&session, &capture);
    }
    Ok((session, capture))
}

/// Runs the model on every window of the recording and prints the times of its words.
fn whole(args: &AlignArgs, context: &Context) -> Result<()> {
    let watch = context.status_line();
    let session = input::session(&args.input, "timing words needs", &watch, context)?;
    let extras = RunExtras { predictions: true, ..RunExtras::default() };
    let text = &args.input.text;
    let options = text.options(input::source(text, &session)?, extras, &context.settings)?;
    let (mut words, mut recording) = (Vec::new(), (String::new(), 0.0));
    let mut heads = None;
    session.transcribe(&options, &args.times.fallback.fallback(), &watch, |window| {
        note_fallback(&window);
        let capture = window.capture;
        if heads.is_none() {
            capture.notes.iter().for_each(|note| output::note(note));
            heads = Some(args.times.heads.heads(&capture)?);
        }
        recording = (file(&capture), recorded_seconds(&capture));
        // A window without words, such as one of music, adds none.
        let Ok(found) = words_of(args, &capture, heads.as_deref().unwrap_or(&[])) else { return Ok(()) };
        words.extend(found.into_iter().filter(|word| word.tokens.end <= window.kept));
        Ok(())
    })?;
    let (file, seconds) = recording;
    print_words(args, words, (&file, seconds), context)
}

/// Name of the recording of a capture.
fn file(capture: &Capture) -> String {
    capture.media.as_ref().map_or(capture.source.text.as_str(), |media| media.file.as_str()).into()
}

/// Computes the words of a capture with their times.
fn words_of(args: &AlignArgs, capture: &Capture, heads: &[Head]) -> Result<Vec<TimedWord>> {
    let maps: Vec<Matrix> = heads.iter().map(|&head| capture.map(head)).collect::<Result<_>>()?;
    timed_words(capture, &maps, args.convention, args.tokens)
}

/// Prints the times of words of a capture.
///
/// # Errors
/// [`Error::NoSuchHead`] for heads that the capture lacks; [`Error::Text`] if the target has no words.
pub fn print(args: &AlignArgs, capture: &Capture, context: &Context) -> Result<()> {
    let words = words_of(args, capture, &args.times.heads.heads(capture)?)?;
    print_words(args, words, (&file(capture), recorded_seconds(capture)), context)
}

/// Words of several recordings with their times.
#[derive(Default)]
pub(super) struct WordsOfRecordings {
    /// Number of recordings so far, blank lines included.
    count: usize,
    /// Words with the number and the file of their recording.
    words: Vec<(usize, String, TimedWord)>,
}

impl WordsOfRecordings {
    /// Returns true if there were no recordings.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds the words of a recording.
    ///
    /// # Errors
    /// [`Error::NoSuchHead`] for heads that the capture lacks; [`Error::Text`] if the target has no words.
    pub fn add(&mut self, args: &AlignArgs, capture: &Capture) -> Result<()> {
        let heads = args.times.heads.heads(capture)?;
        let found = words_of(args, capture, &heads)?;
        let file = file(capture);
        self.words.extend(found.into_iter().map(|word| (self.count, file.clone(), word)));
        self.count += 1;
        Ok(())
    }

    /// Adds a blank line.
    pub fn add_blank(&mut self) {
        self.count += 1;
    }

    /// Prints the words of all recordings.
    ///
    /// # Errors
    /// [`Error::Usage`] with a format of one recording.
    pub fn print(self, args: &AlignArgs, context: &Context) -> Result<()> {
        match args.times.format {
            // Lines of CTM name their recording.
            Some(WordFormat::Times(format @ TranscriptFormat::Ctm)) => {
                let lines = self.words.into_iter().map(|(_, file, word)| format.write(&[word], &file, 0.0));
                return output::print(&lines.collect::<String>());
            }
            Some(_) => {
                let why = "that --format is for one recording: give --audio FILE, or take ctm or --json";
                return Err(Error::Usage(why.into()));
            }
            None => {}
        }
        let mut table = Table::new(["recording", "file", "word", "start", "end", "confidence"]);
        for (number, file, word) in self.words {
            let mut row = vec![Cell::Whole(number as i64), Cell::Text(file)];
            row.extend(cells(word));
            table.rows.push(row);
        }
        args.output.print(&table, &context.terminal)
    }
}

/// The cells of a word: the word, its begin, its end and its confidence.
fn cells(word: TimedWord) -> [Cell; 4] {
    let [start, end] = [word.start, word.end].map(|time| Cell::number(Some(time as f32)));
    [Cell::Text(word.text), start, end, Cell::number(word.confidence)]
}

/// Prints words of the recording `file`, which ends after `seconds`.
fn print_words(
    args: &AlignArgs,
    words: Vec<TimedWord>,
    (file, seconds): (&str, f64),
    context: &Context,
) -> Result<()> {
    let format = match args.times.format {
        Some(WordFormat::Times(format)) => Some(format),
        Some(WordFormat::Hocr) => {
            let why = "--format hocr holds places in a picture, and this is a recording";
            return Err(Error::Usage(why.into()));
        }
        None => None,
    };
    if let Some(format) = format {
        return output::print(&format.write(&words, file, seconds));
    }
    let mut table = Table::new(["word", "start", "end", "confidence"]);
    table.rows.extend(words.into_iter().map(|word| cells(word).to_vec()));
    args.output.print(&table, &context.terminal)
}
