//! Standard output and standard error.

use std::io::{IsTerminal, Write};

use crate::error::{Error, Result};
use crate::export::table::aligned;

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

/// Rows of text in columns, all to the left.
pub fn table(rows: &[Vec<String>]) -> String {
    aligned(rows, |_| true).iter().map(|line| format!("{line}\n")).collect()
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
