//! Drawing of Compare: heads ranked by their change, and the selected head's map in the pinned capture, in the
//! current one, and their difference. The rows and columns of all three are the same tokens.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::geometry::{ComparePanes, Pane, PaneSide, list, list_width};
use super::maps::{ShownMaps, tops};
use super::rows::rows;
use super::state::cursor;
use crate::capture::Capture;
use crate::paint::{Pool, Region, pool};
use crate::tui::app::App;
use crate::tui::cache::Cache;
use crate::tui::command::Command;
use crate::tui::layout::{Hit, Layout, ViewHit};
use crate::tui::reading::Axis;
use crate::tui::views::view::head_columns;
use crate::tui::widgets::axis;
use crate::tui::widgets::bar::{bar, signed_legend};
use crate::tui::widgets::cells::{fit, fit_left, fit_right, part, put, width, wrap};
use crate::tui::widgets::heat::{Heat, fine, short};
use crate::tui::widgets::list::{cue, first_line};
use crate::tui::widgets::rule::rule;

/// Draws the view.
pub fn draw(buf: &mut Buffer, area: Rect, app: &App, cache: &mut Cache, layout: &mut Layout) {
    let state = &app.views.compare;
    let message = match (&state.pinned, &state.comparison) {
        (_, Some(Err(why))) => Some(why.clone()),
        (Some(_), None) => Some("comparing …".into()),
        (None, _) => Some(format!(
            "Nothing is pinned yet. {} pins this capture; then run another source ({}) or target ({}), and this \
             view shows the two side by side, with every head's difference on the tokens that both texts share.",
            app.first_key(Command::Pin),
            app.first_key(Command::EditSource),
            app.first_key(Command::EditTarget),
        )),
        (Some(_), Some(Ok(_))) => None,
    };
    if let Some(message) = message {
        let columns = usize::from(area.width.saturating_sub(4));
        for (y, line) in (area.y + 1..area.bottom()).zip(wrap(&message, columns)) {
            put(buf, area, area.x + 2, y, &line, app.theme.text());
        }
        return;
    }
    heads(buf, area, app, layout);
    let Some(maps) = cache.compared(app) else { return };
    let geometry = ComparePanes::new(app, area, [&maps.queries, &maps.keys]);
    for pane in &geometry.panes {
        draw_pane(buf, pane, app, &maps);
        layout.hit(pane.window.area, Hit::View(ViewHit::Map));
    }
    layout.window = geometry.panes.into_iter().next().map(|pane| pane.window);
}

fn draw_pane(buf: &mut Buffer, pane: &Pane, app: &App, maps: &ShownMaps) {
    let theme = &app.theme;
    let line = part(pane.area, 0, 0, pane.area.width, 1);
    let map = match pane.side {
        PaneSide::Pinned => &maps.maps.first,
        PaneSide::Present => &maps.maps.second,
        PaneSide::Difference => &maps.maps.difference,
    };
    rule(buf, line, &[(1, &fit(&title(app, pane), usize::from(line.width).saturating_sub(4)))], theme);
    let Some(map) = map else {
        put(buf, pane.area, pane.area.x + 2, pane.area.y + 1, "has no such head", theme.dim());
        return;
    };
    if pane.side == PaneSide::Difference {
        legend(buf, line, app, maps.largest);
    }
    let at = cursor(app).unwrap_or((0, 0));
    axis::draw(buf, pane.keys, &maps.keys, &pane.window, &pane.flags, at.1, theme);
    if pane.gutter.width > 1 {
        labels(buf, pane, &maps.queries, app, at.0);
    }
    let window = &pane.window;
    let region = Region::new(window.rows.clone(), window.cols.clone());
    let pixels = pool(map, &region, window.pixels.0, window.pixels.1, Pool::Max);
    let difference = pane.side == PaneSide::Difference;
    let tops = if difference { vec![maps.largest; map.rows()] } else { tops(app, map) };
    let tops: Vec<f32> =
        (0..window.pixels.0).map(|row| tops.get(window.rows_of(row).start).copied().unwrap_or(1.0)).collect();
    Heat {
        pixels: &pixels,
        tops: &tops,
        window,
        scale: app.reading.scale,
        signed: difference,
        number: if difference { short_difference } else { short },
        threshold: 0.0,
        causal: None,
        cursor: at,
        theme,
    }
    .draw(buf);
}

/// Formats a difference in four columns, `+.12`; nothing if it rounds to less than 0.01.
fn short_difference(difference: f32) -> String {
    let size = short(difference.abs());
    match size.is_empty() {
        true => size,
        false => format!("{}{size}", if difference > 0.0 { "+" } else { "-" }),
    }
}

fn title(app: &App, pane: &Pane) -> String {
    let (Some(pinned), Some(present)) = (&app.views.compare.pinned, &app.capture) else {
        return String::new();
    };
    let text = |capture: &Capture| match pinned.source.text == present.source.text {
        true => capture.target.text.clone(),
        false => capture.source.text.clone(),
    };
    match pane.side {
        PaneSide::Pinned => format!("pinned: {}", text(pinned)),
        PaneSide::Present => format!("now: {}", text(present)),
        PaneSide::Difference => "now − pinned".into(),
    }
}

/// Draws the legend of the difference at the right end of a line.
fn legend(buf: &mut Buffer, line: Rect, app: &App, largest: f32) {
    if !signed_legend(buf, line, &app.theme, largest) && line.width > 26 {
        let text = format!(" up to {} ", fine(largest));
        put(buf, line, line.right() - width(&text) as u16, line.y, &text, app.theme.dim());
    }
}

fn labels(buf: &mut Buffer, pane: &Pane, queries: &Axis, app: &App, selected: usize) {
    let (theme, window) = (&app.theme, &pane.window);
    let columns = usize::from(pane.gutter.width).saturating_sub(2);
    for y in 0..window.area.height {
        if y % window.lines != (window.lines - 1) / 2 {
            continue;
        }
        let query = window.rows_of(window.pixels_at(y).start).start;
        let special = queries.units.get(query).is_some_and(|unit| unit.special);
        let style = match query == selected {
            true => theme.accent(),
            false if special => theme.dim(),
            false => theme.text(),
        };
        let y = pane.gutter.y + y;
        put(buf, pane.gutter, pane.gutter.x, y, if query == selected { "▸" } else { " " }, theme.accent());
        let label = fit_right(queries.label(query), columns);
        put(buf, pane.gutter, pane.gutter.x + 1, y, &label, style);
    }
}

fn heads(buf: &mut Buffer, area: Rect, app: &App, layout: &mut Layout) {
    let theme = &app.theme;
    let rows = rows(app);
    let line = part(area, 0, 0, list_width(app, area), 1);
    let list = list(app, area);
    let room = usize::from(list.height);
    let selected = rows.iter().position(|(head, _)| *head == app.selection.head);
    let first = first_line(app.layout.first, selected.unwrap_or(0), room, rows.len());
    let title = if rows.len() > room { "JS, nats" } else { "JS divergence, nats" };
    rule(buf, line, &[(1, title)], theme);
    cue(buf, line, theme, (first, room, rows.len()));
    let full = rows.first().map_or(1.0, |(_, change)| change.max(1e-6));
    let name_width = head_columns(app);
    for (y, (at, (head, change))) in (list.y..list.bottom()).zip(rows.iter().enumerate().skip(first)) {
        let row = Rect { y, height: 1, ..list };
        let here = Some(at) == selected;
        let style = if here { theme.selected() } else { theme.text() };
        let mark = if here { "▸" } else { " " };
        let x = put(buf, row, row.x, y, &fit_left(&format!("{mark} {head}"), name_width), style);
        let x = put(buf, row, x, y, &fit_right(&format!("{change:.3} "), 7), theme.text());
        put(buf, row, x, y, &bar(change / full, usize::from(row.right().saturating_sub(x + 1))), theme.bar());
        layout.hit(row, Hit::View(ViewHit::Item(at)));
    }
    layout.first = first;
}

/// Describes the two weights under the cursor and their difference, the longest wording first.
pub fn value(app: &App, maps: &ShownMaps) -> Option<Vec<String>> {
    let (row, col) = cursor(app)?;
    let [before, now, difference] = maps.at(row, col);
    let number = |weight: Option<f32>| weight.map_or("–".into(), |weight| format!("{weight:.4}"));
    let change = difference.map_or("–".into(), |difference| format!("{difference:+.4}"));
    let names = format!("{} looks at {}", maps.queries.label(row), maps.keys.label(col));
    let numbers = format!("pinned {} · now {} · now − pinned {change}", number(before), number(now));
    Some(vec![
        format!("{}: {names}: {numbers}", app.selection.head),
        format!("{names}: {numbers}"),
        numbers,
        format!("{} → {}, {change}", number(before), number(now)),
    ])
}
