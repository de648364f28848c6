//! Text on standard output and standard error.

use std::io::Write;

use crate::error::{Error, Result};
use crate::export::table::aligned;

/// Prints to standard output.
///
/// # Errors
/// [`Error::Io`]; a broken pipe ends the program quietly.
pub fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|e| Error::io("standard output", e))
}

/// Prints a note to standard error.
pub fn note(text: &str) {
    // A note that cannot be written is no reason to fail.
    let _ = writeln!(std::io::stderr(), "note: {text}");
}

/// Aligns rows of text in columns.
pub fn table(rows: &[Vec<String>]) -> String {
    aligned(rows, |_| true).iter().map(|line| format!("{line}\n")).collect()
}

/// Formats a number of the encoder and of the decoder: `6` if they are equal, else `12+2`.
pub fn encoder_and_decoder((encoder, decoder): (usize, usize)) -> String {
    if encoder == decoder { encoder.to_string() } else { format!("{encoder}+{decoder}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_by_width_on_screen() {
        let rows = [["a", "日本", "x"], ["bcd", "e", "y"]].map(|row| row.map(String::from).to_vec());
        assert_eq!(table(&rows), "a    日本  x\nbcd  e     y\n");
    }
}
