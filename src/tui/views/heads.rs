//! A table of all heads with their metrics; the selected line is the selected head.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::map::rule;
use crate::analysis::metrics::HeadMetrics;
use crate::site::Head;
use crate::tui::app::App;
use crate::tui::layout::{Hit, Layout};
use crate::tui::widgets::bar::bar;
use crate::tui::widgets::cells::{fit, fit_left, fit_right, part, put};

/// The metrics in the order of their columns, the most telling first.
pub const ORDER: [&str; 14] = [
    "far_mass",
    "far_ratio",
    "entropy",
    "mean_distance",
    "confidence",
    "offset",
    "offset_share",
    "sink",
    "special_mass",
    "previous",
    "effective_keys",
    "monotonicity",
    "coverage",
    "gini",
];

/// The heads that the table lists, in its order.
pub fn rows(app: &App) -> Vec<Head> {
    let Some(capture) = &app.capture else { return Vec::new() };
    let mut heads = if app.one_kind { capture.heads_of(app.place.head.kind()) } else { capture.all_heads() };
    let column = ORDER.get(app.sort).copied().unwrap_or("far_mass");
    let value = |head: &Head| {
        let metrics = app.survey.heads.get(head).map(|facts| &facts.metrics);
        metrics.and_then(|metrics| metrics.get(column)).unwrap_or(f32::NEG_INFINITY)
    };
    heads.sort_by(|a, b| {
        let order = value(b).total_cmp(&value(a));
        if app.reverse { order.reverse() } else { order }.then(a.cmp(b))
    });
    heads
}

const NAME: usize = 13;
const COLUMN: usize = 9;
const BAR: usize = 12;

/// Draws the view.
pub fn draw(buf: &mut Buffer, area: Rect, app: &App, layout: &mut Layout) {
    let theme = &app.theme;
    let heads = rows(app);
    let sorted = ORDER.get(app.sort).copied().unwrap_or("far_mass");
    let column = HeadMetrics::COLUMNS.iter().find(|column| column.name == sorted);
    let kinds = if app.one_kind { app.place.head.kind().name() } else { "all kinds" };
    let title = format!("{} heads of {kinds}, by {sorted}: {}", heads.len(), column.map_or("", |c| c.about));
    let line = part(area, 0, 0, area.width, 1);
    rule(buf, line, &[(1, &fit(&title, usize::from(area.width).saturating_sub(4)))], app);
    let columns = columns(app, usize::from(area.width));
    let head_line = part(area, 0, 1, area.width, 1);
    let mut x = put(buf, head_line, area.x, head_line.y, &fit_left("  head", NAME), theme.dim());
    for name in &columns {
        let style = if *name == sorted { theme.accent() } else { theme.dim() };
        x = put(buf, head_line, x, head_line.y, &fit_right(&short_name(name), COLUMN), style);
        if *name == sorted {
            x = put(buf, head_line, x, head_line.y, if app.reverse { " ▲" } else { " ▼" }, theme.accent());
            x = x.saturating_add(BAR as u16 - 2);
        }
    }
    let list = part(area, 0, 2, area.width, area.height.saturating_sub(2));
    let room = usize::from(list.height);
    let selected = heads.iter().position(|&head| head == app.place.head).unwrap_or(0);
    let first = layout_first(app.layout.first, selected, room, heads.len());
    let full = heads
        .iter()
        .filter_map(|head| app.survey.heads.get(head)?.metrics.get(sorted))
        .fold(0.0f32, |max, value| max.max(value.abs()));
    for (y, (at, &head)) in (list.y..list.bottom()).zip(heads.iter().enumerate().skip(first)) {
        let row = Rect { y, height: 1, ..list };
        let here = at == selected;
        let mark = if app.marks.contains(&head) {
            "●"
        } else if here {
            "▸"
        } else {
            " "
        };
        let style = if here { theme.selected() } else { theme.text() };
        let mut x = put(buf, row, row.x, y, &fit_left(&format!("{mark} {head}"), NAME), style);
        layout.hit(row, Hit::Row(at));
        let Some(facts) = app.survey.heads.get(&head) else {
            put(buf, row, x + 1, y, "measuring …", theme.dim());
            continue;
        };
        for name in &columns {
            let value = facts.metrics.get(name);
            let whole = HeadMetrics::COLUMNS.iter().any(|column| column.name == *name && column.whole);
            let text = match value {
                Some(value) if whole && value == 0.0 => "0".into(),
                Some(value) if whole => format!("{value:+.0}"),
                Some(value) => format!("{value:.3}"),
                None => "–".into(),
            };
            let style = if here {
                theme.accent()
            } else if *name == sorted {
                theme.text()
            } else {
                theme.dim()
            };
            x = put(buf, row, x, y, &fit_right(&text, COLUMN), style);
            if *name == sorted {
                let share = if full > 0.0 { value.unwrap_or(0.0).abs() / full } else { 0.0 };
                put(buf, row, x + 1, y, &bar(share, BAR - 2), theme.bar());
                x = x.saturating_add(BAR as u16);
            }
        }
    }
    layout.page = room;
    layout.first = first;
}

/// The columns that fit, the sorted one first.
fn columns(app: &App, width: usize) -> Vec<&'static str> {
    let sorted = ORDER.get(app.sort).copied().unwrap_or("far_mass");
    let most = width.saturating_sub(NAME + BAR) / COLUMN;
    let others = ORDER.iter().copied().filter(|name| *name != sorted);
    std::iter::once(sorted).chain(others).take(most.max(1)).collect()
}

fn short_name(name: &str) -> String {
    name.replace("mean_distance", "distance")
        .replace("special_mass", "special")
        .replace("effective_keys", "eff_keys")
        .replace("monotonicity", "monotone")
        .replace("offset_share", "off_shr")
        .replace("confidence", "confid.")
        .replace('_', " ")
}

/// The first line of a list of `len` that shows `room` of them, scrolled from `last` only as far as needed.
pub fn layout_first(last: usize, selected: usize, room: usize, len: usize) -> usize {
    last.min(selected).max((selected + 1).saturating_sub(room)).min(len.saturating_sub(room))
}
