//! Keys of the topmost overlay.

use super::{run, runs};
use crate::axis::Medium;
use crate::engine::{AudioOptions, ImageOptions};
use crate::tui::action::Effect;
use crate::tui::app::App;
use crate::tui::copying::{self, CopyFormat};
use crate::tui::filter::Filter;
use crate::tui::overlays::completion::candidates;
use crate::tui::overlays::help;
use crate::tui::overlays::overlay::Overlay;
use crate::tui::overlays::picker::{self, Outcome};
use crate::tui::overlays::text_prompt::TextPrompt;
use crate::tui::prompts::{AcceptedText, EditedText};
use crate::tui::requests;
use crate::tui::session_file::SessionFile;
use crate::tui::views::links::pairs;
use crate::tui::views::map::edit::edit_row;
use crate::tui::views::patching::update::corrupted;
use crate::tui::views::{ViewId, flow};
use crate::tui::widgets::editor::Edit;

/// Edits the text of the topmost overlay.
pub fn edit(app: &mut App, edit: Edit) -> Vec<Effect> {
    match app.overlays.last_mut() {
        Some(Overlay::Edit(prompt)) => prompt.apply(edit),
        Some(Overlay::Picker(picker)) => {
            picker.input.apply(edit);
            picker.selected = 0;
        }
        Some(Overlay::Help(page)) => {
            page.input.apply(edit);
            page.first = 0;
        }
        _ => {}
    }
    Vec::new()
}

/// Pastes text into the topmost overlay, or uses it as a new source if no text is being edited.
pub fn paste(app: &mut App, text: &str) -> Vec<Effect> {
    match app.overlays.last_mut() {
        Some(Overlay::Edit(prompt)) => prompt.paste(text),
        Some(Overlay::Picker(picker)) => {
            picker.input.paste(text, false);
            picker.selected = 0;
        }
        Some(Overlay::Help(page)) => {
            page.input.paste(text, false);
            page.first = 0;
        }
        Some(_) => {}
        None if app.run.info.is_some() => {
            let mut prompt = TextPrompt::new(EditedText::Source, "");
            prompt.paste(text);
            app.overlays.push(Overlay::Edit(prompt));
        }
        None => {}
    }
    Vec::new()
}

/// Scrolls the topmost overlay.
pub fn scroll(app: &mut App, steps: isize) -> Vec<Effect> {
    let last = match app.overlays.last() {
        Some(Overlay::Picker(picker)) => picker::items(app, picker).len().saturating_sub(1),
        Some(Overlay::Help(page)) => help::last(app, page, app.layout.screen),
        _ => 0,
    };
    match app.overlays.last_mut() {
        Some(Overlay::Help(page)) => page.first = page.first.saturating_add_signed(steps).min(last),
        Some(Overlay::Picker(picker)) => {
            picker.selected = picker.selected.saturating_add_signed(steps).min(last);
        }
        Some(Overlay::Edit(prompt)) => {
            prompt.recall(app.prompts.texts(&app.run.model, prompt.edited), steps);
        }
        _ => {}
    }
    Vec::new()
}

/// Completes the last word of the prompt on top.
pub fn complete(app: &mut App) -> Vec<Effect> {
    let Some(Overlay::Edit(prompt)) = app.overlays.last() else { return Vec::new() };
    let mut prompt = prompt.clone();
    let edited = prompt.edited;
    if prompt.complete(|before, typed| candidates(app, edited, before, typed)) {
        app.overlays.pop();
        app.overlays.push(Overlay::Edit(prompt));
    }
    Vec::new()
}

/// Accepts the typed text or the picked item.
pub fn accept(app: &mut App) -> Vec<Effect> {
    match app.overlays.pop() {
        Some(Overlay::Edit(prompt)) => {
            let text = prompt.editor.text().to_string();
            let accepted = AcceptedText { model: app.run.model.clone(), edited: prompt.edited, text };
            app.prompts.add(&accepted);
            let mut effects = vec![Effect::Remember(accepted.clone())];
            effects.extend(run_edited(app, prompt.edited, accepted.text));
            effects
        }
        Some(Overlay::Picker(picker)) => {
            let Some(item) = picker::items(app, &picker).get(picker.selected).cloned() else {
                return Vec::new();
            };
            pick(app, item.outcome)
        }
        Some(Overlay::Confirm(decision)) => super::decided(app, decision),
        _ => Vec::new(),
    }
}

fn run_edited(app: &mut App, edited: EditedText, text: String) -> Vec<Effect> {
    let medium = app.run.medium();
    match edited {
        EditedText::Source if text.trim().is_empty() => {
            app.notice = Some("the source stays: there is nothing to run".into());
            return Vec::new();
        }
        EditedText::Filter => {
            app.filter = Filter::new(&text);
            app.notice = None;
            return Vec::new();
        }
        EditedText::Corrupt => return corrupted(app, text),
        EditedText::Link => return pairs::of_text(app, &text),
        EditedText::Row => return edit_row(app, &text),
        EditedText::SessionName => {
            app.notice = Some("saving …".into());
            let file = SessionFile::new(app, &text);
            return file.map(|file| Effect::SaveSession(Box::new(file))).into_iter().collect();
        }
        EditedText::Source => match super::tour::own(app, &text) {
            Some(effects) => return effects,
            None => {
                app.leave();
                let options = &mut app.run.options;
                let path = || text.trim().into();
                match medium {
                    Medium::Text => options.source = text,
                    Medium::Sound => {
                        let last = options.audio.take().unwrap_or_default();
                        options.audio = Some(AudioOptions { path: path(), bytes: None, from: 0.0, ..last });
                    }
                    Medium::Picture => {
                        let prompt = options.image.take().and_then(|last| last.prompt);
                        options.image =
                            Some(ImageOptions { path: path(), prompt, ..ImageOptions::default() });
                    }
                }
            }
        },
        EditedText::Target => {
            app.leave();
            app.run.options.target = (!text.trim().is_empty()).then_some(text);
        }
    }
    app.run.options.prefix.clear();
    requests::run(app)
}

fn pick(app: &mut App, outcome: Outcome) -> Vec<Effect> {
    if matches!(outcome, Outcome::Go(_) | Outcome::Query(_) | Outcome::Key(_)) {
        app.leave();
    }
    match outcome {
        Outcome::Do(command) => return run(app, command),
        Outcome::Copy(format) => {
            let what = if format == CopyFormat::Command { "the command line" } else { "the rows" };
            let text = copying::rows_text(app, format);
            return super::copy(app, what, text);
        }
        Outcome::Language(purpose, at) => return requests::take_language(app, purpose, at),
        Outcome::Export(format) => return requests::export(app, format),
        Outcome::Contrast(at) => return flow::update::explain(app, at),
        Outcome::Branch(at) => return requests::branch(app, at),
        Outcome::Open(model) => return requests::open(app, model),
        Outcome::Run(at) => return runs::show(app, at),
        Outcome::CompareRun(at) => return runs::compare(app, at),
        Outcome::SearchBeams => return runs::search_beams(app),
        Outcome::Go(head) => {
            app.selection.head = head;
            if app.view == ViewId::Grid {
                app.view = ViewId::Map;
            }
        }
        Outcome::Query(token) => {
            app.selection.set_query(token);
            app.notice = Some(format!("query: {}", app.queries().name(app.query())));
        }
        Outcome::Key(token) => {
            app.selection.set_key(token);
            app.notice = Some(format!("key: {}", app.keys().name(app.key())));
        }
    }
    app.settle();
    app.select(app.query(), app.key());
    Vec::new()
}
