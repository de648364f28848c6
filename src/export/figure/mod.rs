//! Figures of a capture as a [`Scene`], for SVG and PNG: a map, the grid of a kind, text
//! shaded by weight, or tokens joined by lines.

mod bar;
pub mod boxes;
mod grid;
pub mod lines;
pub mod map;
mod passage;
mod picture;
pub mod table;

use super::font::Fonts;
use super::scene::{Anchor, Color, Scene, Shape, TextLine};
use crate::capture::Capture;
use crate::error::Result;
use crate::paint::{Colormap, Scale};
use crate::site::{Head, Kind};

/// Colours of a figure apart from the weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FigureTheme {
    /// Dark text on white, for print.
    #[default]
    Light,
    /// Light text on near-black, for slides.
    Dark,
}

impl FigureTheme {
    fn background(self) -> Color {
        match self {
            FigureTheme::Light => [255, 255, 255],
            FigureTheme::Dark => [18, 19, 23],
        }
    }

    fn ink(self) -> Color {
        match self {
            FigureTheme::Light => [24, 24, 27],
            FigureTheme::Dark => [232, 232, 236],
        }
    }

    fn dim(self) -> Color {
        match self {
            FigureTheme::Light => [104, 104, 112],
            FigureTheme::Dark => [150, 151, 160],
        }
    }

    fn line(self) -> Color {
        match self {
            FigureTheme::Light => [208, 208, 214],
            FigureTheme::Dark => [62, 64, 74],
        }
    }

    fn accent(self) -> Color {
        match self {
            FigureTheme::Light => [200, 60, 20],
            FigureTheme::Dark => [255, 150, 80],
        }
    }
}

/// Subject of a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Figure {
    /// Map of one head.
    Map(Head),
    /// Thumbnails of all heads of a kind.
    Grid(Kind),
    /// Tokens as running text, shaded by the weight that a head gives them: in the row of one query or, for
    /// `None`, on average over the rows that can attend to them.
    Passage(Head, Option<usize>),
    /// Queries and keys of a head, joined by lines as strong as their weights.
    Lines(Head),
}

/// Appearance of a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FigureStyle {
    /// Colours apart from the weights.
    pub theme: FigureTheme,
    /// Colour map of the weights.
    pub colormap: Colormap,
    /// Scale from weight to colour.
    pub scale: Scale,
    /// True if weights are written into the cells of a map, where they fit.
    pub values: bool,
}

/// Draws a figure of a capture.
///
/// # Errors
/// [`crate::error::Error::NoSuchHead`] if the capture lacks the head, kind or query.
pub fn scene(capture: &Capture, figure: Figure, style: &FigureStyle, fonts: &Fonts) -> Result<Scene> {
    match figure {
        Figure::Map(head) => Ok(map::scene(&map::MapDrawing::of(capture, head)?, style, fonts)),
        Figure::Grid(kind) => grid::scene(capture, kind, style, fonts),
        Figure::Passage(head, query) => passage::scene(capture, head, query, style, fonts),
        Figure::Lines(head) => {
            Ok(lines::scene(&lines::LinesDrawing::of(capture, head, style.scale)?, style, fonts))
        }
    }
}

/// Margin around the figure.
const MARGIN: f32 = 20.0;
// Font sizes of titles, tokens and captions.
const TITLE: f32 = 15.0;
const TOKEN: f32 = 12.0;
const SMALL: f32 = 10.5;

/// Draws the title and, below it, a remark. Returns the shapes and their height.
fn heading(title: &str, remark: &str, style: &FigureStyle) -> (Vec<Shape>, f32) {
    let mut shapes = vec![text(MARGIN, MARGIN + TITLE, TITLE, style.theme.ink(), title)];
    shapes.push(text(MARGIN, MARGIN + TITLE + 18.0, SMALL, style.theme.dim(), remark));
    (shapes, MARGIN + TITLE + 18.0 + 14.0)
}

/// Returns the right edge of the widest line of a heading.
fn heading_width(shapes: &[Shape], fonts: &Fonts) -> f32 {
    let right = |shape: &Shape| match shape {
        Shape::Text(text) => text.x + fonts.width(&text.content, text.size),
        _ => 0.0,
    };
    shapes.iter().map(right).fold(0.0, f32::max)
}

fn text(x: f32, y: f32, size: f32, color: Color, content: &str) -> Shape {
    anchored(x, y, size, color, content, Anchor::Start)
}

fn anchored(x: f32, y: f32, size: f32, color: Color, content: &str, anchor: Anchor) -> Shape {
    Shape::Text(TextLine { x, y, size, anchor, angle: 0.0, color, content: content.into() })
}

/// Cuts a text to a width; an ellipsis marks the cut.
fn fitted(content: &str, size: f32, width: f32, fonts: &Fonts) -> String {
    if fonts.width(content, size) <= width {
        return content.to_string();
    }
    let mut kept = String::new();
    for character in content.chars() {
        kept.push(character);
        if fonts.width(&kept, size) + fonts.width("…", size) > width {
            kept.pop();
            break;
        }
    }
    kept + "…"
}
