//! The mouse.

use ratatui::layout::Position;

use super::{command_, overlay, select};
use crate::site::Site;
use crate::tui::action::{Command, Effect};
use crate::tui::app::{App, View};
use crate::tui::layout::Hit;
use crate::tui::overlays::Overlay;
use crate::tui::views::{compare, heads};

/// The left button went down, or was dragged.
pub fn click(app: &mut App, at: Position, drag: bool) -> Vec<Effect> {
    let Some(hit) = app.layout.at(at) else { return Vec::new() };
    if let Hit::Item(item) = hit {
        if let Some(Overlay::Picker(picker)) = app.overlays.last_mut() {
            picker.selected = item;
            return overlay::accept(app);
        }
        return Vec::new();
    }
    if !app.overlays.is_empty() || (drag && hit != Hit::Map) {
        return Vec::new();
    }
    app.notice = None;
    match hit {
        Hit::Command(command) => return command_(app, command),
        Hit::Kind(kind) => {
            app.place.head = Site::new(kind, app.place.head.layer()).head(app.place.head.head);
            app.settle();
        }
        Hit::Map => {
            if let Some((query, key)) = app.layout.window.as_ref().and_then(|window| window.places_at(at)) {
                select(app, query, key);
            }
        }
        Hit::Query(query) => select(app, query, app.key()),
        Hit::Source(place) => {
            let token = app.axes.source.token_of(place);
            app.place.source_key = token;
            if app.view == View::Text && !app.receives {
                app.place.source_query = token;
            }
        }
        Hit::Target(place) => app.place.target_query = app.axes.input.token_of(place),
        Hit::Tile(head) if app.place.head == head => app.view = View::Map,
        Hit::Tile(head) => app.place.head = head,
        Hit::Row(line) => return row(app, line),
        Hit::Item(_) => {}
    }
    Vec::new()
}

/// A line of a list: the first click selects it, the second opens it.
fn row(app: &mut App, line: usize) -> Vec<Effect> {
    match app.view {
        View::Links if app.link == line => return command_(app, Command::Open),
        View::Links => app.link = line,
        View::Heads | View::Compare => {
            let ranked = || compare::ranked(app).get(line).map(|(head, _)| *head);
            let listed = || heads::rows(app).get(line).copied();
            let Some(head) = (if app.view == View::Heads { listed() } else { ranked() }) else {
                return Vec::new();
            };
            if head == app.place.head {
                return command_(app, Command::Open);
            }
            app.place.head = head;
        }
        _ => {}
    }
    Vec::new()
}

/// The wheel turned.
pub fn wheel(app: &mut App, at: Position, steps: isize, across: bool) -> Vec<Effect> {
    if !app.overlays.is_empty() {
        return overlay::scroll(app, steps);
    }
    let _ = at;
    let command = match (across, steps > 0) {
        (false, true) => Command::Down,
        (false, false) => Command::Up,
        (true, true) => Command::Right,
        (true, false) => Command::Left,
    };
    let mut effects = Vec::new();
    for _ in 0..steps.unsigned_abs().min(10) {
        effects.extend(command_(app, command));
    }
    effects
}
