//! SVG export.

use std::fmt::Write as _;

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::font::Fonts;
use super::options::Options;
use super::png::encode_picture;
use super::prepared::PreparedExport;
use super::scene::{Anchor, Area, Bitmap, CellGrid, Color, Scene, Segment, Shape, TextLine};
use super::shaping::in_order;
use crate::capture::Capture;
use crate::error::Result;

/// Extension of its files.
pub const EXTENSION: &str = "svg";

/// Prepares the export of a capture.
///
/// # Errors
/// [`crate::error::Error::NoSuchHead`] if the selection is empty.
pub fn prepare<'a>(capture: &'a Capture, options: &Options) -> Result<PreparedExport<'a>> {
    Ok(PreparedExport::whole(render(&options.scene(capture, &Fonts::built_in()?)?)))
}

/// Font families, in order of preference: the font that the layout was measured with, similar ones, then
/// fonts for the scripts that it lacks.
const FAMILIES: &str = "'DejaVu Sans', Verdana, 'Bitstream Vera Sans', 'Noto Sans', 'Noto Sans CJK SC', \
                        'Noto Sans Arabic', 'Noto Sans Hebrew', 'Noto Sans Devanagari', sans-serif";

/// Overlap of adjacent cells, which hides seams caused by rounding.
const SEAM: f32 = 0.7;

/// Renders a scene as an SVG 1.1 file without scripts, links or embedded fonts; text stays text, and pictures
/// are embedded as PNG.
pub fn render(scene: &Scene) -> String {
    let (width, height) = (scene.width.ceil(), scene.height.ceil());
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"{FAMILIES}\" role=\"img\">\n<title>{}</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"{}\"/>\n",
        escaped(&scene.description),
        hex(scene.background),
    );
    for shape in &scene.shapes {
        match shape {
            Shape::Fill(area, color) => rect(&mut svg, area, *color),
            Shape::Outline(area, color) => outline(&mut svg, area, *color),
            Shape::Cells(cells) => grid(&mut svg, cells),
            Shape::Bitmap(bitmap) => image(&mut svg, bitmap),
            Shape::Segment(segment) => straight(&mut svg, segment),
            Shape::Text(text) => line(&mut svg, text),
        }
    }
    svg.push_str("</svg>\n");
    svg
}

fn rect(svg: &mut String, area: &Area, color: Color) {
    let (x, y, width, height) = (num(area.x), num(area.y), num(area.width), num(area.height));
    append(
        svg,
        format_args!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"{}\"/>\n",
            hex(color)
        ),
    );
}

fn image(svg: &mut String, bitmap: &Bitmap) {
    // A picture in memory has no reason to fail; without it the figure still has its frames and texts.
    let Ok(file) = encode_picture(&bitmap.picture, None) else { return };
    let Area { x, y, width, height } = bitmap.area;
    append(
        svg,
        format_args!(
            "<image xmlns:xlink=\"http://www.w3.org/1999/xlink\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" \
             preserveAspectRatio=\"none\" xlink:href=\"data:image/png;base64,{}\"/>\n",
            num(x),
            num(y),
            num(width),
            num(height),
            BASE64_STANDARD.encode(file)
        ),
    );
}

fn outline(svg: &mut String, area: &Area, color: Color) {
    let (x, y) = (num(area.x - 0.5), num(area.y - 0.5));
    let (width, height) = (num(area.width + 1.0), num(area.height + 1.0));
    append(
        svg,
        format_args!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"none\" stroke=\"{}\"/>\n",
            hex(color)
        ),
    );
}

fn grid(svg: &mut String, cells: &CellGrid) {
    // Otherwise viewers anti-alias each rectangle by itself and the background shines through.
    svg.push_str("<g shape-rendering=\"crispEdges\">\n");
    let (right, bottom) = (cells.area.x + cells.area.width, cells.area.y + cells.area.height);
    for (mut area, color) in cells.runs() {
        // The next cells are drawn later and cover the overlap.
        area.width = (area.width + SEAM).min(right - area.x);
        area.height = (area.height + SEAM).min(bottom - area.y);
        rect(svg, &area, color);
    }
    svg.push_str("</g>\n");
}

fn straight(svg: &mut String, segment: &Segment) {
    let ((x1, y1), (x2, y2)) = (segment.from, segment.to);
    append(
        svg,
        format_args!(
            "<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" stroke=\"{}\" stroke-width=\"{}\" \
             stroke-linecap=\"round\"/>\n",
            num(x1),
            num(y1),
            num(x2),
            num(y2),
            hex(segment.color),
            num(segment.width)
        ),
    );
}

fn line(svg: &mut String, text: &TextLine) {
    let (x, y) = (num(text.x), num(text.y));
    let anchor = match text.anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    };
    let turned = match text.angle {
        0.0 => String::new(),
        angle => format!(" transform=\"rotate({} {x} {y})\"", num(angle)),
    };
    append(
        svg,
        format_args!(
            "<text x=\"{x}\" y=\"{y}\" font-size=\"{}\" text-anchor=\"{anchor}\" fill=\"{}\"{turned} \
             xml:space=\"preserve\">{}</text>\n",
            num(text.size),
            hex(text.color),
            escaped(&in_order(&text.content))
        ),
    );
}

fn append(svg: &mut String, what: std::fmt::Arguments) {
    // Writing to a String cannot fail.
    let _ = svg.write_fmt(what);
}

fn hex([r, g, b]: Color) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// Formats a length with at most two decimals.
fn num(value: f32) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// Escapes text for XML and HTML. Characters that XML forbids become replacement characters.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' => out.push(character),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
