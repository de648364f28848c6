//! Every head of a kind as thumbnails, a row a layer.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::map::rule;
use crate::matrix::Matrix;
use crate::paint::{Pool, Region, Scale, pool};
use crate::site::{Head, Kind, Site};
use crate::tui::app::App;
use crate::tui::layout::{Hit, Layout};
use crate::tui::theme::Theme;
use crate::tui::widgets::cells::{fit, part, put};

/// Draws the view.
pub fn draw(buf: &mut Buffer, area: Rect, app: &App, layout: &mut Layout) {
    let Some(capture) = &app.capture else { return };
    let kind = app.place.head.kind();
    let layers = capture.layers(kind);
    let heads = (0..layers).map(|layer| capture.heads(Site::new(kind, layer))).max().unwrap_or(0);
    let title = format!("{kind}: {layers} layers down, {heads} heads across");
    rule(buf, part(area, 0, 0, area.width, 1), &[(1, &title)], app);
    let room = part(area, 0, 1, area.width, area.height.saturating_sub(1));
    if heads == 0 || room.is_empty() {
        return;
    }
    let (width, height) = tile_size(room, layers, heads);
    let across = usize::from(room.width / width).clamp(1, heads);
    let lines_a_layer = heads.div_ceil(across);
    let rows = usize::from(room.height / height).max(1);
    let selected = app.place.head;
    let line_of = |head: Head| head.layer() * lines_a_layer + head.head / across;
    let total = layers * lines_a_layer;
    let first = (line_of(selected) + 1).saturating_sub(rows).min(total.saturating_sub(rows));
    for head in capture.heads_of(kind) {
        let line = line_of(head);
        if line < first || line >= first + rows {
            continue;
        }
        let x = (head.head % across) as u16 * width;
        let y = (line - first) as u16 * height;
        let tile = part(room, x, y, width, height);
        draw_tile(buf, tile, app, head);
        layout.hit(tile, Hit::Tile(head));
    }
    layout.tiles_across = across;
    layout.page = rows;
}

/// The largest tiles at which all heads show; at least large enough to tell heads apart.
fn tile_size(room: Rect, layers: usize, heads: usize) -> (u16, u16) {
    let width = (room.width / heads.max(1) as u16).clamp(9, 34);
    let height = (room.height / layers.max(1) as u16).clamp(4, width / 2 + 2);
    (width.min(room.width.max(1)), height.min(room.height.max(1)))
}

fn draw_tile(buf: &mut Buffer, tile: Rect, app: &App, head: Head) {
    let theme = &app.theme;
    let here = head == app.place.head;
    let mark = if app.marks.contains(&head) { "●" } else { " " };
    let facts = app.survey.heads.get(&head);
    let name = format!("{}{}.{}", if here { "▸" } else { mark }, head.layer(), head.head);
    let style = if here { theme.selected() } else { theme.text() };
    let end = put(buf, part(tile, 0, 0, tile.width, 1), tile.x, tile.y, &name, style);
    let Some(facts) = facts else {
        put(buf, tile, tile.x + 1, tile.y + 1, "…", theme.dim());
        return;
    };
    let far = format!(" far {:.2}", facts.metrics.far_mass);
    let room = usize::from(tile.right().saturating_sub(end + 1));
    if far.len() <= room {
        put(buf, tile, end, tile.y, &fit(&far, room), theme.dim());
    }
    let picture = part(tile, 1, 1, tile.width.saturating_sub(2), tile.height.saturating_sub(1));
    thumbnail(buf, picture, theme, &facts.thumbnail, app.reading.scale, head.kind() == Kind::Decoder);
}

/// Draws a small map into `area`, stretched to fill it.
pub fn thumbnail(buf: &mut Buffer, area: Rect, theme: &Theme, map: &Matrix, scale: Scale, causal: bool) {
    let stacked = if theme.draws_glyphs() { 1 } else { 2 };
    let (rows, cols) = (usize::from(area.height) * stacked, usize::from(area.width));
    if rows == 0 || cols == 0 || map.rows() == 0 || map.cols() == 0 {
        return;
    }
    let small = pool(map, &Region::whole(map), rows, cols, Pool::Max);
    let scaled = scale.map(&small);
    // fewer weights than cells: each takes a block of cells
    let at = |row: usize, col: usize| {
        let i = row * small.rows() / rows;
        let j = col * small.cols() / cols;
        let ahead = causal && j * small.rows() > i * small.cols() + small.rows().max(small.cols()) - 1;
        if ahead { None } else { scaled.get(i, j) }
    };
    for y in 0..area.height {
        for x in 0..area.width {
            let Some(cell) = buf.cell_mut((area.x + x, area.y + y)) else { continue };
            let top = usize::from(y) * stacked;
            let upper = at(top, usize::from(x)).map(|level| theme.shade(level));
            if stacked == 1 {
                cell.set_char(upper.map_or(' ', |shade| shade.glyph));
                continue;
            }
            let lower = at(top + 1, usize::from(x)).map(|level| theme.shade(level));
            let (upper, lower) = (upper.and_then(|s| s.color), lower.and_then(|s| s.color));
            let mut style = Style::new();
            if let Some(color) = upper {
                style = style.fg(color);
            }
            if let Some(color) = lower {
                style = style.bg(color);
            }
            match (upper, lower) {
                (None, None) => continue,
                (None, Some(color)) => cell.set_char('▄').set_style(Style::new().fg(color)),
                _ => cell.set_char('▀').set_style(style),
            };
        }
    }
}
