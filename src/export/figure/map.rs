//! Figure of one map.

use std::ops::Range;

use super::{FigureStyle, MARGIN, SMALL, TOKEN, anchored, bar, fitted, heading, heading_width};
use crate::capture::{Capture, SoundStrip};
use crate::error::Result;
use crate::export::font::Fonts;
use crate::export::labels::{Labels, keys_title, model_title, queries_title, site_title};
use crate::export::scene::{Anchor, Area, CellGrid, Color, Scene, Shape, TextLine};
use crate::matrix::{Matrix, span_of};
use crate::paint::{Colormap, Pool, Region, ink, pool};
use crate::site::{Head, Kind};

/// Side of a cell of a small map.
const CELL: f32 = 26.0;
/// Longest side of a map whose cells have to shrink.
const LONGEST: f32 = 760.0;
/// Number of cells along a side beyond which cells are pooled.
const MOST_CELLS: usize = 760;
/// Smallest cell side at which every row and column has a label; smaller cells are labelled at intervals.
const READABLE: f32 = 11.0;
const LABEL_WIDTH: f32 = 190.0;
/// Width of a label where labels stand at intervals.
const SPARSE_WIDTH: f32 = 110.0;
/// Height of the spectrum of a recording below a map.
const STRIP: f32 = 48.0;
/// Distance of the spectrum from the map.
const STRIP_GAP: f32 = 6.0;
/// Distance between labels that stand at intervals.
const INTERVAL: f32 = 24.0;
/// Angle of the column labels in degrees; negative values rise to the right.
const ANGLE: f32 = -50.0;

/// A map to draw, with its texts.
#[derive(Clone, Debug, PartialEq)]
pub struct MapDrawing {
    /// Title.
    pub title: String,
    /// Line below the title.
    pub remark: String,
    /// Text alternative: what the map shows, in one sentence.
    pub description: String,
    /// Values, `[queries, keys]`; NaN where there is none.
    pub map: Matrix,
    /// Labels of the rows.
    pub queries: Vec<String>,
    /// Labels of the columns.
    pub keys: Vec<String>,
    /// Loudness of the columns that are frames of a recording.
    pub sound: Option<SoundStrip>,
    /// True if keys after their query are hidden.
    pub causal: bool,
    /// True for signed values, such as scores or differences.
    pub signed: bool,
    /// The part that a picture shows, beside a small picture of the whole, if the whole is too large for a label
    /// at every row and column.
    pub part: Option<MapPart>,
}

/// Part of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapPart {
    /// Rows.
    pub rows: Range<usize>,
    /// Columns.
    pub cols: Range<usize>,
}

impl MapPart {
    /// Returns the values of the part, of `[rows, cols]` values with `width` columns.
    fn of<T: Copy>(&self, values: &[T], width: usize) -> Vec<T> {
        let row = |row: usize| values.get(row * width + self.cols.start..row * width + self.cols.end);
        self.rows.clone().filter_map(row).flatten().copied().collect()
    }
}

impl MapDrawing {
    /// Creates the drawing of one head's map.
    ///
    /// # Errors
    /// [`crate::error::Error::NoSuchHead`] if the capture lacks the head.
    pub fn of(capture: &Capture, head: Head) -> Result<Self> {
        let labels = Labels::of(capture, head.kind());
        let title = format!("{}, head {}", site_title(head.kind(), head.layer()), head.head);
        let (rows, columns) = (queries_title(capture, head.kind()), keys_title(capture, head.kind()));
        Ok(Self {
            description: format!("{title} of {}: {}", capture.model, capture.source.text),
            title,
            remark: format!("{} · {rows} · {columns}", model_title(capture)),
            map: capture.map(head)?,
            queries: labels.queries,
            keys: labels.keys,
            sound: capture.sound.clone().filter(|_| head.kind() != Kind::Decoder),
            causal: head.kind() == Kind::Decoder,
            signed: false,
            part: None,
        })
    }
}

/// Lays out a map.
pub fn scene(drawing: &MapDrawing, style: &FigureStyle, fonts: &Fonts) -> Scene {
    let map = &drawing.map;
    let large = side_of(map) < READABLE;
    let part = drawing.part.as_ref().filter(|part| large && !part.rows.is_empty() && !part.cols.is_empty());
    let (rows, cols) =
        part.map_or((0..map.rows(), 0..map.cols()), |part| (part.rows.clone(), part.cols.clone()));
    let pooled = match part {
        Some(part) => Matrix::new(rows.len(), cols.len(), part.of(map.as_slice(), map.cols())),
        None => pool(map, &Region::whole(map), MOST_CELLS, MOST_CELLS, Pool::Max),
    };
    let colors = match part {
        // Rows keep the scale that they have in the whole map.
        Some(part) => part.of(&colors(drawing, map, style), map.cols()),
        None => colors(drawing, &pooled, style),
    };
    let mut remark = drawing.remark.clone();
    if part.is_some() {
        let (last_row, last_col) = (rows.end - 1, cols.end - 1);
        remark = format!(
            "{remark} · rows {}–{last_row} of {}, columns {}–{last_col} of {}",
            rows.start,
            map.rows(),
            cols.start,
            map.cols()
        );
    } else if (pooled.rows(), pooled.cols()) != (map.rows(), map.cols()) {
        remark = format!("{remark} · {} × {}, a cell shows its largest weight", map.rows(), map.cols());
    }
    let (mut shapes, top) = heading(&drawing.title, &remark, style);

    let side = side_of(&pooled);
    let readable = side >= READABLE;
    let size = if readable { TOKEN.min(side) } else { SMALL };
    let most = if readable { LABEL_WIDTH } else { SPARSE_WIDTH };
    let labels = |all: &[String], length: f32| -> Vec<(f32, String)> {
        let marks = match readable {
            true => all.len(),
            false => ((length / INTERVAL).ceil() as usize).clamp(1, all.len().max(1)),
        };
        let place = |mark: usize| {
            let at = span_of(mark, all.len(), marks).start;
            let label = all.get(at)?;
            // The label of a frame says where it is.
            let timed = drawing.sound.is_some() && label.ends_with('s');
            let label = if readable || timed { label.clone() } else { format!("{at} {label}") };
            let middle = length * (at as f32 + 0.5) / all.len().max(1) as f32;
            Some((middle, fitted(&label, size, most, fonts)))
        };
        (0..marks).filter_map(place).collect()
    };
    let named = |all: &'_ [String], shown: Range<usize>| all.get(shown).unwrap_or_default().to_vec();
    let shown = cols.clone();
    let columns = labels(&named(&drawing.keys, cols), side * pooled.cols() as f32);
    let rows = labels(&named(&drawing.queries, rows), side * pooled.rows() as f32);
    let widest = |labels: &[(f32, String)]| {
        labels.iter().map(|(_, label)| fonts.width(label, size)).fold(0.0f32, f32::max)
    };
    let left = MARGIN + widest(&rows) + 8.0;
    let (sin, cos) = (-ANGLE).to_radians().sin_cos();
    let y = top + widest(&columns) * sin + size;
    let area = Area { x: left, y, width: side * pooled.cols() as f32, height: side * pooled.rows() as f32 };

    shapes.extend(cells(&pooled, colors, drawing.signed, area, style));
    shapes.push(Shape::Outline(area, style.theme.line()));
    let strip = drawing.sound.as_ref().map(|sound| strip(sound, &shown, area, style));
    let below = strip.as_ref().map_or(0.0, |_| STRIP + STRIP_GAP);
    shapes.extend(strip);
    // The last labels of the columns reach beyond the right edge.
    let mut right = area.x + area.width + 14.0 + bar::WIDTH;
    for (middle, label) in &columns {
        let x = area.x + middle + size * 0.15;
        right = right.max(x + side / 2.0 + fonts.width(label, size) * cos);
        shapes.push(Shape::Text(TextLine {
            x,
            y: y - 5.0,
            size,
            anchor: Anchor::Start,
            angle: ANGLE,
            color: style.theme.ink(),
            content: label.clone(),
        }));
    }
    for (middle, label) in &rows {
        let baseline = area.y + middle + size * 0.35;
        shapes.push(anchored(area.x - 7.0, baseline, size, style.theme.ink(), label, Anchor::End));
    }
    let bar_height = area.height.clamp(60.0, 200.0);
    let (x, y) = (area.x + area.width + 18.0, area.y + 16.0);
    shapes.extend(match drawing.signed {
        true => bar::signed(x, y, bar_height, largest(map), style),
        false => bar::upright(x, y, bar_height, map.max(), style),
    });
    let mut bottom = (area.y + area.height + below).max(area.y + 16.0 + bar_height);
    if let Some(part) = part {
        let (whole, frame) = overview(drawing, part, (x, y + bar_height + 20.0), style);
        (right, bottom) = (right.max(whole.x + whole.width), bottom.max(whole.y + whole.height));
        shapes.extend(frame);
    }
    let height = bottom + MARGIN;
    Scene {
        width: right.max(heading_width(&shapes[..2], fonts)) + MARGIN,
        height,
        background: style.theme.background(),
        description: drawing.description.clone(),
        shapes,
    }
}

/// Draws the spectrum of a recording below the `columns` of a map, high frequencies at the top.
fn strip(sound: &SoundStrip, columns: &Range<usize>, area: Area, style: &FigureStyle) -> Shape {
    let (heard, bands) = (columns.start..columns.end.min(sound.bands.rows()), sound.bands.cols());
    let cols = heard.len().min(MOST_CELLS);
    let level = |band: usize, column: usize| {
        let frames = span_of(column, heard.len(), cols);
        let count = frames.len().max(1) as f32;
        frames.filter_map(|frame| sound.bands.get(heard.start + frame, band)).sum::<f32>() / count
    };
    let places = (0..bands).rev().flat_map(|band| (0..cols).map(move |column| (band, column)));
    let colors = places.map(|(band, column)| style.colormap.color(level(band, column))).collect();
    let width = area.width * heard.len() as f32 / columns.len().max(1) as f32;
    let area = Area { y: area.y + area.height + STRIP_GAP, width, height: STRIP, ..area };
    Shape::Cells(CellGrid { area, cols, colors })
}

/// Returns the largest absolute value; infinities stand for masked scores and do not count.
fn largest(map: &Matrix) -> f32 {
    map.as_slice().iter().map(|value| value.abs()).filter(|size| size.is_finite()).fold(0.0, f32::max)
}

/// Returns the side of a cell of a map.
fn side_of(map: &Matrix) -> f32 {
    (LONGEST / map.rows().max(map.cols()).max(1) as f32).min(CELL)
}

/// Draws the whole map small, with a frame around a part, and returns its area.
fn overview(
    drawing: &MapDrawing,
    part: &MapPart,
    (x, y): (f32, f32),
    style: &FigureStyle,
) -> (Area, Vec<Shape>) {
    /// Longest side of the small map, and most of its cells.
    const SIDE: f32 = 110.0;
    let map = &drawing.map;
    let unit = SIDE / map.rows().max(map.cols()).max(1) as f32;
    let of = |cells: usize| (unit * cells as f32).max(1.0);
    let area = Area { x, y, width: of(map.cols()), height: of(map.rows()) };
    let (rows, cols) = (area.height.ceil() as usize, area.width.ceil() as usize);
    let pooled = pool(map, &Region::whole(map), rows, cols, Pool::Max);
    let colors = colors(drawing, &pooled, style);
    let frame = Area {
        x: x + unit * part.cols.start as f32,
        y: y + unit * part.rows.start as f32,
        width: of(part.cols.len()),
        height: of(part.rows.len()),
    };
    let shapes = vec![
        Shape::Cells(CellGrid { area, cols: pooled.cols(), colors }),
        Shape::Outline(area, style.theme.line()),
        Shape::Outline(frame, style.theme.ink()),
    ];
    (area, shapes)
}

/// Returns the colours of the cells of the drawing's map, whole or pooled.
fn colors(drawing: &MapDrawing, pooled: &Matrix, style: &FigureStyle) -> Vec<Color> {
    let background = style.theme.background();
    if drawing.signed {
        let top = largest(&drawing.map).max(1e-9);
        let color = |&value: &f32| match value.is_finite() {
            true => Colormap::Diverging.color(0.5 + value / top / 2.0),
            false => background,
        };
        pooled.as_slice().iter().map(color).collect()
    } else {
        let shades = style.scale.map(pooled, drawing.causal);
        let pairs = shades.as_slice().iter().zip(pooled.as_slice());
        pairs.map(|(&t, weight)| if weight.is_nan() { background } else { style.colormap.color(t) }).collect()
    }
}

fn cells(map: &Matrix, colors: Vec<Color>, signed: bool, area: Area, style: &FigureStyle) -> Vec<Shape> {
    let side = area.width / map.cols().max(1) as f32;
    let mut shapes = Vec::new();
    if style.values && side >= CELL {
        for i in 0..map.rows() {
            for (j, &weight) in map.row(i).iter().enumerate() {
                let (x, y) = (area.x + (j as f32 + 0.5) * side, area.y + (i as f32 + 0.5) * side);
                let color = ink(colors[i * map.cols() + j]);
                let content = if signed { format!("{weight:+.2}") } else { format!("{weight:.2}") };
                let content = content.replacen("0.", ".", usize::from(weight.abs() < 0.995));
                if weight.abs() >= 0.005 && weight.is_finite() {
                    shapes.push(anchored(x, y + 3.2, 9.0, color, &content, Anchor::Middle));
                }
            }
        }
    }
    shapes.insert(0, Shape::Cells(CellGrid { area, cols: map.cols(), colors }));
    shapes
}
