//! The menu: the groups of commands, then the commands of one group with their keys, above the footer.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::app::App;
use crate::tui::keymap::entry::group;
use crate::tui::layout::{Hit, Layout};
use crate::tui::widgets::cells::{fill, fit, fit_left, part, put, width};
use crate::tui::widgets::rule::rule;

/// An item of the menu.
struct MenuItem {
    key: String,
    name: String,
    hit: Hit,
}

/// Least width of an item in columns.
const COLUMN: u16 = 26;
/// Columns of the keys.
const KEY: usize = 10;

/// Draws the menu.
pub fn draw(buf: &mut Buffer, area: Rect, app: &App, open: Option<usize>, layout: &mut Layout) {
    let items = items(app, open);
    let across = (area.width / COLUMN).max(1);
    let lines = items.len().div_ceil(usize::from(across)) as u16;
    let height = (lines + 1).min(area.height);
    let footer = u16::from(area.height > height);
    let panel = part(area, 0, area.height - height - footer, area.width, height);
    fill(buf, panel, ' ', app.theme.text());
    let title = match open.and_then(|at| group::ALL.get(at)) {
        Some((name, _)) => format!("{name} · Backspace back · Esc close"),
        None => "a key for a group of commands · Esc close".into(),
    };
    let title = fit(&title, usize::from(area.width).saturating_sub(4));
    rule(buf, part(panel, 0, 0, panel.width, 1), &[(1, &title)], &app.theme);
    let column = panel.width / across;
    for (at, item) in items.iter().enumerate() {
        let (x, y) = ((at / usize::from(lines)) as u16 * column, (at % usize::from(lines)) as u16 + 1);
        let cell = part(panel, x + 1, y, column.saturating_sub(2), 1);
        let keys = if open.is_some() { KEY.min(usize::from(cell.width) / 3) } else { 2 };
        let x = put(buf, cell, cell.x, cell.y, &fit_left(&item.key, keys), app.theme.accent());
        let room = usize::from(cell.right().saturating_sub(x + 1));
        put(buf, cell, x + 1, cell.y, &fit(&item.name, room), app.theme.text());
        layout.hit(cell, item.hit);
    }
}

/// Returns the groups that have a command in the displayed view, or the commands of the open group.
fn items(app: &App, open: Option<usize>) -> Vec<MenuItem> {
    let entries = || app.keymap.entries(app.view).filter(|(_, keys)| !keys.is_empty());
    let Some((name, _)) = open.and_then(|at| group::ALL.get(at)) else {
        let groups = group::ALL.iter().enumerate();
        let used = groups.filter(|(_, (name, _))| entries().any(|(entry, _)| entry.group == *name));
        let item = |(at, (name, key)): (usize, &(&str, char))| MenuItem {
            key: key.to_string(),
            name: name.to_string(),
            hit: Hit::Group(at),
        };
        return used.map(item).collect();
    };
    entries()
        .filter(|(entry, _)| entry.group == *name)
        .map(|(entry, keys)| {
            let fitting = keys.iter().find(|key| width(key) <= KEY).or(keys.first());
            MenuItem {
                key: fitting.cloned().unwrap_or_default(),
                name: entry.name.replace('-', " "),
                hit: Hit::Command(entry.command),
            }
        })
        .collect()
}
