//! Handling of the mouse.

use ratatui::layout::Position;

use super::{overlay, run, select_kind};
use crate::tui::action::Effect;
use crate::tui::app::App;
use crate::tui::command::{Command, Motion};
use crate::tui::layout::{Hit, ViewHit};
use crate::tui::overlays::overlay::Overlay;
use crate::tui::requests;
use crate::tui::views::view;

/// Handles a press or a drag with the left button.
pub fn click(app: &mut App, at: Position, drag: bool) -> Vec<Effect> {
    let Some(hit) = app.layout.at(at) else { return Vec::new() };
    if let Hit::Item(item) = hit {
        if let Some(Overlay::Picker(picker)) = app.overlays.last_mut() {
            picker.selected = item;
            return overlay::accept(app);
        }
        return Vec::new();
    }
    match (hit, app.overlays.last()) {
        (Hit::Group(group), Some(Overlay::Menu(_))) => {
            app.overlays.pop();
            app.overlays.push(Overlay::Menu(Some(group)));
            return Vec::new();
        }
        (Hit::Command(command), Some(Overlay::Menu(_))) => {
            app.overlays.pop();
            return run(app, command);
        }
        _ => {}
    }
    match hit {
        Hit::Accept => return overlay::accept(app),
        Hit::Dismiss => {
            app.overlays.pop();
            return Vec::new();
        }
        _ => {}
    }
    if !app.overlays.is_empty() || (drag && hit != Hit::View(ViewHit::Map)) {
        return Vec::new();
    }
    app.notice = None;
    match hit {
        Hit::Command(command) => return run(app, command),
        Hit::Kind(kind) => select_kind(app, kind),
        Hit::View(hit) => view::click(app, hit, at),
        Hit::Alternative(at) => {
            requests::choose_alternative(app);
            if let Some(Overlay::Picker(picker)) = app.overlays.last_mut() {
                picker.selected = at;
            }
        }
        Hit::Item(_) | Hit::Group(_) | Hit::Accept | Hit::Dismiss => {}
    }
    Vec::new()
}

/// Handles the wheel; steps down and right are positive.
pub fn wheel(app: &mut App, steps: isize, across: bool) -> Vec<Effect> {
    if !app.overlays.is_empty() {
        return overlay::scroll(app, steps);
    }
    let motion = match (across, steps > 0) {
        (false, true) => Motion::Down,
        (false, false) => Motion::Up,
        (true, true) => Motion::Right,
        (true, false) => Motion::Left,
    };
    let mut effects = Vec::new();
    for _ in 0..steps.unsigned_abs().min(10) {
        effects.extend(run(app, Command::Move(motion)));
    }
    effects
}
