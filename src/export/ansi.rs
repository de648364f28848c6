//! Terminal colours as ANSI escape sequences.

use crate::paint::{Colormap, ink};

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
    /// Puts text on the colour of `level`, a weight that is scaled to `0..=1`, in black or white for contrast.
    /// Returns plain text without colours.
    pub fn on(self, map: Colormap, level: f32, text: &str) -> String {
        let ground = map.color(level);
        match self {
            Colors::None => text.to_string(),
            Colors::Ansi256 => {
                let ink = if ink(ground) == [0, 0, 0] { 16 } else { 231 };
                format!("\x1b[48;5;{};38;5;{ink}m{text}\x1b[0m", map.indexed(level))
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
        assert_eq!(Colors::None.on(Colormap::Viridis, 0.5, "x"), "x");
        assert_eq!(Colors::None.bold("x"), "x");
        assert_eq!(Colors::True.on(Colormap::Viridis, 1.0, "x"), "\x1b[48;2;253;231;37;38;2;0;0;0mx\x1b[0m");
    }

    #[test]
    fn the_256_colours_are_those_of_the_screen() {
        for step in 0..=31 {
            let level = step as f32 / 31.0;
            let text = Colors::Ansi256.on(Colormap::Magma, level, "x");
            assert!(text.starts_with(&format!("\x1b[48;5;{};", Colormap::Magma.indexed(level))), "{text:?}");
        }
    }
}
