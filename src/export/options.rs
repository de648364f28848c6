//! Options of an export, shared by all formats.

use std::path::PathBuf;

use super::ansi::Colors;
use super::figure::{self, Figure, FigureStyle};
use super::font::Fonts;
use super::scene::Scene;
use super::select::HeadSelection;
use crate::capture::{Capture, SiteLayout};
use crate::error::Result;

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
    /// Tokens of one head joined by lines.
    Lines,
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

impl Options {
    /// Lays out the picture.
    ///
    /// # Errors
    /// [`Error::NoSuchHead`](crate::error::Error::NoSuchHead) if the selection is empty.
    pub(super) fn scene(&self, capture: &Capture, fonts: &Fonts) -> Result<Scene> {
        let one = self.selection.layer.is_some() || self.selection.head.is_some();
        let view = match self.figure {
            FigureKind::Auto if self.query.is_some() => self.passage(capture)?,
            FigureKind::Auto if one => Figure::Map(self.selection.one_head(capture)?),
            FigureKind::Auto | FigureKind::Grid => Figure::Grid(self.selection.one_kind(capture)?),
            FigureKind::Map => Figure::Map(self.selection.one_head(capture)?),
            FigureKind::Passage => self.passage(capture)?,
            FigureKind::Lines => Figure::Lines(self.selection.one_head(capture)?),
        };
        figure::scene(capture, view, &self.style, fonts)
    }

    fn passage(&self, capture: &Capture) -> Result<Figure> {
        Ok(Figure::Passage(self.selection.one_head(capture)?, self.query))
    }
}
