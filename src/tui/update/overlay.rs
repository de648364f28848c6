//! Keys of the topmost overlay.

use super::run;
use crate::tui::action::Effect;
use crate::tui::app::App;
use crate::tui::filter::Filter;
use crate::tui::overlays::help;
use crate::tui::overlays::overlay::{EditedText, Overlay};
use crate::tui::overlays::picker::{self, Outcome};
use crate::tui::requests;
use crate::tui::views::ViewId;
use crate::tui::widgets::editor::{Edit, Editor};

/// Edits the text of the topmost overlay.
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

/// Pastes text into the topmost overlay, or uses it as a new source if no text is being edited.
pub fn paste(app: &mut App, text: &str) -> Vec<Effect> {
    match app.overlays.last_mut() {
        Some(Overlay::Edit(_, editor)) => editor.paste(text),
        Some(Overlay::Picker(picker)) => {
            picker.input.paste(text);
            picker.selected = 0;
        }
        Some(_) => {}
        None if app.run.info.is_some() => {
            let mut editor = Editor::default();
            editor.paste(text);
            app.overlays.push(Overlay::Edit(EditedText::Source, editor));
        }
        None => {}
    }
    Vec::new()
}

/// Scrolls the topmost overlay.
pub fn scroll(app: &mut App, steps: isize) -> Vec<Effect> {
    let last = help::last(app, app.layout.screen);
    let items = match app.overlays.last() {
        Some(Overlay::Picker(picker)) => picker::items(app, picker).len(),
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

/// Accepts the typed text or the picked item.
pub fn accept(app: &mut App) -> Vec<Effect> {
    match app.overlays.pop() {
        Some(Overlay::Edit(edited, editor)) => run_edited(app, edited, &editor),
        Some(Overlay::Picker(picker)) => {
            let Some(item) = picker::items(app, &picker).get(picker.selected).cloned() else {
                return Vec::new();
            };
            pick(app, item.outcome)
        }
        _ => Vec::new(),
    }
}

fn run_edited(app: &mut App, edited: EditedText, editor: &Editor) -> Vec<Effect> {
    let text = editor.text().to_string();
    match edited {
        EditedText::Source if text.trim().is_empty() => {
            app.notice = Some("the source stays: there is nothing to run".into());
            return Vec::new();
        }
        EditedText::Filter => {
            app.views.map.filter = Filter::new(&text);
            app.notice = None;
            return Vec::new();
        }
        EditedText::Source => match super::tour::own(app, &text) {
            Some(effects) => return effects,
            None => app.run.options.source = text,
        },
        EditedText::Target => app.run.options.target = (!text.trim().is_empty()).then_some(text),
    }
    app.run.options.prefix.clear();
    requests::run(app)
}

fn pick(app: &mut App, outcome: Outcome) -> Vec<Effect> {
    if !matches!(outcome, Outcome::Do(_) | Outcome::Language(..) | Outcome::Export(_)) {
        app.history.leave(app.view, app.selection);
    }
    match outcome {
        Outcome::Do(command) => return run(app, command),
        Outcome::Language(purpose, at) => return requests::take_language(app, purpose, at),
        Outcome::Export(format) => return requests::export(app, format),
        Outcome::Branch(at) => return requests::branch(app, at),
        Outcome::Go(head) => {
            app.selection.head = head;
            if app.view == ViewId::Grid {
                app.view = ViewId::Map;
            }
        }
        Outcome::Source(token) => {
            app.selection.source_key = token;
            app.selection.source_query = token;
        }
        Outcome::Target(row) => {
            app.selection.target_query = row;
            app.selection.target_key = row;
        }
    }
    app.settle();
    app.select(app.query(), app.key());
    Vec::new()
}
