//! State and commands of Map.

use serde::{Deserialize, Serialize};

use crate::capture::Score;
use crate::tui::filter::FilteredAxes;
use crate::tui::keymap::entry::{
    ViewEntry, ViewInfo, ViewTab,
    group::{HEAD, LOOK},
};

/// State of Map.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MapView {
    /// Zoom, a step of [`STEPS`](crate::tui::zoom::STEPS); `None` shows cells with labels.
    pub zoom: Option<usize>,
    /// True to draw the path of time warping over the cross maps of a recording.
    pub path: bool,
    /// Result of the filter on the selected map; `None` if nothing is filtered.
    #[serde(skip)]
    pub filtered: Option<FilteredAxes>,
    /// Displayed part of the scores before the softmax; `None` for weights.
    #[serde(skip)]
    pub score: Option<Score>,
}

/// Commands of Map alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "COMMANDS has a sentence for each")]
pub enum MapCommand {
    ZoomIn,
    ZoomOut,
    ZoomFit,
    Scores,
    Pooling,
    ThresholdUp,
    ThresholdDown,
    Path,
    Elsewhere,
    EditRow,
}

/// Name, tab and shared commands of Map.
pub const INFO: ViewInfo = ViewInfo {
    name: "Map",
    tab: Some(ViewTab {
        command: "map",
        keys: &["1"],
        sentence: "Map: one head as a heatmap",
        after: "pixels",
    }),
    shared: &[
        "cover",
        "page-left",
        "page-right",
        "first-query",
        "last-query",
        "strongest",
        "filter",
        "search",
        "faithful",
    ],
    footer: &["next-link", "next-kind"],
    arrows: "cell",
    needs_maps: true,
};

/// The commands of Map alone.
pub const COMMANDS: &[ViewEntry<MapCommand>] = &[
    ViewEntry {
        command: MapCommand::ZoomIn,
        name: "zoom-in",
        keys: &["+", "="],
        hint: "",
        group: LOOK,
        sentence: "Zoom in",
        after: "copy-map",
    },
    ViewEntry {
        command: MapCommand::ZoomOut,
        name: "zoom-out",
        keys: &["-"],
        hint: "",
        group: LOOK,
        sentence: "Zoom out; each cell then pools the weights it covers",
        after: "zoom-in",
    },
    ViewEntry {
        command: MapCommand::ZoomFit,
        name: "zoom",
        keys: &["z"],
        hint: "",
        group: LOOK,
        sentence: "Switch between the whole map and cells with labels",
        after: "zoom-out",
    },
    ViewEntry {
        command: MapCommand::Scores,
        name: "scores",
        keys: &["S"],
        hint: "",
        group: LOOK,
        sentence: "Show scores before the softmax (total, content, position bias), or weights",
        after: "values",
    },
    ViewEntry {
        command: MapCommand::Pooling,
        name: "pooling",
        keys: &["p"],
        hint: "",
        group: LOOK,
        sentence: "When zoomed out, show the largest weight or the mean",
        after: "filter",
    },
    ViewEntry {
        command: MapCommand::ThresholdUp,
        name: "threshold-up",
        keys: &["."],
        hint: "",
        group: LOOK,
        sentence: "Raise the weight below which nothing is drawn",
        after: "pooling",
    },
    ViewEntry {
        command: MapCommand::ThresholdDown,
        name: "threshold-down",
        keys: &[","],
        hint: "",
        group: LOOK,
        sentence: "Lower the weight below which nothing is drawn",
        after: "threshold-up",
    },
    ViewEntry {
        command: MapCommand::Path,
        name: "path",
        keys: &["%"],
        hint: "",
        group: LOOK,
        sentence: "Draw the path of time warping over a cross map of a recording, or not",
        after: "pixels",
    },
    ViewEntry {
        command: MapCommand::Elsewhere,
        name: "elsewhere",
        keys: &["&"],
        hint: "",
        group: HEAD,
        sentence: "List the sentences of the open scan in which this head has such a link",
        after: "find-link",
    },
    ViewEntry {
        command: MapCommand::EditRow,
        name: "edit-row",
        keys: &["ctrl-e"],
        hint: "edit row",
        group: HEAD,
        sentence: "Edit the weights of this row, and see what the output loses",
        after: "mean-off",
    },
];
