//! State and commands of Lines.

use serde::{Deserialize, Serialize};

use crate::tui::keymap::entry::{ViewEntry, ViewInfo, ViewTab, group::HEAD};

/// State of Lines: its cursor is the selection.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LinesView {
    /// Lines that show.
    pub shows: ShownLines,
    /// True if the cursor is on the keys instead of the queries.
    pub on_keys: bool,
}

/// Lines that show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ShownLines {
    /// All links of the selected head, or of the marked heads if it is one of them.
    #[default]
    Head,
    /// The links of the token under the cursor in every head of the layer.
    Token,
}

/// Commands of Lines alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "COMMANDS has a sentence for each")]
pub enum LinesCommand {
    Shown,
}

/// Name, tab and shared commands of Lines.
pub const INFO: ViewInfo = ViewInfo {
    name: "Lines",
    tab: Some(ViewTab {
        command: "lines",
        keys: &["8"],
        sentence: "Lines: queries and keys joined by lines as strong as their weights",
        after: "compare",
    }),
    shared: &["mark", "first-query", "last-query", "strongest", "search"],
    footer: &["lines-of"],
    arrows: "token, side",
    needs_maps: true,
};

/// The commands of Lines alone.
pub const COMMANDS: &[ViewEntry<LinesCommand>] = &[ViewEntry {
    command: LinesCommand::Shown,
    name: "lines-of",
    keys: &["o"],
    hint: "head/token",
    group: HEAD,
    sentence: "Show all lines of the head (or of the marked heads), or those of one token in all heads of the layer",
    after: "receives",
}];
