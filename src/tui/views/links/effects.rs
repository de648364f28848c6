//! The effect of each listed link on the output, measured by switching off one after the other.

use std::collections::VecDeque;

use super::rows::rows;
use super::state::{LinkEffects, OutputLoss};
use crate::engine::{AblatedRun, Request, RunOptions};
use crate::tui::ablation::ActiveAblation;
use crate::tui::action::Effect;
use crate::tui::app::App;

/// Starts to measure the effects of the listed links that are not known yet.
pub fn measure(app: &mut App) -> Vec<Effect> {
    if app.run.info.is_none() {
        app.notice = Some("a capture file has no model to run without a link".into());
        return Vec::new();
    }
    let wanted = rows(app).into_iter().map(|row| row.pair.ablations(row.head));
    let effects = &app.views.links.effects;
    let queue: VecDeque<_> =
        wanted.filter(|off| !off.is_empty() && !effects.found.contains_key(off)).collect();
    if queue.is_empty() {
        app.notice = Some("the effect of every listed link is measured".into());
        return Vec::new();
    }
    app.views.links.effects.total = queue.len();
    app.views.links.effects.queue = queue;
    next(app)
}

/// Requests the run of the first ablation of the queue.
fn next(app: &mut App) -> Vec<Effect> {
    let LinkEffects { queue, total, .. } = &app.views.links.effects;
    let Some(off) = queue.front() else { return Vec::new() };
    let what = format!("measuring link {} of {total}", total + 1 - queue.len());
    let run = RunOptions { ablations: off.clone(), forced_only: true, ..app.run.displayed_options().clone() };
    app.run.begin(what);
    app.run.pending += 1;
    vec![Effect::Ask(Request::Ablate(run))]
}

/// Keeps the effect of an ablation of the queue, and requests the next. Returns `None` for any other.
pub fn measured(app: &mut App, outcome: &AblatedRun) -> Option<Vec<Effect>> {
    let effects = &mut app.views.links.effects;
    if effects.queue.front() != Some(&outcome.ablations) {
        return None;
    }
    effects.queue.pop_front();
    let capture = app.capture.as_ref()?;
    let run = ActiveAblation {
        ablations: outcome.ablations.clone(),
        outcome: Some(outcome.clone()),
        ..ActiveAblation::default()
    };
    let changes = run.changes(capture).into_iter().map(|change| change.change).enumerate();
    let worst = changes.reduce(|worst, next| if next.1 < worst.1 { next } else { worst });
    if let Some((row, change)) = worst {
        app.views.links.effects.found.insert(outcome.ablations.clone(), OutputLoss { row, change });
    }
    Some(next(app))
}
