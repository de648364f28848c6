//! Interface colours and theme files.

use std::path::Path;

use serde::Deserialize;

use crate::config::Background;
use crate::error::{Error, Result};
use crate::paint::Colormap;

/// Red, green and blue components.
pub type Rgb = [u8; 3];

/// Interface colours. Ordinary text keeps the terminal's own colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Palette {
    /// Accent: the selection and keys.
    pub accent: Rgb,
    /// Secondary text.
    pub dim: Rgb,
    /// Lines and frames.
    pub line: Rgb,
    /// Errors, and losses of probability.
    pub error: Rgb,
    /// Bars, gains of probability, and the windows of an encoder.
    pub bar: Rgb,
    /// Text of a selected item.
    pub selected: Rgb,
    /// Background of a selected item.
    pub selected_ground: Rgb,
    /// No difference, in maps of differences.
    pub same: Rgb,
    /// Increase, in maps of differences.
    pub more: Rgb,
    /// Decrease, in maps of differences.
    pub less: Rgb,
}

impl Palette {
    /// Default colours on a dark background.
    pub const DARK: Self = Self {
        accent: [110, 200, 255],
        dim: [128, 134, 142],
        line: [72, 78, 88],
        error: [255, 120, 110],
        bar: [230, 150, 70],
        selected: [10, 20, 30],
        selected_ground: [110, 200, 255],
        same: [18, 18, 22],
        more: [255, 120, 80],
        less: [90, 150, 255],
    };

    /// Default colours on a light background.
    pub const LIGHT: Self = Self {
        accent: [0, 92, 160],
        dim: [110, 114, 120],
        line: [190, 194, 200],
        error: [180, 30, 20],
        bar: [190, 100, 20],
        selected: [255, 255, 255],
        selected_ground: [0, 92, 160],
        same: [247, 247, 247],
        more: [178, 24, 43],
        less: [33, 102, 172],
    };

    /// Returns the default colours for a background.
    pub fn on(light: bool) -> Self {
        if light { Self::LIGHT } else { Self::DARK }
    }
}

/// Contents of a theme file. Colours are written as `"#rrggbb"`; all are optional.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ThemeFile {
    background: Option<String>,
    colormap: Option<String>,
    accent: Option<String>,
    dim: Option<String>,
    line: Option<String>,
    error: Option<String>,
    bar: Option<String>,
    selected: Option<String>,
    selected_ground: Option<String>,
    same: Option<String>,
    more: Option<String>,
    less: Option<String>,
}

/// A validated theme file.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// Background that the theme is made for.
    pub background: Background,
    /// Colour map of weights.
    pub colormap: Option<Colormap>,
    file: ThemeFile,
}

impl Chosen {
    /// Reads a theme file.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read; [`Error::BadFile`] for an unknown key or an invalid value.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
        Self::parse(&text).map_err(|why| Error::BadFile { file: path.display().to_string(), why })
    }

    fn parse(text: &str) -> std::result::Result<Self, String> {
        let file: ThemeFile = toml::from_str(text).map_err(|error| error.message().to_string())?;
        let background = file.background.as_deref().map_or(Ok(Background::Auto), str::parse)?;
        let colormap = file.colormap.as_deref().map(str::parse).transpose()?;
        let chosen = Self { background, colormap, file };
        chosen.checked(Palette::DARK)?;
        Ok(chosen)
    }

    /// Returns a palette with the file's colours in place of its own.
    pub fn over(&self, palette: Palette) -> Palette {
        self.checked(palette).unwrap_or(palette)
    }

    fn checked(&self, palette: Palette) -> std::result::Result<Palette, String> {
        let file = &self.file;
        let pick = |name: &str, text: &Option<String>, default: Rgb| match text {
            Some(text) => rgb(text).ok_or_else(|| format!("{name}: '{text}' is not a colour like #6ec8ff")),
            None => Ok(default),
        };
        Ok(Palette {
            accent: pick("accent", &file.accent, palette.accent)?,
            dim: pick("dim", &file.dim, palette.dim)?,
            line: pick("line", &file.line, palette.line)?,
            error: pick("error", &file.error, palette.error)?,
            bar: pick("bar", &file.bar, palette.bar)?,
            selected: pick("selected", &file.selected, palette.selected)?,
            selected_ground: pick("selected-ground", &file.selected_ground, palette.selected_ground)?,
            same: pick("same", &file.same, palette.same)?,
            more: pick("more", &file.more, palette.more)?,
            less: pick("less", &file.less, palette.less)?,
        })
    }
}

fn rgb(text: &str) -> Option<Rgb> {
    let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6 && digits.is_ascii())?;
    let part = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    Some([part(0)?, part(2)?, part(4)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_changes_what_it_names() {
        let chosen =
            Chosen::parse("background = \"light\"\ncolormap = \"cividis\"\naccent = \"#Ff8000\"").unwrap();
        assert_eq!((chosen.background, chosen.colormap), (Background::Light, Some(Colormap::Cividis)));
        let palette = chosen.over(Palette::LIGHT);
        assert_eq!(palette, Palette { accent: [255, 128, 0], ..Palette::LIGHT });
        assert_eq!(Chosen::parse("").unwrap().over(Palette::DARK), Palette::DARK);
    }

    #[test]
    fn mistakes_are_named() {
        for (text, wanted) in [
            ("acent = \"#000000\"", "acent"),
            ("dim = \"grey\"", "dim: 'grey' is not a colour"),
            ("line = \"#00000é\"", "line"),
            ("background = \"pink\"", "pink"),
            ("colormap = \"jet\"", "jet"),
        ] {
            let why = Chosen::parse(text).unwrap_err();
            assert!(why.contains(wanted), "{why}");
        }
    }
}
