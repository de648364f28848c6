//! State and commands of Compare.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::capture::Capture;
use crate::tui::comparison::Comparison;
use crate::tui::keymap::entry::{ViewEntry, ViewInfo, ViewTab};

/// State of Compare: its cursor is the selected head. Nothing of it is saved.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CompareView {
    /// Capture that later ones are compared with.
    #[serde(skip)]
    pub pinned: Option<Arc<Capture>>,
    /// Comparison of the current capture with the pinned one, or the reason why there is none; `None` if
    /// nothing is pinned.
    #[serde(skip)]
    pub comparison: Option<Result<Comparison, String>>,
}

impl CompareView {
    /// Compares a capture with the pinned one.
    pub fn compare(&mut self, present: Option<&Arc<Capture>>) {
        self.comparison = self
            .pinned
            .as_ref()
            .zip(present)
            .map(|(pinned, present)| Comparison::new(pinned, present).map_err(|error| error.to_string()));
    }
}

/// Commands of Compare alone: none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CompareCommand {}

/// Name, tab and shared commands of Compare.
pub const INFO: ViewInfo = ViewInfo {
    name: "Compare",
    tab: Some(ViewTab {
        command: "compare",
        keys: &["7"],
        sentence: "Compare: the pinned capture beside the current one",
        after: "grid",
    }),
    shared: &["open", "one-kind"],
    footer: &["pin"],
    arrows: "move",
    needs_maps: false,
};

/// The commands of Compare alone.
pub const COMMANDS: &[ViewEntry<CompareCommand>] = &[];
