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

/// A number of bytes for people: `888 B`, `90.4 kB`, `1.2 GB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [(&str, f64); 3] = [("GB", 1e9), ("MB", 1e6), ("kB", 1e3)];
    let count = count as f64;
    match UNITS.iter().find(|(_, size)| count >= *size) {
        Some((unit, size)) => format!("{:.1} {unit}", count / size),
        None => format!("{count} B"),
    }
}

/// Rows of text in columns as wide as their widest cell; the last column keeps its own width.
pub fn table(rows: &[Vec<String>]) -> String {
    use unicode_width::UnicodeWidthStr;
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(width.saturating_sub(cell.width()) + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
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
