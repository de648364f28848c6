//! Parts of the attention that are switched off, to see what the output loses.

use std::collections::BTreeSet;

use super::selection::Selection;
use crate::capture::Capture;
use crate::engine::AblatedRun;
use crate::site::{Ablation, Head, Kind};

/// Parts that are switched off, and the output without them.
#[derive(Clone, Debug, PartialEq)]
pub struct ActiveAblation {
    /// The parts.
    pub ablations: Vec<Ablation>,
    /// The output without them; `None` while the model runs.
    pub outcome: Option<AblatedRun>,
}

impl ActiveAblation {
    /// Names the parts, for a title.
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

    /// Returns the change of every decoder row against the capture of the whole model; empty while the model runs.
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
    /// Log-probability with the parts off minus before, in nats.
    pub change: f32,
    /// The likeliest token now, if it is another than before.
    pub best: Option<String>,
}

/// Returns the selected head, or all marked ones if it is one of them.
pub fn heads(selection: &Selection, marks: &BTreeSet<Head>) -> Vec<Ablation> {
    if marks.contains(&selection.head) {
        return marks.iter().map(|&head| Ablation::Head(head)).collect();
    }
    vec![Ablation::Head(selection.head)]
}

/// Returns the link under the cursor; nothing if it is masked in any case.
pub fn link(selection: &Selection) -> Vec<Ablation> {
    let (head, query, key) = (selection.head, selection.query(), selection.key());
    if head.kind() == Kind::Decoder && key > query {
        return Vec::new();
    }
    vec![Ablation::Link { head, query, key }]
}
