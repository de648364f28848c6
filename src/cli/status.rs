//! The status line of long steps.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::progress::{Progress, Watch};
use crate::terminal;

/// One line on standard error that shows the progress of a long step.
pub struct StatusLine {
    shown: Mutex<Option<Instant>>,
    terminal: bool,
    /// Raised to cancel.
    cancelled: Arc<AtomicBool>,
}

impl StatusLine {
    /// Creates a line that is drawn only if `terminal` is true.
    pub fn new(terminal: bool) -> Self {
        Self { shown: Mutex::new(None), terminal, cancelled: Arc::default() }
    }

    /// The same line, which cancels the step once `flag` is raised.
    pub fn cancelled_by(self, flag: &Arc<AtomicBool>) -> Self {
        let mut line = self;
        line.cancelled = Arc::clone(flag);
        line
    }

    /// Shows a text, unless another was shown less than a tenth of a second ago.
    pub fn say(&self, text: &dyn Display) {
        if !self.terminal {
            return;
        }
        let Ok(mut shown) = self.shown.lock() else { return };
        if shown.is_some_and(|at| at.elapsed() < Duration::from_millis(100)) {
            return;
        }
        *shown = Some(Instant::now());
        terminal::replace_line(&text.to_string());
    }
}

impl Watch for StatusLine {
    fn progress(&self, progress: Progress) {
        self.say(&progress);
    }

    fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

impl Drop for StatusLine {
    fn drop(&mut self) {
        if self.terminal && self.shown.lock().is_ok_and(|shown| shown.is_some()) {
            terminal::replace_line("");
        }
    }
}
