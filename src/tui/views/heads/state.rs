//! State and commands of Heads.

use serde::{Deserialize, Serialize};

use crate::tui::keymap::entry::{ViewEntry, ViewInfo, ViewTab, group::HEAD};

/// State of Heads: its cursor is the selected head.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HeadsView {
    /// Column that the table is sorted by: an index into [`ORDER`].
    pub sort: usize,
    /// True if the smallest value comes first.
    pub reverse: bool,
}

/// The metrics in the order of their columns, the most telling first.
pub const ORDER: [&str; 14] = [
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

impl HeadsView {
    /// The metric that the table is sorted by.
    pub fn metric(&self) -> &'static str {
        ORDER.get(self.sort).copied().unwrap_or(ORDER[0])
    }
}

/// Commands of Heads alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // COMMANDS has a sentence for each
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
    shared: &["open", "one-kind", "mark"],
    footer: &[],
    arrows: "move",
    needs_maps: true,
};

/// The commands of Heads alone.
pub const COMMANDS: &[ViewEntry<HeadsCommand>] = &[
    ViewEntry {
        command: HeadsCommand::Sort,
        name: "sort",
        keys: &["o"],
        hint: "sort",
        group: HEAD,
        sentence: "Sort by the next column",
        after: "open",
    },
    ViewEntry {
        command: HeadsCommand::SortBack,
        name: "sort-back",
        keys: &["i"],
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
