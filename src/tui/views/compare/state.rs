//! State and commands of Compare.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::capture::Capture;
use crate::capture::comparison::{Comparison, Place};
use crate::site::Kind;
use crate::tui::app::App;
use crate::tui::keymap::entry::{ViewEntry, ViewInfo, ViewTab, group::MOVE};
use crate::tui::selection::Selection;

/// State of Compare: its cursor is the selection. Nothing of it is saved.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CompareView {
    /// Capture that later ones are compared with.
    #[serde(skip)]
    pub pinned: Option<Arc<Capture>>,
    /// Comparison of the current capture with the pinned one, or the reason why there is none; `None` if
    /// nothing is pinned, or while the two are being compared.
    #[serde(skip)]
    pub comparison: Option<Result<Comparison, String>>,
    /// Places of the cursor on tokens that only the pinned capture has.
    #[serde(skip)]
    aside: Option<Aside>,
}

/// Places of the cursor that the selection, which knows the tokens of the current capture alone, cannot express.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Aside {
    /// The selection for which the places hold.
    selection: Selection,
    query: Option<usize>,
    key: Option<usize>,
}

/// Two captures to compare.
#[derive(Clone, Debug)]
pub struct ComparisonRequest {
    serial: u64,
    pinned: Arc<Capture>,
    present: Arc<Capture>,
}

/// A finished comparison.
#[derive(Debug)]
pub struct Compared {
    serial: u64,
    pinned: Arc<Capture>,
    comparison: Result<Comparison, String>,
}

impl ComparisonRequest {
    /// Compares the captures.
    pub fn run(self) -> Compared {
        let comparison = Comparison::new(&self.pinned, &self.present).map_err(|error| error.to_string());
        Compared { serial: self.serial, pinned: self.pinned, comparison }
    }
}

impl PartialEq for ComparisonRequest {
    fn eq(&self, other: &Self) -> bool {
        self.serial == other.serial && Arc::ptr_eq(&self.pinned, &other.pinned)
    }
}

impl CompareView {
    /// Drops the comparison and returns the request for a new one, if a capture is pinned.
    pub fn request(&mut self, serial: u64, present: Option<&Arc<Capture>>) -> Option<ComparisonRequest> {
        (self.comparison, self.aside) = (None, None);
        let (pinned, present) = self.pinned.as_ref().zip(present)?;
        let (pinned, present) = (Arc::clone(pinned), Arc::clone(present));
        Some(ComparisonRequest { serial, pinned, present })
    }

    /// Takes a comparison, unless it is of other captures than those of now.
    pub fn take(&mut self, serial: u64, compared: Compared) {
        let same = self.pinned.as_ref().is_some_and(|pinned| Arc::ptr_eq(pinned, &compared.pinned));
        if same && serial == compared.serial {
            self.comparison = Some(compared.comparison);
        }
    }

    /// Returns the comparison, if there is one.
    pub fn known(&self) -> Option<&Comparison> {
        self.comparison.as_ref()?.as_ref().ok()
    }
}

/// Returns the places of the cursor on the common order of queries and of keys.
pub fn cursor(app: &App) -> Option<(usize, usize)> {
    let comparison = app.views.compare.known()?;
    let kind = app.selection.head.kind();
    let aside = app.views.compare.aside.filter(|aside| aside.selection == app.selection);
    let place = |places: &[Place], token: usize| places.iter().position(|place| place.1 == Some(token));
    let query = aside.and_then(|aside| aside.query);
    let key = aside.and_then(|aside| aside.key);
    Some((
        query.or_else(|| place(comparison.queries(kind), app.selection.query())).unwrap_or(0),
        key.or_else(|| place(comparison.keys(kind), app.selection.key())).unwrap_or(0),
    ))
}

/// Moves the cursor to places on the common order of queries and of keys.
pub fn set_cursor(app: &mut App, query: usize, key: usize) {
    let kind: Kind = app.selection.head.kind();
    let Some(comparison) = app.views.compare.known() else { return };
    let token = |places: &[Place], at: usize| places.get(at).and_then(|place| place.1);
    let (query_token, key_token) =
        (token(comparison.queries(kind), query), token(comparison.keys(kind), key));
    if let Some(token) = query_token {
        app.selection.set_query(token);
    }
    if let Some(token) = key_token {
        app.selection.set_key(token);
    }
    let query = if query_token.is_none() { Some(query) } else { None };
    let key = if key_token.is_none() { Some(key) } else { None };
    app.views.compare.aside = Some(Aside { selection: app.selection, query, key });
}

/// Commands of Compare alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "COMMANDS has a sentence for each")]
pub enum CompareCommand {
    NextChanged,
    PreviousChanged,
}

/// Name, tab and shared commands of Compare.
pub const INFO: ViewInfo = ViewInfo {
    name: "Compare",
    tab: Some(ViewTab {
        command: "compare",
        keys: &["7"],
        sentence: "Compare: the pinned capture beside the current one",
        after: "grid",
    }),
    shared: &["open", "one-kind", "page-left", "page-right", "first-query", "last-query", "search"],
    footer: &["pin", "next-link"],
    arrows: "cell",
    needs_maps: false,
};

/// The commands of Compare alone.
pub const COMMANDS: &[ViewEntry<CompareCommand>] = &[
    ViewEntry {
        command: CompareCommand::NextChanged,
        name: "next-changed-head",
        keys: &["'"],
        hint: "changed head",
        group: MOVE,
        sentence: "Select the head with the next smaller change",
        after: "previous-link",
    },
    ViewEntry {
        command: CompareCommand::PreviousChanged,
        name: "previous-changed-head",
        keys: &["\""],
        hint: "",
        group: MOVE,
        sentence: "Select the head with the next larger change",
        after: "next-changed-head",
    },
];
