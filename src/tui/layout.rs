//! Layout of the last frame: regions that react to the mouse, and scroll positions for the next frame.

use std::ops::Range;

use ratatui::layout::{Position, Rect};

use super::command::Command;
use super::widgets::strokes::Stroke;
use super::zoom::Window;
use crate::axis::PixelBox;
use crate::site::Kind;

/// Target of a mouse click.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hit {
    /// A button that runs a command.
    Command(Command),
    /// The tab of a kind.
    Kind(Kind),
    /// An item of the list in an overlay.
    Item(usize),
    /// A group of the menu, by its index.
    Group(usize),
    /// Accepts the topmost overlay.
    Accept,
    /// Closes the topmost overlay.
    Dismiss,
    /// A token that the selected decoder row predicts, by its index.
    Alternative(usize),
    /// A part of the view.
    View(ViewHit),
}

/// Target of a mouse click within a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewHit {
    /// The map; [`Layout::window`] converts positions to cells.
    Map,
    /// The label of a query, by its position on the axis.
    Query(usize),
    /// A source token in running text, by its position on the axis.
    Source(usize),
    /// A decoder row in running text, by its position on the axis.
    Target(usize),
    /// An item of the view's list, by its index.
    Item(usize),
}

/// A picture that a terminal with graphics shows in place of cells.
#[derive(Clone, Debug, PartialEq)]
pub enum Picture {
    /// The visible part of the map.
    Map(Window),
    /// Lines between two columns of tokens.
    Lines(LinePicture),
    /// The source's picture with weights over it.
    Source(LitPicture),
    /// The spectrum of a recording.
    Spectrum(SpectrumPicture),
}

impl Picture {
    /// Returns the cells of the picture.
    pub fn area(&self) -> Rect {
        match self {
            Picture::Map(window) => window.area,
            Picture::Lines(lines) => lines.area,
            Picture::Source(picture) => picture.area,
            Picture::Spectrum(picture) => picture.area,
        }
    }
}

/// Lines of a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct LinePicture {
    /// Cells of the picture.
    pub area: Rect,
    /// The lines, the weakest first.
    pub strokes: Vec<Stroke>,
}

/// The source's picture with weights over its patches.
#[derive(Clone, Debug, PartialEq)]
pub struct LitPicture {
    /// Cells of the picture.
    pub area: Rect,
    /// Width and height of the original.
    pub size: [f64; 2],
    /// Patches with their weights, scaled to `0..=1`; `None` where weights shade nothing.
    pub patches: Vec<(PixelBox, Option<f32>)>,
    /// The selected key's patch.
    pub key: Option<PixelBox>,
    /// The selected query's patch.
    pub query: Option<PixelBox>,
    /// The rectangle around the patches that the selected query attends among.
    pub window: Option<PixelBox>,
}

/// The spectrum of a recording above the columns of a map.
#[derive(Clone, Debug, PartialEq)]
pub struct SpectrumPicture {
    /// Cells of the picture.
    pub area: Rect,
    /// Frames of each column of cells; empty for keys that are no frames.
    pub columns: Vec<Range<usize>>,
}

/// Layout of the last frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    /// Area of the screen.
    pub screen: Rect,
    /// Area of the view.
    pub view: Rect,
    /// Regions that react to the mouse. Later ones lie on top.
    pub hits: Vec<(Rect, Hit)>,
    /// Visible part of the map.
    pub window: Option<Window>,
    /// Pictures in cells that are left empty for them.
    pub pictures: Vec<Picture>,
    /// First visible line of the view's list.
    pub first: usize,
    /// Position of the text cursor while text is edited.
    pub cursor: Option<Position>,
}

impl Layout {
    /// Adds a region that reacts to the mouse.
    pub fn hit(&mut self, area: Rect, hit: Hit) {
        if !area.is_empty() {
            self.hits.push((area, hit));
        }
    }

    /// Returns the target at a position.
    pub fn at(&self, at: Position) -> Option<Hit> {
        self.hits.iter().rev().find(|(area, _)| area.contains(at)).map(|(_, hit)| *hit)
    }
}
