//! Weights as characters, for screens without colour.

/// Characters from empty to full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ramp {
    /// Shades: blank, `·`, `░`, `▒`, `▓`, `█`.
    #[default]
    Blocks,
    /// Seven-bit characters for terminals without Unicode.
    Ascii,
}

impl Ramp {
    /// The characters from empty to full; each is one column wide.
    pub fn glyphs(self) -> &'static [char] {
        match self {
            Self::Blocks => &[' ', '·', '░', '▒', '▓', '█'],
            Self::Ascii => &[' ', '.', ':', '-', '=', '+', '*', '#', '@'],
        }
    }

    /// The character of `t` in 0..=1; values outside are clamped, not-a-number is blank.
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
