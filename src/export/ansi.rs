//! Terminal colours as ANSI escape sequences.

use super::scene::Color;
use crate::paint::{ink, xterm};

/// Number of colours that the output supports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colors {
    /// No colours: a file, a pipe, or `NO_COLOR`.
    #[default]
    None,
    /// The 256 colours of xterm.
    Ansi256,
    /// 24-bit colours.
    True,
}

impl Colors {
    /// Puts text on a coloured background, in black or white for contrast. Returns plain text without
    /// colours.
    pub fn on(self, ground: Color, text: &str) -> String {
        match self {
            Colors::None => text.to_string(),
            Colors::Ansi256 => {
                let ink = if ink(ground) == [0, 0, 0] { 16 } else { 231 };
                format!("\x1b[48;5;{};38;5;{ink}m{text}\x1b[0m", xterm::nearest(ground))
            }
            Colors::True => {
                let ([r, g, b], [x, y, z]) = (ground, ink(ground));
                format!("\x1b[48;2;{r};{g};{b};38;2;{x};{y};{z}m{text}\x1b[0m")
            }
        }
    }

    /// Makes text bold. Returns plain text without colours.
    pub fn bold(self, text: &str) -> String {
        if self == Colors::None { text.into() } else { format!("\x1b[1m{text}\x1b[0m") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colours_there_is_no_escape() {
        assert_eq!(Colors::None.on([1, 2, 3], "x"), "x");
        assert_eq!(Colors::None.bold("x"), "x");
        assert!(Colors::True.on([253, 231, 37], "x").contains("38;2;0;0;0"));
    }
}
