//! Ablations in the explorer: heads and links that are switched off, and their effect on the output.

use std::collections::BTreeSet;

use super::selection::Selection;
use crate::capture::Capture;
use crate::engine::AblatedRun;
use crate::site::{Ablation, Head, Kind};

/// The active ablations, with the output under them.
#[derive(Clone, Debug, PartialEq)]
pub struct ActiveAblation {
    /// Heads and links that are switched off.
    pub ablations: Vec<Ablation>,
    /// Output under the ablations; `None` while the model runs.
    pub outcome: Option<AblatedRun>,
}

impl ActiveAblation {
    /// Returns the names of the ablated heads and links, for a title.
    pub fn name(&self) -> String {
        let first = match self.ablations.first() {
            Some(Ablation::Head(head)) => head.to_string(),
            Some(Ablation::Site(site)) => site.to_string(),
            Some(Ablation::Link { head, query, key }) => format!("{head}'s link {query} ← {key}"),
            None => return "nothing".into(),
        };
        match self.ablations.len() {
            1 => first,
            more => format!("{first} and {} more", more - 1),
        }
    }

    /// Returns the change of every decoder row relative to the unablated capture; empty while the model runs.
    pub fn changes(&self, capture: &Capture) -> Vec<TokenChange> {
        let Some(outcome) = &self.outcome else { return Vec::new() };
        let log = |probability: f32| probability.max(f32::MIN_POSITIVE).ln();
        std::iter::zip(&capture.predictions, &outcome.forced)
            .map(|(before, after)| {
                let (old, new) = (before.candidates.first(), after.candidates.first());
                let best = new.filter(|new| old.map(|old| old.0.id) != Some(new.0.id));
                TokenChange {
                    change: log(after.probability) - log(before.probability),
                    best: best.map(|(token, _)| crate::text::label(&token.piece)),
                }
            })
            .collect()
    }
}

/// Change of one target token under an ablation.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenChange {
    /// Log-probability under the ablation minus that without it, in nats.
    pub change: f32,
    /// Most likely token under the ablation, if it changed.
    pub best: Option<String>,
}

/// Returns an ablation of the selected head, or of all marked heads if it is one of them.
pub fn heads(selection: &Selection, marks: &BTreeSet<Head>) -> Vec<Ablation> {
    if marks.contains(&selection.head) {
        return marks.iter().map(|&head| Ablation::Head(head)).collect();
    }
    vec![Ablation::Head(selection.head)]
}

/// Returns an ablation of the link at the cursor; empty if the link is masked by causal attention.
pub fn link(selection: &Selection) -> Vec<Ablation> {
    let (head, query, key) = (selection.head, selection.query(), selection.key());
    if head.kind() == Kind::Decoder && key > query {
        return Vec::new();
    }
    vec![Ablation::Link { head, query, key }]
}
