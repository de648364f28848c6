//! Words of a recording with their times.

use std::ops::Range;

use crate::analysis::align::Convention;
use crate::analysis::word_times::{TimedWord, row_starts, spoken_words};
use crate::axis::{AxisItem, ItemKind};
use crate::capture::Capture;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::site::{Head, Kind};
use crate::text::spelt;

/// Returns true if the source of a capture is a recording.
pub fn is_heard(capture: &Capture) -> bool {
    capture.source.items.first().is_some_and(|item| matches!(item.kind, ItemKind::Frame { .. }))
}

/// Returns the cross-attention heads of the upper half of the layers.
pub fn upper_heads(capture: &Capture) -> Vec<Head> {
    let half = capture.layers(Kind::Cross) / 2;
    capture.heads_of(Kind::Cross).into_iter().filter(|head| head.layer() >= half).collect()
}

/// Returns the heads that time words: those that the model's settings name, or else those of the upper layers.
pub fn timing_heads(capture: &Capture) -> Vec<Head> {
    let named = capture.alignment_heads.iter().filter(|head| capture.check(**head).is_ok());
    let named: Vec<Head> = named.copied().collect();
    if named.is_empty() { upper_heads(capture) } else { named }
}

/// The words, or the tokens, of a recording's text, before they are timed.
#[derive(Clone, Debug)]
pub struct SpokenText {
    /// Begin and end of each frame that the recording covers as a whole, in seconds.
    frames: Vec<(f64, f64)>,
    /// First and last token of the text, by their numbers in the target.
    ends: [usize; 2],
    /// The tokens of each word.
    words: Vec<Vec<usize>>,
    /// Number of tokens of the target.
    count: usize,
}

impl SpokenText {
    /// Reads the words of a capture's target, or with `by_token` its tokens.
    ///
    /// # Errors
    /// [`Error::Text`] if it has none.
    pub fn new(capture: &Capture, by_token: bool) -> Result<Self> {
        let target = &capture.target.items;
        let is_word = |item: &AxisItem| !item.special && !is_timestamp(&item.piece);
        let (first, last) = (target.iter().position(is_word), target.iter().rposition(is_word));
        let (Some(first), Some(last)) = (first, last) else {
            return Err(Error::Text("the text has no words".into()));
        };
        let tokens: Vec<usize> = (first..=last).filter(|&token| is_word(&target[token])).collect();
        let texts: Vec<String> = tokens.iter().map(|token| spelt([target[*token].piece.as_str()])).collect();
        let parts = match by_token {
            true => (0..tokens.len()).map(|at| at..at + 1).collect(),
            false => spoken_words(&texts),
        };
        Ok(Self {
            frames: frames(capture),
            ends: [first, last],
            words: parts.into_iter().map(|part| tokens[part].to_vec()).collect(),
            count: target.len(),
        })
    }

    /// Number of frames.
    pub fn frames(&self) -> usize {
        self.frames.len()
    }

    /// The decoder rows whose begins time the words: those that predict the text's tokens, or those that are fed
    /// them, and the row after them, which ends the last word.
    pub fn rows(&self, convention: Convention) -> Range<usize> {
        let shift = usize::from(convention == Convention::Fed);
        let [first, last] = self.ends;
        first + shift..(last + 2 + shift).min(self.count)
    }

    /// Returns begin and end of each word in seconds, given the frame at which each of [`SpokenText::rows`] begins.
    pub fn times(&self, starts: &[usize]) -> Vec<(f64, f64)> {
        let end = self.frames.last().map_or(0.0, |frame| frame.1);
        let at = |token: usize| {
            let frame = starts.get(token - self.ends[0]).and_then(|&frame| self.frames.get(frame));
            frame.map_or(end, |frame| frame.0)
        };
        let times = |word: &Vec<usize>| match (word.first(), word.last()) {
            (Some(&first), Some(&last)) => (at(first), at(last + 1)),
            _ => (end, end),
        };
        self.words.iter().map(times).collect()
    }
}

/// Computes the words, or the tokens, of a capture's target with their times. `maps` are those of the heads that time
/// them.
///
/// # Errors
/// [`Error::Text`] if the target has no words.
pub fn timed_words(
    capture: &Capture,
    maps: &[Matrix],
    convention: Convention,
    by_token: bool,
) -> Result<Vec<TimedWord>> {
    let text = SpokenText::new(capture, by_token)?;
    let starts = row_starts(maps, text.frames(), text.rows(convention));
    let word = |(tokens, (start, end)): (&Vec<usize>, (f64, f64))| {
        let probability = |token: &usize| capture.predictions.get(*token).map(|row| row.probability);
        let known: Option<Vec<f32>> = tokens.iter().map(probability).collect();
        let pieces = tokens.iter().map(|token| capture.target.items[*token].piece.as_str());
        let text = spelt(pieces);
        TimedWord {
            spaced: text.starts_with(' '),
            text: text.trim().to_string(),
            tokens: tokens.first().map_or(0, |first| *first)..tokens.last().map_or(0, |last| last + 1),
            start,
            end,
            confidence: known.map(|all| all.iter().sum::<f32>() / all.len().max(1) as f32),
        }
    };
    Ok(text.words.iter().zip(text.times(&starts)).map(word).collect())
}

/// The path of dynamic time warping through one head's map: the frames that it passes in each of the decoder rows from
/// the first word on. Empty for a capture whose source is no recording.
pub fn warping_path(capture: &Capture, map: &Matrix) -> Vec<(usize, Range<usize>)> {
    let Some(text) = is_heard(capture).then(|| SpokenText::new(capture, true).ok()).flatten() else {
        return Vec::new();
    };
    let rows = text.rows(Convention::Predicts);
    let starts = row_starts(std::slice::from_ref(map), text.frames(), rows.clone());
    let until = |at: usize| starts.get(at + 1).map_or(text.frames(), |next| next + 1);
    let spans = starts.iter().enumerate().map(|(at, &start)| start..until(at).max(start + 1));
    rows.zip(spans).collect()
}

/// Second at which the frames of a capture's source end.
pub fn recorded_seconds(capture: &Capture) -> f64 {
    frames(capture).last().map_or(0.0, |frame| frame.1)
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

/// Returns true for a timestamp in a text, such as `<|1.24|>`.
fn is_timestamp(piece: &str) -> bool {
    let inner = piece.strip_prefix("<|").and_then(|rest| rest.strip_suffix("|>"));
    inner.is_some_and(|inner| !inner.is_empty() && inner.chars().all(|c| c.is_ascii_digit() || c == '.'))
}
