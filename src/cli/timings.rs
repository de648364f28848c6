//! `--timings`: one line of JSON on standard error that says where the time of a headless command went.

use std::cell::RefCell;
use std::time::Instant;

use crate::engine::{self, Timings};
use crate::sys;

/// What the command measured so far; a command runs on one thread.
#[derive(Default)]
struct Clock {
    wanted: bool,
    threads: usize,
    load_ms: f64,
    steps: Timings,
    ready: Option<Instant>,
    write_ms: f64,
}

thread_local! {
    static CLOCK: RefCell<Clock> = RefCell::default();
}

/// Milliseconds since `start`.
pub fn since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

/// Notes that timings are wanted, with what is known once the capture is there.
pub fn captured(threads: Option<usize>, load_ms: f64, steps: Timings) {
    CLOCK.with_borrow_mut(|clock| {
        let threads = engine::threads(threads);
        *clock = Clock { wanted: true, threads, load_ms, steps, ready: Some(Instant::now()), write_ms: 0.0 };
    });
}

/// Does `work`, which writes a file, and counts its time as such.
pub fn writing<T>(work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let done = work();
    CLOCK.with_borrow_mut(|clock| clock.write_ms += since(start));
    done
}

/// Prints the line, where it is wanted.
pub fn print() {
    CLOCK.with_borrow(|clock| {
        let Clock { wanted: true, ready: Some(ready), .. } = clock else { return };
        let line = serde_json::json!({
            "load_ms": round(clock.load_ms),
            "tokenize_ms": round(clock.steps.tokenize_ms),
            "generate_ms": round(clock.steps.generate_ms),
            "capture_ms": round(clock.steps.capture_ms),
            "analyse_ms": round((since(*ready) - clock.write_ms).max(0.0)),
            "write_ms": round(clock.write_ms),
            "peak_rss_mib": peak_rss_mib(),
            "threads": clock.threads,
            "kernels": engine::kernels(),
        });
        eprintln!("{line}");
    });
}

fn round(ms: f64) -> f64 {
    (ms * 1e3).round() / 1e3
}

/// The peak memory of the process in MiB; `null` where the system does not tell.
fn peak_rss_mib() -> Option<f64> {
    sys::peak_memory().map(|bytes| (bytes as f64 / (1024.0 * 1024.0) * 10.0).round() / 10.0)
}
