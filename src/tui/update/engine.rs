//! What the engine tells, and what it is asked.

use std::sync::Arc;

use super::{show_error, survey};
use crate::capture::{Capture, MapWeights, Score};
use crate::engine::{Event, ModelInfo, Request, RunOptions};
use crate::site::Ablation;
use crate::tui::action::Effect;
use crate::tui::app::{App, Axes, Job};
use crate::tui::overlays::Overlay;
use crate::tui::overlays::picker::{Picker, Purpose};
use crate::tui::survey::Survey;
use crate::tui::trial::Trial;

/// Takes an event of the engine into the state.
pub fn event(app: &mut App, event: Event) -> Vec<Effect> {
    if !matches!(event, Event::Progress(_)) {
        app.pending = app.pending.saturating_sub(1);
        // a newer request is still under way
        if app.pending == 0 {
            app.job = None;
        }
    }
    match event {
        Event::Progress(progress) => {
            if let Some(job) = &mut app.job {
                job.progress = Some(progress);
            }
            Vec::new()
        }
        Event::Opened(info) => {
            if !app.given && app.guide.is_none() {
                app.run.source = info.example.clone();
            }
            let asks = !info.languages.is_empty();
            app.info = Some(info);
            // The tour has run it already.
            if app.guide.as_mut().is_some_and(|guide| std::mem::take(&mut guide.opening)) {
                return Vec::new();
            }
            match app.languages() {
                (_, None) if asks => {
                    choose_language(app, Purpose::TargetLanguage);
                    return Vec::new();
                }
                (source, Some(target)) if asks && app.run.tgt_lang.is_none() => {
                    let source = source.unwrap_or_else(|| "?".into());
                    app.notice = Some(format!("{source} → {target}, the model's own languages"));
                }
                _ => {}
            }
            if let Some(note) = app.info.as_ref().and_then(ModelInfo::ignored_note) {
                app.notice = Some(note);
            }
            run(app)
        }
        Event::Captured(capture) => captured(app, capture),
        Event::Ablated(outcome) => {
            if let Some(trial) = app.trial.as_mut().filter(|trial| trial.ablations == outcome.ablations) {
                trial.outcome = Some(outcome);
            }
            Vec::new()
        }
        Event::Failed(error) => {
            drop_trial(app);
            unweigh(app, "");
            unscore(app);
            let hint = error.hint();
            show_error(app, error.to_string(), hint);
            Vec::new()
        }
        Event::Cancelled => {
            drop_trial(app);
            unweigh(app, "");
            unscore(app);
            if app.pending == 0 {
                app.notice = Some("stopped".into());
            }
            Vec::new()
        }
    }
}

/// Shows a capture.
pub fn captured(app: &mut App, capture: Arc<Capture>) -> Vec<Effect> {
    app.serial += 1;
    app.trial = None;
    app.axes = Axes::new(&capture, &app.reading);
    app.capture = Some(capture);
    app.survey = Survey::default();
    unweigh(app, "this model has no values to weigh by");
    unscore(app);
    app.settle();
    app.compare();
    survey(app)
}

/// Runs the model on the texts of the state.
pub fn run(app: &mut App) -> Vec<Effect> {
    if app.run.source.trim().is_empty() {
        app.notice = Some("type a source to begin".into());
        return Vec::new();
    }
    app.job = Some(Job { what: "running".into(), progress: None });
    app.pending += 1;
    vec![Effect::Ask(Request::Run(app.run.clone()))]
}

/// Forgets a trial that will have no outcome.
fn drop_trial(app: &mut App) {
    if app.pending == 0 && app.trial.as_ref().is_some_and(|trial| trial.outcome.is_none()) {
        app.trial = None;
    }
}

/// Switches parts off, or on again where just these are off.
pub fn without(app: &mut App, ablations: Vec<Ablation>) -> Vec<Effect> {
    if app.info.is_none() {
        app.notice = Some("a capture file has no model to run without a part".into());
        return Vec::new();
    }
    if ablations.is_empty() || app.capture.is_none() {
        app.notice = Some("this link lies ahead of its query: it is off in any case".into());
        return Vec::new();
    }
    if let Some(trial) = app.trial.take().filter(|trial| trial.ablations == ablations) {
        let running = trial.outcome.is_none() && app.job.is_some();
        return if running { vec![Effect::Ask(Request::Cancel)] } else { Vec::new() };
    }
    let trial = Trial { ablations: ablations.clone(), outcome: None };
    app.job = Some(Job { what: format!("running without {}", trial.name()), progress: None });
    app.trial = Some(trial);
    app.pending += 1;
    vec![Effect::Ask(Request::Ablate(RunOptions { ablations, ..app.run.clone() }))]
}

/// Opens the list of the model's languages.
pub fn choose_language(app: &mut App, purpose: Purpose) {
    if app.info.as_ref().is_none_or(|info| info.languages.is_empty()) {
        app.notice = Some("this model has no choice of languages".into());
        return;
    }
    app.overlays.push(Overlay::Picker(Picker::new(purpose)));
}

/// Takes a language of the model's list and runs the texts in it.
pub fn take_language(app: &mut App, purpose: Purpose, at: usize) -> Vec<Effect> {
    let name = app.info.as_ref().and_then(|info| info.languages.get(at)).cloned();
    match purpose {
        Purpose::SourceLanguage => app.run.src_lang = name,
        _ => app.run.tgt_lang = name,
    }
    run(app)
}

/// Weights alone, where the capture has nothing to weigh them by and none is on its way.
fn unweigh(app: &mut App, why: &str) {
    if app.pending == 0 && app.weights == MapWeights::Values && !app.is_weighed() {
        app.weights = MapWeights::Attention;
        if !why.is_empty() {
            app.notice = Some(why.into());
        }
    }
}

/// Value-weighted maps, or weights alone again. The model runs anew where the norms of the values are not known.
pub fn weigh(app: &mut App) -> Vec<Effect> {
    let Some(capture) = &app.capture else { return Vec::new() };
    if app.weights == MapWeights::Values {
        app.weights = MapWeights::Attention;
    } else if capture.weights == MapWeights::Values {
        app.notice = Some("the maps of this capture are value-weighted already".into());
    } else if !capture.values.is_empty() {
        app.weights = MapWeights::Values;
    } else if app.info.is_none() {
        app.notice = Some("this capture keeps no norms of values, and has no model to find them".into());
    } else {
        app.weights = MapWeights::Values;
        app.run.values = true;
        return run(app);
    }
    Vec::new()
}

/// Weights, where the capture keeps no scores at all and none are on their way.
fn unscore(app: &mut App) {
    let Some(capture) = app.capture.as_ref().filter(|_| app.pending == 0 && app.score.is_some()) else {
        return;
    };
    if !capture.maps.sites().any(|(site, _)| capture.compact(site).is_ok()) {
        app.notice = capture.compact(app.place.head.site).err().map(|why| why.to_string());
        app.score = None;
    }
}

/// Scores, their content, their bias, then weights again. The model runs anew where the scores are not known.
pub fn score(app: &mut App) -> Vec<Effect> {
    let Some(capture) = &app.capture else { return Vec::new() };
    let biased = capture.maps.sites().any(|(site, _)| capture.has_bias(site));
    app.score = match app.score {
        None => Some(Score::Whole),
        Some(Score::Whole) if biased => Some(Score::Content),
        Some(Score::Content) => Some(Score::Bias),
        Some(_) => None,
    };
    if app.score != Some(Score::Whole) || capture.compact(app.place.head.site).is_ok() {
        return Vec::new();
    }
    if app.info.is_none() || app.run.scores {
        unscore(app);
        return Vec::new();
    }
    app.run.scores = true;
    run(app)
}
