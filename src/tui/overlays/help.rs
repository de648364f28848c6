//! Help: the keys of the view, from the command table.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::frame;
use crate::tui::app::App;
use crate::tui::layout::Layout;
use crate::tui::widgets::cells::{fit_left, put, wrap};

/// Draws the help, scrolled by `scroll` lines.
pub fn draw(buf: &mut Buffer, area: Rect, app: &App, scroll: usize, layout: &mut Layout) {
    let width = area.width.saturating_sub(4).min(96);
    let columns = usize::from(width.saturating_sub(4));
    let names = KEYS.min(columns / 3);
    let lines = lines(app, columns, names);
    let height = (lines.len() as u16).saturating_add(2).min(area.height);
    let inner = frame(buf, area, width, height, &format!("{} — keys", app.view.name()), &app.theme);
    let room = usize::from(inner.height);
    let first = scroll.min(lines.len().saturating_sub(room));
    for (y, (keys, text, style)) in (inner.y..inner.bottom()).zip(lines.iter().skip(first)) {
        let x = put(buf, inner, inner.x, y, &fit_left(keys, names), app.theme.accent());
        put(buf, inner, x, y, text, *style);
    }
    if lines.len() > room && inner.height > 1 {
        let more = format!(" {}/{} ↓↑ ", (first + room).min(lines.len()), lines.len());
        let x = inner.right().saturating_sub(more.chars().count() as u16);
        put(buf, area, x, inner.bottom(), &more, app.theme.dim());
    }
    layout.page = room;
    layout.first = first;
    layout.last = lines.len().saturating_sub(room);
}

/// Width of the column of keys, if there is room.
const KEYS: usize = 16;

fn lines(app: &App, columns: usize, names: usize) -> Vec<(String, String, Style)> {
    let mut lines = Vec::new();
    let mut group = "";
    for (entry, keys) in app.keymap.entries(app.view) {
        if entry.group != group {
            if !group.is_empty() {
                lines.push((String::new(), String::new(), app.theme.text()));
            }
            lines.push((entry.group.to_string(), String::new(), app.theme.text()));
            group = entry.group;
        }
        for (at, text) in wrap(entry.sentence, columns.saturating_sub(names)).into_iter().enumerate() {
            let keys = if at == 0 { format!("  {}", keys.join(" ")) } else { String::new() };
            lines.push((keys, text, app.theme.text()));
        }
    }
    lines
}
