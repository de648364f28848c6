//! A part of the attention that is switched off, to see what the output loses.

use super::app::App;
use crate::engine::AblatedRun;
use crate::site::{Ablation, Kind};

/// What is switched off, and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// The parts.
    pub ablations: Vec<Ablation>,
    /// The output without them; `None` while the model runs.
    pub outcome: Option<AblatedRun>,
}

impl Trial {
    /// What is off, in words.
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
}

/// The selected head, or all marked ones where it is one of them.
pub fn heads(app: &App) -> Vec<Ablation> {
    let head = app.place.head;
    if app.marks.contains(&head) {
        return app.marks.iter().map(|&head| Ablation::Head(head)).collect();
    }
    vec![Ablation::Head(head)]
}

/// The link under the cursor; nothing where it is masked in any case.
pub fn link(app: &App) -> Vec<Ablation> {
    let (head, query, key) = (app.place.head, app.place.query(), app.place.key());
    if head.kind() == Kind::Decoder && key > query {
        return Vec::new();
    }
    vec![Ablation::Link { head, query, key }]
}

/// What one target token loses.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Log-probability with the part off minus before, in nats.
    pub change: f32,
    /// The likeliest token now, where it is another than before.
    pub best: Option<String>,
}

/// The change of every decoder row; empty while the model runs.
pub fn changes(app: &App) -> Vec<Change> {
    let (Some(capture), Some(outcome)) =
        (&app.capture, app.trial.as_ref().and_then(|trial| trial.outcome.as_ref()))
    else {
        return Vec::new();
    };
    let log = |probability: f32| probability.max(f32::MIN_POSITIVE).ln();
    std::iter::zip(&capture.predictions, &outcome.forced)
        .map(|(before, after)| {
            let (old, new) = (before.candidates.first(), after.candidates.first());
            let best = new.filter(|new| old.map(|old| old.0.id) != Some(new.0.id));
            Change {
                change: log(after.probability) - log(before.probability),
                best: best.map(|(token, _)| crate::text::label(&token.piece)),
            }
        })
        .collect()
}
