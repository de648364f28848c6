//! Standard output.

use std::io::Write;

use crate::error::{Error, Result};

/// Prints to standard output; a reader that has gone away ends the program quietly.
pub fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|e| Error::io("standard output", e))
}
