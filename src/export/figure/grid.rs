//! Figure of all heads of a kind: one thumbnail per head, one row per layer.

use super::{FigureStyle, MARGIN, SMALL, TOKEN, anchored, bar, heading, heading_width};
use crate::capture::Capture;
use crate::error::{Error, Result};
use crate::export::font::Fonts;
use crate::export::labels::{keys_title, kind_title, model_title, queries_title};
use crate::export::scene::{Anchor, Area, CellGrid, Scene, Shape};
use crate::paint::{Pool, Region, keys_seen, pool};
use crate::site::{Head, Kind, Site};

/// Length of a thumbnail's longer side.
const SIDE: f32 = 104.0;
const GAP: f32 = 10.0;
/// Number of cells along a thumbnail's side beyond which cells are pooled.
const MOST_CELLS: usize = 208;

pub fn scene(capture: &Capture, kind: Kind, style: &FigureStyle, fonts: &Fonts) -> Result<Scene> {
    let layers = capture.layers(kind);
    let heads = (0..layers).map(|layer| capture.heads(Site::new(kind, layer))).max().unwrap_or(0);
    if heads == 0 {
        return Err(Error::NoSuchHead(capture.why_absent(kind)));
    }
    let title = format!("{}, all heads", kind_title(kind));
    let titles = format!("{} · {}", queries_title(capture, kind), keys_title(capture, kind));
    let remark = format!("rows: layers · columns: heads · {titles}");
    let (mut shapes, top) = heading(&title, &format!("{} · {remark}", model_title(capture)), style);
    let (queries, keys) = capture.shape(kind);
    let unit = SIDE / queries.max(keys).max(1) as f32;
    let (width, height) = ((unit * keys as f32).max(8.0), (unit * queries as f32).max(8.0));
    let (left, first) = (MARGIN + 26.0, top + 22.0);
    let all = capture.heads_of(kind);
    let largest = all.iter().filter_map(|&head| Some(capture.map(head).ok()?.max())).fold(0.0, f32::max);
    for head in 0..heads {
        let x = left + head as f32 * (width + GAP) + width / 2.0;
        shapes.push(anchored(x, first - 7.0, SMALL, style.theme.dim(), &head.to_string(), Anchor::Middle));
    }
    for layer in 0..layers {
        let y = first + layer as f32 * (height + GAP);
        let (label, color) = (layer.to_string(), style.theme.dim());
        shapes.push(anchored(left - 8.0, y + height / 2.0 + TOKEN * 0.36, SMALL, color, &label, Anchor::End));
        for head in 0..capture.heads(Site::new(kind, layer)) {
            let x = left + head as f32 * (width + GAP);
            let area = Area { x, y, width, height };
            shapes.push(thumbnail(capture, Head::new(kind, layer, head), area, largest, style)?);
            shapes.push(Shape::Outline(area, style.theme.line()));
        }
    }
    let right = left + heads as f32 * (width + GAP);
    let below = first + layers as f32 * (height + GAP) - GAP;
    let bar_height = (below - first - 16.0).clamp(60.0, 200.0);
    shapes.extend(bar::upright(right + 10.0, first + 16.0, bar_height, largest, style));
    Ok(Scene {
        width: (right + 10.0 + bar::WIDTH).max(heading_width(&shapes[..2], fonts)) + MARGIN,
        height: below.max(first + 16.0 + bar_height) + MARGIN,
        background: style.theme.background(),
        description: format!("{title} of {}: {}", capture.model, capture.source.text),
        shapes,
    })
}

/// Draws the thumbnail of one head. `largest` is the largest weight of all heads, the map's
/// maximum for the scale, so that thumbnails can be compared.
fn thumbnail(capture: &Capture, head: Head, area: Area, largest: f32, style: &FigureStyle) -> Result<Shape> {
    let map = capture.map(head)?;
    let pooled = pool(&map, &Region::whole(&map), MOST_CELLS, MOST_CELLS, Pool::Max);
    let mut colors = Vec::with_capacity(pooled.rows() * pooled.cols());
    for i in 0..pooled.rows() {
        let row = pooled.row(i);
        let keys = keys_seen(i, (pooled.rows(), map.cols()), head.kind() == Kind::Decoder);
        let top = style.scale.top(row.iter().copied().fold(0.0, f32::max), largest, keys);
        colors.extend(row.iter().map(|&weight| style.colormap.color(style.scale.unit(weight, top))));
    }
    Ok(Shape::Cells(CellGrid { area, cols: pooled.cols(), colors }))
}
