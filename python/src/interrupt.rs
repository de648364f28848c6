//! Work that is detached from the interpreter and stops at Ctrl-C.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use attn_tui::error::Result;
use attn_tui::progress::{Progress, Watch};
use pyo3::prelude::*;

use crate::errors::to_python;

/// Time between two looks at the interpreter's signals.
const PERIOD: Duration = Duration::from_millis(50);

/// Cancels once it is told to.
#[derive(Default)]
struct StopFlag(AtomicBool);

impl Watch for StopFlag {
    fn progress(&self, _: Progress) {}

    fn cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Runs `work` on another thread, while this one waits for signals, detached from the interpreter: other threads
/// of the program go on. A signal whose handler raises an exception, as that of Ctrl-C does, cancels the watch;
/// the exception is returned once the work has ended. Python handles signals on its main thread alone.
pub fn run<T: Send>(py: Python<'_>, work: impl FnOnce(&dyn Watch) -> Result<T> + Send) -> PyResult<T> {
    let stop = StopFlag::default();
    let (outcome, exception) = py.detach(|| {
        let (ended, end) = channel::<()>();
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| {
                // Dropped when the work ends, by a panic, too.
                let _ended = ended;
                work(&stop)
            });
            let mut exception = None;
            while end.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                if exception.is_none() {
                    exception = Python::attach(|py| py.check_signals()).err();
                    stop.0.store(exception.is_some(), Ordering::Relaxed);
                }
            }
            (worker.join().unwrap_or_else(|panic| resume_unwind(panic)), exception)
        })
    });
    match exception {
        Some(exception) => Err(exception),
        None => outcome.map_err(|error| to_python(py, &error)),
    }
}
