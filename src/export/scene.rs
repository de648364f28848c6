//! A picture as a list of shapes, before it becomes SVG or PNG. Lengths are pixels at scale 1, `y` grows
//! downwards.

/// Red, green and blue.
pub type Color = [u8; 3];

/// A picture.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Its width.
    pub width: f32,
    /// Its height.
    pub height: f32,
    /// What is behind the shapes.
    pub background: Color,
    /// What it shows, in a sentence, for readers who do not see it.
    pub description: String,
    /// The shapes, from back to front.
    pub shapes: Vec<Shape>,
}

/// One shape.
#[derive(Clone, Debug)]
pub enum Shape {
    /// A filled rectangle.
    Fill(Area, Color),
    /// The outline of a rectangle, one pixel wide, just outside it.
    Outline(Area, Color),
    /// A grid of coloured cells.
    Cells(Cells),
    /// A line of text.
    Text(Text),
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

/// A grid of coloured cells that fills a rectangle.
#[derive(Clone, Debug)]
pub struct Cells {
    /// Where.
    pub area: Area,
    /// Cells in a row.
    pub cols: usize,
    /// The cells' colours, row by row.
    pub colors: Vec<Color>,
}

impl Cells {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.colors.len() / self.cols.max(1)
    }

    /// The cells as rectangles; neighbours in a row that share a colour are one.
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

/// Where a line of text is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// At its beginning.
    Start,
    /// In the middle.
    Middle,
    /// At its end.
    End,
}

/// A line of text.
#[derive(Clone, Debug)]
pub struct Text {
    /// Where its anchor is.
    pub x: f32,
    /// The base line.
    pub y: f32,
    /// Font size in pixels.
    pub size: f32,
    /// Which part of it is at `x`.
    pub anchor: Anchor,
    /// Turned by so many degrees around (`x`, `y`); negative: counterclockwise.
    pub angle: f32,
    /// Its colour.
    pub color: Color,
    /// What it says.
    pub content: String,
}
