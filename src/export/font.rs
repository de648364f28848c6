//! Fonts for measuring and drawing text.

use std::path::Path;

use ab_glyph::{FontRef, FontVec, GlyphId, Outline};

use super::installed_fonts;
use super::shaping::visual;
use crate::error::{Error, Result};

/// DejaVu Sans 2.37. It covers Latin, Greek, Cyrillic, Hebrew, Arabic with its joined forms, and symbols, but
/// no Chinese, Japanese or Korean.
const BUILT_IN: &[u8] = include_bytes!("../../assets/fonts/DejaVuSans.ttf");

/// The built-in font, and others for characters that it lacks.
pub struct Fonts {
    built_in: FontRef<'static>,
    others: Vec<FontVec>,
}

/// Outline and advance of one character.
pub struct Glyph {
    /// Shape in font units; `None` for a blank.
    pub outline: Option<Outline>,
    /// Factor from font units to a font size of 1.
    pub scale: f32,
    /// Distance to the next character at a font size of 1.
    pub advance: f32,
}

impl Fonts {
    /// Loads the built-in font.
    ///
    /// # Errors
    /// [`Error::BadFile`] if the program's own font is damaged.
    pub fn built_in() -> Result<Self> {
        let broken = |_| Error::BadFile { file: "built-in font".into(), why: "not a font".into() };
        Ok(Self { built_in: FontRef::try_from_slice(BUILT_IN).map_err(broken)?, others: Vec::new() })
    }

    /// Loads the built-in font and, for the characters that it lacks, a TrueType or OpenType file (the first
    /// font of a collection).
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read, [`Error::BadFile`] if it is not a font.
    pub fn with(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        let no_font = |_| Error::BadFile {
            file: path.display().to_string(),
            why: "not a TrueType or OpenType font".into(),
        };
        let other = FontVec::try_from_vec_and_index(bytes, 0).map_err(no_font)?;
        Ok(Self { others: vec![other], ..Self::built_in()? })
    }

    /// Adds fonts of the machine that have some of these characters.
    pub fn add_installed(&mut self, characters: &[char]) {
        self.others.extend(installed_fonts::with(characters));
    }

    /// Returns the glyph of a character, or `None` if no font has one.
    pub fn glyph(&self, character: char) -> Option<Glyph> {
        glyph(&self.built_in, character)
            .or_else(|| self.others.iter().find_map(|other| glyph(other, character)))
    }

    /// Returns the width of a text in pixels at a font size.
    pub fn width(&self, text: &str, size: f32) -> f32 {
        let drawn = visual(text).into_iter();
        drawn.map(|c| self.glyph(c).map_or(MISSING_ADVANCE, |glyph| glyph.advance)).sum::<f32>() * size
    }

    /// Returns the characters of a text that no font has, each once and sorted.
    pub fn missing(&self, text: &str) -> Vec<char> {
        let mut missing: Vec<_> = visual(text).into_iter().filter(|&c| self.glyph(c).is_none()).collect();
        missing.sort_unstable();
        missing.dedup();
        missing
    }
}

/// Width of the box that replaces a character that no font has, at a font size of 1.
pub const MISSING_ADVANCE: f32 = 0.9;

fn glyph(font: &impl ab_glyph::Font, character: char) -> Option<Glyph> {
    let id = font.glyph_id(character);
    if id == GlyphId(0) {
        return None;
    }
    let scale = 1.0 / font.units_per_em()?;
    Some(Glyph { outline: font.outline(id), scale, advance: font.h_advance_unscaled(id) * scale })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_font_knows_what_it_lacks() {
        let fonts = Fonts::built_in().unwrap();
        assert_eq!(fonts.missing("Les élèves → ⟨s⟩ · Привет"), []);
        assert_eq!(fonts.missing("你好a你"), ['你', '好']);
        assert!(fonts.width("mm", 10.0) > fonts.width("ii", 10.0));
    }
}
