//! Steps back and forward in the history of places and runs.

use super::runs;
use crate::capture::MapWeights;
use crate::tui::action::Effect;
use crate::tui::app::App;
use crate::tui::overlays::overlay::{Decision, Overlay};
use crate::tui::requests;
use crate::tui::runs::ListedRun;
use crate::tui::selection::{DisplayedRun, HistoryStep, Visit};

/// Takes a step, or asks first if it runs the model on other texts, whose capture is not kept.
pub fn step(app: &mut App, step: HistoryStep) -> Vec<Effect> {
    let Some(visit) = app.history.next(step) else {
        let what =
            if step == HistoryStep::Back { "nothing to go back to" } else { "nothing to go forward to" };
        app.notice = Some(what.into());
        return Vec::new();
    };
    if run_of(app, visit).is_some_and(|run| kept(app, run).is_none()) {
        app.overlays.push(Overlay::Confirm(Decision::History(step)));
        return Vec::new();
    }
    take(app, step)
}

/// Takes a step.
pub fn take(app: &mut App, step: HistoryStep) -> Vec<Effect> {
    let now = app.visit();
    let Some(visit) = app.history.take(step, now) else { return Vec::new() };
    if let Some(run) = run_of(app, &visit).cloned() {
        if let Some(listed) = kept(app, &run).cloned() {
            (app.view, app.selection, app.untouched) = (visit.view, visit.selection, false);
            return runs::show_again(app, listed);
        }
        app.run.options.take_texts_of(run.options);
        app.run.arrival = Some((visit.view, visit.selection));
        return requests::run(app);
    }
    (app.view, app.selection) = (visit.view, visit.selection);
    app.settle();
    Vec::new()
}

/// Returns the run of the list whose capture is kept and shows these texts as maps are read now.
fn kept<'a>(app: &'a App, run: &DisplayedRun) -> Option<&'a ListedRun> {
    let needs_values = app.reading.weights == MapWeights::Values;
    app.runs.kept(run, |capture| !needs_values || !capture.values.is_empty())
}

/// Returns the run of a place if it is not the displayed one and the open model can repeat it.
pub fn run_of<'a>(app: &App, visit: &'a Visit) -> Option<&'a DisplayedRun> {
    let run = visit.run.as_deref()?;
    let displayed = app.run.displayed.as_deref()?;
    let repeatable = app.run.info.is_some() && run.model == app.run.model;
    (repeatable && !run.has_texts_of(displayed)).then_some(run)
}
