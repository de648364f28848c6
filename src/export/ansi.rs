//! Terminal colours as ANSI escape sequences.

use super::scene::Color;
use crate::paint::ink;

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
                format!("\x1b[48;5;{};38;5;{ink}m{text}\x1b[0m", nearest(ground))
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

/// Returns the nearest colour of xterm's 6 x 6 x 6 cube and its 24 greys.
fn nearest(color: Color) -> u8 {
    const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let level = |channel: u8| {
        let distance = |&at: &usize| LEVELS[at].abs_diff(channel);
        (0..LEVELS.len()).min_by_key(distance).unwrap_or(0)
    };
    let [r, g, b] = color.map(level);
    let cube = (16 + 36 * r + 6 * g + b, [LEVELS[r], LEVELS[g], LEVELS[b]]);
    let mean = color.iter().map(|&c| usize::from(c)).sum::<usize>() / 3;
    let step = (mean.saturating_sub(3) / 10).min(23);
    let gray = (232 + step, [(8 + 10 * step) as u8; 3]);
    let distance = |(_, shade): &(usize, Color)| -> u32 {
        shade.iter().zip(color).map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum()
    };
    let best = if distance(&gray) < distance(&cube) { gray } else { cube };
    best.0 as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_of_the_256() {
        assert_eq!(nearest([0, 0, 0]), 16);
        assert_eq!(nearest([255, 255, 255]), 231);
        assert_eq!(nearest([255, 0, 0]), 196);
        assert_eq!(nearest([128, 128, 128]), 244);
    }

    #[test]
    fn without_colours_there_is_no_escape() {
        assert_eq!(Colors::None.on([1, 2, 3], "x"), "x");
        assert_eq!(Colors::None.bold("x"), "x");
        assert!(Colors::True.on([253, 231, 37], "x").contains("38;2;0;0;0"));
    }
}
