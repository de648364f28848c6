//! The runs of the open model: targets that were generated, forced or branched off, and the beams of searches.

use std::sync::Arc;

use super::selection::DisplayedRun;
use crate::axis::Sequence;
use crate::capture::{Capture, Prediction};
use crate::engine::RunOptions;

/// Beams of a search that the list offers where there was none.
pub const BEAMS: usize = 4;

/// Origin of the target of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetOrigin {
    /// The model's own search without beams, or sampling.
    Generated,
    /// The user's text.
    Forced,
    /// Another token that a row predicts, and the rest generated from there.
    Branch {
        /// Decoder row of the token.
        row: usize,
    },
}

/// Result of a beam search among those that it finished.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BeamRank {
    /// Its place, from 1.
    pub rank: usize,
    /// Number of finished beams.
    pub of: usize,
    /// Its score.
    pub score: f32,
}

/// A run of the list.
#[derive(Clone, Debug)]
pub struct ListedRun {
    /// The texts and options that repeat it.
    pub run: Arc<DisplayedRun>,
    /// The target.
    pub target: Sequence,
    /// Origin of the target.
    pub origin: TargetOrigin,
    /// Its place in a beam search.
    pub beam: Option<BeamRank>,
    /// Mean log-probability of a target token in nats, if the run was recorded.
    pub log_probability: Option<f32>,
    /// The capture, while it is kept.
    pub capture: Option<Arc<Capture>>,
}

/// The shown run, while the one that it is to be compared with is running.
#[derive(Clone, Debug)]
pub struct AwaitedComparison {
    /// The shown capture.
    pub capture: Arc<Capture>,
    /// The options that it was made with.
    pub options: RunOptions,
}

/// The runs, in the order in which they became known.
#[derive(Debug, Default)]
pub struct RunList {
    runs: Vec<ListedRun>,
    /// The shown run, while the one that it is compared with is running.
    pub awaited: Option<AwaitedComparison>,
}

impl RunList {
    /// Limit on the number of runs; the oldest go first.
    const MOST: usize = 100;
    /// Limit on the bytes of maps of the captures that are kept besides the newest.
    const KEPT: usize = 256 << 20;

    /// Returns the runs.
    pub fn runs(&self) -> &[ListedRun] {
        &self.runs
    }

    /// Returns the run of a capture.
    pub fn of(&self, capture: &Arc<Capture>) -> Option<usize> {
        self.runs.iter().position(|run| run.capture.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, capture)))
    }

    /// Returns a run with the texts of `run`, if its capture is kept and `suits`.
    pub fn kept(&self, run: &DisplayedRun, suits: impl Fn(&Capture) -> bool) -> Option<&ListedRun> {
        let shows = |listed: &&ListedRun| listed.capture.as_deref().is_some_and(&suits);
        self.runs.iter().filter(|listed| listed.run.has_texts_of(run)).find(shows)
    }

    /// Adds a recorded run, and the other beams of its search.
    pub fn add(&mut self, run: &Arc<DisplayedRun>, capture: &Arc<Capture>) {
        self.runs.retain(|known| known.run.model == run.model);
        let of = capture.beams.len();
        let origin = match &run.options {
            RunOptions { target: Some(_), .. } => TargetOrigin::Forced,
            RunOptions { prefix, .. } if !prefix.is_empty() => TargetOrigin::Branch { row: prefix.len() - 1 },
            _ => TargetOrigin::Generated,
        };
        self.insert(ListedRun {
            run: Arc::clone(run),
            target: capture.target.clone(),
            origin,
            beam: capture.beams.first().map(|beam| BeamRank { rank: 1, of, score: beam.score }),
            log_probability: mean_log_probability(&capture.predictions),
            capture: Some(Arc::clone(capture)),
        });
        for (at, beam) in capture.beams.iter().enumerate().skip(1) {
            let options = RunOptions { target: None, prefix: beam.target.ids(), ..run.options.clone() };
            self.insert(ListedRun {
                run: Arc::new(DisplayedRun { model: run.model.clone(), options }),
                target: beam.target.clone(),
                origin,
                beam: Some(BeamRank { rank: at + 1, of, score: beam.score }),
                log_probability: None,
                capture: None,
            });
        }
        self.forget_captures(capture);
        let over = self.runs.len().saturating_sub(Self::MOST);
        self.runs.drain(..over);
    }

    /// Adds a run, or what is new about it if the same target of the same source is listed.
    fn insert(&mut self, new: ListedRun) {
        let source = |run: &ListedRun| {
            // Targets, and how they are generated, may differ.
            let target = Some(String::new());
            let options = RunOptions { target, prefix: Vec::new(), ..run.run.options.clone() };
            DisplayedRun { model: run.run.model.clone(), options }
        };
        let same = |known: &&mut ListedRun| {
            known.target.ids() == new.target.ids() && source(known).has_texts_of(&source(&new))
        };
        let Some(known) = self.runs.iter_mut().find(same) else {
            self.runs.push(new);
            return;
        };
        if new.capture.is_some() {
            (known.run, known.capture) = (new.run, new.capture);
        }
        known.beam = known.beam.or(new.beam);
        known.log_probability = new.log_probability.or(known.log_probability);
    }

    /// Drops the captures of the oldest runs where all of them hold too much, except the newest.
    fn forget_captures(&mut self, newest: &Arc<Capture>) {
        let mut held = 0;
        for run in self.runs.iter_mut().rev() {
            let Some(capture) = &run.capture else { continue };
            held += capture.maps.held();
            if held > Self::KEPT && !Arc::ptr_eq(capture, newest) {
                run.capture = None;
            }
        }
    }
}

fn mean_log_probability(predictions: &[Prediction]) -> Option<f32> {
    let sum: f32 = predictions.iter().map(|found| found.probability.max(f32::MIN_POSITIVE).ln()).sum();
    (!predictions.is_empty()).then(|| sum / predictions.len() as f32)
}

impl ListedRun {
    /// Describes where the target comes from, and how likely it is.
    pub fn describe(&self) -> String {
        let origin = match self.origin {
            TargetOrigin::Generated => "generated".into(),
            TargetOrigin::Forced => "forced".into(),
            TargetOrigin::Branch { row } => format!("branch at {row}"),
        };
        match (self.beam, self.log_probability) {
            (Some(BeamRank { rank, of, score }), _) if self.origin == TargetOrigin::Generated => {
                format!("beam {rank} of {of} · score {score:.3}")
            }
            (Some(BeamRank { rank, of, score }), _) => {
                format!("{origin}, beam {rank} of {of} · score {score:.3}")
            }
            (None, Some(mean)) => format!("{origin} · {mean:.3} nats a token"),
            (None, None) => origin,
        }
    }

    /// Returns the target from a few words before the place where it begins to differ from the shown one.
    pub fn text_beside(&self, shown: &str) -> String {
        /// Characters of the common beginning that stay.
        const BEFORE: usize = 10;
        let own: Vec<char> = self.target.text.trim().chars().collect();
        let common = own.iter().zip(shown.trim().chars()).take_while(|(a, b)| **a == *b).count();
        if common <= 2 * BEFORE || common == own.len() {
            return own.into_iter().collect();
        }
        std::iter::once('…').chain(own.into_iter().skip(common - BEFORE)).collect()
    }
}
