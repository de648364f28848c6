//! The formats of `attn-tui export`, by their file extensions.

use std::path::{Path, PathBuf};

use super::ansi::Colors;
use super::figure::{self, Style, Theme, View};
use super::font::Fonts;
use super::scene::{Scene, Shape};
use super::select::Selection;
use super::text::{Cells, Picture};
use super::{csv, html, json, npz, png, svg, text};
use crate::capture::{self, Capture, Precision};
use crate::error::{Error, Result};

/// A format that a capture can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A line a weight.
    Csv,
    /// Nested lists.
    Json,
    /// NumPy arrays.
    Npz,
    /// The capture file.
    Safetensors,
    /// A picture in pixels.
    Png,
    /// A picture in shapes.
    Svg,
    /// A page to explore.
    Html,
    /// A map as text.
    Txt,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 8] =
        [Self::Csv, Self::Json, Self::Npz, Self::Safetensors, Self::Png, Self::Svg, Self::Html, Self::Txt];

    /// Its file extension.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Npz => "npz",
            Self::Safetensors => "safetensors",
            Self::Png => "png",
            Self::Svg => "svg",
            Self::Html => "html",
            Self::Txt => "txt",
        }
    }

    /// The format of a file, by its extension.
    ///
    /// # Errors
    /// [`Error::Usage`], listing the formats, when there is none of that extension.
    pub fn of(path: &Path) -> Result<Self> {
        let extension = path.extension().and_then(|ext| ext.to_str()).unwrap_or_default().to_lowercase();
        Self::ALL.into_iter().find(|format| format.extension() == extension).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|format| format.extension()).collect();
            Error::Usage(format!("{}: the extension must be one of {}", path.display(), known.join(", ")))
        })
    }
}

/// What a picture shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Content {
    /// One head's map where a layer or head is chosen, the grid of the kind otherwise.
    #[default]
    Auto,
    /// One head's map.
    Map,
    /// All heads of a kind.
    Grid,
    /// Running text with weights.
    Passage,
}

/// What is exported, and how it looks.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which heads: of data formats all that are chosen, of pictures one head or kind.
    pub selection: Selection,
    /// What pictures show.
    pub content: Content,
    /// The query whose row the passage shows; `None`: the mean over rows.
    pub query: Option<usize>,
    /// How pictures look.
    pub style: Style,
    /// Pixels of a PNG to a unit of length.
    pub pixels: f32,
    /// A font for characters that the built-in one lacks, for PNG.
    pub font: Option<PathBuf>,
    /// Colours of the text picture.
    pub colors: Colors,
}

/// A finished export.
pub struct Exported {
    /// The file.
    pub bytes: Vec<u8>,
    /// Characters that no font has: a PNG shows boxes in their place. (The other formats hold the text itself.)
    pub missing: Vec<char>,
}

/// A capture as the bytes of a file.
///
/// # Errors
/// [`Error::NoSuchHead`]; [`Error::Io`] and [`Error::BadFile`] for the font.
pub fn export(capture: &Capture, format: Format, options: &Options) -> Result<Exported> {
    let selection = &options.selection;
    let mut missing = Vec::new();
    let bytes = match format {
        Format::Csv => csv::render(capture, selection)?,
        Format::Json => json::render(capture, selection)?,
        Format::Npz => npz::render(capture, selection)?,
        Format::Safetensors => capture::to_bytes(&selection.narrow(capture)?, Precision::F32)?,
        Format::Html => {
            html::render(capture, selection, options.style.theme == Theme::Dark, options.style.colormap)?
        }
        Format::Txt => text::render(capture, selection.one_head(capture)?, &options.picture())?.into_bytes(),
        Format::Svg => svg::render(&options.scene(capture, &Fonts::built_in()?)?).into_bytes(),
        Format::Png => {
            let fonts = options.font.as_deref().map_or_else(Fonts::built_in, Fonts::with)?;
            let scene = options.scene(capture, &fonts)?;
            missing = missing_in(&scene, &fonts);
            png::render(&scene, &fonts, options.pixels)?
        }
    };
    Ok(Exported { bytes, missing })
}

impl Options {
    fn scene(&self, capture: &Capture, fonts: &Fonts) -> Result<Scene> {
        let one = self.selection.layer.is_some() || self.selection.head.is_some();
        let view = match self.content {
            Content::Auto if self.query.is_some() => self.passage(capture)?,
            Content::Auto if one => View::Map(self.selection.one_head(capture)?),
            Content::Auto | Content::Grid => View::Grid(self.selection.one_kind(capture)?),
            Content::Map => View::Map(self.selection.one_head(capture)?),
            Content::Passage => self.passage(capture)?,
        };
        figure::scene(capture, view, &self.style, fonts)
    }

    fn passage(&self, capture: &Capture) -> Result<View> {
        Ok(View::Passage(self.selection.one_head(capture)?, self.query))
    }

    fn picture(&self) -> Picture {
        let cells = if self.colors == Colors::None { Cells::Numbers } else { Cells::Colors(self.colors) };
        Picture { cells, colormap: self.style.colormap, scale: self.style.scale, width: None }
    }
}

fn missing_in(scene: &Scene, fonts: &Fonts) -> Vec<char> {
    let texts = scene.shapes.iter().filter_map(|shape| match shape {
        Shape::Text(text) => Some(text.content.as_str()),
        _ => None,
    });
    fonts.missing(&texts.collect::<String>())
}
