//! State and commands of Patching.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::analysis::patching::ActivationKind;
use crate::engine::PatchedRun;
use crate::tui::app::App;
use crate::tui::keymap::entry::{ViewEntry, ViewInfo, ViewTab, group::HEAD};

/// State of Patching: its cursor is the selection.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PatchingView {
    /// Kind of the activations.
    #[serde(skip)]
    pub kind: ActivationKind,
    /// True to score the selected decoder row alone, not the sum over all rows.
    pub one_row: bool,
    /// Source of the corrupt run that the user typed.
    #[serde(skip)]
    pub corrupt: Option<String>,
    /// True if a capture was pinned after the source was typed.
    #[serde(skip)]
    pub pinned_later: bool,
    /// Measured runs, all with the same clean one.
    #[serde(skip)]
    found: Vec<PatchedRun>,
}

impl PatchingView {
    /// Keeps a measured run, and drops those of another clean run.
    pub fn keep(&mut self, run: PatchedRun) {
        self.found.retain(|known| {
            Arc::ptr_eq(&known.request.clean, &run.request.clean) && known.request != run.request
        });
        self.found.push(run);
    }
}

/// Returns the source of the corrupt run: the typed one or that of the pinned capture, whichever came later. A source
/// that is also that of the shown run does not count.
pub fn corrupt_source(app: &App) -> Option<&str> {
    let shown = app.capture.as_ref()?.source.text.as_str();
    let differs = |corrupt: &&str| *corrupt != shown;
    let typed = app.views.patching.corrupt.as_deref().filter(differs);
    let pinned = app.views.compare.pinned.as_ref().map(|pinned| pinned.source.text.as_str()).filter(differs);
    if app.views.patching.pinned_later { pinned.or(typed) } else { typed.or(pinned) }
}

/// Returns the measured run of the shown capture with the corrupt source and the kind of activations of now.
pub fn measured(app: &App) -> Option<&PatchedRun> {
    let (clean, corrupt) = (app.capture.as_ref()?, corrupt_source(app)?);
    let view = &app.views.patching;
    view.found.iter().find(|run| {
        let request = &run.request;
        Arc::ptr_eq(&request.clean, clean) && request.corrupt.source == corrupt && request.kind == view.kind
    })
}

/// Commands of Patching alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "COMMANDS has a sentence for each")]
pub enum PatchingCommand {
    Measure,
    Kind,
    Rows,
    Corrupt,
}

/// Name, tab and shared commands of Patching.
pub const INFO: ViewInfo = ViewInfo {
    name: "Patching",
    tab: Some(ViewTab {
        command: "patching",
        keys: &["9"],
        sentence: "Patching: what activations of this run restore in a corrupt one",
        after: "lines",
    }),
    shared: &["open", "first-query", "last-query", "strongest"],
    footer: &["patch", "patched", "corrupt"],
    arrows: "cell",
    needs_maps: false,
};

/// The commands of Patching alone.
pub const COMMANDS: &[ViewEntry<PatchingCommand>] = &[
    ViewEntry {
        command: PatchingCommand::Measure,
        name: "patch",
        keys: &["!"],
        hint: "patch",
        group: HEAD,
        sentence: "Take activations of this run into the corrupt one, one at a time, and measure what they restore",
        after: "effects",
    },
    ViewEntry {
        command: PatchingCommand::Kind,
        name: "patched",
        keys: &["~"],
        hint: "what",
        group: HEAD,
        sentence: "Patch heads, residual stream, feed-forward blocks, weights or the encoder's output",
        after: "patch",
    },
    ViewEntry {
        command: PatchingCommand::Rows,
        name: "patched-rows",
        keys: &["#"],
        hint: "rows",
        group: HEAD,
        sentence: "Score the whole target, or the token of the selected decoder row alone",
        after: "patched",
    },
    ViewEntry {
        command: PatchingCommand::Corrupt,
        name: "corrupt",
        keys: &["@"],
        hint: "corrupt source",
        group: HEAD,
        sentence: "Type the source of the corrupt run",
        after: "patched-rows",
    },
];
