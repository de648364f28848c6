//! The formats of `attn-tui export`, by their file extensions.

use std::io;
use std::path::{Path, PathBuf};

use super::ansi::Colors;
use super::figure::{self, Style, Theme, View};
use super::font::Fonts;
use super::scene::{Scene, Shape};
use super::select::Selection;
use super::text::{Cells, Picture};
use super::{csv, html, json, npz, png, svg, text};
use crate::capture::{self, Capture, Layout, Precision};
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
    /// What a capture file holds.
    pub layout: Layout,
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

/// An export that is ready to be written.
pub struct Export<'a> {
    /// Characters that no font has: a PNG shows boxes in their place. (The other formats hold the text itself.)
    pub missing: Vec<char>,
    content: Box<Writer<'a>>,
}

type Writer<'a> = dyn Fn(&mut dyn io::Write) -> io::Result<()> + 'a;

impl<'a> Export<'a> {
    fn new(content: impl Fn(&mut dyn io::Write) -> io::Result<()> + 'a) -> Self {
        Self { missing: Vec::new(), content: Box::new(content) }
    }

    fn whole(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::new(move |out| out.write_all(&bytes))
    }

    /// Writes the file; of data formats, a map at a time.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: &mut dyn io::Write) -> io::Result<()> {
        (self.content)(out)
    }
}

/// A capture in the format of a file.
///
/// # Errors
/// [`Error::NoSuchHead`]; [`Error::Usage`] for single heads or a layout that the capture does not have;
/// [`Error::Io`] and [`Error::BadFile`] for the font.
pub fn export<'a>(capture: &'a Capture, format: Format, options: &Options) -> Result<Export<'a>> {
    let selection = options.selection;
    let one_head = || selection.one_head(capture);
    Ok(match format {
        Format::Csv => {
            let heads = selection.heads(capture)?;
            Export::new(move |out| csv::write(capture, &heads, out))
        }
        Format::Json => {
            let heads = selection.heads(capture)?;
            Export::new(move |out| json::write(capture, &heads, out))
        }
        Format::Npz => {
            let heads = selection.heads(capture)?;
            Export::new(move |out| npz::write(capture, &selection, &heads, out))
        }
        Format::Safetensors => {
            let (chosen, layout) = (selection.narrow(capture)?, options.layout);
            if layout == Layout::Compact && !chosen.maps.sites().any(|(_, maps)| maps.compact().is_some()) {
                return Err(Error::Usage(format!(
                    "--layout compact: the capture of {} keeps maps alone, and nothing that they follow from; give the model and the text",
                    capture.model
                )));
            }
            Export::new(move |out| capture::write(&chosen, Precision::F32, layout, out))
        }
        Format::Html => {
            let dark = options.style.theme == Theme::Dark;
            Export::whole(html::render(capture, &selection, dark, options.style.colormap)?)
        }
        Format::Txt => Export::whole(text::render(capture, one_head()?, &options.picture())?),
        Format::Svg => Export::whole(svg::render(&options.scene(capture, &Fonts::built_in()?)?)),
        Format::Png => {
            let fonts = options.font.as_deref().map_or_else(Fonts::built_in, Fonts::with)?;
            let scene = options.scene(capture, &fonts)?;
            let missing = missing_in(&scene, &fonts);
            Export { missing, ..Export::whole(png::render(&scene, &fonts, options.pixels)?) }
        }
    })
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
