//! Many runs, as many together as memory allows.

use std::borrow::Cow;

use attn_tui_kernels::threads;

use super::pass::{PreparedRun, ROWS_TOGETHER};
use super::protocol::RunOptions;
use super::session::Session;
use super::timings::Timings;
use crate::capture::{Capture, MapStore};
use crate::error::{Error, Result};
use crate::progress::{Progress, Watch};

/// Tokens that a generated target is expected to have more than its source.
const EXPECTED_GROWTH: usize = 16;

/// A run that waits for others to go with, or the error that it ended with.
struct WaitingRun {
    run: Result<PreparedRun<'static>>,
    size: RunSize,
}

/// Size of one run or of several.
#[derive(Clone, Copy, Default)]
struct RunSize {
    source: usize,
    target: usize,
    /// Bytes of all maps.
    maps: usize,
}

impl RunSize {
    fn plus(self, other: Self) -> Self {
        Self {
            source: self.source.saturating_add(other.source),
            target: self.target.saturating_add(other.target),
            maps: self.maps.saturating_add(other.maps),
        }
    }

    /// Returns true if runs of this size may go together within `budget` bytes of maps.
    fn fits(self, budget: usize) -> bool {
        // A store reserves a quarter of its budget for maps that are computed again.
        self.source.max(self.target) <= ROWS_TOGETHER && self.maps <= budget - budget / 4
    }
}

impl Session {
    /// Runs the model many times. `each` receives every run's number and capture, in order; its error ends
    /// the runs. The captures are those of [`Session::run`].
    ///
    /// Runs go through the model together, so that their products share the reading of the weights: as many
    /// at a time as keep the kernels busy and have all their maps within the session's memory limit for maps.
    /// Nothing is padded. `watch` receives the number of finished runs.
    ///
    /// # Errors
    /// [`Error::Cancelled`] and the errors of `each`. Other errors of a run go to `each`.
    pub fn run_many(
        &self,
        runs: impl IntoIterator<Item = RunOptions>,
        watch: &dyn Watch,
        mut each: impl FnMut(usize, Result<Capture>) -> Result<()>,
    ) -> Result<()> {
        let runs = runs.into_iter();
        let total = runs.size_hint().1.filter(|&most| most == runs.size_hint().0);
        let budget = MapStore::within(self.memory).budget();
        let mut done = 0;
        let mut finish = |waiting: &mut Vec<WaitingRun>| {
            for capture in self.run_together(std::mem::take(waiting), budget, watch)? {
                each(done, capture)?;
                done += 1;
                watch.progress(Progress::Runs { done, total });
            }
            Ok::<_, Error>(())
        };
        let (mut waiting, mut size) = (Vec::new(), RunSize::default());
        for options in runs {
            let run = self.waiting(options);
            if !waiting.is_empty() && !size.plus(run.size).fits(budget) {
                finish(&mut waiting)?;
                size = RunSize::default();
            }
            size = size.plus(run.size);
            waiting.push(run);
        }
        finish(&mut waiting)
    }

    /// Reads the texts of a run and estimates its size.
    fn waiting(&self, options: RunOptions) -> WaitingRun {
        let most = options.max_new_tokens.unwrap_or(usize::MAX).min(self.settings.max_length);
        let source = self.source(&options);
        let run = source.and_then(|source| self.prepared(Cow::Owned(source), Cow::Owned(options)));
        let size = run.as_ref().map_or(RunSize::default(), |run| {
            let source = run.source_len();
            self.run_size(source, run.target_len().unwrap_or(most.min(source + EXPECTED_GROWTH)))
        });
        WaitingRun { run, size }
    }

    fn run_size(&self, source: usize, target: usize) -> RunSize {
        let spec = self.model.spec();
        let ((encoder, decoder), (encoder_heads, decoder_heads)) = (spec.layers(), spec.heads());
        let maps = |heads: usize, queries: usize, keys: usize| {
            4usize.saturating_mul(heads).saturating_mul(queries).saturating_mul(keys)
        };
        let maps = maps(encoder * encoder_heads, source, source).saturating_add(maps(
            decoder * decoder_heads,
            target,
            source.saturating_add(target),
        ));
        RunSize { source, target, maps }
    }

    /// Runs the model on all that wait. Returns a result for each.
    fn run_together(
        &self,
        waiting: Vec<WaitingRun>,
        budget: usize,
        watch: &dyn Watch,
    ) -> Result<Vec<Result<Capture>>> {
        let total = waiting.iter().fold(RunSize::default(), |sum, run| sum.plus(run.size)).maps.max(1);
        // Together the captures keep no more than the budget.
        let share = |maps: usize| Some((budget as u128 * maps as u128 / total as u128) as usize);
        let mut ready = Vec::new();
        let mut results = Vec::new();
        for WaitingRun { run, size } in waiting {
            results.push(run.map(|run| ready.push(run.within(share(size.maps)))));
        }
        let captures = threads::run(self.threads, || self.captures(&ready, &Quiet(watch)))?;
        let mut captures = captures.into_iter();
        let result =
            |result: Result<()>| result.and_then(|()| captures.next().unwrap_or(Err(Error::Cancelled)));
        Ok(results.into_iter().map(result).collect())
    }

    /// Runs the model on all runs together, or one by one if any of them fails, to find out which.
    fn captures(&self, runs: &[PreparedRun], watch: &dyn Watch) -> Result<Vec<Result<Capture>>> {
        let pass = |runs: &[PreparedRun]| self.pass(runs, 1, watch, &mut Timings::default());
        if runs.is_empty() {
            return Ok(Vec::new());
        }
        match pass(runs) {
            Ok(finished) => Ok(finished.into_iter().map(|run| Ok(run.capture)).collect()),
            Err(Error::Cancelled) => Err(Error::Cancelled),
            Err(error) if runs.len() == 1 => Ok(vec![Err(error)]),
            Err(_) => {
                let alone = runs.iter().map(|run| self.captures(std::slice::from_ref(run), watch));
                Ok(alone.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
            }
        }
    }
}

/// Cancels when another watch does, and reports nothing.
struct Quiet<'a>(&'a dyn Watch);

impl Watch for Quiet<'_> {
    fn progress(&self, _: Progress) {}

    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }
}
