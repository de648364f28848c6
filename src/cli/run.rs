//! MODEL and texts to a capture, for every command that draws no screen.

use std::fmt::Display;
use std::io::{IsTerminal, Read, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::args::{Open, Text};
use super::timings;
use crate::capture::Capture;
use crate::engine::{self, Opened, Timings};
use crate::error::{Error, Result};
use crate::progress::{Progress, Watch};

/// What a run keeps besides the maps.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keep {
    /// The scores over the vocabulary.
    pub logits: bool,
    /// Norms of values and contributions of keys.
    pub values: bool,
    /// What maps follow from in their place.
    pub compact: bool,
}

/// Opens MODEL and runs it on the text, or opens a capture file.
///
/// # Errors
/// What the engine finds wrong, and [`Error::Usage`] where there is no source or one too many.
pub fn open_capture(model: &str, open: &Open, text: &Text, keep: Keep) -> Result<Capture> {
    let watch = StatusLine::default();
    let start = Instant::now();
    match engine::open(&open.options(model)?, &watch)? {
        Opened::Capture(capture) => {
            if text.source.is_some() || text.target.is_some() {
                return Err(Error::Usage(format!(
                    "{model} is a capture file: it has its texts, so --source and --target do not go with it"
                )));
            }
            if open.timings {
                timings::captured(open.threads, timings::since(start), Timings::default());
            }
            Ok(*capture)
        }
        Opened::Model(session) => {
            let source = match &text.source {
                Some(source) => read_text(source)?,
                None if crate::hub::BUILT_IN.contains(&session.info().name.as_str()) => {
                    session.info().example.clone()
                }
                None => {
                    return Err(Error::Usage("--source TEXT is needed (`-` reads standard input)".into()));
                }
            };
            let load_ms = timings::since(start);
            let repeat = open.repeat.unwrap_or(1);
            let (capture, steps) = session.measure(&text.options(source, keep)?, repeat, &watch)?;
            if open.timings {
                timings::captured(open.threads, load_ms, steps);
            }
            Ok(capture)
        }
    }
}

/// The text itself, or standard input for `-` (its last line break does not count).
pub fn read_text(argument: &str) -> Result<String> {
    if argument != "-" {
        return Ok(argument.into());
    }
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes).map_err(|e| Error::io("standard input", e))?;
    let mut text =
        String::from_utf8(bytes).map_err(|_| Error::Text("standard input is not UTF-8 text".into()))?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

/// One line on standard error that says what takes long; none where it is no terminal.
pub struct StatusLine {
    shown: Mutex<Option<Instant>>,
    terminal: bool,
}

impl Default for StatusLine {
    fn default() -> Self {
        Self { shown: Mutex::new(None), terminal: std::io::stderr().is_terminal() }
    }
}

impl StatusLine {
    /// Shows a text, unless one was shown a moment ago.
    pub fn say(&self, what: &dyn Display) {
        if !self.terminal {
            return;
        }
        let Ok(mut shown) = self.shown.lock() else { return };
        if shown.is_some_and(|at| at.elapsed() < Duration::from_millis(100)) {
            return;
        }
        *shown = Some(Instant::now());
        // A status line that cannot be written is no reason to stop.
        let _ = write!(std::io::stderr(), "\r\x1b[K{what}");
    }
}

impl Watch for StatusLine {
    fn progress(&self, progress: Progress) {
        self.say(&progress);
    }
}

impl Drop for StatusLine {
    fn drop(&mut self) {
        if self.terminal && self.shown.lock().is_ok_and(|shown| shown.is_some()) {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
