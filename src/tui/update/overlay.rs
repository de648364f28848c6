//! Keys that go to what lies on top.

use super::{command_, engine, select};
use crate::tui::action::Effect;
use crate::tui::app::{App, View};
use crate::tui::filter::Filter;
use crate::tui::overlays::picker::Outcome;
use crate::tui::overlays::{Overlay, Side};
use crate::tui::widgets::editor::{Edit, Editor};

/// A key into the line on top.
pub fn edit(app: &mut App, edit: Edit) -> Vec<Effect> {
    match app.overlays.last_mut() {
        Some(Overlay::Edit(_, editor)) => editor.apply(edit),
        Some(Overlay::Picker(picker)) => {
            picker.input.apply(edit);
            picker.selected = 0;
        }
        _ => {}
    }
    Vec::new()
}

/// Pasted text: into the line on top, or as a new source where nothing is being typed.
pub fn paste(app: &mut App, text: &str) -> Vec<Effect> {
    match app.overlays.last_mut() {
        Some(Overlay::Edit(_, editor)) => editor.paste(text),
        Some(Overlay::Picker(picker)) => {
            picker.input.paste(text);
            picker.selected = 0;
        }
        Some(_) => {}
        None if app.info.is_some() => {
            let mut editor = Editor::default();
            editor.paste(text);
            app.overlays.push(Overlay::Edit(Side::Source, editor));
        }
        None => {}
    }
    Vec::new()
}

/// Moves through what lies on top.
pub fn scroll(app: &mut App, steps: isize) -> Vec<Effect> {
    let last = app.layout.last;
    let items = match app.overlays.last() {
        Some(Overlay::Picker(picker)) => picker.items(app).len(),
        _ => 0,
    };
    match app.overlays.last_mut() {
        Some(Overlay::Help(first)) => *first = first.saturating_add_signed(steps).min(last),
        Some(Overlay::Picker(picker)) => {
            picker.selected = picker.selected.saturating_add_signed(steps).min(items.saturating_sub(1));
        }
        _ => {}
    }
    Vec::new()
}

/// Takes what was typed or picked.
pub fn accept(app: &mut App) -> Vec<Effect> {
    match app.overlays.pop() {
        Some(Overlay::Edit(side, editor)) => run_edited(app, side, &editor),
        Some(Overlay::Picker(picker)) => {
            let Some(item) = picker.items(app).get(picker.selected).cloned() else { return Vec::new() };
            pick(app, item.outcome)
        }
        _ => Vec::new(),
    }
}

fn run_edited(app: &mut App, side: Side, editor: &Editor) -> Vec<Effect> {
    let text = editor.text().to_string();
    match side {
        Side::Source if text.trim().is_empty() => {
            app.notice = Some("the source stays: there is nothing to run".into());
            return Vec::new();
        }
        Side::Filter => {
            app.filter = Filter::new(&text);
            app.notice = None;
            return Vec::new();
        }
        Side::Source => match super::tour::own(app, &text) {
            Some(effects) => return effects,
            None => app.run.source = text,
        },
        Side::Target => app.run.target = (!text.trim().is_empty()).then_some(text),
    }
    engine::run(app)
}

fn pick(app: &mut App, outcome: Outcome) -> Vec<Effect> {
    if !matches!(outcome, Outcome::Do(_) | Outcome::Language(..)) {
        app.history.leave(app.view, app.place);
    }
    match outcome {
        Outcome::Do(command) => return command_(app, command),
        Outcome::Language(purpose, at) => return engine::take_language(app, purpose, at),
        Outcome::Go(head) => {
            app.place.head = head;
            if app.view == View::Grid {
                app.view = View::Map;
            }
        }
        Outcome::Source(token) => {
            app.place.source_key = token;
            app.place.source_query = token;
        }
        Outcome::Target(row) => {
            app.place.target_query = row;
            app.place.target_key = row;
        }
    }
    app.settle();
    select(app, app.query(), app.key());
    Vec::new()
}
