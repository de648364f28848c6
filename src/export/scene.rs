//! A picture as a list of shapes, which SVG and PNG export draw.
//!
//! Lengths are in pixels at scale 1, and `y` grows downwards.

use std::sync::Arc;

use crate::image::RgbPicture;

/// Red, green and blue components.
pub type Color = [u8; 3];

/// A picture.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Width.
    pub width: f32,
    /// Height.
    pub height: f32,
    /// Colour behind the shapes.
    pub background: Color,
    /// Text alternative: what the picture shows, in one sentence.
    pub description: String,
    /// Shapes from back to front.
    pub shapes: Vec<Shape>,
}

/// A shape of a scene.
#[derive(Clone, Debug)]
pub enum Shape {
    /// A filled rectangle.
    Fill(Area, Color),
    /// The outline of a rectangle, one pixel wide, just outside it.
    Outline(Area, Color),
    /// A grid of coloured cells.
    Cells(CellGrid),
    /// A picture.
    Bitmap(Bitmap),
    /// A straight line.
    Segment(Segment),
    /// A line of text.
    Text(TextLine),
}

/// A straight line with round ends.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// Beginning, (`x`, `y`).
    pub from: (f32, f32),
    /// End, (`x`, `y`).
    pub to: (f32, f32),
    /// Width.
    pub width: f32,
    /// Colour.
    pub color: Color,
}

impl Scene {
    /// Joins scenes side by side, aligned at their tops. Their own backgrounds give way to that of the first.
    pub fn beside(scenes: Vec<Scene>) -> Option<Scene> {
        scenes.into_iter().reduce(|mut all, next| {
            let right = all.width;
            all.shapes.extend(next.shapes.into_iter().map(|shape| shape.moved(right)));
            all.width += next.width;
            all.height = all.height.max(next.height);
            all.description += &format!("; {}", next.description);
            all
        })
    }
}

impl Shape {
    /// Returns the shape moved to the right.
    fn moved(self, by: f32) -> Self {
        let area = |area: Area| Area { x: area.x + by, ..area };
        match self {
            Shape::Fill(at, color) => Shape::Fill(area(at), color),
            Shape::Outline(at, color) => Shape::Outline(area(at), color),
            Shape::Cells(cells) => Shape::Cells(CellGrid { area: area(cells.area), ..cells }),
            Shape::Bitmap(bitmap) => Shape::Bitmap(Bitmap { area: area(bitmap.area), ..bitmap }),
            Shape::Segment(line) => {
                let ((x, y), (to_x, to_y)) = (line.from, line.to);
                Shape::Segment(Segment { from: (x + by, y), to: (to_x + by, to_y), ..line })
            }
            Shape::Text(text) => Shape::Text(TextLine { x: text.x + by, ..text }),
        }
    }
}

/// A rectangle.
#[derive(Clone, Copy, Debug)]
pub struct Area {
    /// Left edge.
    pub x: f32,
    /// Upper edge.
    pub y: f32,
    /// Width.
    pub width: f32,
    /// Height.
    pub height: f32,
}

/// A picture that fills a rectangle.
#[derive(Clone, Debug)]
pub struct Bitmap {
    /// Rectangle that the picture fills.
    pub area: Area,
    /// The picture.
    pub picture: Arc<RgbPicture>,
}

/// A grid of coloured cells that fills a rectangle.
#[derive(Clone, Debug)]
pub struct CellGrid {
    /// Rectangle that the cells fill.
    pub area: Area,
    /// Number of cells in a row.
    pub cols: usize,
    /// Colours of the cells, row by row.
    pub colors: Vec<Color>,
}

impl CellGrid {
    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.colors.len() / self.cols.max(1)
    }

    /// Returns the cells as rectangles, with adjacent cells of one colour in a row merged.
    pub fn runs(&self) -> impl Iterator<Item = (Area, Color)> {
        let (width, height) =
            (self.area.width / self.cols.max(1) as f32, self.area.height / self.rows().max(1) as f32);
        self.colors.chunks(self.cols.max(1)).enumerate().flat_map(move |(row, colors)| {
            let mut at = 0;
            colors.chunk_by(|a, b| a == b).map(move |run| {
                let area = Area {
                    x: self.area.x + at as f32 * width,
                    y: self.area.y + row as f32 * height,
                    width: run.len() as f32 * width,
                    height,
                };
                at += run.len();
                (area, run[0])
            })
        })
    }
}

/// Part of a line of text that is placed at its `x`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// Beginning of the text.
    Start,
    /// Middle of the text.
    Middle,
    /// End of the text.
    End,
}

/// A line of text.
#[derive(Clone, Debug)]
pub struct TextLine {
    /// Horizontal position of the anchor.
    pub x: f32,
    /// Vertical position of the baseline.
    pub y: f32,
    /// Font size in pixels.
    pub size: f32,
    /// Part of the text that is placed at `x`.
    pub anchor: Anchor,
    /// Rotation around (`x`, `y`) in degrees, clockwise.
    pub angle: f32,
    /// Colour.
    pub color: Color,
    /// The text itself.
    pub content: String,
}
