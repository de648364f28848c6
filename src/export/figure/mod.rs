//! Pictures of a capture: a map, the grid of a kind, the text with its weights. Each is a [`Scene`], written
//! as SVG or PNG.

mod bar;
mod grid;
mod map;
mod passage;

use super::font::Fonts;
use super::scene::{Anchor, Color, Scene, Shape, Text};
use crate::capture::Capture;
use crate::error::Result;
use crate::export::labels::model_title;
use crate::paint::{Colormap, Scale};
use crate::site::{Head, Kind};

/// Ink and paper.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// Dark on white, for print.
    #[default]
    Light,
    /// Light on near-black, for slides.
    Dark,
}

impl Theme {
    fn background(self) -> Color {
        match self {
            Theme::Light => [255, 255, 255],
            Theme::Dark => [18, 19, 23],
        }
    }

    fn ink(self) -> Color {
        match self {
            Theme::Light => [24, 24, 27],
            Theme::Dark => [232, 232, 236],
        }
    }

    fn dim(self) -> Color {
        match self {
            Theme::Light => [104, 104, 112],
            Theme::Dark => [150, 151, 160],
        }
    }

    fn line(self) -> Color {
        match self {
            Theme::Light => [208, 208, 214],
            Theme::Dark => [62, 64, 74],
        }
    }

    fn accent(self) -> Color {
        match self {
            Theme::Light => [200, 60, 20],
            Theme::Dark => [255, 150, 80],
        }
    }
}

/// What a picture shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum View {
    /// One head's map.
    Map(Head),
    /// Every head of a kind as a thumbnail.
    Grid(Kind),
    /// The tokens as running text, each shaded by the weight that a head gives it: in one query's row, or on
    /// average over the rows that may look at it.
    Passage(Head, Option<usize>),
}

/// How a picture looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Style {
    /// Ink and paper.
    pub theme: Theme,
    /// Colours of the weights.
    pub colormap: Colormap,
    /// From weight to colour.
    pub scale: Scale,
    /// Write the weights into the cells of a map, where they fit.
    pub values: bool,
}

/// A picture of a capture.
///
/// # Errors
/// [`crate::error::Error::NoSuchHead`] for a head, kind or query that the capture does not have.
pub fn scene(capture: &Capture, view: View, style: &Style, fonts: &Fonts) -> Result<Scene> {
    match view {
        View::Map(head) => map::scene(capture, head, style, fonts),
        View::Grid(kind) => grid::scene(capture, kind, style, fonts),
        View::Passage(head, query) => passage::scene(capture, head, query, style, fonts),
    }
}

/// The space around everything.
const MARGIN: f32 = 20.0;
/// Font sizes: the title, tokens, captions.
const TITLE: f32 = 15.0;
const TOKEN: f32 = 12.0;
const SMALL: f32 = 10.5;

/// The title and, below it, the model and a remark; and the height that they take.
fn heading(capture: &Capture, title: &str, remark: &str, style: &Style) -> (Vec<Shape>, f32) {
    let mut shapes = vec![text(MARGIN, MARGIN + TITLE, TITLE, style.theme.ink(), title)];
    let model = model_title(capture);
    let below = if remark.is_empty() { model } else { format!("{model} · {remark}") };
    shapes.push(text(MARGIN, MARGIN + TITLE + 18.0, SMALL, style.theme.dim(), &below));
    (shapes, MARGIN + TITLE + 18.0 + 14.0)
}

/// The right edge of the widest line of a heading.
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
    Shape::Text(Text { x, y, size, anchor, angle: 0.0, color, content: content.into() })
}

/// A text cut to a width, with an ellipsis where something is missing.
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
