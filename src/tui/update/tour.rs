//! Commands and results of the guided tour.

use std::sync::Arc;

use super::engine::captured;
use crate::engine::{OpenOptions, Request};
use crate::error::Error;
use crate::tour::{StepView, Tour, built_in};
use crate::tui::action::Effect;
use crate::tui::app::App;
use crate::tui::chrome;
use crate::tui::command::Command;
use crate::tui::guide::{Guide, ReadyStep};
use crate::tui::selection::Selection;
use crate::tui::views::ViewId;

/// Starts a tour.
pub fn start(app: &mut App, tour: Arc<Tour>) -> Vec<Effect> {
    app.guide = Some(Guide::new(tour));
    enter(app, 0)
}

/// Starts the built-in tour, or ends the running one.
pub fn toggle(app: &mut App) -> Vec<Effect> {
    if app.guide.take().is_some() {
        if app.view == ViewId::Tour {
            app.view = ViewId::Map;
        }
        app.notice = Some("the tour is over; what it showed stays".into());
        return Vec::new();
    }
    match built_in() {
        Ok(tour) => start(app, Arc::new(tour)),
        Err(error) => {
            app.show_error(error.to_string(), error.hint());
            Vec::new()
        }
    }
}

/// Goes to the next page of the step's text, or to the next step.
pub fn next(app: &mut App) -> Vec<Effect> {
    let (shown, all) = chrome::tour::lines_shown(app, app.layout.screen);
    let Some(guide) = &mut app.guide else { return not_started(app) };
    if guide.first + shown < all {
        guide.first += shown.max(1);
    } else if guide.at + 1 < guide.tour.steps.len() {
        let next = guide.at + 1;
        return enter(app, next);
    } else if !guide.cites && guide.now().is_some() && !guide.tour.sources().is_empty() {
        (guide.cites, guide.first) = (true, 0);
    } else {
        app.notice = Some("this was the last page".into());
    }
    Vec::new()
}

/// Goes to the previous page of the step's text, or to the previous step.
pub fn previous(app: &mut App) -> Vec<Effect> {
    let (shown, _) = chrome::tour::lines_shown(app, app.layout.screen);
    let Some(guide) = &mut app.guide else { return not_started(app) };
    if guide.first > 0 {
        guide.first = guide.first.saturating_sub(shown.max(1));
    } else if guide.cites {
        guide.cites = false;
    } else if guide.at > 0 {
        let before = guide.at - 1;
        return enter(app, before);
    } else {
        app.notice = Some("this is the first step".into());
    }
    Vec::new()
}

/// Shows a notice on how to start a tour.
fn not_started(app: &mut App) -> Vec<Effect> {
    app.notice = Some(format!("{} starts the guided tour", app.first_key(Command::Tour)));
    Vec::new()
}

/// Returns the view that a step shows.
fn view(view: StepView) -> ViewId {
    match view {
        StepView::Map => ViewId::Map,
        StepView::Text => ViewId::Text,
        StepView::Grid => ViewId::Grid,
        StepView::Heads => ViewId::Heads,
        StepView::Links => ViewId::Links,
        StepView::Flow => ViewId::Flow,
        StepView::Compare => ViewId::Compare,
        StepView::Outputs | StepView::Plot => ViewId::Tour,
    }
}

/// Goes to a step: shows it if it has been run, otherwise requests it.
fn enter(app: &mut App, at: usize) -> Vec<Effect> {
    let Some(guide) = &mut app.guide else { return Vec::new() };
    (guide.at, guide.first, guide.cites, guide.why) = (at, 0, false, None);
    if guide.now().is_some() {
        let mut effects = show(app);
        effects.extend(prepare_next(app));
        return effects;
    }
    app.run.begin(format!("preparing step {}", at + 1));
    if guide.asked == Some(at) {
        return Vec::new();
    }
    guide.asked = Some(at);
    vec![Effect::PlayStep(guide.request(at, &app.run.open))]
}

/// Requests the next step in advance, so that the reader does not wait for it.
fn prepare_next(app: &mut App) -> Option<Effect> {
    let guide = app.guide.as_mut()?;
    let next = guide.at + 1;
    let missing = guide.played.get(next).is_some_and(Option::is_none);
    if !missing || guide.asked.is_some() {
        return None;
    }
    guide.asked = Some(next);
    Some(Effect::PlayStep(guide.request(next, &app.run.open)))
}

/// Stores a finished step.
pub fn ready(app: &mut App, ready: ReadyStep) -> Vec<Effect> {
    let Some(guide) = app.guide.as_mut().filter(|guide| guide.edition == ready.edition) else {
        return Vec::new();
    };
    if guide.asked == Some(ready.at) {
        guide.asked = None;
    }
    let now = guide.at == ready.at;
    if now && app.run.pending == 0 {
        app.run.activity = None;
    }
    match ready.played {
        Ok(played) => {
            if let Some(slot) = guide.played.get_mut(ready.at) {
                *slot = Some(Arc::new(played));
            }
        }
        // The step is asked for again when the reader comes to it.
        Err(_) if !now => return Vec::new(),
        Err(Error::Cancelled) => return Vec::new(),
        Err(error) => {
            guide.why = Some(error.to_string());
            app.show_error(error.to_string(), error.hint());
            return Vec::new();
        }
    }
    if !now {
        return Vec::new();
    }
    let mut effects = show(app);
    effects.extend(prepare_next(app));
    effects
}

/// Shows the current step's view.
fn show(app: &mut App) -> Vec<Effect> {
    let Some(guide) = &mut app.guide else { return Vec::new() };
    let (Some(played), Some(step)) = (guide.now().cloned(), guide.tour.steps.get(guide.at)) else {
        return Vec::new();
    };
    let (Some(run), Some(capture)) = (step.runs.get(step.show), played.captures.get(step.show)) else {
        return Vec::new();
    };
    if app.run.pending == 0 {
        app.run.activity = None;
    }
    app.run.options = run.options(guide.own.as_deref().filter(|_| step.own));
    app.view = view(step.view);
    if let Some(pinned) = step.pin.and_then(|pin| played.captures.get(pin)) {
        app.views.pin(Some(Arc::clone(pinned)));
    }
    let mut open_request = None;
    if run.model != app.run.model {
        app.run.model.clone_from(&run.model);
        guide.opening = true;
        app.run.pending += 1;
        open_request = Some(Effect::Ask(Request::Open(OpenOptions {
            model: run.model.clone(),
            ..app.run.open.clone()
        })));
    }
    let mut effects = captured(app, Arc::clone(capture));
    effects.extend(open_request);
    app.untouched = false;
    app.selection = Selection::default();
    app.settle();
    if let Some(location) = played.location {
        app.selection.head = location.head;
        app.settle();
        if let Some(query) = location.query {
            app.selection.set_query(query);
        }
        if let Some(key) = location.key {
            app.selection.set_key(key);
        }
        app.settle();
    }
    effects
}

/// Runs the current step on the reader's own sentence; `None` if the step does not use one.
pub fn own(app: &mut App, text: &str) -> Option<Vec<Effect>> {
    let guide = app.guide.as_mut()?;
    guide.step().filter(|step| step.own)?;
    guide.own = Some(text.to_string());
    guide.edition += 1;
    guide.asked = None;
    for (step, played) in guide.tour.steps.iter().zip(&mut guide.played) {
        if step.own {
            *played = None;
        }
    }
    let at = guide.at;
    Some(enter(app, at))
}
