//! The state of the explorer: all of it, in one place. Only [`super::update`] and the views change it.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::ablation::{ActiveAblation, TokenChange};
use super::axes::Axes;
use super::command::Command;
use super::evidence::{EvidenceOfRuns, KnownEvidence};
use super::filter::Filter;
use super::guide::Guide;
use super::keymap::Keymap;
use super::layout::Layout;
use super::overlays::overlay::Overlay;
use super::pixels::PixelGraphics;
use super::prompts::PromptHistory;
use super::reading::{Axis, Reading};
use super::runs::RunList;
use super::selection::{DisplayedRun, History, Selection, Visit};
use super::survey::Survey;
use super::theme::Theme;
use super::views::{ViewId, Views};
use super::widgets::timeline::Timeline;
use crate::analysis::word_times::TimedWord;
use crate::axis::{Medium, PixelBox};
use crate::capture::{Capture, MapWeights, Score};
use crate::engine::{ModelInfo, OpenOptions, Openable, RunOptions};
use crate::export::table::Table;
use crate::human::shortened;
use crate::matrix::Matrix;
use crate::progress::Progress;
use crate::site::{Head, Kind, RowEdit, Site};

/// Work in progress outside the drawing thread.
#[derive(Clone, Debug, PartialEq)]
pub struct Activity {
    /// Description of the work.
    pub what: String,
    /// Progress of the work.
    pub progress: Option<Progress>,
    /// Time of [`RunState::clock`] at which the current step of the work began.
    pub since: Duration,
}

/// The model, its last requested run, and the work in progress.
#[derive(Debug)]
pub struct RunState {
    /// The MODEL argument.
    pub model: String,
    /// The MODEL argument that is being opened in place of the open one, if any.
    pub opening: Option<String>,
    /// Options for opening models.
    pub open: OpenOptions,
    /// The open model; `None` while it loads, and for capture files.
    pub info: Option<ModelInfo>,
    /// Options of the last requested run.
    pub options: RunOptions,
    /// True if texts were given on the command line, so that the model's example is not needed.
    pub given: bool,
    /// Number of requests that the engine has not answered yet.
    pub pending: usize,
    /// Work in progress.
    pub activity: Option<Activity>,
    /// Time since the program started, as of the last report of progress.
    pub clock: Duration,
    /// The run that is displayed; `None` for a capture file.
    pub displayed: Option<Arc<DisplayedRun>>,
    /// View and selection to show once the requested run is done.
    pub arrival: Option<(ViewId, Selection)>,
}

impl RunState {
    /// Options of the displayed run, which differ from those of a requested one that failed or was stopped.
    pub fn displayed_options(&self) -> &RunOptions {
        self.displayed.as_ref().map_or(&self.options, |run| &run.options)
    }

    /// Begins work that is described by `what`.
    pub fn begin(&mut self, what: impl Into<String>) {
        self.activity = Some(Activity { what: what.into(), progress: None, since: self.clock });
    }

    /// Records progress of the work. Another step, or another file, starts its time anew.
    pub fn report(&mut self, progress: Progress) {
        let Some(activity) = &mut self.activity else { return };
        let same = match (&activity.progress, &progress) {
            (Some(Progress::Download { file, .. }), Progress::Download { file: other, .. }) => file == other,
            (Some(last), new) => std::mem::discriminant(last) == std::mem::discriminant(new),
            (None, _) => false,
        };
        if !same {
            activity.since = self.clock;
        }
        activity.progress = Some(progress);
    }

    /// Returns what the open model reads as its source.
    pub fn medium(&self) -> Medium {
        self.info.as_ref().map(|info| info.medium).unwrap_or_default()
    }

    /// Returns the source and target languages: those of the run, or else the model's defaults.
    pub fn languages(&self) -> (Option<String>, Option<String>) {
        let (source, target) =
            self.info.as_ref().map(|info| info.default_languages.clone()).unwrap_or_default();
        (self.options.src_lang.clone().or(source), self.options.tgt_lang.clone().or(target))
    }
}

/// Everything that the screen shows.
#[derive(Debug)]
pub struct App {
    /// The model and its run.
    pub run: RunState,
    /// The displayed capture.
    pub capture: Option<Arc<Capture>>,
    /// Number of the capture, counted up with every new one.
    pub serial: u64,
    /// Axes of the capture under the current reading.
    pub axes: Axes,
    /// Measurements of every head of the capture.
    pub survey: Survey,
    /// Evidence about the displayed run.
    pub evidence: KnownEvidence,
    /// Evidence about runs that were displayed before.
    pub evidence_of_runs: EvidenceOfRuns,
    /// Active ablation.
    pub ablation: Option<ActiveAblation>,
    /// Progress of the guided tour, if one is running.
    pub guide: Option<Guide>,

    /// Words of a recording with their times; empty for a text.
    pub spoken: Vec<TimedWord>,

    /// The selection that all views share.
    pub selection: Selection,
    /// Runs of the open model.
    pub runs: RunList,
    /// Models and files that can be opened, once they have been asked for.
    pub openable: Vec<Openable>,
    /// Marked heads.
    pub marks: BTreeSet<Head>,
    /// Settings that all views read maps and lists by.
    pub reading: Reading,
    /// Filter of rows and columns, for Map and Links.
    pub filter: Filter,
    /// Displayed view.
    pub view: ViewId,
    /// View to return to from the overview.
    pub before: ViewId,
    /// Views and selections visited.
    pub history: History,
    /// The state of each view.
    pub views: Views,
    /// Texts that were accepted in prompts.
    pub prompts: PromptHistory,
    /// Overlays on top of the view; the last is the topmost.
    pub overlays: Vec<Overlay>,
    /// Message about the last command, shown until the next key.
    pub notice: Option<String>,
    /// True until the user moves the selection.
    pub untouched: bool,
    /// True if the program should end.
    pub done: bool,
    /// True if a key leaves with the selected rows.
    pub picks: bool,
    /// Rows that the program ends with.
    pub picked: Option<Table>,

    /// Colours and glyphs.
    pub theme: Theme,
    /// Pixel graphics for maps.
    pub pixels: PixelGraphics,
    /// The keys of every command.
    pub keymap: Keymap,
    /// Layout of the last frame.
    pub layout: Layout,
}

impl App {
    /// Creates the state before a model is open.
    pub fn new(model: impl Into<String>, theme: Theme, keymap: Keymap) -> Self {
        let model = model.into();
        let mut app = Self {
            run: RunState {
                model,
                opening: None,
                open: OpenOptions::default(),
                info: None,
                options: RunOptions::default(),
                given: false,
                pending: 1,
                activity: None,
                clock: Duration::ZERO,
                displayed: None,
                arrival: None,
            },
            capture: None,
            serial: 0,
            axes: Axes::default(),
            survey: Survey::default(),
            evidence: KnownEvidence::default(),
            evidence_of_runs: EvidenceOfRuns::default(),
            ablation: None,
            guide: None,
            spoken: Vec::new(),
            selection: Selection::default(),
            runs: RunList::default(),
            openable: Vec::new(),
            marks: BTreeSet::new(),
            reading: Reading::default(),
            filter: Filter::default(),
            view: ViewId::default(),
            before: ViewId::default(),
            history: History::default(),
            views: Views::default(),
            prompts: PromptHistory::default(),
            overlays: Vec::new(),
            notice: None,
            untouched: true,
            done: false,
            picks: false,
            picked: None,
            theme,
            pixels: PixelGraphics::default(),
            keymap,
            layout: Layout::default(),
        };
        app.run.begin(format!("opening {}", app.run.model));
        app
    }

    /// Returns the query axis of the selected map, filtered.
    pub fn queries(&self) -> &Axis {
        let all = || self.axes.queries(self.selection.head.kind());
        self.views.map.filtered.as_ref().map_or_else(all, |axes| &axes.queries)
    }

    /// Returns the key axis of the selected map, filtered.
    pub fn keys(&self) -> &Axis {
        let all = || self.axes.keys(self.selection.head.kind());
        self.views.map.filtered.as_ref().map_or_else(all, |axes| &axes.keys)
    }

    /// Returns the number of keys that a query of the selected map, by its position on the axis, attends to;
    /// a filter does not change it.
    pub fn keys_seen(&self, query: usize) -> usize {
        let kind = self.selection.head.kind();
        let keys = self.axes.keys(kind);
        match (kind, self.queries().units.get(query)) {
            (Kind::Decoder, Some(unit)) => keys.unit_of(unit.tokens.end.saturating_sub(1)) + 1,
            _ => keys.len(),
        }
    }

    /// Returns the prediction of the decoder row at position `query` of [`App::queries`].
    pub fn predicted(&self, query: usize) -> Option<&(String, Option<f32>)> {
        let row = self.queries().units.get(query)?.tokens.start;
        self.axes.predicts.get(self.axes.input.unit_of(row))
    }

    /// Names the query at position `query` of [`App::queries`]: of a decoder row both its input and its
    /// prediction.
    pub fn query_name(&self, query: usize) -> String {
        let name = self.queries().name(query);
        match self.predicted(query).filter(|_| self.selection.head.kind() != Kind::Encoder) {
            Some((predicted, _)) => format!("{name} → {predicted}"),
            None => name,
        }
    }

    /// Returns the position of the selected query on its axis.
    pub fn query(&self) -> usize {
        self.queries().unit_of(self.selection.query())
    }

    /// Returns the position of the selected key on its axis.
    pub fn key(&self) -> usize {
        self.keys().unit_of(self.selection.key())
    }

    /// Keys that the selected query attends among, if the encoder attends within windows of patches.
    pub fn window(&self) -> Option<&[u32]> {
        let site = self.selection.head.site;
        let capture = self.capture.as_ref().filter(|_| site.kind == Kind::Encoder)?;
        capture.window(site, self.selection.source_query)
    }

    /// The rectangle around the keys that a patch attends among in the selected layer; see [`App::window`].
    pub fn window_place(&self, patch: usize) -> Option<PixelBox> {
        let site = self.selection.head.site;
        let capture = self.capture.as_ref().filter(|_| site.kind == Kind::Encoder)?;
        capture.window_place(site, patch)
    }

    /// Returns a head's map, value-weighted if [`App::is_weighed`]; `None` if the capture lacks it.
    pub fn map(&self, head: Head) -> Option<Matrix> {
        let capture = self.capture.as_ref()?;
        match self.is_weighed() {
            true => capture.value_weighted_map(head).ok(),
            false => Some(self.edited(head, 0, capture.map(head).ok()?)),
        }
    }

    /// Returns some rows of [`App::map`]; `rows` receives their number. Where the map is not in memory, they
    /// alone are computed.
    pub fn rows(&self, head: Head, rows: impl FnOnce(usize) -> Range<usize>) -> Option<Matrix> {
        let maps = &self.capture.as_ref()?.maps;
        let [_, count, _] = maps.site(head.site)?.shape();
        let rows = rows(count);
        if self.is_weighed() {
            return self.map(head).map(|map| map.part(rows));
        }
        let first = rows.start;
        Some(self.edited(head, first, maps.rows(head, rows)?))
    }

    /// Returns the replaced rows of a head.
    pub fn edits(&self, head: Head) -> impl Iterator<Item = &RowEdit> {
        let edits = self.ablation.as_ref().map_or(&[][..], |ablation| &ablation.edits);
        edits.iter().filter(move |edit| edit.head == head)
    }

    /// Returns true if the row of a query of the selected head is replaced.
    pub fn is_edited(&self, query: usize) -> bool {
        self.edits(self.selection.head).any(|edit| edit.query == query)
    }

    /// Says how many rows are replaced, if any are.
    pub fn edit_badge(&self) -> Option<String> {
        match self.ablation.as_ref().map_or(0, ActiveAblation::edited_rows) {
            0 => None,
            1 => Some("edited row".into()),
            rows => Some(format!("{rows} edited rows")),
        }
    }

    /// Replaces rows of a part of a head's map that begins with row `first`.
    fn edited(&self, head: Head, first: usize, map: Matrix) -> Matrix {
        let fits = |edit: &&RowEdit| edit.weights.len() == map.cols();
        let edits: Vec<&RowEdit> = self.edits(head).filter(fits).collect();
        if edits.is_empty() {
            return map;
        }
        let row = |row: usize| edits.iter().rfind(|edit| edit.query == first + row);
        Matrix::from_fn(map.rows(), map.cols(), |query, key| match row(query) {
            Some(edit) => edit.weights[key],
            None => map.row(query)[key],
        })
    }

    /// Returns true if maps are value-weighted: the reading asks for it and the capture has value norms.
    pub fn is_weighed(&self) -> bool {
        let known = || self.capture.as_ref().is_some_and(|capture| !capture.values.is_empty());
        self.reading.weights == MapWeights::Values && known()
    }

    /// The part of the scores that shows. Only Map shows scores.
    pub fn scored(&self) -> Option<Score> {
        self.views.map.score.filter(|_| self.view == ViewId::Map)
    }

    /// Returns true if pictures are drawn in pixels. An overlay would lie below them.
    pub fn shows_pixels(&self) -> bool {
        self.pixels.protocol().is_some() && !self.theme.draws_glyphs() && self.overlays.is_empty()
    }

    /// Returns the source as a timeline, if it is a recording.
    pub fn timeline(&self) -> Timeline<'_> {
        let sound = self.capture.as_ref().and_then(|capture| capture.sound.as_ref());
        Timeline {
            words: &self.spoken,
            token: self.selection.target_query,
            peaks: sound.map_or(&[], |sound| &sound.peaks),
        }
    }

    /// Returns true for a cross-attention head that the settings of a speech model name as aligning.
    pub fn aligns(&self, head: Head) -> bool {
        self.capture.as_ref().is_some_and(|capture| capture.alignment_heads.contains(&head))
    }

    /// Returns the number of layers of the selected kind.
    pub fn layers(&self) -> usize {
        self.capture.as_ref().map_or(0, |capture| capture.layers(self.selection.head.kind()))
    }

    /// Returns the number of heads of the selected site.
    pub fn heads(&self) -> usize {
        self.capture.as_ref().map_or(0, |capture| capture.heads(self.selection.head.site))
    }

    /// Returns the change of every decoder row under the active ablation; empty without one, or while it
    /// runs.
    pub fn ablation_changes(&self) -> Vec<TokenChange> {
        let pair = self.ablation.as_ref().zip(self.capture.as_ref());
        pair.map_or_else(Vec::new, |(ablation, capture)| ablation.changes(capture))
    }

    /// Returns the first key of a command as shown to the user; empty if it has none.
    pub fn first_key(&self, command: Command) -> String {
        self.keymap.keys(command).first().cloned().unwrap_or_default()
    }

    /// Selects a pair of places on the axes of the selected map. Within a merged word the cursor keeps its
    /// token.
    pub fn select(&mut self, query: usize, key: usize) {
        let (query_token, key_token) = (self.queries().token_of(query), self.keys().token_of(key));
        if self.query() != query {
            self.selection.set_query(query_token);
        }
        if self.key() != key {
            self.selection.set_key(key_token);
        }
    }

    /// Returns the current place.
    pub fn visit(&self) -> Visit {
        Visit { view: self.view, selection: self.selection, run: self.run.displayed.clone() }
    }

    /// Adds the current place to the history, before a jump.
    pub fn leave(&mut self) {
        let now = self.visit();
        self.history.leave(now);
    }

    /// Switches to a view; the previous one and the selection are added to the history.
    pub fn show(&mut self, view: ViewId) {
        if self.view == view {
            return;
        }
        self.leave();
        if self.view != ViewId::Grid {
            self.before = self.view;
        }
        self.view = view;
    }

    /// Shows an error overlay, which replaces an earlier one. Long texts are cut, as on the command line.
    pub fn show_error(&mut self, message: String, hint: Option<String>) {
        self.overlays.retain(|overlay| !matches!(overlay, Overlay::Error { .. }));
        let hint = hint.map(|hint| shortened(&hint));
        self.overlays.push(Overlay::Error { message: shortened(&message), hint });
    }

    /// Clamps the selection to the capture.
    pub fn settle(&mut self) {
        let Some(capture) = &self.capture else { return };
        let kinds = capture.kinds();
        let mut kind = self.selection.head.kind();
        if !kinds.contains(&kind) {
            let Some(&last) = kinds.last() else { return };
            kind = last;
        }
        let layer = self.selection.head.layer().min(capture.layers(kind).saturating_sub(1));
        let site = Site::new(kind, layer);
        let head = self.selection.head.head.min(capture.heads(site).saturating_sub(1));
        self.selection.head = site.head(head);
        let (source, target) =
            (capture.source.len().saturating_sub(1), capture.decoder_input.len().saturating_sub(1));
        self.selection.source_query = self.selection.source_query.min(source);
        self.selection.source_key = self.selection.source_key.min(source);
        self.selection.target_query = self.selection.target_query.min(target);
        self.selection.target_key = self.selection.target_key.min(target);
    }
}
