//! State and commands of Corpus.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::analysis::metrics::HeadMetrics;
use crate::scan::{Distributions, Exemplar, ExemplarFilter, Scan};
use crate::tui::keymap::entry::{ViewEntry, ViewInfo, ViewTab, group::HEAD};
use crate::tui::scan_reader::ScanRequest;

/// Metric that shows at first.
const FIRST: &str = "far_mass";

/// State of Corpus.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CorpusView {
    /// Name of the metric whose distributions show; empty for the first choice.
    pub metric: String,
    /// The open scan, if there is one.
    #[serde(skip)]
    pub scan: Option<Arc<Scan>>,
    /// Distributions of a metric, once they were read.
    #[serde(skip)]
    pub distributions: Option<(&'static str, Distributions)>,
    /// Exemplars of a head, once they were found.
    #[serde(skip)]
    pub exemplars: Option<(ExemplarFilter, Vec<Exemplar>)>,
    /// The last request.
    #[serde(skip)]
    pub asked: Option<ScanRequest>,
    /// Tokens of the query and the key of the link that the exemplars should resemble.
    #[serde(skip)]
    pub like: Option<[String; 2]>,
    /// True if the cursor is in the list of exemplars, false if it is in that of the heads.
    #[serde(skip)]
    pub in_exemplars: bool,
    /// Selected exemplar.
    #[serde(skip)]
    pub selected: usize,
}

impl CorpusView {
    /// Returns the metric whose distributions show.
    pub fn metric(&self) -> &'static str {
        let names = || HeadMetrics::COLUMNS.iter().map(|column| column.name);
        names().find(|name| *name == self.metric).unwrap_or(FIRST)
    }

    /// Shows the metric `steps` places after the current one.
    pub(super) fn turn_metric(&mut self, steps: isize) {
        let all = HeadMetrics::COLUMNS;
        let at = all.iter().position(|column| column.name == self.metric()).unwrap_or(0);
        let next = (at as isize + steps).rem_euclid(all.len() as isize) as usize;
        self.metric = all.get(next).map_or(FIRST, |column| column.name).into();
    }

    /// The exemplars that show.
    pub fn found(&self) -> &[Exemplar] {
        self.exemplars.as_ref().map_or(&[], |(_, found)| found)
    }
}

/// Commands of Corpus alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "COMMANDS has a sentence for each")]
pub enum CorpusCommand {
    NextMetric,
    PreviousMetric,
}

/// Name and shared commands of Corpus. It has no number key.
pub const INFO: ViewInfo = ViewInfo {
    name: "Corpus",
    tab: Some(ViewTab {
        command: "corpus",
        keys: &[],
        sentence: "Corpus: the heads of an open scan over its sentences, and their strongest sentences",
        after: "lines",
    }),
    shared: &["open", "one-kind"],
    footer: &[],
    arrows: "move",
    needs_maps: false,
};

/// The commands of Corpus alone.
pub const COMMANDS: &[ViewEntry<CorpusCommand>] = &[
    ViewEntry {
        command: CorpusCommand::NextMetric,
        name: "next-metric",
        keys: &["i"],
        hint: "metric",
        group: HEAD,
        sentence: "Show the distributions of the next metric",
        after: "reverse",
    },
    ViewEntry {
        command: CorpusCommand::PreviousMetric,
        name: "previous-metric",
        keys: &["I"],
        hint: "",
        group: HEAD,
        sentence: "Show the distributions of the previous metric",
        after: "next-metric",
    },
];
