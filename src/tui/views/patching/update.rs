//! Commands of Patching.

use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::effects::ShownEffects;
use super::state::{PatchingCommand, PatchingView, corrupt_source, measured};
use super::{draw, drawing};
use crate::analysis::patching::ActivationKind;
use crate::axis::Medium;
use crate::engine::{PatchRequest, Request, RunOptions};
use crate::export::drawing::Drawing;
use crate::tui::action::Effect;
use crate::tui::app::App;
use crate::tui::cache::Cache;
use crate::tui::command::Motion;
use crate::tui::layout::{Layout, ViewHit};
use crate::tui::overlays::overlay::Overlay;
use crate::tui::overlays::text_prompt::TextPrompt;
use crate::tui::prompts::EditedText;
use crate::tui::views::view::{View, select_hit};

impl View for PatchingView {
    type OwnCommand = PatchingCommand;

    fn command(app: &mut App, command: PatchingCommand) -> Vec<Effect> {
        match command {
            PatchingCommand::Measure | PatchingCommand::Corrupt if app.run.medium() != Medium::Text => {
                app.notice = Some("only runs on texts are patched".into());
            }
            PatchingCommand::Measure => return measure(app),
            PatchingCommand::Kind => {
                let kind = &mut app.views.patching.kind;
                let at = ActivationKind::ALL.iter().position(|known| known == kind).unwrap_or(0);
                *kind = ActivationKind::ALL[(at + 1) % ActivationKind::ALL.len()];
            }
            PatchingCommand::Rows => app.views.patching.one_row = !app.views.patching.one_row,
            PatchingCommand::Corrupt => ask(app),
        }
        Vec::new()
    }

    fn movement(app: &mut App, motion: Motion) {
        let Some(shown) = ShownEffects::new(app) else { return };
        let (row, column) = shown.cursor(app);
        let (row, column) = match motion {
            Motion::Left => (row, column.saturating_sub(1)),
            Motion::Right => (row, column + 1),
            Motion::Up => (row.saturating_sub(1), column),
            Motion::Down => (row + 1, column),
            Motion::PageUp | Motion::FirstQuery => (0, column),
            Motion::PageDown | Motion::LastQuery => (usize::MAX, column),
            Motion::PageLeft | Motion::FirstKey => (row, 0),
            Motion::PageRight | Motion::LastKey => (row, usize::MAX),
            Motion::Strongest => shown.strongest().unwrap_or((row, column)),
        };
        shown.select(app, row, column);
    }

    fn click(app: &mut App, hit: ViewHit, at: Position) {
        let place = app.layout.window.as_ref().and_then(|window| window.places_at(at));
        match (hit, place, ShownEffects::new(app)) {
            (ViewHit::Map, Some((row, column)), Some(shown)) => shown.select(app, row, column),
            (ViewHit::Map, ..) => {}
            (hit, ..) => select_hit(app, hit, at),
        }
    }

    fn header(app: &App) -> Option<String> {
        Some(draw::header(app))
    }

    fn value(app: &App, _: &mut Cache) -> Option<Vec<String>> {
        draw::value(app)
    }

    fn drawing(app: &App) -> Option<Drawing> {
        drawing::drawing(app)
    }

    fn draw(app: &App, area: Rect, buf: &mut Buffer, _: &mut Cache, layout: &mut Layout) {
        draw::draw(buf, area, app, layout);
    }
}

/// Asks for the source of the corrupt run.
fn ask(app: &mut App) {
    if app.run.info.is_none() {
        app.notice = Some("a capture file has no model to run another text".into());
        return;
    }
    let shown = app.capture.as_ref().map(|capture| capture.source.text.clone());
    let text = corrupt_source(app).map(String::from).or(shown).unwrap_or_default();
    app.overlays.push(Overlay::Edit(TextPrompt::new(EditedText::Corrupt, text)));
}

/// Takes the source of the corrupt run, and measures.
pub fn corrupted(app: &mut App, text: String) -> Vec<Effect> {
    if text.trim().is_empty() {
        app.notice = Some("the corrupt source stays: there is nothing to run".into());
        return Vec::new();
    }
    if app.capture.as_ref().is_some_and(|capture| capture.source.text == text) {
        app.notice = Some("this is the source of the clean run: change a word of it".into());
        return Vec::new();
    }
    let view = &mut app.views.patching;
    (view.corrupt, view.pinned_later) = (Some(text), false);
    measure(app)
}

/// Requests the patched runs, or the source of the corrupt run first.
fn measure(app: &mut App) -> Vec<Effect> {
    let Some(corrupt) = corrupt_source(app).map(String::from) else {
        ask(app);
        return Vec::new();
    };
    if measured(app).is_some() {
        app.notice = Some("these effects are measured".into());
        return Vec::new();
    }
    let (Some(clean), Some(_)) = (&app.capture, &app.run.info) else { return Vec::new() };
    let options = app.run.displayed_options();
    let kind = app.views.patching.kind;
    let request = PatchRequest {
        clean: Arc::clone(clean),
        corrupt: RunOptions { source: corrupt, ..options.clone() },
        kind,
    };
    app.run.begin(format!("patching {kind}"));
    app.run.pending += 1;
    vec![Effect::Ask(Request::Patch(request))]
}
