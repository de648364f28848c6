//! State and commands of Links.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::pairs::PairList;
use crate::site::Ablation;
use crate::tui::keymap::entry::{ViewEntry, ViewInfo, ViewTab, group::HEAD};

/// State of Links.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LinksView {
    /// Filter of the list.
    pub keep: KeptLinks,
    /// Selected line of the list, whose link is the selection while the view is displayed.
    #[serde(skip)]
    pub selected: usize,
    /// Given links in every head, shown in place of the long-range links.
    #[serde(skip)]
    pub pairs: Option<PairList>,
    /// Number of searches for given links so far.
    #[serde(skip)]
    pub searches: u64,
    /// Effects of links on the output.
    #[serde(skip)]
    pub effects: LinkEffects,
}

impl LinksView {
    /// Drops all that belongs to the last capture.
    pub fn forget(&mut self) {
        (self.selected, self.pairs, self.effects) = (0, None, LinkEffects::default());
    }
}

/// The largest loss of a target token without a link.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct OutputLoss {
    /// Decoder row of the token.
    pub row: usize,
    /// Its log-probability without the link minus that with it, in nats: negative for a loss.
    pub change: f32,
}

/// Measured effects, and the ablations that are still to be run, the current one first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LinkEffects {
    /// The effects by their ablations.
    pub found: BTreeMap<Vec<Ablation>, OutputLoss>,
    pub(super) queue: VecDeque<Vec<Ablation>>,
    pub(super) total: usize,
}

impl LinkEffects {
    /// Drops the ablations that have not been run.
    pub fn stop(&mut self) {
        self.queue.clear();
    }
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
    Effects,
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
    shared: &["open", "one-kind", "filter"],
    footer: &[],
    arrows: "move",
    needs_maps: true,
};

/// The commands of Links alone.
pub const COMMANDS: &[ViewEntry<LinksCommand>] = &[
    ViewEntry {
        command: LinksCommand::Keep,
        name: "keep",
        keys: &["d"],
        hint: "keep",
        group: HEAD,
        sentence: "Hide links of punctuation, then also links to sinks",
        after: "one-kind",
    },
    ViewEntry {
        command: LinksCommand::Effects,
        name: "effects",
        keys: &["M"],
        hint: "effects",
        group: HEAD,
        sentence: "Measure what the output loses without each listed link",
        after: "keep",
    },
];
