//! Drawing of Lines.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::geometry::LinesLayout;
use super::links::{HeadRows, ShownLink, heads, links, rows, strokes};
use super::state::ShownLines;
use crate::site::Kind;
use crate::tui::app::App;
use crate::tui::layout::{Hit, Layout, LinePicture, Picture, ViewHit};
use crate::tui::reading::{Axis, max_of};
use crate::tui::widgets::cells::{fit_left, fit_right, part, put, width};
use crate::tui::widgets::list::position;
use crate::tui::widgets::rule::rule;
use crate::tui::widgets::strokes::braille;

/// Draws the view.
pub fn draw(buf: &mut Buffer, area: Rect, app: &App, layout: &mut Layout) {
    let geometry = LinesLayout::new(app, area);
    let layer: Vec<_> = (0..app.heads()).map(|head| app.selection.head.site.head(head)).collect();
    let of_lines = rows(app, &heads(app), geometry.shown_queries.clone());
    let links = links(app, &of_lines, geometry.shown_queries.clone());
    let strokes = strokes(&links, &geometry);
    title(buf, part(area, 0, 0, area.width, 1), app, &geometry, &of_lines);
    tokens(buf, app, &geometry, &links, layout);
    if !geometry.heads.is_empty() {
        let of_layer = rows(app, &layer, geometry.shown_queries.clone());
        cells(buf, app, &geometry, &of_layer);
    }
    layout.hit(geometry.canvas, Hit::View(ViewHit::Map));
    if app.shows_pixels() && app.pixels.take(geometry.canvas, buf.area) {
        layout.pictures.push(Picture::Lines(LinePicture { area: geometry.canvas, strokes }));
    } else {
        braille(buf, geometry.canvas, &strokes, &app.theme);
    }
}

/// Draws the names of the two columns, and between them those of the heads.
fn title(buf: &mut Buffer, line: Rect, app: &App, geometry: &LinesLayout, of_lines: &[HeadRows]) {
    let theme = &app.theme;
    let kind = app.selection.head.kind();
    let queries = if kind == Kind::Encoder { "source" } else { "target" };
    let keys = if kind == Kind::Decoder { "target" } else { "source" };
    rule(buf, line, &[], theme);
    let room = usize::from(geometry.queries.height / geometry.pitch);
    let name = |what: &str, axis: &Axis, first: usize| match position(first, room, axis.len()) {
        Some(shown) => format!(" {what} {shown} "),
        None => format!(" {what} "),
    };
    let left = name(queries, app.queries(), geometry.shown_queries.start);
    let right = name(keys, app.keys(), geometry.shown_keys.start);
    let left_at = geometry.queries.x;
    let mut x = put(buf, line, left_at, line.y, &left, theme.dim()) + 1;
    let end =
        if app.views.lines.on_keys || geometry.heads.is_empty() { line.right() } else { geometry.heads.x };
    let right_at = (geometry.keys.x + 1).min(end.saturating_sub(width(&right) as u16));
    put(buf, line, right_at, line.y, &right, theme.dim());
    let token = match app.views.lines.on_keys {
        true => app.keys().label(app.key()),
        false => app.queries().label(app.query()),
    };
    let what = match (app.views.lines.shows, of_lines) {
        (ShownLines::Token, _) => format!(" {token} in {}: ", app.selection.head.site),
        (ShownLines::Head, [one]) => format!(" {} ", one.head),
        (ShownLines::Head, _) => " marked heads: ".to_string(),
    };
    let names = part(line, x - line.x, 0, right_at.saturating_sub(x + 1), 1);
    x = put(buf, names, x, line.y, &what, theme.dim());
    for (at, of_head) in of_lines.iter().enumerate().filter(|(_, of_head)| of_head.hue.is_some()) {
        let name = match app.views.lines.shows {
            ShownLines::Token => format!("■{} ", of_head.head.head),
            ShownLines::Head => format!("■{}.{} ", of_head.head.layer(), of_head.head.head),
        };
        x = put(buf, names, x, line.y, &name, theme.hue(at));
    }
}

/// Draws the two columns of tokens. Tokens that a line of the token under the cursor reaches are bright.
fn tokens(buf: &mut Buffer, app: &App, geometry: &LinesLayout, links: &[ShownLink], layout: &mut Layout) {
    let theme = &app.theme;
    let (query, key, on_keys) = (app.query(), app.key(), app.views.lines.on_keys);
    let reached = |query_at: Option<usize>, key_at: Option<usize>| {
        let joins = |link: &ShownLink| match on_keys {
            true => link.key == key && query_at == Some(link.query),
            false => link.query == query && key_at == Some(link.key),
        };
        links.iter().any(|link| link.level >= 0.3 && joins(link))
    };
    for (y, at) in geometry.rows(geometry.queries, &geometry.shown_queries) {
        let row = Rect { y, height: 1, ..geometry.queries };
        let special = app.queries().units.get(at).is_some_and(|unit| unit.special);
        let style = match at == query {
            true if on_keys => theme.accent(),
            true => theme.selected(),
            false if reached(Some(at), None) => theme.accent(),
            false if special => theme.dim(),
            false => theme.text(),
        };
        let label = fit_right(app.queries().label(at), usize::from(row.width).saturating_sub(2));
        put(buf, row, row.x, y, if at == query { "▸" } else { " " }, theme.accent());
        put(buf, row, row.x + 1, y, &label, style);
        layout.hit(row, Hit::View(ViewHit::Query(at)));
    }
    for (y, at) in geometry.rows(geometry.keys, &geometry.shown_keys) {
        let row = Rect { y, height: 1, ..geometry.keys };
        let special = app.keys().units.get(at).is_some_and(|unit| unit.special);
        let style = match at == key {
            true if on_keys => theme.selected(),
            true => theme.accent(),
            false if reached(None, Some(at)) => theme.accent(),
            false if special => theme.dim(),
            false => theme.text(),
        };
        put(buf, row, row.x, y, if at == key { "◂" } else { " " }, theme.accent());
        let label = fit_left(app.keys().label(at), usize::from(row.width).saturating_sub(2));
        put(buf, row, row.x + 1, y, &label, style);
        layout.hit(row, Hit::View(ViewHit::Item(at)));
    }
}

/// Draws a column of cells for each head of the layer: its weights for the token under the cursor. The numbers of
/// the heads stand above.
fn cells(buf: &mut Buffer, app: &App, geometry: &LinesLayout, of_layer: &[HeadRows]) {
    let (theme, scale) = (&app.theme, app.reading.scale);
    let area = geometry.heads;
    let left = area.x + u16::from(!app.views.lines.on_keys);
    let shown = if app.views.lines.on_keys { &geometry.shown_queries } else { &geometry.shown_keys };
    for (x, of_head) in (left..area.right()).zip(of_layer) {
        let number = (of_head.head.head % 10).to_string();
        let style = if of_head.head == app.selection.head { theme.selected() } else { theme.dim() };
        put(buf, Rect { y: area.y - 1, height: 1, ..area }, x, area.y - 1, &number, style);
        let weights: Vec<f32> = shown
            .clone()
            .map(|at| match app.views.lines.on_keys {
                true => of_head.weight(at, app.key()),
                false => of_head.weight(app.query(), at),
            })
            .collect();
        let top = scale.top(max_of(&weights), 1.0, app.keys_seen(app.query()));
        for ((y, _), weight) in geometry.rows(area, shown).zip(weights) {
            let shade = theme.shade(scale.unit(weight, top));
            if let Some(cell) = buf.cell_mut((x, y)) {
                match shade.color {
                    Some(color) => cell.set_char(' ').set_bg(color),
                    None => cell.set_char(shade.glyph),
                };
            }
        }
    }
}
