//! State and commands of Heads.

use serde::{Deserialize, Serialize};

use crate::analysis::metrics::HeadMetrics;
use crate::tui::keymap::entry::{ViewEntry, ViewInfo, ViewTab, group::HEAD};

/// State of Heads: its cursor is the selected head.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HeadsView {
    /// Column that the table is sorted by: an index into [`order`].
    pub sort: usize,
    /// True if the smallest value comes first.
    pub reverse: bool,
    /// Number of columns scrolled to the left, out of sight.
    pub scroll: usize,
}

/// The metrics whose columns come first, the most telling ones.
const FIRST: [&str; 14] = [
    "far_mass",
    "far_ratio",
    "entropy",
    "mean_distance",
    "confidence",
    "offset",
    "offset_share",
    "sink",
    "special_mass",
    "previous",
    "effective_keys",
    "monotonicity",
    "coverage",
    "gini",
];

/// All metrics in the order of their columns: `FIRST`, then the others.
pub fn order() -> Vec<&'static str> {
    let others = HeadMetrics::COLUMNS.iter().map(|column| column.name).filter(|name| !FIRST.contains(name));
    FIRST.into_iter().chain(others).collect()
}

impl HeadsView {
    /// The metric that the table is sorted by.
    pub fn metric(&self) -> &'static str {
        order().get(self.sort).copied().unwrap_or(FIRST[0])
    }
}

/// Commands of Heads alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "COMMANDS has a sentence for each")]
pub enum HeadsCommand {
    Sort,
    SortBack,
    Reverse,
}

/// Name, tab and shared commands of Heads.
pub const INFO: ViewInfo = ViewInfo {
    name: "Heads",
    tab: Some(ViewTab {
        command: "heads",
        keys: &["4"],
        sentence: "Heads: a table of all heads with their metrics",
        after: "text",
    }),
    shared: &["open", "one-kind", "mark", "search"],
    footer: &[],
    arrows: "head, columns",
    needs_maps: true,
};

/// The commands of Heads alone.
pub const COMMANDS: &[ViewEntry<HeadsCommand>] = &[
    ViewEntry {
        command: HeadsCommand::Sort,
        name: "sort",
        keys: &["i"],
        hint: "sort",
        group: HEAD,
        sentence: "Sort by the next column",
        after: "open",
    },
    ViewEntry {
        command: HeadsCommand::SortBack,
        name: "sort-back",
        keys: &["I"],
        hint: "",
        group: HEAD,
        sentence: "Sort by the previous column",
        after: "sort",
    },
    ViewEntry {
        command: HeadsCommand::Reverse,
        name: "reverse",
        keys: &["O"],
        hint: "reverse",
        group: HEAD,
        sentence: "Reverse the sort order",
        after: "sort-back",
    },
];
