//! `attn-tui align` of a recording: words with their times.

use std::str::FromStr;

use clap::Args;
use clap::builder::TypedValueParser;

use super::AlignArgs;
use crate::analysis::align::Convention;
use crate::analysis::word_times::{TimedWord, row_starts, spoken_words};
use crate::axis::{AxisItem, ItemKind};
use crate::capture::Capture;
use crate::cli::context::Context;
use crate::cli::options::{RunExtras, named};
use crate::cli::{input, output};
use crate::error::{Error, Result};
use crate::export::table::{Cell, Table};
use crate::export::transcript::TranscriptFormat;
use crate::matrix::Matrix;
use crate::site::{Head, Kind};
use crate::text::spelt;

/// Options for the times of words.
#[derive(Args)]
pub struct WordTimesArgs {
    /// Heads that give the times of words in a recording: `config` (those of generation_config.json), `all`,
    /// layers and heads such as `2.2,3.0`, or `auto`: `config`, or without it the heads of the upper half of the
    /// layers.
    #[arg(long, value_name = "HEADS", default_value = "auto", help_heading = "Sound")]
    heads: HeadChoice,
    /// Rank every cross-attention head by how well it times the words of recordings, at the row that predicts a word
    /// and at the row that is fed it, and choose a set of heads. --gold FILE has the words' own times, as --json
    /// prints them (one list for each line of --source-file); without it the heads of the upper layers together
    /// are the reference.
    #[arg(long, conflicts_with_all = ["per_head", "format", "tokens"], help_heading = "Sound")]
    pub(super) find_heads: bool,
    /// Print the words of a recording as subtitles (srt, vtt) or for speech tools (ctm, textgrid).
    #[arg(long, conflicts_with_all = ["json", "csv", "tokens", "output"], value_parser = formats(), help_heading = "Sound")]
    format: Option<TranscriptFormat>,
}

fn formats() -> impl TypedValueParser<Value = TranscriptFormat> {
    named(TranscriptFormat::ALL.map(TranscriptFormat::name))
}

/// `--heads`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum HeadChoice {
    Auto,
    Config,
    All,
    Listed(Vec<Head>),
}

impl FromStr for HeadChoice {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let head = |text: &str| {
            let (layer, head) = text.trim().split_once('.')?;
            Some(Head::new(Kind::Cross, layer.parse().ok()?, head.parse().ok()?))
        };
        match text {
            "auto" => Ok(Self::Auto),
            "config" => Ok(Self::Config),
            "all" => Ok(Self::All),
            listed => listed.split(',').map(head).collect::<Option<_>>().map(Self::Listed).ok_or_else(|| {
                "must be auto, config, all, or layers and heads from 0 such as 2.2,3.0".into()
            }),
        }
    }
}

impl HeadChoice {
    /// The heads of a capture; `config` are those that the model's settings name.
    fn heads(&self, capture: &Capture, config: &[Head]) -> Result<Vec<Head>> {
        let heads = match self {
            Self::Listed(heads) => heads.clone(),
            Self::All => capture.heads_of(Kind::Cross),
            Self::Auto | Self::Config if !config.is_empty() => config.to_vec(),
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

/// Returns true if the source of a capture is a recording.
pub fn is_heard(capture: &Capture) -> bool {
    capture.source.items.first().is_some_and(|item| matches!(item.kind, ItemKind::Frame { .. }))
}

/// Runs the model on the recording and prints the times of its words.
///
/// # Errors
/// Those of the engine and of [`print`].
pub fn run(args: &AlignArgs, context: &Context) -> Result<()> {
    let (capture, config) = hear(args, context)?;
    print(args, &capture, &config, context)
}

/// Runs the model on the recording. Also returns the heads that the model's settings name.
///
/// # Errors
/// Those of the engine.
pub(super) fn hear(args: &AlignArgs, context: &Context) -> Result<(Capture, Vec<Head>)> {
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
    Ok((capture, session.info().alignment_heads.clone()))
}

/// Prints the times of words of a capture. `config` are the heads that the model's settings name.
///
/// # Errors
/// [`Error::NoSuchHead`] for heads that the capture lacks; [`Error::Text`] if the target has no words.
pub fn print(args: &AlignArgs, capture: &Capture, config: &[Head], context: &Context) -> Result<()> {
    let heads = args.times.heads.heads(capture, config)?;
    let maps: Vec<Matrix> = heads.iter().map(|&head| capture.map(head)).collect::<Result<_>>()?;
    let words = timed(capture, &maps, args.convention, args.tokens)?;
    if let Some(format) = args.times.format {
        let file = capture.media.as_ref().map_or(capture.source.text.as_str(), |media| media.file.as_str());
        let seconds = frames(capture).last().map_or(0.0, |(_, end)| *end);
        return output::print(&format.write(&words, file, seconds));
    }
    let mut table = Table::new(["word", "start", "end", "confidence"]);
    for word in words {
        table.rows.push(vec![
            Cell::Text(word.text),
            Cell::number(Some(word.start as f32)),
            Cell::number(Some(word.end as f32)),
            Cell::number(word.confidence),
        ]);
    }
    args.output.print(&table, &context.terminal)
}

/// The heads of the upper half of the layers.
pub(super) fn upper_heads(capture: &Capture) -> Vec<Head> {
    let half = capture.layers(Kind::Cross) / 2;
    capture.heads_of(Kind::Cross).into_iter().filter(|head| head.layer() >= half).collect()
}

/// Begins and ends of the frames of a capture's source that the recording covers as a whole.
fn frames(capture: &Capture) -> Vec<(f64, f64)> {
    let times = |item: &AxisItem| match item.kind {
        ItemKind::Frame { start, end } => Some((start, end)),
        _ => None,
    };
    let mut frames: Vec<_> = capture.source.items.iter().filter_map(times).collect();
    let length = |(start, end): &(f64, f64)| end - start;
    if let [first, .., last] = frames[..]
        && length(&last) < 0.75 * length(&first)
    {
        frames.pop();
    }
    frames
}

/// Computes the words, or the tokens, of a capture's target with their times.
pub(super) fn timed(
    capture: &Capture,
    maps: &[Matrix],
    convention: Convention,
    by_token: bool,
) -> Result<Vec<TimedWord>> {
    let times = frames(capture);
    let target = &capture.target.items;
    let is_word = |item: &AxisItem| !item.special && !is_timestamp(&item.piece);
    let first = target.iter().position(is_word);
    let last = target.iter().rposition(is_word);
    let (Some(first), Some(last)) = (first, last) else {
        return Err(Error::Text("the text has no words".into()));
    };
    // A row predicts the token of its own number and is fed the one before it. The row after the last word ends it.
    let shift = usize::from(convention == Convention::Fed);
    let until = (last + 2 + shift).min(target.len());
    let starts = row_starts(maps, times.len(), first + shift..until);
    let at = |token: usize| starts.get(token - first).and_then(|&frame| times.get(frame)).map(|time| time.0);
    let end = times.last().map_or(0.0, |time| time.1);
    let tokens: Vec<usize> = (first..=last).filter(|&token| is_word(&target[token])).collect();
    let piece = |token: &usize| target[*token].piece.as_str();
    let texts: Vec<String> = tokens.iter().map(|token| spelt([piece(token)])).collect();
    let parts = match by_token {
        true => (0..tokens.len()).map(|at| at..at + 1).collect(),
        false => spoken_words(&texts),
    };
    let word = |part: std::ops::Range<usize>| {
        let tokens = &tokens[part];
        let next = tokens.last().map_or(last, |token| token + 1);
        let probability = |token: &usize| capture.predictions.get(*token).map(|row| row.probability);
        let known: Option<Vec<f32>> = tokens.iter().map(probability).collect();
        TimedWord {
            text: spelt(tokens.iter().map(piece)).trim().to_string(),
            start: tokens.first().and_then(|&token| at(token)).unwrap_or(end),
            end: at(next).unwrap_or(end),
            confidence: known.map(|all| all.iter().sum::<f32>() / all.len().max(1) as f32),
        }
    };
    Ok(parts.into_iter().map(word).collect())
}

/// Returns true for a timestamp in a text, such as `<|1.24|>`.
fn is_timestamp(piece: &str) -> bool {
    let inner = piece.strip_prefix("<|").and_then(|rest| rest.strip_suffix("|>"));
    inner.is_some_and(|inner| !inner.is_empty() && inner.chars().all(|c| c.is_ascii_digit() || c == '.'))
}
