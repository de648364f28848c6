//! `--timings`: the time of each step, as one line of JSON on standard error.

use std::cell::RefCell;
use std::time::Instant;

use crate::engine;
use crate::sys;
use crate::terminal;

/// Measures the steps of one command.
#[derive(Default)]
pub struct Stopwatch(RefCell<Times>);

/// Times measured so far.
#[derive(Default)]
struct Times {
    /// The run's own times and the moment it ended; `None` without `--timings`.
    run: Option<(RunTimes, Instant)>,
    write_ms: f64,
}

struct RunTimes {
    threads: usize,
    load_ms: f64,
    steps: engine::Timings,
}

impl Stopwatch {
    /// Records that the capture is ready and that its times are to be printed.
    pub fn captured(&self, threads: usize, load_ms: f64, steps: engine::Timings) {
        self.0.borrow_mut().run = Some((RunTimes { threads, load_ms, steps }, Instant::now()));
    }

    /// Runs `work`, which writes a file, and adds its time to the time of writing.
    pub fn writing<T>(&self, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let done = work();
        self.0.borrow_mut().write_ms += since(start);
        done
    }

    /// Prints the line if `--timings` was given.
    pub fn print(&self) {
        let Times { run: Some((run, ready)), write_ms } = &*self.0.borrow() else { return };
        let line = serde_json::json!({
            "load_ms": round(run.load_ms),
            "tokenize_ms": round(run.steps.tokenize_ms),
            "embed_ms": round(run.steps.embed_ms),
            "generate_ms": round(run.steps.generate_ms),
            "capture_ms": round(run.steps.capture_ms),
            "analyse_ms": round((since(*ready) - write_ms).max(0.0)),
            "write_ms": round(*write_ms),
            "peak_rss_mib": peak_rss_mib(),
            "threads": run.threads,
            "kernels": engine::kernels(),
        });
        terminal::print_error_styled(&format!("{line}\n"));
    }
}

/// Returns the milliseconds since `start`.
pub fn since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

fn round(ms: f64) -> f64 {
    (ms * 1e3).round() / 1e3
}

/// Peak resident memory of the process in MiB; `None` if the system does not tell.
fn peak_rss_mib() -> Option<f64> {
    sys::peak_memory().map(|bytes| (bytes as f64 / (1024.0 * 1024.0) * 10.0).round() / 10.0)
}
