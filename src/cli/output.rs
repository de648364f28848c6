//! Text on standard output and standard error.

use std::io::Write;
use std::path::Path;

use super::interrupt;
use crate::error::{Error, Result};
use crate::export::table::aligned;
use crate::files;
use crate::human::shortened;
use crate::terminal::{self, Terminal, printable};

/// Prints to standard output.
///
/// # Errors
/// [`Error::Io`]; a broken pipe ends the program quietly.
pub fn print(text: &str) -> Result<()> {
    terminal::print(text).map_err(|e| Error::io("standard output", e))
}

/// Prints text with colours to standard output.
///
/// # Errors
/// As [`print`].
pub fn print_styled(text: &str) -> Result<()> {
    terminal::print_styled(text).map_err(|e| Error::io("standard output", e))
}

/// Writes an output file as a whole or not at all, even if a signal ends the program meanwhile.
///
/// # Errors
/// Those of [`files::save_with`].
pub fn save(
    path: &Path,
    force: bool,
    write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<()> {
    interrupt::remove_parts_on_signals();
    files::save_with(path, force, write)
}

/// Prints an error and its hint to standard error.
pub fn error(error: &Error) {
    terminal::message("error", &shortened(&error.to_string()));
    if let Some(hint) = error.hint() {
        terminal::message("hint", &shortened(&hint));
    }
}

/// Prints the help, the version or the error with which clap ends, and returns the exit status.
pub fn clap_message(message: &clap::Error) -> u8 {
    let streams = Terminal::detect(|name| std::env::var_os(name));
    let styled = !streams.plain && if message.use_stderr() { streams.stderr } else { streams.stdout };
    let text = message.render();
    let text = if styled { text.ansi().to_string() } else { text.to_string() };
    if message.use_stderr() {
        terminal::print_error_styled(&text);
    } else {
        // A reader that has closed the pipe has seen enough.
        let _ = terminal::print_styled(&text);
    }
    u8::try_from(message.exit_code()).unwrap_or(2)
}

/// Prints a note to standard error.
pub fn note(text: &str) {
    terminal::message("note", &shortened(text));
}

/// Aligns rows of text in columns.
pub fn table(rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<_>> = rows.iter().map(|row| row.iter().map(|cell| printable(cell)).collect()).collect();
    aligned(&rows, |_| true).iter().map(|line| format!("{line}\n")).collect()
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
