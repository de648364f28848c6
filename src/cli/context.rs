//! Everything about this run of the program that commands share, resolved once at the start.

use attn_tui_kernels::threads;

use super::status::StatusLine;
use super::timings::Stopwatch;
use crate::config::{Overrides, Settings};
use crate::engine;
use crate::error::Result;
use crate::hub::Hub;
use crate::terminal::Terminal;

/// Settings and terminal of this run; every command that opens a model receives it.
pub struct Context {
    /// Settings from the command line, the environment, the settings file and the defaults, in this order.
    pub settings: Settings,
    /// The hub and its cache; `None` if the environment names no folder for the cache.
    pub hub: Option<Hub>,
    /// The terminal that the output goes to.
    pub terminal: Terminal,
    /// Times of the steps, for `--timings`.
    pub timings: Stopwatch,
}

impl Context {
    /// Reads the settings from the environment and the settings file, the only time that either is read for
    /// them.
    ///
    /// # Errors
    /// Those of [`Settings::load`].
    pub fn load(overrides: Overrides, hub: Option<Hub>) -> Result<Self> {
        Ok(Self {
            settings: Settings::load(overrides)?,
            hub,
            terminal: Terminal::detect(|name| std::env::var_os(name)),
            timings: Stopwatch::default(),
        })
    }

    /// Creates a status line, which stays silent unless standard error is a terminal.
    pub fn status_line(&self) -> StatusLine {
        StatusLine::new(self.terminal.stderr)
    }

    /// Runs `work` on as many threads as the engine uses.
    ///
    /// # Errors
    /// Those of `work`.
    pub fn on_threads<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        threads::run(engine::threads(self.settings.threads), work)
    }
}
