//! The cursor keys of each view.

use ratatui::layout::Rect;

use super::select;
use crate::site::Kind;
use crate::tui::action::Command;
use crate::tui::app::{App, View};
use crate::tui::layout::Hit;
use crate::tui::links;
use crate::tui::views::compare::ranked;
use crate::tui::views::heads::rows;

/// Moves from cell to cell.
pub fn map(app: &mut App, command: Command) {
    let (queries, keys) = (app.queries().len(), app.keys().len());
    let (query, key) = (app.query(), app.key());
    let window = app.layout.window.as_ref();
    let (rows, cols) = window.map_or((1, 1), |window| window.covers());
    let down = window.map_or(1, |window| window.rows.len()).max(2) - 1;
    let across = window.map_or(1, |window| window.cols.len()).max(2) - 1;
    let (query, key) = match command {
        Command::Left => (query, key.saturating_sub(cols)),
        Command::Right => (query, key + cols),
        Command::Up => (query.saturating_sub(rows), key),
        Command::Down => (query + rows, key),
        Command::PageUp => (query.saturating_sub(down), key),
        Command::PageDown => (query + down, key),
        Command::PageLeft => (query, key.saturating_sub(across)),
        Command::PageRight => (query, key + across),
        Command::FirstKey => (query, 0),
        Command::LastKey => (query, keys),
        Command::FirstQuery => (0, key),
        Command::LastQuery => (queries, key),
        Command::Strongest => (query, links::strongest(app).unwrap_or(key)),
        _ => return,
    };
    select(app, query.min(queries.saturating_sub(1)), key.min(keys.saturating_sub(1)));
}

/// Moves from thumbnail to thumbnail.
pub fn grid(app: &mut App, command: Command) {
    let Some(capture) = app.capture.clone() else { return };
    let heads = capture.heads_of(app.place.head.kind());
    let at = heads.iter().position(|&head| head == app.place.head).unwrap_or(0);
    let across = app.layout.tiles_across.max(1);
    let page = (app.layout.page * across).max(across);
    let last = heads.len().saturating_sub(1);
    let to = match command {
        Command::Left => at.saturating_sub(1),
        Command::Right => at + 1,
        Command::Up => at.checked_sub(across).unwrap_or(at),
        Command::Down => {
            if at + across <= last {
                at + across
            } else {
                at
            }
        }
        Command::PageUp => at.saturating_sub(page),
        Command::PageDown => at + page,
        Command::FirstKey => 0,
        Command::LastKey => last,
        _ => at,
    };
    if let Some(&head) = heads.get(to.min(last)) {
        app.place.head = head;
    }
}

/// Moves through a list of heads: the selected line is the selected head.
pub fn heads(app: &mut App, command: Command) {
    let heads = match app.view {
        View::Compare => ranked(app).into_iter().map(|(head, _)| head).collect(),
        _ => rows(app),
    };
    let at = heads.iter().position(|&head| head == app.place.head).unwrap_or(0);
    if let Some(&head) = heads.get(line(app, command, at, heads.len())) {
        app.place.head = head;
    }
}

/// Moves through the list of links.
pub fn links(app: &mut App, command: Command) {
    let len = links::everywhere(app).len();
    app.link = line(app, command, app.link.min(len.saturating_sub(1)), len);
}

/// The line of a list of `len` that a command leads to.
fn line(app: &App, command: Command, at: usize, len: usize) -> usize {
    let page = app.layout.page.max(2) - 1;
    let to = match command {
        Command::Up => at.saturating_sub(1),
        Command::Down => at + 1,
        Command::PageUp => at.saturating_sub(page),
        Command::PageDown => at + page,
        Command::FirstKey | Command::FirstQuery => 0,
        Command::LastKey | Command::LastQuery => len,
        _ => at,
    };
    to.min(len.saturating_sub(1))
}

/// Moves through the running text: along the tokens, and from line to line.
pub fn text(app: &mut App, command: Command) {
    let moves_key = app.receives && app.view == View::Text;
    let decoder = app.view == View::Flow || app.place.head.kind() != Kind::Encoder;
    let (now, len) = if moves_key {
        (app.key(), app.keys().len())
    } else {
        let axis = if decoder { &app.axes.input } else { &app.axes.source };
        let token = if decoder { app.place.target_query } else { app.place.source_query };
        (axis.unit_of(token), axis.len())
    };
    let in_source = if moves_key { app.place.head.kind() != Kind::Decoder } else { !decoder };
    let to = match command {
        Command::Left => now.saturating_sub(1),
        Command::Right => now + 1,
        Command::Up => line_away(app, in_source, now, false),
        Command::Down => line_away(app, in_source, now, true),
        Command::PageUp => now.saturating_sub(50),
        Command::PageDown => now + 50,
        Command::FirstKey | Command::FirstQuery => 0,
        Command::LastKey | Command::LastQuery => len,
        Command::Strongest => {
            let key = links::strongest(app).unwrap_or(app.key());
            return select(app, app.query(), key);
        }
        _ => return,
    };
    let to = to.min(len.saturating_sub(1));
    if moves_key {
        select(app, app.query(), to);
    } else if decoder {
        app.place.target_query = app.axes.input.token_of(to);
    } else {
        app.place.source_query = app.axes.source.token_of(to);
    }
}

/// The place on the next line of the text, or the line before, nearest to the one at `now`.
fn line_away(app: &App, in_source: bool, now: usize, down: bool) -> usize {
    let places: Vec<(Rect, usize)> = app
        .layout
        .hits
        .iter()
        .filter_map(|(area, hit)| match hit {
            Hit::Source(place) if in_source => Some((*area, *place)),
            Hit::Target(place) if !in_source => Some((*area, *place)),
            _ => None,
        })
        .collect();
    let Some((here, _)) = places.iter().find(|(_, place)| *place == now) else { return now };
    let lines = places.iter().map(|(area, _)| area.y);
    let line = if down { lines.filter(|&y| y > here.y).min() } else { lines.filter(|&y| y < here.y).max() };
    let on_line = places.iter().filter(|(area, _)| Some(area.y) == line);
    on_line.min_by_key(|(area, _)| area.x.abs_diff(here.x)).map_or(now, |(_, place)| *place)
}
