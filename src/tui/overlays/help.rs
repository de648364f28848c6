//! Help: the keys of the view, from the command table.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{frame, inside};
use crate::tui::app::App;
use crate::tui::widgets::cells::{fit_left, put, wrap};

/// Draws the help, scrolled by `scroll` lines.
pub fn draw(buf: &mut Buffer, area: Rect, app: &App, scroll: usize) {
    let width = width(area);
    let names = names(area);
    let lines = lines(app, area);
    let height = height(area, &lines);
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
}

/// Width of the column of keys, if there is room.
const KEYS: usize = 16;

/// Returns the number of visible lines of the help.
pub fn room(app: &App, screen: Rect) -> usize {
    let (_, inner) = inside(screen, width(screen), height(screen, &lines(app, screen)));
    usize::from(inner.height)
}

/// Returns the largest number of lines that the help scrolls by on a screen.
pub fn last(app: &App, screen: Rect) -> usize {
    lines(app, screen).len().saturating_sub(room(app, screen))
}

fn width(screen: Rect) -> u16 {
    screen.width.saturating_sub(4).min(96)
}

fn height(screen: Rect, lines: &[(String, String, Style)]) -> u16 {
    (lines.len() as u16).saturating_add(2).min(screen.height)
}

/// Returns the width of the column of keys.
fn names(screen: Rect) -> usize {
    KEYS.min(usize::from(width(screen).saturating_sub(4)) / 3)
}

/// Returns the lines of the help: keys, description, style of the description.
fn lines(app: &App, screen: Rect) -> Vec<(String, String, Style)> {
    let (columns, names) = (usize::from(width(screen).saturating_sub(4)), names(screen));
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
