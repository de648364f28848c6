//! The state of the explorer: all of it, in one place. It changes in [`super::update`] alone.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use super::compare::Comparison;
use super::filter::{Filter, Sides};
use super::keymap::Keymap;
use super::layout::Layout;
use super::links::Keep;
use super::overlays::Overlay;
use super::pixels::PixelGraphics;
pub use super::place::{FlowOf, History, Over, Place, View};
use super::reading::{Axis, Reading};
use super::survey::Survey;
use super::theme::Theme;
use super::tour::Guide;
use super::trial::Trial;
use crate::capture::{Capture, MapWeights, Score};
use crate::engine::{ModelInfo, OpenOptions, RunOptions};
use crate::matrix::Matrix;
use crate::progress::Progress;
use crate::site::{Head, Kind, Site};
use crate::text::label;

/// The axes of a capture as they are read.
#[derive(Clone, Debug, Default)]
pub struct Axes {
    /// The source's tokens or words.
    pub source: Axis,
    /// What the decoder is fed.
    pub input: Axis,
    /// What each place of `input` predicts: label, and probability where known.
    pub predicts: Vec<(String, Option<f32>)>,
}

impl Axes {
    /// The axes of a capture under a reading.
    pub fn new(capture: &Capture, reading: &Reading) -> Self {
        let input = Axis::new(&capture.decoder_input, reading);
        let predicts = input
            .units
            .iter()
            .map(|unit| {
                let label = unit
                    .tokens
                    .clone()
                    .filter_map(|row| capture.target.items.get(row))
                    .map(|token| label(&token.piece))
                    .collect();
                let probability = unit
                    .tokens
                    .clone()
                    .map(|row| capture.predictions.get(row).map(|prediction| prediction.probability))
                    .product();
                (label, probability)
            })
            .collect();
        Self { source: Axis::new(&capture.source.items, reading), input, predicts }
    }

    /// The queries' axis of a kind.
    pub fn queries(&self, kind: Kind) -> &Axis {
        if kind == Kind::Encoder { &self.source } else { &self.input }
    }

    /// The keys' axis of a kind.
    pub fn keys(&self, kind: Kind) -> &Axis {
        if kind == Kind::Decoder { &self.input } else { &self.source }
    }
}

/// Work under way behind the screen.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// What is being done, in words.
    pub what: String,
    /// How far it is.
    pub progress: Option<Progress>,
}

/// Everything that the screen shows.
#[derive(Debug)]
pub struct App {
    /// How it looks.
    pub theme: Theme,
    /// Whether maps are pictures.
    pub pixels: PixelGraphics,
    /// Which key does what.
    pub keymap: Keymap,
    /// The MODEL argument.
    pub model: String,
    /// How models are opened.
    pub how: OpenOptions,
    /// The open model; `None` while it loads, and for capture files.
    pub info: Option<ModelInfo>,
    /// The run that was asked for last.
    pub run: RunOptions,
    /// Whether texts were given on the command line, so that the model's example is not needed.
    pub given: bool,
    /// What is being explored.
    pub capture: Option<Arc<Capture>>,
    /// The capture that others are compared with.
    pub pinned: Option<Arc<Capture>>,
    /// The present capture against the pinned one.
    pub comparison: Option<Comparison>,
    /// Why they cannot be compared.
    pub no_comparison: Option<String>,
    /// The guided tour that is under way.
    pub guide: Option<Guide>,
    /// What is switched off, to see what the output loses.
    pub trial: Option<Trial>,
    /// Counts captures.
    pub serial: u64,
    /// The capture's axes under the present reading.
    pub axes: Axes,
    /// The selection.
    pub place: Place,
    /// The view on the screen.
    pub view: View,
    /// The view that the overview was called from.
    pub before: View,
    /// Zoom of the map: a step of [`super::zoom::STEPS`]; `None` fits the map into the screen.
    pub zoom: Option<usize>,
    /// How maps are read.
    pub reading: Reading,
    /// Rows and columns of the map that show.
    pub filter: Filter,
    /// What the filter leaves of the selected map; follows the selection.
    pub sides: Option<Sides>,
    /// Links at least this far apart count as far.
    pub distance: usize,
    /// Whose weights shade the texts.
    pub over: Over,
    /// What the flow is made of.
    pub flow: FlowOf,
    /// What maps show.
    pub weights: MapWeights,
    /// What Map shows of the scores before the softmax; `None`: weights.
    pub score: Option<Score>,
    /// The flow of the selected layer alone, instead of that through all layers.
    pub one_layer: bool,
    /// Texts show what the selected key receives, instead of what the selected query gives.
    pub receives: bool,
    /// Heads and links of the selected kind alone.
    pub one_kind: bool,
    /// Column that the table of heads is sorted by.
    pub sort: usize,
    /// Smallest first.
    pub reverse: bool,
    /// Which links the list keeps.
    pub keep: Keep,
    /// Selected line of the list of links.
    pub link: usize,
    /// Heads marked in the overview.
    pub marks: BTreeSet<Head>,
    /// Places visited.
    pub history: History,
    /// What lies on top of the view; the last is the topmost.
    pub overlays: Vec<Overlay>,
    /// Requests that the engine has not answered yet.
    pub pending: usize,
    /// Work under way.
    pub job: Option<Job>,
    /// A short word about what just happened, shown until the next key.
    pub notice: Option<String>,
    /// What is known of every head.
    pub survey: Survey,
    /// Where things were drawn in the last frame.
    pub layout: Layout,
    /// Whether the selection is still where the program put it.
    pub untouched: bool,
    /// Whether the program should end.
    pub done: bool,
}

impl App {
    /// The state before anything is open.
    pub fn new(model: impl Into<String>, theme: Theme, keymap: Keymap) -> Self {
        let model = model.into();
        Self {
            theme,
            pixels: PixelGraphics::default(),
            keymap,
            job: Some(Job { what: format!("opening {model}"), progress: None }),
            model,
            how: OpenOptions::default(),
            info: None,
            given: false,
            run: RunOptions::default(),
            capture: None,
            pinned: None,
            comparison: None,
            no_comparison: None,
            guide: None,
            trial: None,
            serial: 0,
            axes: Axes::default(),
            place: Place::default(),
            view: View::Map,
            before: View::Map,
            zoom: None,
            reading: Reading::default(),
            filter: Filter::default(),
            sides: None,
            distance: 4,
            over: Over::default(),
            flow: FlowOf::default(),
            weights: MapWeights::default(),
            score: None,
            one_layer: false,
            receives: false,
            one_kind: false,
            sort: 0,
            reverse: false,
            keep: Keep::default(),
            link: 0,
            marks: BTreeSet::new(),
            history: History::default(),
            overlays: Vec::new(),
            pending: 1,
            notice: None,
            survey: Survey::default(),
            layout: Layout::default(),
            untouched: true,
            done: false,
        }
    }

    /// The queries' axis of the selected map, filtered.
    pub fn queries(&self) -> &Axis {
        let all = || self.axes.queries(self.place.head.kind());
        self.sides.as_ref().map_or_else(all, |sides| &sides.queries)
    }

    /// The keys' axis of the selected map, filtered.
    pub fn keys(&self) -> &Axis {
        let all = || self.axes.keys(self.place.head.kind());
        self.sides.as_ref().map_or_else(all, |sides| &sides.keys)
    }

    /// What the row of a query of [`App::queries`] predicts.
    pub fn predicted(&self, query: usize) -> Option<&(String, Option<f32>)> {
        let row = self.queries().units.get(query)?.tokens.start;
        self.axes.predicts.get(self.axes.input.unit_of(row))
    }

    /// The selected query's place on its axis.
    pub fn query(&self) -> usize {
        self.queries().unit_of(self.place.query())
    }

    /// The selected key's place on its axis.
    pub fn key(&self) -> usize {
        self.keys().unit_of(self.place.key())
    }

    /// The languages of source and target: those that were chosen, else the model's own.
    pub fn languages(&self) -> (Option<String>, Option<String>) {
        let (source, target) =
            self.info.as_ref().map(|info| info.default_languages.clone()).unwrap_or_default();
        (self.run.src_lang.clone().or(source), self.run.tgt_lang.clone().or(target))
    }

    /// A head's map as it is weighed; `None` where there is none.
    pub fn map(&self, head: Head) -> Option<Matrix> {
        let capture = self.capture.as_ref()?;
        if self.is_weighed() { capture.value_weighted_map(head).ok() } else { capture.map(head).ok() }
    }

    /// Some rows of [`App::map`], of so many; where the map is not there, they alone are computed.
    pub fn rows(&self, head: Head, rows: impl FnOnce(usize) -> Range<usize>) -> Option<Matrix> {
        let maps = &self.capture.as_ref()?.maps;
        let [_, count, _] = maps.site(head.site)?.shape();
        let rows = rows(count);
        if self.is_weighed() { self.map(head).map(|map| map.part(rows)) } else { maps.rows(head, rows) }
    }

    /// Whether maps are value-weighted: asked for, and known.
    pub fn is_weighed(&self) -> bool {
        let known = || self.capture.as_ref().is_some_and(|capture| !capture.values.is_empty());
        self.weights == MapWeights::Values && known()
    }

    /// What the view shows of the scores: Map alone shows them.
    pub fn scored(&self) -> Option<Score> {
        self.score.filter(|_| self.view == View::Map)
    }

    /// Number of layers of the selected kind.
    pub fn layers(&self) -> usize {
        self.capture.as_ref().map_or(0, |capture| capture.layers(self.place.head.kind()))
    }

    /// Number of heads of the selected site.
    pub fn heads(&self) -> usize {
        self.capture.as_ref().map_or(0, |capture| capture.heads(self.place.head.site))
    }

    /// Compares the present capture with the pinned one.
    pub fn compare(&mut self) {
        (self.comparison, self.no_comparison) = match (&self.pinned, &self.capture) {
            (Some(pinned), Some(capture)) => match Comparison::new(pinned, capture) {
                Ok(comparison) => (Some(comparison), None),
                Err(error) => (None, Some(error.to_string())),
            },
            _ => (None, None),
        };
    }

    /// Brings the selection inside the capture.
    pub fn settle(&mut self) {
        let Some(capture) = &self.capture else { return };
        let kinds = capture.kinds();
        let mut kind = self.place.head.kind();
        if !kinds.contains(&kind) {
            let Some(&last) = kinds.last() else { return };
            kind = last;
        }
        let layer = self.place.head.layer().min(capture.layers(kind).saturating_sub(1));
        let site = Site::new(kind, layer);
        let head = self.place.head.head.min(capture.heads(site).saturating_sub(1));
        self.place.head = site.head(head);
        let (source, target) =
            (capture.source.len().saturating_sub(1), capture.decoder_input.len().saturating_sub(1));
        self.place.source_query = self.place.source_query.min(source);
        self.place.source_key = self.place.source_key.min(source);
        self.place.target_query = self.place.target_query.min(target);
        self.place.target_key = self.place.target_key.min(target);
    }
}
