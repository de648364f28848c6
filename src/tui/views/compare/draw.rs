//! Drawing of Compare: the pinned capture, the current one, and their difference on common tokens; heads
//! ranked by their change.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::rows::rows;
use crate::capture::Capture;
use crate::matrix::Matrix;
use crate::paint::{Pool, Region, pool};
use crate::site::{Head, Kind};
use crate::text::label;
use crate::tui::app::App;
use crate::tui::layout::{Hit, Layout, ViewHit};
use crate::tui::widgets::bar::bar;
use crate::tui::widgets::cells::{fit, fit_left, fit_right, part, put, wrap};
use crate::tui::widgets::list::first_line;
use crate::tui::widgets::rule::rule;
use crate::tui::widgets::thumbnail::thumbnail;

/// Draws the view.
pub fn draw(buf: &mut Buffer, area: Rect, app: &App, layout: &mut Layout) {
    let state = &app.views.compare;
    let (Some(pinned), Some(current), Some(Ok(comparison))) =
        (&state.pinned, &app.capture, &state.comparison)
    else {
        let message = match &state.comparison {
            Some(Err(why)) => why.clone(),
            _ => {
                "Nothing is pinned yet. P pins this capture; then run another source (s) or target (t), and \
                  this view shows the two side by side, with every head's difference on the tokens that both \
                  texts share."
                    .into()
            }
        };
        for (y, line) in
            (area.y + 1..area.bottom()).zip(wrap(&message, usize::from(area.width.saturating_sub(4))))
        {
            put(buf, area, area.x + 2, y, &line, app.theme.text());
        }
        return;
    };
    heads(buf, area, app, layout);
    let left = left_width(area);
    let maps = part(area, left, 0, area.width - left, area.height);
    if maps.width < 20 || maps.height < 8 {
        return;
    }
    let head = app.selection.head;
    let third = maps.height / 3;
    let wide = maps.width >= 3 * maps.height;
    let areas = if wide {
        let w = maps.width / 3;
        [0, 1, 2].map(|at| part(maps, at * w, 0, w, maps.height))
    } else {
        [0, 1, 2].map(|at| part(maps, 0, at * third, maps.width, third))
    };
    let causal = head.kind() == Kind::Decoder;
    let shared = format!(
        "difference on {} × {} shared tokens",
        comparison.queries(head.kind()).len(),
        comparison.keys(head.kind()).len()
    );
    let same_source = pinned.source.text == current.source.text;
    let titled = |capture: &Capture, name: &str| {
        let text = if same_source { &capture.target.text } else { &capture.source.text };
        format!("{name}: {text}")
    };
    for ((place, title), map) in areas
        .into_iter()
        .zip([titled(pinned, "pinned"), titled(current, "present"), shared])
        .zip([pinned.map(head).ok(), current.map(head).ok(), comparison.difference(pinned, current, head)])
        .take(3)
    {
        let line = part(place, 0, 0, place.width, 1);
        rule(buf, line, &[(1, &fit(&title, usize::from(place.width).saturating_sub(4)))], &app.theme);
        let picture = part(place, 1, 1, place.width.saturating_sub(2), place.height.saturating_sub(1));
        let Some(map) = map else {
            put(buf, picture, picture.x, picture.y, "has no such head", app.theme.dim());
            continue;
        };
        let rows = (map.rows() as u16 * 2).max(2).min(picture.height);
        let picture = part(
            picture,
            0,
            0,
            picture.width,
            if wide { rows.max(picture.height / 2) } else { picture.height },
        );
        if title.starts_with("difference") {
            difference(buf, picture, app, &map, head);
        } else {
            thumbnail(buf, picture, &app.theme, &map, app.reading.scale, causal);
        }
    }
}

/// Returns the width of the list of heads.
fn left_width(area: Rect) -> u16 {
    if area.width >= 60 { 34 } else { area.width }
}

/// Returns the lines of the list of heads below its title.
pub fn list(area: Rect) -> Rect {
    part(area, 0, 1, left_width(area).saturating_sub(1), area.height.saturating_sub(1))
}

fn heads(buf: &mut Buffer, area: Rect, app: &App, layout: &mut Layout) {
    let theme = &app.theme;
    let rows = rows(app);
    rule(buf, part(area, 0, 0, left_width(area), 1), &[(1, "heads by change")], &app.theme);
    let list = list(area);
    let room = usize::from(list.height);
    let selected = rows.iter().position(|(head, _)| *head == app.selection.head).unwrap_or(0);
    let first = first_line(app.layout.first, selected, room, rows.len());
    let full = rows.first().map_or(1.0, |(_, change)| change.max(1e-6));
    for (y, (at, (head, change))) in (list.y..list.bottom()).zip(rows.iter().enumerate().skip(first)) {
        let row = Rect { y, height: 1, ..list };
        let style = if at == selected { theme.selected() } else { theme.text() };
        let x = put(buf, row, row.x, y, &fit_left(&format!(" {head}"), 13), style);
        let x = put(buf, row, x, y, &fit_right(&format!("{change:.3} "), 7), theme.text());
        put(buf, row, x, y, &bar(change / full, usize::from(row.right().saturating_sub(x + 1))), theme.bar());
        layout.hit(row, Hit::View(ViewHit::Item(at)));
    }
    layout.first = first;
}

/// Draws the difference as cells, and the three largest differences as text below it.
fn difference(buf: &mut Buffer, area: Rect, app: &App, map: &Matrix, head: Head) {
    let (Some(current), Some(Ok(comparison))) = (&app.capture, &app.views.compare.comparison) else { return };
    let mut largest: Vec<(f32, usize, usize)> = Vec::new();
    for row in 0..map.rows() {
        for (col, &value) in map.row(row).iter().enumerate() {
            if largest.len() < 3 || largest.last().is_some_and(|worst| value.abs() > worst.0.abs()) {
                largest.push((value, row, col));
                largest.sort_by(|a, b| b.0.abs().total_cmp(&a.0.abs()));
                largest.truncate(3);
            }
        }
    }
    let words = if area.height >= 9 { 4 } else { 0 };
    let cells = part(area, 0, 0, area.width, area.height - words);
    let top = largest.first().map_or(1.0, |(value, ..)| value.abs().max(1e-6));
    let positive = Matrix::from_fn(map.rows(), map.cols(), |i, j| map.get(i, j).unwrap_or(0.0).max(0.0));
    let negative = Matrix::from_fn(map.rows(), map.cols(), |i, j| (-map.get(i, j).unwrap_or(0.0)).max(0.0));
    let (rows, cols) = (usize::from(cells.height), usize::from(cells.width));
    // Each sign is pooled by itself, so that neighbours of opposite sign do not cancel out.
    let whole = Region::whole(map);
    let (up, down) =
        (pool(&positive, &whole, rows, cols, Pool::Max), pool(&negative, &whole, rows, cols, Pool::Max));
    for y in 0..cells.height {
        for x in 0..cells.width {
            let i = usize::from(y) * up.rows() / rows.max(1);
            let j = usize::from(x) * up.cols() / cols.max(1);
            let (more, less) = (up.get(i, j).unwrap_or(0.0), down.get(i, j).unwrap_or(0.0));
            let value = if more >= less { more } else { -less };
            let (glyph, style) = app.theme.change(value / top);
            if let Some(cell) = buf.cell_mut((cells.x + x, cells.y + y)) {
                cell.set_char(glyph).set_style(style);
            }
        }
    }
    let (queries, keys) = (current.queries(head.kind()), current.keys(head.kind()));
    for (y, (value, row, col)) in (cells.bottom() + 1..area.bottom()).zip(largest) {
        let query = comparison.queries(head.kind()).get(row).and_then(|(_, at)| queries.get(*at));
        let key = comparison.keys(head.kind()).get(col).and_then(|(_, at)| keys.get(*at));
        let name = |token: Option<&crate::axis::AxisItem>| {
            token.map(|token| label(&token.piece)).unwrap_or_default()
        };
        let text = format!("{value:+.3} {} ← {}", name(query), name(key));
        put(buf, area, area.x, y, &text, app.theme.text());
    }
}
