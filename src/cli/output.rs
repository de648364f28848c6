//! Standard output and standard error.

use std::io::{IsTerminal, Write};

use crate::error::{Error, Result};

/// Prints to standard output; a reader that has gone away ends the program quietly.
pub fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|e| Error::io("standard output", e))
}

/// Tells something that is no error, on standard error.
pub fn note(text: &str) {
    // A note that cannot be written is no reason to fail.
    let _ = writeln!(std::io::stderr(), "note: {text}");
}

/// Columns of the terminal that standard output is; `None` where it is none.
pub fn width() -> Option<usize> {
    std::io::stdout().is_terminal().then(crate::tui::terminal::width).flatten()
}
