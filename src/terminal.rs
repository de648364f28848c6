//! Facts about the terminal, found out once, at the start of the program.

use std::ffi::OsString;
use std::io::IsTerminal;

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

fn width() -> Option<usize> {
    ratatui::crossterm::terminal::size().ok().map(|(columns, _)| usize::from(columns)).filter(|&n| n > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

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
