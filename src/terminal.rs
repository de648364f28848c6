//! Facts about the terminal, found out once, at the start of the program; and the one way of text to standard
//! output and standard error, which keeps control characters of files and servers from the terminal.

use std::ffi::OsString;
use std::io::{IsTerminal, Result, Write};

/// The terminal that standard output and standard error go to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terminal {
    /// True if standard output is a terminal.
    pub stdout: bool,
    /// True if standard error is a terminal.
    pub stderr: bool,
    /// Width in columns; `None` if standard output is no terminal or does not tell.
    pub width: Option<usize>,
    /// True if colours are unwelcome: `NO_COLOR` is set, or `TERM` is `dumb`.
    pub plain: bool,
    /// True if `COLORTERM` announces 24-bit colours.
    pub true_color: bool,
}

impl Terminal {
    /// Inspects the process's streams and the given environment variables.
    pub fn detect(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let is = |name: &str, values: &[&str]| {
            variable(name).is_some_and(|value| values.iter().any(|v| value == *v))
        };
        let stdout = std::io::stdout().is_terminal();
        Self {
            stdout,
            stderr: std::io::stderr().is_terminal(),
            width: stdout.then(width).flatten(),
            plain: variable("NO_COLOR").is_some_and(|value| !value.is_empty()) || is("TERM", &["dumb"]),
            true_color: is("COLORTERM", &["truecolor", "24bit"]),
        }
    }
}

/// Returns the width of the terminal; `None` without the crate that asks for it.
fn width() -> Option<usize> {
    #[cfg(not(feature = "screen"))]
    return None;
    #[cfg(feature = "screen")]
    ratatui::crossterm::terminal::size().ok().map(|(columns, _)| usize::from(columns)).filter(|&n| n > 0)
}

/// Prints to standard output. Control characters except line breaks and tabs become visible signs.
///
/// # Errors
/// Those of writing.
pub fn print(text: &str) -> Result<()> {
    write_out(&printable_lines(text))
}

/// Prints text with the program's own colours to standard output. Apart from colours it is like [`print()`].
///
/// # Errors
/// Those of writing.
pub fn print_styled(text: &str) -> Result<()> {
    write_out(&printable_styled(text))
}

fn write_out(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush())
}

/// Prints a message on one line of standard error: `label: text`.
pub fn message(label: &str, text: &str) {
    // A message that cannot be written is no reason to fail.
    let _ = writeln!(std::io::stderr(), "{label}: {}", printable(text));
}

/// Prints lines with the program's own colours to standard error.
pub fn print_error_styled(text: &str) {
    let _ = write!(std::io::stderr(), "{}", printable_styled(text));
}

/// Replaces the current line of the terminal at standard error, without a line break after it.
pub fn replace_line(text: &str) {
    let _ = write!(std::io::stderr(), "\r\x1b[K{}", printable(text));
}

/// Replaces every control character by a visible sign, so that a text is one line and cannot command the
/// terminal.
pub fn printable(text: &str) -> String {
    text.chars().map(visible).collect()
}

/// Replaces every control character except line breaks and tabs.
fn printable_lines(text: &str) -> String {
    text.chars().map(|c| if matches!(c, '\n' | '\t') { c } else { visible(c) }).collect()
}

/// Replaces every control character except line breaks, tabs and the sequences that set colours.
fn printable_styled(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\x1b[") {
        let (before, sequence) = rest.split_at(at);
        out += &printable_lines(before);
        let inner = sequence.get(2..).unwrap_or_default();
        let length = inner.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b';').count();
        let is_color = inner.as_bytes().get(length) == Some(&b'm');
        let (head, tail) = sequence.split_at(if is_color { length + 3 } else { 2 });
        out += &if is_color { head.to_owned() } else { printable_lines(head) };
        rest = tail;
    }
    out + &printable_lines(rest)
}

/// Returns the sign for a control character (`␛` for escape), or the character itself.
fn visible(c: char) -> char {
    match c {
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\x7f' => '\u{2421}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_colours_reach_the_terminal() {
        let hostile = "a\x1b]52;c;eA==\x07b\r\u{9b}2J\n";
        assert_eq!(printable(hostile), "a␛]52;c;eA==␇b␍\u{fffd}2J␊");
        assert_eq!(printable_lines("a\tb\x1b[1m\n"), "a\tb␛[1m\n");
        let styled = "\x1b[1mhead\x1b[0m\n\x1b[48;2;1;2;3mx\x1b[0m\x1b[2J\x1b[\x1b[31";
        let expected = "\x1b[1mhead\x1b[0m\n\x1b[48;2;1;2;3mx\x1b[0m␛[2J␛[␛[31";
        assert_eq!(printable_styled(styled), expected);
    }

    #[test]
    fn variables_tell_of_colours() {
        let of = |variables: &[(&str, &str)]| {
            let variables: Vec<_> =
                variables.iter().map(|(k, v)| (k.to_string(), OsString::from(v))).collect();
            Terminal::detect(|name| {
                variables.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
            })
        };
        assert!(!of(&[]).plain && !of(&[("NO_COLOR", "")]).plain);
        assert!(of(&[("NO_COLOR", "1")]).plain && of(&[("TERM", "dumb")]).plain);
        assert!(of(&[("COLORTERM", "24bit")]).true_color && !of(&[("COLORTERM", "yes")]).true_color);
    }
}
