//! Rasterises a scene.

use ab_glyph::{OutlineCurve, Point};
use ab_glyph_rasterizer::Rasterizer;

use super::font::{Fonts, Glyph, MISSING_ADVANCE};
use super::scene::{Anchor, Area, Bitmap, Color, Scene, Segment, Shape, TextLine};
use super::shaping::visual;
use crate::image::{Resampling, resize};

/// An RGB image, three bytes per pixel, row by row.
pub struct Canvas {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Red, green and blue of each pixel: `[height, width, 3]`.
    pub pixels: Vec<u8>,
}

/// Draws a scene with `scale` pixels per unit of length.
pub fn draw(scene: &Scene, fonts: &Fonts, scale: f32) -> Canvas {
    let (width, height) = ((scene.width * scale).ceil() as usize, (scene.height * scale).ceil() as usize);
    let mut canvas = Canvas { width, height, pixels: scene.background.repeat(width * height) };
    for shape in &scene.shapes {
        match shape {
            Shape::Fill(area, color) => canvas.fill(area, scale, *color),
            Shape::Outline(area, color) => canvas.outline(area, scale, *color),
            Shape::Cells(cells) => cells.runs().for_each(|(area, color)| canvas.fill(&area, scale, color)),
            Shape::Bitmap(bitmap) => canvas.bitmap(bitmap, scale),
            Shape::Segment(segment) => canvas.segment(segment, scale),
            Shape::Text(text) => canvas.text(text, fonts, scale),
        }
    }
    canvas
}

impl Canvas {
    /// Fills a rectangle. Edges are rounded to whole pixels, so that adjacent rectangles neither overlap nor
    /// leave a gap.
    fn fill(&mut self, area: &Area, scale: f32, color: Color) {
        let span = |from: f32, length: f32, most: usize| {
            let start = (from * scale).round().max(0.0) as usize;
            let end = ((from + length) * scale).round().max(0.0) as usize;
            start.min(most)..end.min(most)
        };
        let cols = span(area.x, area.width, self.width);
        for row in span(area.y, area.height, self.height) {
            let at = row * self.width;
            if let Some(pixels) = self.pixels.get_mut((at + cols.start) * 3..(at + cols.end) * 3) {
                pixels.chunks_exact_mut(3).for_each(|pixel| pixel.copy_from_slice(&color));
            }
        }
    }

    fn bitmap(&mut self, bitmap: &Bitmap, scale: f32) {
        let Area { x, y, width, height } = bitmap.area;
        let [left, top, width, height] =
            [x, y, width, height].map(|length| (length * scale).round().max(0.0) as usize);
        let (width, height) =
            (width.min(self.width.saturating_sub(left)), height.min(self.height.saturating_sub(top)));
        if width == 0 || height == 0 {
            return;
        }
        let picture = resize(&bitmap.picture, width, height, Resampling::Bilinear);
        for row in 0..height {
            let at = ((top + row) * self.width + left) * 3;
            if let Some(pixels) = self.pixels.get_mut(at..at + 3 * width) {
                pixels.copy_from_slice(picture.row(row));
            }
        }
    }

    fn outline(&mut self, area: &Area, scale: f32, color: Color) {
        let &Area { x, y, width, height } = area;
        let line = 1.0;
        let sides = [
            Area { x: x - line, y: y - line, width: width + 2.0 * line, height: line },
            Area { x: x - line, y: y + height, width: width + 2.0 * line, height: line },
            Area { x: x - line, y, width: line, height },
            Area { x: x + width, y, width: line, height },
        ];
        sides.iter().for_each(|side| self.fill(side, scale, color));
    }

    fn segment(&mut self, segment: &Segment, scale: f32) {
        let ((x1, y1), (x2, y2)) = (segment.from, segment.to);
        let length = (x2 - x1).hypot(y2 - y1).max(1e-6);
        let half = segment.width / 2.0;
        let (across, down) = (-(y2 - y1) / length * half, (x2 - x1) / length * half);
        let corner = |x: f32, y: f32| ab_glyph::point(x * scale, y * scale);
        let ring = [
            corner(x1 + across, y1 + down),
            corner(x2 + across, y2 + down),
            corner(x2 - across, y2 - down),
            corner(x1 - across, y1 - down),
        ];
        let next = ring.iter().cycle().skip(1);
        self.stamp(&ring.iter().zip(next).map(|(&a, &b)| (a, b)).collect::<Vec<_>>(), segment.color);
    }

    fn text(&mut self, text: &TextLine, fonts: &Fonts, scale: f32) {
        let shift = match text.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => -fonts.width(&text.content, text.size) / 2.0,
            Anchor::End => -fonts.width(&text.content, text.size),
        };
        let mut pen = Pen::new(text, scale, shift);
        for character in visual(&text.content) {
            match fonts.glyph(character) {
                Some(glyph) => {
                    pen.glyph(&glyph);
                    pen.advance += glyph.advance * text.size;
                }
                None => {
                    pen.missing(character, fonts);
                    pen.advance += MISSING_ADVANCE * text.size;
                }
            }
        }
        self.stamp(&pen.lines, text.color);
    }

    /// Fills the area inside closed outlines, with anti-aliased edges.
    fn stamp(&mut self, lines: &[(Point, Point)], color: Color) {
        let points = || lines.iter().flat_map(|(a, b)| [a, b]);
        let left = points().map(|p| p.x).fold(f32::INFINITY, f32::min).floor().max(0.0);
        let top = points().map(|p| p.y).fold(f32::INFINITY, f32::min).floor().max(0.0);
        let right = points().map(|p| p.x).fold(0.0, f32::max).ceil().min(self.width as f32);
        let bottom = points().map(|p| p.y).fold(0.0, f32::max).ceil().min(self.height as f32);
        if right <= left || bottom <= top {
            return;
        }
        let mut rasterizer = Rasterizer::new((right - left) as usize + 1, (bottom - top) as usize + 1);
        let within = |p: Point| ab_glyph::point(p.x - left, p.y - top);
        lines.iter().for_each(|&(a, b)| rasterizer.draw_line(within(a), within(b)));
        rasterizer.for_each_pixel_2d(|x, y, coverage| {
            let (x, y) = (left as usize + x as usize, top as usize + y as usize);
            if x < self.width && y < self.height {
                self.blend((y * self.width + x) * 3, color, coverage.min(1.0));
            }
        });
    }

    fn blend(&mut self, at: usize, color: Color, coverage: f32) {
        if let Some(pixel) = self.pixels.get_mut(at..at + 3) {
            for (below, above) in pixel.iter_mut().zip(color) {
                let mixed = f32::from(*below) * (1.0 - coverage) + f32::from(above) * coverage;
                *below = mixed.round() as u8;
            }
        }
    }
}

/// Converts the glyphs of a line of text into outlines on the page, one after the other.
struct Pen {
    origin: Point,
    cos: f32,
    sin: f32,
    size: f32,
    scale: f32,
    /// Distance from the origin to the next glyph along the line of text.
    advance: f32,
    /// Height of the next glyph above the baseline.
    lift: f32,
    lines: Vec<(Point, Point)>,
}

/// Number of straight segments per curve of a glyph; more make no visible difference at text sizes.
const PIECES: usize = 8;

impl Pen {
    fn new(text: &TextLine, scale: f32, advance: f32) -> Self {
        let (sin, cos) = text.angle.to_radians().sin_cos();
        Self {
            origin: ab_glyph::point(text.x, text.y),
            cos,
            sin,
            size: text.size,
            scale,
            advance,
            lift: 0.0,
            lines: Vec::new(),
        }
    }

    /// Converts a point in text coordinates (`y` upwards from the baseline) into page coordinates.
    fn place(&self, x: f32, y: f32) -> Point {
        let (along, down) = (self.advance + x, -y - self.lift);
        ab_glyph::point(
            (self.origin.x + along * self.cos - down * self.sin) * self.scale,
            (self.origin.y + along * self.sin + down * self.cos) * self.scale,
        )
    }

    fn glyph(&mut self, glyph: &Glyph) {
        let Some(outline) = &glyph.outline else { return };
        let unit = glyph.scale * self.size;
        for curve in &outline.curves {
            let place = |p: Point| self.place(p.x * unit, p.y * unit);
            let points = match *curve {
                OutlineCurve::Line(a, b) => vec![place(a), place(b)],
                OutlineCurve::Quad(a, b, c) => bezier(&[place(a), place(b), place(c)]),
                OutlineCurve::Cubic(a, b, c, d) => bezier(&[place(a), place(b), place(c), place(d)]),
            };
            self.lines.extend(points.windows(2).map(|pair| (pair[0], pair[1])));
        }
    }

    /// Outlines a box with the character's number in hexadecimal digits, for a character that no font has.
    fn missing(&mut self, character: char, fonts: &Fonts) {
        let digits = format!("{:04X}", u32::from(character));
        let (first, second) = digits.split_at(digits.len().div_ceil(2));
        let (start, size) = (self.advance, self.size);
        for (row, half) in [first, second].into_iter().enumerate() {
            self.size = 0.3 * size;
            let width: f32 = half.chars().filter_map(|c| fonts.glyph(c)).map(|glyph| glyph.advance).sum();
            self.advance = start + 0.45 * size - width * self.size / 2.0;
            self.lift = if row == 0 { 0.4 * size } else { 0.1 * size };
            for glyph in half.chars().filter_map(|c| fonts.glyph(c)) {
                self.glyph(&glyph);
                self.advance += glyph.advance * self.size;
            }
        }
        (self.advance, self.size, self.lift) = (start, size, 0.0);
        let (low, high) = (0.0, 0.72 * self.size);
        let (left, right, line) = (0.08 * self.size, 0.82 * self.size, 0.06 * self.size);
        self.ring(&[(left, low), (right, low), (right, high), (left, high)]);
        let (left, right, low, high) = (left + line, right - line, low + line, high - line);
        self.ring(&[(left, low), (left, high), (right, high), (right, low)]);
    }

    fn ring(&mut self, corners: &[(f32, f32)]) {
        let points: Vec<_> = corners.iter().map(|&(x, y)| self.place(x, y)).collect();
        let next = points.iter().cycle().skip(1);
        self.lines.extend(points.iter().zip(next).map(|(&a, &b)| (a, b)));
    }
}

/// Returns points on a Bézier curve, by de Casteljau's algorithm.
fn bezier(control: &[Point]) -> Vec<Point> {
    let at = |t: f32| {
        let mut points = control.to_vec();
        while points.len() > 1 {
            points = points.windows(2).map(|pair| between(pair[0], pair[1], t)).collect();
        }
        points.first().copied().unwrap_or_default()
    };
    (0..=PIECES).map(|piece| at(piece as f32 / PIECES as f32)).collect()
}

fn between(a: Point, b: Point, t: f32) -> Point {
    ab_glyph::point(a.x + (b.x - a.x) * t, a.y + (b.y - a.y) * t)
}
