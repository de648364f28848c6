//! Handling of the engine's events.

use std::sync::Arc;

use crate::analysis::align::Convention;
use crate::analysis::word_times::TimedWord;
use crate::axis::Medium;
use crate::capture::{Capture, MapWeights};
use crate::engine::{Event, ImageOptions, ModelInfo};
use crate::export::spoken::{is_heard, timed_words, timing_heads};
use crate::tui::action::Effect;
use crate::tui::app::App;
use crate::tui::axes::Axes;
use crate::tui::overlays::overlay::{Overlay, Purpose};
use crate::tui::overlays::text_prompt::TextPrompt;
use crate::tui::prompts::EditedText;
use crate::tui::requests;
use crate::tui::runs::AwaitedComparison;
use crate::tui::selection::DisplayedRun;
use crate::tui::session::Saved;
use crate::tui::survey::Survey;
use crate::tui::views::ViewId;
use crate::tui::views::flow::state::FlowMethod;
use crate::tui::views::links::{effects, pairs};

/// Applies an event of the engine to the state.
pub fn event(app: &mut App, event: Event) -> Vec<Effect> {
    if !matches!(event, Event::Progress(_)) {
        app.run.pending = app.run.pending.saturating_sub(1);
        // A newer request is still running.
        if app.run.pending == 0 {
            app.run.activity = None;
        }
    }
    match event {
        Event::Progress(progress) => {
            app.run.report(progress);
            Vec::new()
        }
        Event::Opened(info) => {
            requests::opened(app);
            if !app.run.given && app.guide.is_none() {
                match info.medium {
                    Medium::Text => app.run.options.source = info.example.clone(),
                    Medium::Picture if !info.example.is_empty() => {
                        let path = info.example.clone().into();
                        app.run.options.image = Some(ImageOptions { path, ..ImageOptions::default() });
                    }
                    Medium::Sound | Medium::Picture => {}
                }
            }
            // Another model may have read another medium.
            let options = &mut app.run.options;
            options.audio = options.audio.take().filter(|_| info.medium == Medium::Sound);
            options.image = options.image.take().filter(|_| info.medium == Medium::Picture);
            let needs_language = !info.languages.is_empty() && info.medium == Medium::Text;
            app.run.info = Some(*info);
            // The tour already has this run.
            if app.guide.as_mut().is_some_and(|guide| std::mem::take(&mut guide.opening)) {
                return Vec::new();
            }
            let wanted = match app.run.medium() {
                Medium::Sound if app.run.options.audio.is_none() => {
                    Some("this model hears: type the path of a recording")
                }
                Medium::Picture if app.run.options.image.is_none() => {
                    Some("this model sees: type the path of a picture")
                }
                _ => None,
            };
            if let Some(wanted) = wanted {
                app.overlays.push(Overlay::Edit(TextPrompt::new(EditedText::Source, "")));
                app.notice = Some(wanted.into());
                return Vec::new();
            }
            match app.run.languages() {
                (_, None) if needs_language => {
                    requests::choose_language(app, Purpose::TargetLanguage);
                    return Vec::new();
                }
                (source, Some(target)) if needs_language && app.run.options.tgt_lang.is_none() => {
                    let source = source.unwrap_or_else(|| "?".into());
                    app.notice = Some(format!("{source} → {target}, the model's own languages"));
                }
                _ => {}
            }
            let notes: Vec<String> = app.run.info.iter().flat_map(ModelInfo::all_notes).collect();
            if !notes.is_empty() {
                app.notice = Some(notes.join("; "));
            }
            requests::run(app)
        }
        Event::Captured(capture) => {
            if let Some(awaited) = app.runs.awaited.take() {
                return compared(app, awaited, capture);
            }
            // The tour shows this capture already.
            if app.guide.as_mut().is_some_and(|guide| std::mem::take(&mut guide.opening)) {
                (app.run.info, app.run.displayed) = (None, None);
                return Vec::new();
            }
            let in_place = app.run.opening.is_some();
            if in_place {
                requests::opened(app);
                app.run.info = None;
            }
            if app.run.info.is_some() {
                return captured(app, capture);
            }
            // The place and the view that a session was saved with.
            let saved = capture.session.as_deref().and_then(Saved::parse);
            if let Some(saved) = saved.filter(|_| in_place || app.untouched) {
                saved.restore(app);
            }
            let mut effects = captured(app, capture);
            effects.push(Effect::RememberFile(app.run.model.clone()));
            effects
        }
        Event::Ablated(outcome) => {
            if let Some(effects) = effects::measured(app, &outcome) {
                return effects;
            }
            if let Some(ablation) = app.ablation.as_mut().filter(|ablation| ablation.is_of(&outcome)) {
                ablation.outcome = Some(outcome);
            }
            Vec::new()
        }
        Event::Measured { serial, evidence } => {
            if serial == app.serial {
                app.evidence.add(*evidence);
            }
            Vec::new()
        }
        Event::Patched(run) => {
            app.views.patching.keep(*run);
            Vec::new()
        }
        Event::Failed(error) => {
            ended(app);
            let hint = error.hint();
            app.show_error(error.to_string(), hint);
            Vec::new()
        }
        Event::Cancelled => {
            ended(app);
            if app.run.pending == 0 {
                app.notice = Some("stopped".into());
            }
            Vec::new()
        }
    }
}

/// Gives up what waits for a request that failed or was stopped, unless a newer one is on its way.
fn ended(app: &mut App) {
    if app.run.pending == 0 {
        (app.run.arrival, app.run.opening) = (None, None);
        stop_comparing(app);
        requests::stay_on_displayed_part(app);
    }
    app.views.links.effects.stop();
    drop_ablation(app);
    drop_values(app, "");
    requests::drop_scores(app);
}

/// Displays a capture.
pub fn captured(app: &mut App, capture: Arc<Capture>) -> Vec<Effect> {
    app.serial += 1;
    app.run.displayed =
        app.run.info.as_ref().map(|_| {
            Arc::new(DisplayedRun { model: app.run.model.clone(), options: app.run.options.clone() })
        });
    if let Some(run) = app.run.displayed.clone() {
        app.runs.add(&run, &capture);
    }
    (app.ablation, app.views.flow.contrast) = (None, None);
    let known = std::mem::take(&mut app.evidence);
    app.evidence = app.evidence_of_runs.exchange(app.capture.as_ref(), known, &capture);
    app.axes = Axes::new(&capture, &app.reading);
    app.spoken = spoken(&capture);
    let same_texts = app.capture.as_ref().is_some_and(|shown| has_texts_of(shown, &capture));
    app.capture = Some(capture);
    app.survey = Survey::default();
    if !same_texts {
        app.views.links.forget();
    }
    drop_values(app, "this model has no values to weigh by");
    let notes = app.capture.as_ref().map(|capture| capture.notes.join("; "));
    app.notice = notes.filter(|notes| !notes.is_empty()).or(app.notice.take());
    requests::drop_scores(app);
    if let Some((view, selection)) = app.run.arrival.take() {
        (app.view, app.selection, app.untouched) = (view, selection, false);
    }
    app.settle();
    let mut effects = requests::survey(app);
    effects.extend(pairs::weigh_again(app));
    if app.view == ViewId::Flow && app.views.flow.method == FlowMethod::Relevance {
        let evidence = app.views.flow.evidence();
        effects.extend(requests::measure(app, evidence));
    }
    effects.extend(app.views.compare.request(app.serial, app.capture.as_ref()).map(Effect::Compare));
    effects
}

/// Returns true if two captures are of the same tokens, as when a run is repeated to keep its values.
fn has_texts_of(a: &Capture, b: &Capture) -> bool {
    a.model == b.model && a.source.items == b.source.items && a.target.items == b.target.items
}

/// Displays a capture that was recorded before.
pub fn shown_again(app: &mut App, capture: Arc<Capture>) -> Vec<Effect> {
    let selection = app.selection;
    let effects = captured(app, capture);
    app.selection = selection;
    app.settle();
    effects
}

/// Takes the run that the shown one is compared with: pins it, and shows the other one again.
fn compared(app: &mut App, awaited: AwaitedComparison, pinned: Arc<Capture>) -> Vec<Effect> {
    let options = std::mem::replace(&mut app.run.options, awaited.options);
    app.runs.add(&Arc::new(DisplayedRun { model: app.run.model.clone(), options }), &pinned);
    app.views.pin(Some(pinned));
    app.show(ViewId::Compare);
    shown_again(app, awaited.capture)
}

/// Returns to the options of the shown run if the one that it was to be compared with did not run.
fn stop_comparing(app: &mut App) {
    if let Some(awaited) = app.runs.awaited.take() {
        app.run.options = awaited.options;
    }
}

/// Times the words of a recording by the heads that align; none for a text.
fn spoken(capture: &Capture) -> Vec<TimedWord> {
    if !is_heard(capture) {
        return Vec::new();
    }
    let maps: Vec<_> = timing_heads(capture).into_iter().filter_map(|head| capture.map(head).ok()).collect();
    timed_words(capture, &maps, Convention::Predicts, false).unwrap_or_default()
}

/// Drops an ablation whose run failed or was cancelled.
fn drop_ablation(app: &mut App) {
    if app.run.pending == 0 && app.ablation.as_ref().is_some_and(|ablation| ablation.outcome.is_none()) {
        app.ablation = None;
    }
}

/// Returns to weights if the capture has no value norms and none are being computed; `why` becomes the
/// notice.
fn drop_values(app: &mut App, why: &str) {
    if app.run.pending == 0 && app.reading.weights == MapWeights::Values && !app.is_weighed() {
        app.reading.weights = MapWeights::Attention;
        if !why.is_empty() {
            app.notice = Some(why.into());
        }
    }
}
