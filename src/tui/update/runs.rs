//! Showing a run of the list again, and comparing the shown one with another.

use super::engine::shown_again;
use crate::engine::Request;
use crate::tui::action::Effect;
use crate::tui::app::App;
use crate::tui::overlays::overlay::{Overlay, Picker, Purpose};
use crate::tui::overlays::picker::{Outcome, items};
use crate::tui::requests;
use crate::tui::runs::{AwaitedComparison, BEAMS, ListedRun};
use crate::tui::views::ViewId;

/// Opens the list of runs.
pub fn choose(app: &mut App, purpose: Purpose) {
    if app.run.info.is_none() {
        app.notice = Some("a capture file has no model, so there are no runs to list".into());
    } else if purpose == Purpose::CompareRun && app.runs.runs().len() < 2 {
        app.notice = Some("there is no other run: take another token, or run another text".into());
    } else {
        let mut picker = Picker::new(purpose);
        let shown = app.capture.as_ref().and_then(|capture| app.runs.of(capture)).map(Outcome::Run);
        let items = items(app, &picker);
        picker.selected = items.iter().position(|item| Some(&item.outcome) == shown.as_ref()).unwrap_or(0);
        app.overlays.push(Overlay::Picker(picker));
    }
}

/// Shows a run: its capture if that is kept, otherwise the model runs again.
pub fn show(app: &mut App, at: usize) -> Vec<Effect> {
    let Some(listed) = app.runs.runs().get(at).cloned() else { return Vec::new() };
    app.leave();
    show_again(app, listed)
}

/// Shows a run in place of the displayed one, and of one in progress.
pub fn show_again(app: &mut App, listed: ListedRun) -> Vec<Effect> {
    app.run.options = listed.run.options.clone();
    let Some(capture) = listed.capture else { return requests::run(app) };
    (app.runs.awaited, app.run.arrival) = (None, None);
    let running = app.run.pending > 0;
    let mut effects: Vec<Effect> = running.then_some(Effect::Ask(Request::Cancel)).into_iter().collect();
    effects.extend(shown_again(app, capture));
    effects
}

/// Pins a run and compares the shown one with it.
pub fn compare(app: &mut App, at: usize) -> Vec<Effect> {
    let (Some(listed), Some(capture)) = (app.runs.runs().get(at).cloned(), app.capture.clone()) else {
        return Vec::new();
    };
    match listed.capture {
        Some(pinned) => {
            app.views.pin(Some(pinned));
            app.show(ViewId::Compare);
            let request = app.views.compare.request(app.serial, app.capture.as_ref());
            request.map(Effect::Compare).into_iter().collect()
        }
        None => {
            app.runs.awaited = Some(AwaitedComparison { capture, options: app.run.options.clone() });
            app.run.options = listed.run.options.clone();
            requests::run(app)
        }
    }
}

/// Searches the target with several beams.
pub fn search_beams(app: &mut App) -> Vec<Effect> {
    app.leave();
    let options = &mut app.run.options;
    (options.target, options.beams) = (None, Some(BEAMS));
    options.prefix.clear();
    requests::run(app)
}
