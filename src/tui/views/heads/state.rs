//! State and commands of Heads.

use serde::{Deserialize, Serialize};

use crate::tui::keymap::entry::{ViewEntry, ViewInfo, ViewTab, group::HEAD};

/// State of Heads: its cursor is the selected head.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HeadsView {
    /// Column that the table is sorted by: an index into [`order`](super::columns::order).
    pub sort: usize,
    /// True if the smallest value comes first.
    pub reverse: bool,
    /// Number of columns scrolled to the left, out of sight.
    pub scroll: usize,
}

/// Commands of Heads alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "COMMANDS has a sentence for each")]
pub enum HeadsCommand {
    Sort,
    SortBack,
    Reverse,
    Importance,
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
    ViewEntry {
        command: HeadsCommand::Importance,
        name: "importance",
        keys: &["M"],
        hint: "importance",
        group: HEAD,
        sentence: "Measure how much the target depends on each head, and direct logits",
        after: "reverse",
    },
];
