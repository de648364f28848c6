//! Export formats, selected by file extension.

use std::io;
use std::path::{Path, PathBuf};

use super::ansi::Colors;
use super::figure::{self, Figure, FigureStyle, FigureTheme};
use super::font::Fonts;
use super::scene::{Scene, Shape};
use super::select::HeadSelection;
use super::text::{CellStyle, TextStyle};
use super::{csv, html, json, npz, png, svg, text};
use crate::capture::{self, Capture, Precision, SiteLayout};
use crate::error::{Error, Result};

/// File format of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// CSV with one line per weight.
    Csv,
    /// JSON with maps as nested lists.
    Json,
    /// NumPy arrays in a zip file.
    Npz,
    /// Capture file.
    Safetensors,
    /// Bitmap picture.
    Png,
    /// Vector picture.
    Svg,
    /// Interactive page.
    Html,
    /// Map as plain text.
    Txt,
}

impl Format {
    /// All formats.
    pub const ALL: [Format; 8] =
        [Self::Csv, Self::Json, Self::Npz, Self::Safetensors, Self::Png, Self::Svg, Self::Html, Self::Txt];

    /// Returns the file extension, without a dot.
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

    /// Returns the format that belongs to a path's extension.
    ///
    /// # Errors
    /// [`Error::Usage`] with the list of extensions if there is no such format.
    pub fn of(path: &Path) -> Result<Self> {
        let extension = path.extension().and_then(|ext| ext.to_str()).unwrap_or_default().to_lowercase();
        Self::ALL.into_iter().find(|format| format.extension() == extension).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|format| format.extension()).collect();
            Error::Usage(format!("{}: the extension must be one of {}", path.display(), known.join(", ")))
        })
    }
}

/// Kind of picture to draw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FigureKind {
    /// The passage if a query is chosen, the map of one head if a layer or head is chosen, otherwise the
    /// grid.
    #[default]
    Auto,
    /// Map of one head.
    Map,
    /// Thumbnails of all heads of a kind.
    Grid,
    /// Running text, shaded by weight.
    Passage,
}

/// Options of an export.
#[derive(Clone, Debug)]
pub struct Options {
    /// Selected heads. Data formats write all of them; pictures show one head or one kind.
    pub selection: HeadSelection,
    /// Layout of a capture file.
    pub layout: SiteLayout,
    /// Kind of picture.
    pub figure: FigureKind,
    /// Query whose row the passage shows; `None` shows the mean over rows.
    pub query: Option<usize>,
    /// Appearance of pictures.
    pub style: FigureStyle,
    /// Pixels of a PNG per unit of length.
    pub pixels: f32,
    /// Font file for characters that the built-in font lacks, used by PNG.
    pub font: Option<PathBuf>,
    /// Colours of a text map.
    pub colors: Colors,
}

/// An export that is ready to write.
pub struct PreparedExport<'a> {
    /// Characters that no font has. A PNG shows boxes in their place; other formats hold the text itself.
    pub missing: Vec<char>,
    write: Box<Writer<'a>>,
}

type Writer<'a> = dyn Fn(&mut dyn io::Write) -> io::Result<()> + 'a;

impl<'a> PreparedExport<'a> {
    fn new(write: impl Fn(&mut dyn io::Write) -> io::Result<()> + 'a) -> Self {
        Self { missing: Vec::new(), write: Box::new(write) }
    }

    fn whole(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::new(move |out| out.write_all(&bytes))
    }

    /// Writes the file. Data formats are written one map at a time, so that memory stays bounded.
    ///
    /// # Errors
    /// Errors of `out`; a head that the capture lacks.
    pub fn write(&self, out: &mut dyn io::Write) -> io::Result<()> {
        (self.write)(out)
    }
}

/// Prepares the export of a capture.
///
/// # Errors
/// [`Error::NoSuchHead`] if the selection is empty; [`Error::Usage`] if the format cannot hold single heads
/// or the capture cannot be written in the layout; [`Error::Io`] and [`Error::BadFile`] for the font.
pub fn export<'a>(capture: &'a Capture, format: Format, options: &Options) -> Result<PreparedExport<'a>> {
    let selection = options.selection;
    let one_head = || selection.one_head(capture);
    Ok(match format {
        Format::Csv => {
            let heads = selection.heads(capture)?;
            PreparedExport::new(move |out| csv::write(capture, &heads, out))
        }
        Format::Json => {
            let heads = selection.heads(capture)?;
            PreparedExport::new(move |out| json::write(capture, &heads, out))
        }
        Format::Npz => {
            let heads = selection.heads(capture)?;
            PreparedExport::new(move |out| npz::write(capture, &selection, &heads, out))
        }
        Format::Safetensors => {
            let (selected, layout) = (selection.narrow(capture)?, options.layout);
            if layout == SiteLayout::Compact
                && !selected.maps.sites().any(|(_, maps)| maps.compact().is_some())
            {
                return Err(Error::Usage(format!(
                    "--layout compact: this capture of {} holds only maps; give the model and the text to record queries and keys",
                    capture.model
                )));
            }
            PreparedExport::new(move |out| capture::write(&selected, Precision::F32, layout, out))
        }
        Format::Html => {
            let dark = options.style.theme == FigureTheme::Dark;
            PreparedExport::whole(html::render(capture, &selection, dark, options.style.colormap)?)
        }
        Format::Txt => PreparedExport::whole(text::render(capture, one_head()?, &options.text_style())?),
        Format::Svg => PreparedExport::whole(svg::render(&options.scene(capture, &Fonts::built_in()?)?)),
        Format::Png => {
            let fonts = options.font.as_deref().map_or_else(Fonts::built_in, Fonts::with)?;
            let scene = options.scene(capture, &fonts)?;
            let missing = missing_in(&scene, &fonts);
            PreparedExport { missing, ..PreparedExport::whole(png::render(&scene, &fonts, options.pixels)?) }
        }
    })
}

impl Options {
    fn scene(&self, capture: &Capture, fonts: &Fonts) -> Result<Scene> {
        let one = self.selection.layer.is_some() || self.selection.head.is_some();
        let view = match self.figure {
            FigureKind::Auto if self.query.is_some() => self.passage(capture)?,
            FigureKind::Auto if one => Figure::Map(self.selection.one_head(capture)?),
            FigureKind::Auto | FigureKind::Grid => Figure::Grid(self.selection.one_kind(capture)?),
            FigureKind::Map => Figure::Map(self.selection.one_head(capture)?),
            FigureKind::Passage => self.passage(capture)?,
        };
        figure::scene(capture, view, &self.style, fonts)
    }

    fn passage(&self, capture: &Capture) -> Result<Figure> {
        Ok(Figure::Passage(self.selection.one_head(capture)?, self.query))
    }

    fn text_style(&self) -> TextStyle {
        let cells =
            if self.colors == Colors::None { CellStyle::Numbers } else { CellStyle::Colors(self.colors) };
        TextStyle { cells, colormap: self.style.colormap, scale: self.style.scale, width: None }
    }
}

fn missing_in(scene: &Scene, fonts: &Fonts) -> Vec<char> {
    let texts = scene.shapes.iter().filter_map(|shape| match shape {
        Shape::Text(text) => Some(text.content.as_str()),
        _ => None,
    });
    fonts.missing(&texts.collect::<String>())
}
