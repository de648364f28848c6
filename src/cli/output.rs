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

/// A number of bytes for people: `888 B`, `90.4 kB`, `1.2 GB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [(&str, f64); 3] = [("GB", 1e9), ("MB", 1e6), ("kB", 1e3)];
    let count = count as f64;
    match UNITS.iter().find(|(_, size)| count >= *size) {
        Some((unit, size)) => format!("{:.1} {unit}", count / size),
        None => format!("{count} B"),
    }
}

/// Rows of text in columns, all to the left.
pub fn table(rows: &[Vec<String>]) -> String {
    aligned(rows, |_| true).iter().map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_three_digits_or_so() {
        assert_eq!(bytes(888), "888 B");
        assert_eq!(bytes(90_378), "90.4 kB");
        assert_eq!(bytes(7_188_730), "7.2 MB");
        assert_eq!(bytes(3_132_668_804), "3.1 GB");
    }

    #[test]
    fn columns_line_up_by_width_on_screen() {
        let rows = [["a", "日本", "x"], ["bcd", "e", "y"]].map(|row| row.map(String::from).to_vec());
        assert_eq!(table(&rows), "a    日本  x\nbcd  e     y\n");
    }
}
