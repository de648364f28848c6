//! State and commands of Text.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::site::{Head, Kind};
use crate::tui::keymap::entry::{ViewEntry, ViewInfo, ViewTab, group::HEAD};

/// State of Text.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TextView {
    /// Heads whose weights shade the texts.
    pub shading: Shading,
    /// True if the texts show what the selected key receives instead of what the selected query gives.
    pub receives: bool,
    /// The last selected head of each kind that was left in this view. It shades its text while a head of
    /// another kind is selected.
    #[serde(skip)]
    pub left: BTreeMap<Kind, Head>,
}

impl TextView {
    /// Leaves a head for another kind. Returns the head of that kind that was left before, if any.
    pub fn turn(&mut self, head: Head, kind: Kind) -> Option<Head> {
        self.left.insert(head.kind(), head);
        self.left.get(&kind).copied()
    }
}

/// Heads whose weights shade the texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shading {
    /// The selected head.
    #[default]
    Head,
    /// The mean over the marked heads, or over the layer's heads if none is marked.
    Mean,
    /// The maximum over these heads.
    #[serde(rename = "maximum")]
    Max,
    /// Each of these heads in a hue of its own.
    Hues,
}

impl Shading {
    /// Returns the name on the screen.
    pub fn name(self) -> &'static str {
        match self {
            Shading::Head => "head",
            Shading::Mean => "mean",
            Shading::Max => "maximum",
            Shading::Hues => "hues",
        }
    }

    /// Returns the next choice, cyclically.
    pub fn next(self) -> Self {
        match self {
            Shading::Head => Shading::Mean,
            Shading::Mean => Shading::Max,
            Shading::Max => Shading::Hues,
            Shading::Hues => Shading::Head,
        }
    }
}

/// Commands of Text alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "COMMANDS has a sentence for each")]
pub enum TextCommand {
    Over,
    Receives,
}

/// Name, tab and shared commands of Text.
pub const INFO: ViewInfo = ViewInfo {
    name: "Text",
    tab: Some(ViewTab {
        command: "text",
        keys: &["2"],
        sentence: "Text: source and target as running text, shaded by weight",
        after: "map",
    }),
    shared: &["cover", "page-left", "page-right", "first-query", "last-query", "strongest", "search"],
    footer: &[],
    arrows: "move",
    needs_maps: true,
};

/// The commands of Text alone.
pub const COMMANDS: &[ViewEntry<TextCommand>] = &[
    ViewEntry {
        command: TextCommand::Over,
        name: "over",
        keys: &["o"],
        hint: "heads",
        group: HEAD,
        sentence: "Shade by this head, or by the mean, maximum or colours of the marked heads (else of the layer)",
        after: "keep",
    },
    ViewEntry {
        command: TextCommand::Receives,
        name: "receives",
        keys: &["R"],
        hint: "gives/receives",
        group: HEAD,
        sentence: "Show what the query attends to, or what attends to the key",
        after: "flow-layers",
    },
];
