//! Many runs, as many together as memory allows.

use std::borrow::Cow;
use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::ScopedJoinHandle;

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

    /// Returns true if runs of this size may go together on `threads` threads, within `budget` bytes of maps.
    fn fits(self, threads: usize, budget: usize) -> bool {
        let rows = ROWS_TOGETHER.saturating_mul(threads.max(1));
        // A store reserves a quarter of its budget for maps that are computed again.
        self.source.max(self.target) <= rows && self.maps <= budget - budget / 4
    }

    /// Number of rows that go through encoder and decoder.
    fn rows(self) -> usize {
        self.source.saturating_add(self.target)
    }
}

impl Session {
    /// Runs the model many times. `each` receives every run's number and capture, in order; its error ends
    /// the runs. The captures are those of [`Session::run`].
    ///
    /// Runs go through the model together, so that their products share the reading of the weights: as many
    /// at a time as keep the kernels of every thread busy and have all their maps within the session's memory
    /// limit for maps. Nothing is padded. `watch` receives the number of finished runs.
    ///
    /// # Errors
    /// [`Error::Cancelled`] and the errors of `each`. Other errors of a run go to `each`.
    pub fn run_many(
        &self,
        runs: impl IntoIterator<Item = RunOptions>,
        watch: &dyn Watch,
        each: impl FnMut(usize, Result<Capture>) -> Result<()>,
    ) -> Result<()> {
        self.measure_many(runs, watch, Ok, each)
    }

    /// Runs the model many times like [`Session::run_many`], and calls `measure` with every capture on the
    /// thread that has made it. `each` receives the results, in order, on the calling thread, while the next runs
    /// are on their way.
    ///
    /// # Errors
    /// [`Error::Cancelled`] and the errors of `each`. Other errors of a run, and those of `measure`, go to
    /// `each`.
    pub fn measure_many<T: Send + Sync>(
        &self,
        runs: impl IntoIterator<Item = RunOptions>,
        watch: &dyn Watch,
        measure: impl Fn(Capture) -> Result<T> + Send + Sync,
        mut each: impl FnMut(usize, Result<T>) -> Result<()>,
    ) -> Result<()> {
        let runs = runs.into_iter();
        let total = runs.size_hint().1.filter(|&most| most == runs.size_hint().0);
        let budget = MapStore::within(self.memory).budget();
        let mut done = 0;
        let mut deliver = |measured: Vec<Result<T>>| {
            for measured in measured {
                each(done, measured)?;
                done += 1;
                watch.progress(Progress::Runs { done, total });
            }
            Ok::<_, Error>(())
        };
        let stopped = AtomicBool::new(false);
        let quiet = Quiet { watch, stopped: &stopped };
        let together = &|waiting, budget| self.run_together(waiting, budget, &quiet, &measure);
        // Two batches are kept at a time: one is measured while the last one is delivered.
        let half = budget / 2;
        std::thread::scope(|scope| {
            let mut ahead: Option<ScopedJoinHandle<Result<Vec<Result<T>>>>> = None;
            let mut finish = |waiting: &mut Vec<WaitingRun>, size: RunSize| {
                let waiting = std::mem::take(waiting);
                let finished = ahead.take().map_or_else(|| Ok(Vec::new()), joined)?;
                if waiting.is_empty() {
                    return deliver(finished);
                }
                // A thread of the pool must not wait for a batch, which needs the same pool: with one thread, both
                // would wait for ever.
                if threads::in_pool() || !size.fits(self.threads, half) {
                    deliver(finished)?;
                    return deliver(together(waiting, budget)?);
                }
                let (sender, receiver) = mpsc::channel();
                let batch = move || together(receiver.recv().unwrap_or_default(), half);
                let Ok(started) = std::thread::Builder::new().spawn_scoped(scope, batch) else {
                    // The system has no more threads.
                    deliver(finished)?;
                    return deliver(together(waiting, half)?);
                };
                // The thread takes the runs as its first step.
                let _ = sender.send(waiting);
                ahead = Some(started);
                deliver(finished)
            };
            let run_all = || {
                let (mut waiting, mut size) = (Vec::new(), RunSize::default());
                for options in runs {
                    let run = self.waiting(options);
                    if !waiting.is_empty() && !size.plus(run.size).fits(self.threads, half) {
                        finish(&mut waiting, size)?;
                        size = RunSize::default();
                    }
                    size = size.plus(run.size);
                    waiting.push(run);
                }
                finish(&mut waiting, size)?;
                finish(&mut waiting, RunSize::default())
            };
            let outcome = run_all();
            // Runs that nobody waits for end early.
            stopped.store(outcome.is_err(), Ordering::Relaxed);
            outcome
        })
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

    /// Runs the model on all that wait, and measures the captures. Returns a result for each.
    fn run_together<T: Send + Sync>(
        &self,
        waiting: Vec<WaitingRun>,
        budget: usize,
        watch: &dyn Watch,
        measure: &(impl Fn(Capture) -> Result<T> + Sync),
    ) -> Result<Vec<Result<T>>> {
        let total = waiting.iter().fold(RunSize::default(), |sum, run| sum.plus(run.size)).maps.max(1);
        // Together the captures keep no more than the budget.
        let share = |maps: usize| Some((budget as u128 * maps as u128 / total as u128) as usize);
        let (mut ready, mut rows) = (Vec::new(), Vec::new());
        let mut results = Vec::new();
        for WaitingRun { run, size } in waiting {
            results.push(run.map(|run| {
                ready.push(run.within(share(size.maps)));
                rows.push(size.rows());
            }));
        }
        // A thread for each part spends less time waiting than all threads in every product of a small model.
        let parts = match self.model.is_on_cpu() {
            true => even_parts(&rows, self.threads.max(1)),
            false => std::iter::once(0..ready.len()).collect(),
        };
        let part = |part: usize| {
            let captures = self.captures(&ready[parts[part].clone()], watch)?;
            Ok(captures.into_iter().map(|capture| capture.and_then(measure)).collect::<Vec<_>>())
        };
        let measured = threads::run(self.threads, || threads::map(parts.len(), usize::MAX, part));
        let measured: Vec<Vec<Result<T>>> = measured.into_iter().collect::<Result<_>>()?;
        let mut measured = measured.into_iter().flatten();
        let result =
            |result: Result<()>| result.and_then(|()| measured.next().unwrap_or(Err(Error::Cancelled)));
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

/// Waits for a thread, and passes its panic on.
fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// Cancels when another watch does or the runs are stopped, and reports nothing.
struct Quiet<'a> {
    watch: &'a dyn Watch,
    stopped: &'a AtomicBool,
}

impl Watch for Quiet<'_> {
    fn progress(&self, _: Progress) {}

    fn cancelled(&self) -> bool {
        self.stopped.load(Ordering::Relaxed) || self.watch.cancelled()
    }
}

/// Rows of source and target of a part: its products are as fast as those of more rows, and what goes through a
/// layer stays in the second-level cache.
const PART_ROWS: usize = 512;

/// Splits runs of these `rows`, in order, into parts of about equal size: one for each of `threads`, or several if
/// there are enough rows. Returns a single part if the largest would exceed the mean of the threads by more than a
/// quarter.
fn even_parts(rows: &[usize], threads: usize) -> Vec<Range<usize>> {
    let total: usize = rows.iter().sum();
    let parts = (total / PART_ROWS / threads).max(1) * threads;
    let (mut ranges, mut first, mut sum) = (Vec::new(), 0, 0);
    for (at, rows) in rows.iter().enumerate() {
        sum += rows;
        if sum * parts >= total * (ranges.len() + 1) {
            ranges.push(first..at + 1);
            first = at + 1;
        }
    }
    let largest = ranges.iter().map(|range| rows[range.clone()].iter().sum::<usize>()).max().unwrap_or(0);
    if 4 * largest * threads > 5 * total { std::iter::once(0..rows.len()).collect() } else { ranges }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_even_or_there_is_one() {
        assert_eq!(even_parts(&[10; 8], 2), [0..4, 4..8]);
        assert_eq!(even_parts(&[10, 30, 10, 10, 10, 10], 2), [0..2, 2..6]);
        let whole = |len: usize| Vec::from_iter(std::iter::once(0..len));
        assert_eq!(even_parts(&[100, 10, 10], 2), whole(3));
        assert_eq!(even_parts(&[10], 2), whole(1));
        assert_eq!(even_parts(&[PART_ROWS; 5], 2), [0..2, 2..3, 3..4, 4..5]);
        assert!(even_parts(&[], 2).is_empty());
    }
}
