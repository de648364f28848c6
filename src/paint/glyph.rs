//! Character ramps, which show weights on screens without colour.

/// Series of characters from empty to full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ramp {
    /// Shades: blank, `·`, `░`, `▒`, `▓`, `█`.
    #[default]
    Blocks,
    /// ASCII characters, for terminals without Unicode.
    Ascii,
}

impl Ramp {
    /// Returns the characters from empty to full. Each is one column wide.
    pub fn glyphs(self) -> &'static [char] {
        match self {
            Self::Blocks => &[' ', '·', '░', '▒', '▓', '█'],
            Self::Ascii => &[' ', '.', ':', '-', '=', '+', '*', '#', '@'],
        }
    }

    /// Returns the character for `t`, which is clamped to `0..=1`. NaN is blank.
    pub fn glyph(self, t: f32) -> char {
        let glyphs = self.glyphs();
        let top = glyphs.len() - 1;
        let step = (t.clamp(0.0, 1.0) * top as f32).round() as usize;
        glyphs[step.min(top)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_middle() {
        assert_eq!(Ramp::Blocks.glyph(0.0), ' ');
        assert_eq!(Ramp::Blocks.glyph(0.25), '·');
        assert_eq!(Ramp::Blocks.glyph(1.0), '█');
        assert_eq!(Ramp::Ascii.glyph(2.0), '@');
        assert_eq!(Ramp::Ascii.glyph(f32::NAN), ' ');
    }
}
