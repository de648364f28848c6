//! The panel beside the map: the row's strongest keys, what the row predicts, the head's long-range links,
//! and a thumbnail of the whole map if only a part of it is visible.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::site::Kind;
use crate::tui::app::App;
use crate::tui::command::Command;
use crate::tui::layout::{Hit, Layout};
use crate::tui::selected;
use crate::tui::sheet::Sheet;
use crate::tui::widgets::bar::bar;
use crate::tui::widgets::cells::{fit, fit_left, fit_right, part, put, width};
use crate::tui::widgets::context::TextContext;
use crate::tui::widgets::heat::precise;
use crate::tui::widgets::rule::rule;
use crate::tui::widgets::thumbnail::thumbnail;
use crate::tui::zoom::Window;

/// Least number of columns for the text around a token.
const CONTEXT: usize = 10;

/// Draws the panel.
pub fn draw(
    buf: &mut Buffer,
    area: Rect,
    app: &App,
    (sheet, window): (&Sheet, &Window),
    layout: &mut Layout,
) {
    let theme = &app.theme;
    let scored = app.scored().is_some();
    let line = part(area, 0, 0, area.width, 1);
    rule(buf, line, &[], theme);
    put(buf, area, area.x, area.y, "┬", theme.line());
    for y in area.y + 1..area.bottom() {
        put(buf, area, area.x, y, "│", theme.line());
    }
    let mut inner = part(area, 2, 1, area.width.saturating_sub(3), area.height.saturating_sub(1));
    let whole = (app.queries().len(), app.keys().len());
    if (window.rows.len(), window.cols.len()) != whole
        && inner.height >= 16
        && app.views.map.filtered.is_none()
    {
        let height = (inner.height / 3).min(inner.width / 2);
        minimap(buf, part(inner, 0, inner.height - height, inner.width, height), app, window, whole);
        inner.height -= height + 1;
    }
    let (query, selected_key) = (app.query(), app.key());
    if query >= sheet.rows() || inner.is_empty() {
        title(buf, line, app, (0, 0));
        return;
    }
    let row = sheet.row(query);
    let mut order: Vec<usize> = (0..row.len())
        .filter(|&key| row.get(key).is_some_and(|w| if scored { w.is_finite() } else { *w > 0.0 }))
        .collect();
    let by_weight = |a: &usize, b: &usize| {
        row.get(*b).unwrap_or(&0.0).total_cmp(row.get(*a).unwrap_or(&0.0)).then(a.cmp(b))
    };
    const MAX_KEYS: usize = 64;
    let of = order.len();
    if order.len() > MAX_KEYS {
        order.select_nth_unstable_by(MAX_KEYS, by_weight);
        order.truncate(MAX_KEYS);
    }
    order.sort_by(by_weight);
    let full = match sheet.row_max.get(query) {
        Some(&size) if scored => size,
        _ => order.first().and_then(|&key| row.get(key)).copied().unwrap_or(1.0),
    };
    let decoder = app.selection.head.kind() != Kind::Encoder;
    let candidates = if decoder { selected::alternatives(app) } else { Vec::new() };
    let links = selected::surveyed(app);
    let lists = u16::from(!candidates.is_empty()) * (candidates.len().min(3) as u16 + 2)
        + u16::from(!links.is_empty()) * 5;
    let keys = if inner.height > lists + 5 { inner.height - lists } else { inner.height };
    let columns = usize::from(inner.width);
    let repeated = |key: &usize| app.keys().units.get(*key).is_some_and(|unit| unit.repeated);
    let keys = usize::from(keys);
    title(buf, line, app, (order.len().min(keys), of));
    // Tokens that occur several times get their position, and their neighbours where there is room.
    let most = if order.iter().take(keys).any(repeated) { 24 } else { 14 };
    let labels = columns.saturating_sub(11).min(most);
    let mut y = inner.y;
    for &key in order.iter().take(keys) {
        let weight = row.get(key).copied().unwrap_or(0.0);
        let style = if key == selected_key { theme.accent() } else { theme.text() };
        let name = fit_left(&app.keys().name(key), labels);
        let mut x = put(buf, inner, inner.x, y, &name, style);
        let taken = width(name.trim_end()) + 1;
        if repeated(&key) && labels >= taken + CONTEXT {
            let context = TextContext::new(app.keys(), key, labels - taken).to_string();
            x = put(buf, inner, inner.x + taken as u16, y, &fit_left(&context, labels - taken), theme.dim());
        }
        let room = columns.saturating_sub(labels + 7);
        put(buf, inner, x + 1, y, &bar(weight / full.max(1e-9), room), theme.bar());
        let number = if scored { format!("{weight:.2}") } else { precise(weight) };
        let x = inner.right().saturating_sub(width(&number) as u16);
        put(buf, inner, x, y, &number, style);
        y += 1;
    }
    if y + 3 < inner.bottom() && !candidates.is_empty() {
        let takes = app.first_key(Command::Alternatives);
        put(buf, inner, inner.x, y + 1, &format!("predicts ({takes} takes another)"), theme.dim());
        y += 2;
        for (at, alternative) in candidates.iter().enumerate().take(3) {
            let style = if alternative.chosen { theme.accent() } else { theme.text() };
            put(buf, inner, inner.x, y, &fit_left(&alternative.label, labels), style);
            let number = fit_right(&precise(alternative.probability), 5);
            put(buf, inner, inner.right().saturating_sub(5), y, &number, style);
            layout.hit(Rect { y, height: 1, ..inner }, Hit::Alternative(at));
            y += 1;
        }
    }
    if y + 3 < inner.bottom() && !links.is_empty() {
        let distance = app.reading.distance;
        let (full, short) = match links.iter().any(|link| link.distance.is_some()) {
            true => (format!("long-range links > {distance}"), format!("long-range, > {distance}")),
            false => ("strongest links".into(), "links".into()),
        };
        let title = if width(&full) <= columns { full } else { short };
        put(buf, inner, inner.x, y + 1, &fit(&title, columns), theme.dim());
        y += 2;
        for link in links {
            if y >= inner.bottom() {
                break;
            }
            let is_selected = (app.selection.query(), app.selection.key()) == (link.query, link.key);
            let kind = app.selection.head.kind();
            let (queries, keys) = (app.axes.queries(kind), app.axes.keys(kind));
            let (query, key) = (queries.unit_of(link.query), keys.unit_of(link.key));
            let hidden = |is_key: bool, token: usize| app.hidden_label(kind, is_key, token);
            let query = hidden(false, link.query).unwrap_or_else(|| queries.name(query));
            let names = format!("{query} ← {}", hidden(true, link.key).unwrap_or_else(|| keys.name(key)));
            let style = if is_selected { theme.accent() } else { theme.text() };
            let numbers = match link.distance {
                Some(distance) => format!(" {distance:>3.0} {:.2}", link.weight),
                None => format!(" {:.2}", link.weight),
            };
            put(buf, inner, inner.x, y, &fit(&names, columns.saturating_sub(width(&numbers))), style);
            put(buf, inner, inner.right().saturating_sub(width(&numbers) as u16), y, &numbers, style);
            y += 1;
        }
    }
}

/// Writes the title of the list of keys, with the number of those that are listed where these are not all.
fn title(buf: &mut Buffer, line: Rect, app: &App, (listed, of): (usize, usize)) {
    let [first, what] = if app.scored().is_some() { ["highest", "scores"] } else { ["strongest", "keys"] };
    let all = format!("{first} {what}");
    let wordings = match listed < of {
        true => vec![format!("{first} {listed} of {of} {what}"), format!("{first} {listed} of {of}"), all],
        false => vec![all],
    };
    let fitting = wordings.iter().find(|text| width(text) + 3 <= usize::from(line.width)).or(wordings.last());
    if let Some(text) = fitting {
        put(buf, line, line.x + 1, line.y, &format!(" {text} "), app.theme.dim());
    }
}

/// Draws the whole map as a thumbnail, with a frame around the visible part.
fn minimap(buf: &mut Buffer, area: Rect, app: &App, window: &Window, whole: (usize, usize)) {
    let Some(facts) = app.survey.heads.get(&app.selection.head) else { return };
    let causal = app.selection.head.kind() == Kind::Decoder;
    thumbnail(buf, area, &app.theme, &facts.thumbnail, app.reading.scale, causal);
    let scale = |at: usize, of: usize, cells: u16| (at * usize::from(cells) / of.max(1)) as u16;
    let top = scale(window.rows.start, whole.0, area.height);
    let bottom = scale(window.rows.end.saturating_sub(1), whole.0, area.height);
    let left = scale(window.cols.start, whole.1, area.width);
    let right = scale(window.cols.end.saturating_sub(1), whole.1, area.width);
    for y in top..=bottom {
        for x in left..=right {
            let mark = match (y == top, y == bottom, x == left, x == right) {
                (true, true, true, true) => "□",
                (true, true, ..) | (true, false, false, false) | (false, true, false, false) => "─",
                (_, _, true, true) => "│",
                (true, _, true, _) => "┌",
                (true, _, _, true) => "┐",
                (_, true, true, _) => "└",
                (_, true, _, true) => "┘",
                (_, _, true, _) | (_, _, _, true) => "│",
                _ => continue,
            };
            put(buf, area, area.x + x, area.y + y, mark, app.theme.accent());
        }
    }
}
