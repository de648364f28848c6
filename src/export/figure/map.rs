//! Figure of the map of one head.

use super::{FigureStyle, MARGIN, SMALL, TOKEN, anchored, bar, fitted, heading, heading_width, text};
use crate::capture::Capture;
use crate::error::Result;
use crate::export::font::Fonts;
use crate::export::labels::{Labels, keys_title, queries_title, site_title};
use crate::export::scene::{Anchor, Area, CellGrid, Scene, Shape, TextLine};
use crate::matrix::{Matrix, span_of};
use crate::paint::{Pool, Region, ink, pool};
use crate::site::{Head, Kind};

/// Side of a cell of a small map.
const CELL: f32 = 26.0;
/// Longest side of a map whose cells have to shrink.
const LONGEST: f32 = 760.0;
/// Number of cells along a side beyond which cells are pooled.
const MOST_CELLS: usize = 760;
/// Smallest cell side with readable labels; smaller cells are labelled with positions.
const READABLE: f32 = 11.0;
const LABEL_WIDTH: f32 = 190.0;
/// Angle of the column labels in degrees; negative values rise to the right.
const ANGLE: f32 = -50.0;

pub fn scene(capture: &Capture, head: Head, style: &FigureStyle, fonts: &Fonts) -> Result<Scene> {
    let map = capture.map(head)?;
    let labels = Labels::of(capture, head.kind());
    let pooled = pool(&map, &Region::whole(&map), MOST_CELLS, MOST_CELLS, Pool::Max);
    let mut remark = format!("{} · {}", queries_title(head.kind()), keys_title(head.kind()));
    if (pooled.rows(), pooled.cols()) != (map.rows(), map.cols()) {
        remark = format!("{remark} · {} × {}, a cell shows its largest weight", map.rows(), map.cols());
    }
    let title = format!("{}, head {}", site_title(head.kind(), head.layer()), head.head);
    let (mut shapes, top) = heading(capture, &title, &remark, style);

    let longest = pooled.rows().max(pooled.cols()).max(1) as f32;
    let side = (LONGEST / longest).min(CELL);
    let readable = side >= READABLE;
    let size = TOKEN.min(side);
    let column_labels: Vec<_> = if readable {
        labels.keys.iter().map(|key| fitted(key, size, LABEL_WIDTH, fonts)).collect()
    } else {
        Vec::new()
    };
    let row_labels: Vec<_> = if readable {
        labels.queries.iter().map(|query| fitted(query, size, LABEL_WIDTH, fonts)).collect()
    } else {
        Vec::new()
    };
    let widest =
        |labels: &[String]| labels.iter().map(|label| fonts.width(label, size)).fold(0.0f32, f32::max);
    let left = MARGIN + if readable { widest(&row_labels) } else { 40.0 } + 8.0;
    let (sin, cos) = (-ANGLE).to_radians().sin_cos();
    let y = top + if readable { widest(&column_labels) * sin + size } else { 24.0 };
    let area = Area { x: left, y, width: side * pooled.cols() as f32, height: side * pooled.rows() as f32 };

    shapes.extend(cells(&map, &pooled, head.kind() == Kind::Decoder, area, style));
    shapes.push(Shape::Outline(area, style.theme.line()));
    if readable {
        for (j, label) in column_labels.iter().enumerate() {
            let x = area.x + (j as f32 + 0.5) * side + size * 0.15;
            let (content, color) = (label.clone(), style.theme.ink());
            shapes.push(Shape::Text(TextLine {
                x,
                y: y - 5.0,
                size,
                anchor: Anchor::Start,
                angle: ANGLE,
                color,
                content,
            }));
        }
        for (i, label) in row_labels.iter().enumerate() {
            let baseline = area.y + (i as f32 + 0.5) * side + size * 0.35;
            shapes.push(anchored(area.x - 7.0, baseline, size, style.theme.ink(), label, Anchor::End));
        }
    } else {
        shapes.extend(positions(&map, area, style));
    }
    // Labels of the last columns reach beyond the right edge.
    let lean = column_labels
        .iter()
        .enumerate()
        .map(|(j, label)| area.x + (j as f32 + 1.0) * side + fonts.width(label, size) * cos);
    let right = lean.fold(area.x + area.width + 14.0 + bar::WIDTH, f32::max);
    let bar_height = area.height.clamp(60.0, 200.0);
    shapes.extend(bar::upright(area.x + area.width + 18.0, area.y + 16.0, bar_height, map.max(), style));
    let height = (area.y + area.height).max(area.y + 16.0 + bar_height) + MARGIN;
    Ok(Scene {
        width: right.max(heading_width(&shapes[..2], fonts)) + MARGIN,
        height,
        background: style.theme.background(),
        description: format!("{title} of {}: {}", capture.model, capture.source.text),
        shapes,
    })
}

fn cells(map: &Matrix, pooled: &Matrix, causal: bool, area: Area, style: &FigureStyle) -> Vec<Shape> {
    let shades = style.scale.map(pooled, causal);
    let colors = shades.as_slice().iter().map(|&t| style.colormap.color(t)).collect::<Vec<_>>();
    let side = area.width / pooled.cols().max(1) as f32;
    let mut shapes = Vec::new();
    if style.values && side >= CELL {
        for i in 0..map.rows() {
            for (j, &weight) in map.row(i).iter().enumerate() {
                let (x, y) = (area.x + (j as f32 + 0.5) * side, area.y + (i as f32 + 0.5) * side);
                let color = ink(colors[i * map.cols() + j]);
                let content = format!("{weight:.2}");
                let content = content.strip_prefix('0').filter(|_| weight < 0.995).unwrap_or(&content);
                if weight >= 0.005 {
                    shapes.push(anchored(x, y + 3.2, 9.0, color, content, Anchor::Middle));
                }
            }
        }
    }
    shapes.insert(0, Shape::Cells(CellGrid { area, cols: pooled.cols(), colors }));
    shapes
}

/// Labels positions at intervals along both axes, where cells are too small for tokens.
fn positions(map: &Matrix, area: Area, style: &FigureStyle) -> Vec<Shape> {
    const EVERY: f32 = 64.0;
    let color = style.theme.dim();
    let marks = |length: f32, count: usize| {
        let marks = ((length / EVERY).ceil() as usize).clamp(1, count.max(1));
        (0..marks).map(move |mark| {
            let at = span_of(mark, count, marks).start;
            (at, length * (at as f32 + 0.5) / count.max(1) as f32)
        })
    };
    let mut shapes = Vec::new();
    for (at, x) in marks(area.width, map.cols()) {
        shapes.push(anchored(area.x + x, area.y - 7.0, SMALL, color, &at.to_string(), Anchor::Middle));
    }
    for (at, y) in marks(area.height, map.rows()) {
        shapes.push(anchored(area.x - 7.0, area.y + y + 4.0, SMALL, color, &at.to_string(), Anchor::End));
    }
    shapes.push(text(area.x + area.width + 18.0, area.y - 7.0, SMALL, color, "positions"));
    shapes
}
