//! State and commands of Links.

use serde::{Deserialize, Serialize};

use crate::tui::keymap::entry::{ViewEntry, ViewInfo, ViewTab, group::HEAD};

/// State of Links.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LinksView {
    /// Filter of the list.
    pub keep: KeptLinks,
    /// Selected line of the list.
    #[serde(skip)]
    pub selected: usize,
}

/// Filter of the list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeptLinks {
    /// All links but those of special tokens.
    All,
    /// Also without punctuation.
    #[default]
    Words,
    /// Also without links to a head's sink.
    NoSinks,
}

impl KeptLinks {
    /// Returns the next filter, cyclically.
    pub fn next(self) -> Self {
        match self {
            KeptLinks::All => KeptLinks::Words,
            KeptLinks::Words => KeptLinks::NoSinks,
            KeptLinks::NoSinks => KeptLinks::All,
        }
    }
}

/// Commands of Links alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "COMMANDS has a sentence for each")]
pub enum LinksCommand {
    Keep,
}

/// Name, tab and shared commands of Links.
pub const INFO: ViewInfo = ViewInfo {
    name: "Links",
    tab: Some(ViewTab {
        command: "links",
        keys: &["5"],
        sentence: "Links: the strongest long-range links of all heads",
        after: "heads",
    }),
    shared: &["open", "one-kind"],
    footer: &[],
    arrows: "move",
    needs_maps: true,
};

/// The commands of Links alone.
pub const COMMANDS: &[ViewEntry<LinksCommand>] = &[ViewEntry {
    command: LinksCommand::Keep,
    name: "keep",
    keys: &["d"],
    hint: "keep",
    group: HEAD,
    sentence: "Hide links of punctuation, then also links to sinks",
    after: "one-kind",
}];
