//! Requests of Corpus to the reader of scans and to the engine.

use std::path::PathBuf;
use std::sync::Arc;

use crate::axis::{AxisItem, Medium};
use crate::engine::{AudioOptions, ImageOptions, RunOptions};
use crate::export::labels::item_label;
use crate::scan::ExemplarFilter;
use crate::site::Kind;
use crate::tui::action::Effect;
use crate::tui::app::App;
use crate::tui::requests;
use crate::tui::scan_reader::{ScanPart, ScanRequest};
use crate::tui::selection::Selection;
use crate::tui::views::ViewId;

/// Number of exemplars in the list.
const LISTED: usize = 100;

/// Requests what the view shows and does not know yet, while it is displayed.
pub fn request(app: &mut App) -> Option<Effect> {
    if app.view != ViewId::Corpus {
        return None;
    }
    let view = &mut app.views.corpus;
    let scan = Arc::clone(view.scan.as_ref()?);
    let filter = ExemplarFilter {
        head: Some(app.selection.head),
        like: view.like.clone(),
        top: LISTED,
        ..ExemplarFilter::default()
    };
    let metric = view.metric();
    let known = |known: Option<&ExemplarFilter>| known == Some(&filter);
    let exemplars = (!known(view.exemplars.as_ref().map(|(filter, _)| filter))).then_some(filter.clone());
    if exemplars.is_some() {
        // Those of another head, or like another link.
        view.exemplars = None;
    }
    let metric = (view.distributions.as_ref().map(|(metric, _)| *metric) != Some(metric)).then_some(metric);
    if exemplars.is_none() && metric.is_none() {
        return None;
    }
    let number = view.asked.as_ref().map_or(1, |asked| asked.number + 1);
    let request = ScanRequest { number, scan, exemplars, metric };
    // What is still missing of the last request is on its way.
    let is_asked = view.asked.as_ref().is_some_and(|asked| {
        let covers = |wanted: bool, same: bool| !wanted || same;
        covers(request.exemplars.is_some(), asked.exemplars == request.exemplars)
            && covers(request.metric.is_some(), asked.metric == request.metric)
    });
    if is_asked {
        return None;
    }
    view.asked = Some(request.clone());
    Some(Effect::ReadScan(request))
}

/// Takes a part of the scan that was read.
pub fn take(app: &mut App, part: ScanPart) {
    let view = &mut app.views.corpus;
    match part {
        ScanPart::Exemplars(filter, found) => {
            view.selected = 0;
            view.in_exemplars &= !found.is_empty();
            view.exemplars = Some((filter, found));
        }
        ScanPart::Distributions(metric, found) => view.distributions = Some((metric, found)),
        ScanPart::Failed(error) => app.show_error(error.to_string(), error.hint()),
    }
}

/// Lists the sentences of the scan in which the selected head has links like that under the cursor.
pub fn elsewhere(app: &mut App) {
    if app.views.corpus.scan.is_none() {
        let how = "no scan is open: `attn-tui scan` writes one, and `attn-tui FOLDER` opens it";
        app.notice = Some(how.into());
        return;
    }
    let kind = app.selection.head.kind();
    let label = |items: &[AxisItem], at: usize| items.get(at).map(item_label).unwrap_or_default();
    let Some(capture) = &app.capture else { return };
    let (query, key) = (app.selection.query(), app.selection.key());
    let queries = match kind {
        Kind::Cross => &capture.target.items,
        Kind::Encoder | Kind::Decoder => capture.queries(kind),
    };
    let like = [label(queries, query), label(capture.keys(kind), key)];
    app.show(ViewId::Corpus);
    let view = &mut app.views.corpus;
    (view.like, view.selected, view.in_exemplars) = (Some(like), 0, true);
}

/// Runs the model on the selected exemplar, to open the map at its link; in the list of heads, goes to the
/// exemplars.
pub fn open(app: &mut App) -> Vec<Effect> {
    let view = &mut app.views.corpus;
    let Some(exemplar) = view.found().get(view.selected).cloned() else { return Vec::new() };
    if !std::mem::replace(&mut view.in_exemplars, true) {
        return Vec::new();
    }
    let Some(scan) = view.scan.clone() else { return Vec::new() };
    let Some(info) = &app.run.info else {
        app.notice = Some("there is no open model to run".into());
        return Vec::new();
    };
    if info.name != scan.manifest.model.name {
        app.notice = Some(format!("this is a scan of {}: open that model first", scan.manifest.model.name));
        return Vec::new();
    }
    let mut selection = Selection { head: exemplar.head, ..app.selection };
    if let Some(found) = &exemplar.link {
        selection.set(found.link.query, found.link.key);
    }
    let medium = info.medium;
    app.leave();
    app.run.arrival = Some((ViewId::Map, selection));
    let target = (!exemplar.generated).then_some(exemplar.target);
    let run = scan.manifest.run(exemplar.source, target);
    let path = exemplar.media.map(PathBuf::from);
    let of = |wanted: Medium| path.clone().filter(|_| medium == wanted);
    let audio = of(Medium::Sound).map(|path| AudioOptions { path, ..run.audio.clone().unwrap_or_default() });
    let image =
        of(Medium::Picture).map(|path| ImageOptions { path, ..run.image.clone().unwrap_or_default() });
    app.run.options = RunOptions { audio, image, values: app.run.options.values, ..run };
    app.run.given = true;
    requests::run(app)
}
