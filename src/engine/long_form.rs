//! Long recordings, window after window: the sequential long-form algorithm of transformers'
//! `WhisperForConditionalGeneration.generate` (without text of earlier windows).

use std::borrow::Cow;

use attn_tui_kernels::softmax::log_sum_exp;
use attn_tui_kernels::threads;
use candle_core::Tensor;

use super::hearing::{Hearing, TargetPrompt};
use super::pass::{FedTarget, FinishedRun};
use super::protocol::RunOptions;
use super::session::{Session, ablator, languages};
use super::source::Source;
use super::timings::Timings;
use crate::audio::MAX_SECONDS;
use crate::capture::Capture;
use crate::error::{AudioError, Error, Result};
use crate::generate::{Fallback, TextMeasures, Verdict, compression_ratio};
use crate::nn::{Hook, read};
use crate::progress::Watch;

/// Stretch of a long recording with its text: what stands between two timestamps.
#[derive(Clone, Debug, PartialEq)]
pub struct SpeechSegment {
    /// Begin in seconds.
    pub start: f64,
    /// End in seconds.
    pub end: f64,
    /// Tokens of its text with the timestamps around it.
    pub tokens: Vec<u32>,
}

/// A window of a long recording.
#[derive(Clone, Debug)]
pub struct TranscribedWindow {
    /// The recorded pass.
    pub capture: Capture,
    /// The segments that the window adds to the text.
    pub segments: Vec<SpeechSegment>,
    /// Number of tokens of the capture's target that are among the segments or before them. What comes after
    /// them is heard again in the next window. Only the prompt if the window is left out.
    pub kept: usize,
    /// Temperature that the text was generated at; `None` for the model's own settings.
    pub temperature: Option<f32>,
    /// Measurements of the text; `None` without thresholds.
    pub measures: Option<TextMeasures>,
    /// Fate of the text.
    pub verdict: Verdict,
}

impl Session {
    /// Runs a recording of any length from its window on, with timestamps. Each window begins where the last
    /// complete segment of the one before ends. Calls `each` with every window in order. `fallback` says when
    /// a window is generated again at another temperature or left out; the last temperature counts in any
    /// case.
    ///
    /// # Errors
    /// [`Error::Usage`] for a model without timestamps, and with a target; those of [`Session::run`]; those of `each`.
    pub fn transcribe(
        &self,
        run: &RunOptions,
        fallback: &Fallback,
        watch: &dyn Watch,
        mut each: impl FnMut(TranscribedWindow) -> Result<()> + Send,
    ) -> Result<()> {
        let (Some(hearing), Some(audio)) = (&self.hearing, &run.audio) else {
            return Err(AudioError::NotHeard { model: self.info.name.clone() }.into());
        };
        if run.target.is_some() {
            return Err(Error::Usage(
                "a given text belongs to one window: leave --target or --whole out".into(),
            ));
        }
        let first_stamp = hearing.first_timestamp();
        let first_stamp = first_stamp.ok_or_else(|| {
            Error::Usage(
                "the model has no timestamps, by which windows follow one another: leave --whole out".into(),
            )
        })?;
        let Some(windows) = hearing.windows() else {
            let why = "the model hears no windows that follow one another: leave --whole out";
            return Err(Error::Usage(why.into()));
        };
        let mut run = run.clone();
        run.audio.iter_mut().for_each(|audio| audio.timestamps = true);
        run.scored = fallback.has_thresholds();
        threads::run(self.threads, || {
            let heard = hearing.hear(audio, MAX_SECONDS)?;
            let long = windows.long_features(heard.samples());
            let frames = long.frames;
            let (mut seek, mut prompt) = (0, None);
            while seek < frames {
                let features = windows.window(&long, seek);
                let source = hearing.long_window(&self.model, audio, &heard, (&features, seek))?;
                let (finished, Judged { temperature, measures, verdict }) =
                    self.run_window((&source, &run), prompt.take(), fallback, watch)?;
                let (before, left) =
                    (finished.prompt.tokens.len(), (frames - seek).min(hearing.window_frames()));
                let ids = finished.capture.target.ids();
                let text = &ids[before.min(ids.len())..];
                let text =
                    text.strip_suffix(&[self.settings.end.first().copied().unwrap_or(0)]).unwrap_or(text);
                let window = Window { stride: hearing.stride(), frames: left, first_stamp };
                let mut found = window.split(text);
                if verdict == Verdict::LeftOut {
                    found = Split { parts: Vec::new(), advance: left };
                }
                let seconds = |position: usize| {
                    audio.from + hearing.seconds_of(seek) + hearing.seconds_of(position * window.stride)
                };
                let segment = |part: &Part| SpeechSegment {
                    start: seconds(part.start),
                    end: seconds(part.end),
                    tokens: text[part.tokens.clone()].to_vec(),
                };
                let kept = before + found.parts.last().map_or(0, |part| part.tokens.end);
                let segments = found.parts.iter().map(segment).collect();
                // The language is detected once, in the first window.
                let mut next = finished.prompt;
                next.notes.clear();
                next.earlier += 1;
                prompt = Some(next);
                let capture = finished.capture;
                each(TranscribedWindow { capture, segments, kept, temperature, measures, verdict })?;
                // A window that ends where it begins would be heard for ever.
                seek += if found.advance == 0 { left } else { found.advance };
            }
            Ok(())
        })
    }
}

/// Judgement of a window's text.
struct Judged {
    temperature: Option<f32>,
    measures: Option<TextMeasures>,
    verdict: Verdict,
}

impl Session {
    /// Runs a window. The encoder and the recorded pass run once, however many texts are tried.
    fn run_window(
        &self,
        (source, run): (&Source, &RunOptions),
        prompt: Option<TargetPrompt>,
        fallback: &Fallback,
        watch: &dyn Watch,
    ) -> Result<(FinishedRun, Judged)> {
        let window = [self.prepared(Cow::Borrowed(source), Cow::Borrowed(run))?];
        let mut judged = None;
        let mut choose = |encoded: &[Tensor]| {
            let encoded = encoded.first().ok_or(Error::Cancelled)?;
            let (target, found) =
                self.try_temperatures((source, run), (prompt.as_ref(), encoded), fallback, watch)?;
            judged = Some(found);
            Ok(vec![target])
        };
        let finished = self.pass_over(&window, 1, watch, &mut Timings::default(), &mut choose)?.pop();
        finished.zip(judged).ok_or(Error::Cancelled)
    }

    /// Generates the text of a window at the temperatures of `fallback`, until it is kept or left out. `encoded`
    /// holds the encoder's last states.
    fn try_temperatures(
        &self,
        (source, run): (&Source, &RunOptions),
        (prompt, encoded): (Option<&TargetPrompt>, &Tensor),
        fallback: &Fallback,
        watch: &dyn Watch,
    ) -> Result<(FedTarget, Judged)> {
        let mut hook = ablator(run, source.items());
        let prompt =
            prompt.map_or_else(|| self.prompt(run, encoded, &mut hook), |prompt| Ok(prompt.clone()))?;
        let no_speech = match fallback.no_speech {
            Some(_) => self.no_speech(run, encoded, &mut hook)?,
            None => 0.0,
        };
        let given = fallback.temperatures.iter().map(|&temperature| Some(temperature));
        let temperatures: Vec<Option<f32>> =
            if fallback.temperatures.is_empty() { vec![None] } else { given.collect() };
        let mut chosen = None;
        for temperature in temperatures {
            let options = RunOptions { temperature, ..run.clone() };
            let window = self.prepared(Cow::Borrowed(source), Cow::Owned(options))?;
            let window = [window.with_prompt(Some(prompt.clone()))];
            let target = self.targets(&window, std::slice::from_ref(encoded), watch)?.pop();
            let target = target.ok_or(Error::Cancelled)?;
            let measures = fallback.has_thresholds().then(|| TextMeasures {
                compression_ratio: compression_ratio(target.text(), self.model.spec().vocabulary()),
                log_probability: target.log_probability.unwrap_or(0.0),
                no_speech,
            });
            let verdict = measures.map_or(Verdict::Kept, |measures| fallback.verdict(measures));
            chosen = Some((target, Judged { temperature, measures, verdict }));
            if verdict != Verdict::Again {
                break;
            }
        }
        chosen.ok_or(Error::Cancelled)
    }

    /// Returns the probability of no speech under the changes of `hook`: that of its token right after the start
    /// token.
    fn no_speech(&self, run: &RunOptions, encoded: &Tensor, hook: &mut dyn Hook) -> Result<f64> {
        let stamps = self.hearing.as_ref().and_then(Hearing::first_timestamp);
        // The tokens for no speech, for no timestamps and the timestamps follow one another.
        let Some(token) = stamps.and_then(|first| first.checked_sub(2)) else { return Ok(0.0) };
        let start = self.start(&languages(run))?;
        let states = self.model.decode(&[start], 1, encoded, None, hook, &mut |_| Ok(()))?;
        let logits = read(&self.model.logits(&states)?, <[f32]>::to_vec)?;
        let score = logits.get(token as usize);
        Ok(score.map_or(0.0, |score| f64::from((score - log_sum_exp(&logits)).exp())))
    }
}

/// A window whose text is split at its timestamps.
struct Window {
    /// Feature frames of a position.
    stride: usize,
    /// Feature frames of the recording in the window.
    frames: usize,
    first_stamp: u32,
}

/// A segment in positions of the window.
#[derive(Clone, Debug, PartialEq)]
struct Part {
    start: usize,
    end: usize,
    tokens: std::ops::Range<usize>,
}

/// The segments of a window, and the number of feature frames to the next one.
#[derive(Clone, Debug, PartialEq)]
struct Split {
    parts: Vec<Part>,
    advance: usize,
}

impl Window {
    /// Splits the text of a window. Two timestamps in a row end a segment. A text that ends with a single
    /// timestamp has nothing after it; otherwise what follows the last pair is left for the next window.
    fn split(&self, text: &[u32]) -> Split {
        let position = |token: u32| token.checked_sub(self.first_stamp).map(|position| position as usize);
        let is_stamp = |at: usize| text.get(at).is_some_and(|&token| position(token).is_some());
        let pairs = (1..text.len()).filter(|&at| is_stamp(at - 1) && is_stamp(at));
        let mut ends: Vec<usize> = pairs.collect();
        let single = text.len() >= 2 && is_stamp(text.len() - 1) && !is_stamp(text.len() - 2);
        let Some(last) = ends.last_mut() else {
            let end = (0..text.len()).rev().find(|&at| is_stamp(at)).and_then(|at| position(text[at]));
            let end = end.filter(|&end| end > 0).unwrap_or(self.frames / self.stride);
            return Split {
                parts: vec![Part { start: 0, end, tokens: 0..text.len() }],
                advance: self.frames,
            };
        };
        if single {
            ends.push(text.len());
        } else {
            // The last segment also holds the timestamp that begins the next one.
            *last += 1;
        }
        let mut first = 0;
        let count = ends.len();
        let parts = ends.into_iter().enumerate().map(|(at, end)| {
            let tokens = first..end;
            first = end;
            let back = if at + 1 < count || single { 1 } else { 2 };
            let at = |token: Option<&u32>| token.and_then(|&token| position(token)).unwrap_or(0);
            Part { start: at(text.get(tokens.start)), end: at(text.get(end.saturating_sub(back))), tokens }
        });
        let parts: Vec<Part> = parts.collect();
        let end = parts.last().map_or(0, |part| part.end);
        Split { parts, advance: if single { self.frames } else { end * self.stride } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Splits a text in which 100 is the timestamp of the window's begin.
    fn split(text: &[u32]) -> (Vec<(usize, usize, usize)>, usize) {
        let found = Window { stride: 2, frames: 3000, first_stamp: 100 }.split(text);
        (
            found.parts.into_iter().map(|part| (part.start, part.end, part.tokens.len())).collect(),
            found.advance,
        )
    }

    #[test]
    fn segments_end_at_pairs_of_timestamps() {
        // A single timestamp at the end: nothing is left in the window.
        assert_eq!(split(&[100, 1, 2, 150, 150, 3, 190]), (vec![(0, 50, 4), (50, 90, 3)], 3000));
        // The text after the last pair is heard again.
        assert_eq!(split(&[100, 1, 2, 150, 150, 3]), (vec![(0, 50, 5)], 100));
        assert_eq!(split(&[100, 1, 150, 160, 3, 180, 185]), (vec![(0, 50, 3), (60, 80, 4)], 160));
        // Without a pair all is one segment.
        assert_eq!(split(&[100, 1, 2]), (vec![(0, 1500, 3)], 3000));
        assert_eq!(split(&[100, 1, 2, 140]), (vec![(0, 40, 4)], 3000));
        assert_eq!(split(&[]), (vec![(0, 1500, 0)], 3000));
    }
}
