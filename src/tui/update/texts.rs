//! Commands that edit the texts of the model.

use crate::axis::Medium;
use crate::tui::action::Effect;
use crate::tui::app::App;
use crate::tui::overlays::overlay::{Decision, Overlay};
use crate::tui::overlays::text_prompt::TextPrompt;
use crate::tui::prompts::EditedText;
use crate::tui::requests;

/// Returns true if there is no model that could run another text; asks for the model of the capture if it names
/// one.
fn is_fixed(app: &mut App) -> bool {
    let Some(capture) = app.capture.as_ref().filter(|_| app.run.info.is_none()) else { return false };
    if !capture.model.is_empty() && capture.media.is_none() && !capture.source.text.trim().is_empty() {
        app.overlays.push(Overlay::Confirm(Decision::OpenModel));
    } else {
        app.notice = Some("a capture file has no model to run another text".into());
    }
    true
}

/// Edits the source.
pub fn edit_source(app: &mut App) {
    if is_fixed(app) {
        return;
    }
    let options = &app.run.options;
    let path = match app.run.medium() {
        Medium::Text => None,
        Medium::Sound => options.audio.as_ref().map(|audio| &audio.path),
        Medium::Picture => options.image.as_ref().map(|image| &image.path),
    };
    let text = match (&app.capture, path) {
        (_, Some(path)) => path.display().to_string(),
        (_, None) if app.run.medium() != Medium::Text => String::new(),
        (Some(capture), None) => capture.source.text.clone(),
        (None, None) => options.source.clone(),
    };
    app.overlays.push(Overlay::Edit(TextPrompt::new(EditedText::Source, text)));
}

/// Edits the target.
pub fn edit_target(app: &mut App) {
    if is_fixed(app) {
        return;
    }
    let shown = || app.capture.as_ref().map(|capture| capture.target.text.clone());
    let text = app.run.options.target.clone().or_else(shown).unwrap_or_default();
    app.overlays.push(Overlay::Edit(TextPrompt::new(EditedText::Target, text)));
}

/// Asks before a forced target is dropped.
pub fn generate(app: &mut App) {
    if app.run.options.target.is_none() && app.run.options.prefix.is_empty() {
        app.notice = Some("the target is generated already".into());
        return;
    }
    app.overlays.push(Overlay::Confirm(Decision::Generate));
}

/// Opens the model of a capture file, to run its source.
pub fn open_model(app: &mut App) -> Vec<Effect> {
    let Some(capture) = app.capture.clone() else { return Vec::new() };
    app.run.options.source = capture.source.text.clone();
    app.run.arrival = Some((app.view, app.selection));
    requests::open(app, capture.model.clone())
}
