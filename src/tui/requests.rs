//! Requests to the engine and to the survey, with their changes of the state.

use std::sync::Arc;

use super::ablation::ActiveAblation;
use super::action::Effect;
use super::app::App;
use super::export_job::ExportedFile;
use super::exporting;
use super::overlays::overlay::{Decision, Overlay, Picker, Purpose};
use super::selected;
use super::survey::SurveyRequest;
use super::views::ViewId;
use crate::axis::{AxisItem, ItemKind, Medium};
use crate::capture::{MapWeights, Score};
use crate::engine::{EvidenceKind, EvidenceRequest, ImageOptions, OpenOptions, Request, RunOptions};
use crate::error::Result;
use crate::export::format::Format;
use crate::site::{Ablation, Kind, RowEdit};
use crate::terminal::printable;

/// Runs the model on the texts of the state.
pub fn run(app: &mut App) -> Vec<Effect> {
    if !app.run.options.has_source() {
        app.notice = Some("type a source to begin".into());
        return Vec::new();
    }
    app.run.begin("running");
    app.run.pending += 1;
    vec![Effect::Ask(Request::Run(app.run.options.clone()))]
}

/// Moves to the next (`later`) or the previous window of the recording, and runs the model there.
pub fn turn_window(app: &mut App, later: bool) -> Vec<Effect> {
    let times = |item: &AxisItem| match item.kind {
        ItemKind::Frame { start, end } => Some((start, end)),
        _ => None,
    };
    let items = app.capture.as_ref().map_or(&[][..], |capture| &capture.source.items);
    let (first, last) = (items.first().and_then(times), items.iter().filter_map(times).next_back());
    let (Some(first), Some(last), Some(audio)) = (first, last, &app.run.options.audio) else {
        app.notice = Some("there is no recording to step through".into());
        return Vec::new();
    };
    let positions: usize = items.iter().map(AxisItem::positions).sum();
    let window = positions as f64 * (first.1 - first.0);
    let ended = last.1 + (first.1 - first.0) / 2.0 < first.0 + window;
    let from = match later {
        true if ended => {
            app.notice = Some(format!("the recording ends at {:.2} s", last.1));
            return Vec::new();
        }
        true => audio.from + window,
        false if audio.from <= 0.0 => {
            app.notice = Some("this is the begin of the recording".into());
            return Vec::new();
        }
        false => (audio.from - window).max(0.0),
    };
    app.leave();
    let options = &mut app.run.options;
    options.audio.iter_mut().for_each(|audio| audio.from = from);
    // What was said in the last window, or a branch of it, is not said here.
    (options.target, options.prefix) = (None, Vec::new());
    let effects = run(app);
    app.run.begin(format!("hearing {from:.0} s to {:.0} s", from + window));
    effects
}

/// Covers the selected patch of the picture, or uncovers it, and runs the model again. The capture of the
/// whole picture is pinned, so that Compare shows what changes.
pub fn cover(app: &mut App) -> Vec<Effect> {
    let encoder = app.selection.head.kind() == Kind::Encoder;
    let at = if encoder { app.selection.source_query } else { app.selection.source_key };
    let item = app.capture.as_ref().and_then(|capture| capture.source.items.get(at));
    let Some(patch) = item.and_then(AxisItem::place) else {
        app.notice = Some("only a patch of a picture can be covered".into());
        return Vec::new();
    };
    let Some(info) = &app.run.info else {
        app.notice = Some("a capture file has no model to run with a part of the picture covered".into());
        return Vec::new();
    };
    let image = app.run.options.image.clone();
    let mut image =
        image.unwrap_or_else(|| ImageOptions { path: (&info.example).into(), ..Default::default() });
    app.leave();
    if image.covered.is_empty() {
        app.views.pin(app.capture.clone());
    }
    let known = image.covered.iter().position(|place| *place == patch);
    match known {
        Some(known) => {
            image.covered.remove(known);
        }
        None => image.covered.push(patch),
    }
    let covered = image.covered.len();
    app.run.options.image = Some(image);
    let effects = run(app);
    app.run.begin(match covered {
        0 => "running on the whole picture".to_string(),
        1 => format!("running with the patch at {:.0},{:.0} covered", patch.x, patch.y),
        count => format!("running with {count} patches covered"),
    });
    effects
}

/// Returns to the window and the covered patches of the displayed run after a run on another window of its
/// recording, or with other patches of its picture covered, failed or was stopped.
pub fn stay_on_displayed_part(app: &mut App) {
    let Some(displayed) = &app.run.displayed else { return };
    let (options, displayed) = (&mut app.run.options, &displayed.options);
    if let (Some(audio), Some(heard)) = (&mut options.audio, &displayed.audio)
        && audio.path == heard.path
        && audio.from != heard.from
    {
        audio.from = heard.from;
        (options.target, options.prefix) = (displayed.target.clone(), displayed.prefix.clone());
    }
    if let (Some(image), Some(displayed)) = (&mut options.image, &displayed.image)
        && image.path == displayed.path
    {
        image.covered.clone_from(&displayed.covered);
    }
}

/// Requests a survey of the current capture.
pub fn survey(app: &mut App) -> Vec<Effect> {
    (app.survey.complete, app.survey.gini) = (false, false);
    remeasure(app)
}

/// Requests Gini coefficients if Heads is shown, the only view that has them.
pub fn gini(app: &mut App) -> Vec<Effect> {
    if app.view != ViewId::Heads || !app.survey.complete || app.survey.gini {
        return Vec::new();
    }
    app.survey.gini = true;
    remeasure(app)
}

fn remeasure(app: &App) -> Vec<Effect> {
    let request = app.capture.as_ref().map(|capture| SurveyRequest {
        serial: app.serial,
        capture: Arc::clone(capture),
        distance: app.reading.distance,
        gini: app.survey.gini,
    });
    request.map(Effect::Survey).into_iter().collect()
}

/// Ablates heads or links, or restores them if exactly these are ablated. Heads read zeros or, with
/// `own_means`, their means over the run.
pub fn ablate(app: &mut App, ablations: Vec<Ablation>, own_means: bool) -> Vec<Effect> {
    if app.run.info.is_none() {
        app.notice = Some("a capture file has no model to run without a part".into());
        return Vec::new();
    }
    if app.capture.is_none() {
        app.notice = Some("nothing has run yet".into());
        return Vec::new();
    }
    if ablations.is_empty() {
        app.notice = Some("this link lies ahead of its query: it is off in any case".into());
        return Vec::new();
    }
    let same = |last: &ActiveAblation| (&last.ablations, last.own_means) == (&ablations, own_means);
    if let Some(ablation) = app.ablation.take().filter(same) {
        let running = ablation.outcome.is_none() && app.run.activity.is_some();
        return if running { vec![Effect::Ask(Request::Cancel)] } else { Vec::new() };
    }
    run_changed(app, ActiveAblation { ablations, own_means, ..ActiveAblation::default() })
}

/// Runs the model with rows of weights replaced, or restores them if there are none.
pub fn edit_rows(app: &mut App, edits: Vec<RowEdit>) -> Vec<Effect> {
    if edits.is_empty() {
        let last = app.ablation.take();
        let running = last.is_some_and(|last| last.outcome.is_none()) && app.run.activity.is_some();
        return if running { vec![Effect::Ask(Request::Cancel)] } else { Vec::new() };
    }
    run_changed(app, ActiveAblation { edits, ..ActiveAblation::default() })
}

/// Repeats the run with changes of its attention.
fn run_changed(app: &mut App, changed: ActiveAblation) -> Vec<Effect> {
    app.run.begin(format!("running {}", changed.describe()));
    app.run.pending += 1;
    let ActiveAblation { ablations, own_means, edits, .. } = changed.clone();
    app.ablation = Some(changed);
    let run = RunOptions { ablations, own_means, edits, ..app.run.displayed_options().clone() };
    vec![Effect::Ask(Request::Ablate(run))]
}

/// Switches between value-weighted maps and weights. The model runs again if the norms of the values are not
/// known.
pub fn toggle_values(app: &mut App) -> Vec<Effect> {
    let Some(capture) = &app.capture else { return Vec::new() };
    if app.reading.weights == MapWeights::Values {
        app.reading.weights = MapWeights::Attention;
    } else if capture.weights == MapWeights::Values {
        app.notice = Some("the maps of this capture are value-weighted already".into());
    } else if !capture.values.is_empty() {
        app.reading.weights = MapWeights::Values;
    } else if app.run.info.is_none() {
        app.notice = Some("this capture keeps no norms of values, and has no model to find them".into());
    } else {
        app.overlays.push(Overlay::Confirm(Decision::Values));
    }
    Vec::new()
}

/// Runs the model again to measure what the values add (ALTI), unless the capture holds it.
pub fn measure_contributions(app: &mut App) -> Vec<Effect> {
    let known = app.capture.as_ref().is_some_and(|capture| !capture.values.is_empty());
    let asked = app.run.pending > 0 && app.run.options.values;
    if known || asked {
        return Vec::new();
    }
    if app.run.info.is_none() {
        app.notice = Some("this capture keeps no contributions, and has no model to measure them".into());
        return Vec::new();
    }
    app.run.options.values = true;
    let effects = run(app);
    app.run.begin("measuring contributions (ALTI)");
    effects
}

/// Asks for evidence about the displayed run, unless it is known or being measured.
pub fn measure(app: &mut App, kind: EvidenceKind) -> Vec<Effect> {
    let Some(base) = app.capture.clone().filter(|_| !app.evidence.has(kind)) else { return Vec::new() };
    let (what, of_text) = match (kind, &app.views.flow.contrast) {
        (EvidenceKind::Relevance { contrast: Some(_) }, Some(other)) => {
            (format!("measuring relevance, not {}", other.label), true)
        }
        (EvidenceKind::Relevance { .. }, _) => ("measuring relevance".into(), true),
        (EvidenceKind::LeaveOneOut, _) => ("masking one token at a time".into(), true),
        (EvidenceKind::Heads, _) => ("measuring heads".into(), false),
    };
    if app.run.activity.as_ref().is_some_and(|activity| activity.what == what) {
        return Vec::new();
    }
    if app.run.info.is_none() {
        app.notice = Some("a capture file has no model to measure this with".into());
        return Vec::new();
    }
    if of_text && base.source.ids().len() != base.source.len() {
        app.notice = Some("this is about the tokens of a text, which the source is not".into());
        return Vec::new();
    }
    let run = app.run.displayed_options().clone();
    app.run.begin(what);
    app.run.pending += 1;
    vec![Effect::Ask(Request::Measure(EvidenceRequest { serial: app.serial, base, run, kind }))]
}

/// Runs the model again, and keeps the norms of its values.
pub fn run_with_values(app: &mut App) -> Vec<Effect> {
    app.reading.weights = MapWeights::Values;
    app.run.options.values = true;
    run(app)
}

/// Runs the model again, and keeps its scores.
pub fn run_with_scores(app: &mut App) -> Vec<Effect> {
    app.views.map.score = Some(Score::Whole);
    app.run.options.scores = true;
    run(app)
}

/// Returns to weights if the capture keeps no scores and none are being computed.
pub fn drop_scores(app: &mut App) {
    let Some(capture) =
        app.capture.as_ref().filter(|_| app.run.pending == 0 && app.views.map.score.is_some())
    else {
        return;
    };
    if !capture.maps.sites().any(|(site, _)| capture.compact(site).is_ok()) {
        app.notice = capture.compact(app.selection.head.site).err().map(|why| why.to_string());
        app.views.map.score = None;
    }
}

/// Opens the list of models and files, which is read anew.
pub fn choose_model(app: &mut App) -> Vec<Effect> {
    app.overlays.push(Overlay::Picker(Picker::new(Purpose::Open)));
    vec![Effect::ListOpenable(app.run.open.clone())]
}

/// Opens another model, or a capture file, in place of the open one.
pub fn open(app: &mut App, model: String) -> Vec<Effect> {
    app.run.begin(format!("opening {model}"));
    app.run.pending += 1;
    app.run.opening = Some(model.clone());
    vec![Effect::Ask(Request::Open(OpenOptions { model, ..app.run.open.clone() }))]
}

/// Takes the place of the open model: the texts stay, what belongs to the old model goes.
pub fn opened(app: &mut App) {
    let Some(model) = app.run.opening.take() else { return };
    app.run.model = model;
    app.guide = None;
    let options = &mut app.run.options;
    (options.target, options.src_lang, options.tgt_lang) = (None, None, None);
    options.prefix.clear();
    app.run.given = options.has_source();
}

/// Opens the list of the tokens that the selected decoder row predicts.
pub fn choose_alternative(app: &mut App) {
    if app.run.info.is_none() {
        app.notice = Some("a capture file has no model to generate another text".into());
    } else if selected::alternatives(app).is_empty() {
        app.notice = Some("this row has no predictions".into());
    } else {
        app.overlays.push(Overlay::Picker(Picker::new(Purpose::Alternatives)));
    }
}

/// Opens the list of the tokens against which the selected row's token can be explained.
pub fn choose_contrast(app: &mut App) {
    if app.run.info.is_none() {
        app.notice = Some("a capture file has no model to compute gradients".into());
    } else if selected::alternatives(app).is_empty() {
        app.notice = Some("this row has no predictions".into());
    } else {
        let mut picker = Picker::new(Purpose::Contrast);
        picker.selected = selected::alternatives(app).iter().position(|other| !other.chosen).unwrap_or(0);
        app.overlays.push(Overlay::Picker(picker));
    }
}

/// Keeps the target up to the selected decoder row, takes the predicted token number `at` there, and
/// generates the rest.
pub fn branch(app: &mut App, at: usize) -> Vec<Effect> {
    let Some(alternative) = selected::alternatives(app).into_iter().nth(at) else { return Vec::new() };
    let Some(capture) = &app.capture else { return Vec::new() };
    let mut prefix: Vec<u32> = capture.target.ids().into_iter().take(app.selection.target_query).collect();
    prefix.push(alternative.id);
    let displayed = app.run.displayed_options().clone();
    app.run.options.take_texts_of(RunOptions { target: None, prefix, ..displayed });
    run(app)
}

/// Writes what the screen shows to a file.
pub fn export(app: &mut App, format: Format) -> Vec<Effect> {
    let Some(job) = exporting::job(app, format) else { return Vec::new() };
    app.notice = Some("writing …".into());
    vec![Effect::Export(Box::new(job))]
}

/// Takes the result of an export.
pub fn exported(app: &mut App, result: Result<ExportedFile>) -> Vec<Effect> {
    match result {
        Ok(ExportedFile { path, missing }) => {
            let shown = path.display().to_string();
            let boxes = match missing.is_empty() {
                true => String::new(),
                false => {
                    format!("; boxes for {}, which no font has", missing.iter().take(8).collect::<String>())
                }
            };
            app.notice = Some(printable(&format!("wrote {shown}{boxes}")));
            let opens = path.extension().is_some_and(|end| end == "safetensors" || end == "npz");
            return opens.then_some(Effect::RememberFile(shown)).into_iter().collect();
        }
        Err(error) => {
            app.notice = None;
            app.show_error(error.to_string(), error.hint());
        }
    }
    Vec::new()
}

/// Opens the list of the model's languages.
pub fn choose_language(app: &mut App, purpose: Purpose) {
    if app.run.info.as_ref().is_none_or(|info| info.languages.is_empty()) {
        app.notice = Some("this model has no choice of languages".into());
        return;
    }
    app.overlays.push(Overlay::Picker(Picker::new(purpose)));
}

/// Sets a language of the model's list and runs the model again.
pub fn take_language(app: &mut App, purpose: Purpose, at: usize) -> Vec<Effect> {
    let name = app.run.info.as_ref().and_then(|info| info.languages.get(at)).cloned();
    let hears = app.run.medium() == Medium::Sound;
    app.leave();
    match purpose {
        // A speech model has one language, that of the recording.
        _ if hears => app.run.options.src_lang = name,
        Purpose::SourceLanguage => app.run.options.src_lang = name,
        _ => app.run.options.tgt_lang = name,
    }
    run(app)
}
