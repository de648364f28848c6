//! State and commands of Flow.

use serde::{Deserialize, Serialize};

use crate::engine::EvidenceKind;
use crate::tui::keymap::entry::{ViewEntry, ViewInfo, ViewTab, group::HEAD};

/// State of Flow.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FlowView {
    /// Method of merging the heads of a layer into one map.
    pub method: FlowMethod,
    /// True for the selected layer alone, instead of the flow through all layers.
    pub one_layer: bool,
    /// Token against which relevance explains the target's tokens.
    #[serde(skip)]
    pub contrast: Option<Contrast>,
}

/// Token against which relevance explains the target's tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contrast {
    /// Its id.
    pub id: u32,
    /// Its label.
    pub label: String,
}

/// Method of merging the heads of a layer into one map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FlowMethod {
    /// The mean of the heads' weights.
    #[default]
    Mean,
    /// The largest of the heads' weights.
    #[serde(rename = "largest")]
    Max,
    /// Contributions measured with the values (ALTI).
    Alti,
    /// Relevance by gradients, always through all layers (Chefer et al. 2021).
    Relevance,
}

impl FlowView {
    /// Returns the kind of evidence that relevance shows.
    pub fn evidence(&self) -> EvidenceKind {
        EvidenceKind::Relevance { contrast: self.contrast.as_ref().map(|contrast| contrast.id) }
    }

    /// Returns true if the view shows the selected layer alone.
    pub fn shows_one_layer(&self) -> bool {
        self.one_layer && self.method != FlowMethod::Relevance
    }
}

impl FlowMethod {
    /// Returns the name on the screen.
    pub fn name(self) -> &'static str {
        match self {
            FlowMethod::Mean => "mean",
            FlowMethod::Max => "largest",
            FlowMethod::Alti => "ALTI",
            FlowMethod::Relevance => "relevance",
        }
    }

    /// Returns the next method, cyclically.
    pub fn next(self) -> Self {
        match self {
            FlowMethod::Mean => FlowMethod::Max,
            FlowMethod::Max => FlowMethod::Alti,
            FlowMethod::Alti => FlowMethod::Relevance,
            FlowMethod::Relevance => FlowMethod::Mean,
        }
    }
}

/// Commands of Flow alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "COMMANDS has a sentence for each")]
pub enum FlowCommand {
    Heads,
    Layers,
}

/// Name, tab and shared commands of Flow.
pub const INFO: ViewInfo = ViewInfo {
    name: "Flow",
    tab: Some(ViewTab {
        command: "flow",
        keys: &["6"],
        sentence: "Flow: where an output token draws from, through all layers",
        after: "links",
    }),
    shared: &["search", "faithful"],
    footer: &[],
    arrows: "move",
    needs_maps: true,
};

/// The commands of Flow alone.
pub const COMMANDS: &[ViewEntry<FlowCommand>] = &[
    ViewEntry {
        command: FlowCommand::Heads,
        name: "flow-heads",
        keys: &["o"],
        hint: "heads",
        group: HEAD,
        sentence: "Combine heads by mean, maximum, contributions (ALTI) or relevance (gradients)",
        after: "over",
    },
    ViewEntry {
        command: FlowCommand::Layers,
        name: "flow-layers",
        keys: &["B"],
        hint: "layers",
        group: HEAD,
        sentence: "Trace all layers, or only the selected layer",
        after: "flow-heads",
    },
];
