//! What-if runs in the explorer: heads and links that are switched off, rows of weights that are replaced, and
//! the effect on the output.

use std::collections::BTreeSet;

use super::selection::Selection;
use crate::capture::Capture;
use crate::engine::AblatedRun;
use crate::site::{Ablation, Head, Kind, RowEdit};

/// The active ablations, or replaced rows of weights, with the output under them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ActiveAblation {
    /// Heads and links that are switched off.
    pub ablations: Vec<Ablation>,
    /// True if the heads read their means over the run in place of zeros.
    pub own_means: bool,
    /// Rows of weights that are replaced; of several for one query the last one holds.
    pub edits: Vec<RowEdit>,
    /// Output under these changes; `None` while the model runs.
    pub outcome: Option<AblatedRun>,
}

impl ActiveAblation {
    /// Describes the changes for a title: `without cross.2.4`.
    pub fn describe(&self) -> String {
        let first = match (self.ablations.first(), self.edits.last()) {
            (Some(Ablation::Head(head)), _) if self.own_means => format!("with {head} at its mean"),
            (Some(Ablation::Head(head)), _) => format!("without {head}"),
            (Some(Ablation::Site(site)), _) => format!("without {site}"),
            (Some(Ablation::Link { head, query, key }), _) => {
                format!("without {head}'s link {query} ← {key}")
            }
            (None, Some(edit)) => format!("with row {} of {} edited", edit.query, edit.head),
            (None, None) => "unchanged".into(),
        };
        match self.ablations.len().max(self.edited_rows()) {
            0 | 1 => first,
            more => format!("{first} and {} more", more - 1),
        }
    }

    /// Number of rows that are replaced; a row that is replaced several times counts once.
    pub fn edited_rows(&self) -> usize {
        self.edits.iter().map(|edit| (edit.head, edit.query)).collect::<BTreeSet<_>>().len()
    }

    /// Returns true if a run was made with these changes.
    pub fn is_of(&self, run: &AblatedRun) -> bool {
        (&self.ablations, self.own_means, &self.edits) == (&run.ablations, run.own_means, &run.edits)
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
