//! A part of the attention that is switched off, to see what the output loses.

use super::app::App;
use crate::engine::Without;
use crate::site::{Kind, Knockout};

/// What is switched off, and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// The parts.
    pub off: Vec<Knockout>,
    /// The output without them; `None` while the model runs.
    pub outcome: Option<Without>,
}

impl Trial {
    /// What is off, in words.
    pub fn name(&self) -> String {
        let first = match self.off.first() {
            Some(Knockout::Head(head)) => head.to_string(),
            Some(Knockout::Site(site)) => site.to_string(),
            Some(Knockout::Link { head, query, key }) => format!("{head}'s link {query} ← {key}"),
            None => return "nothing".into(),
        };
        match self.off.len() {
            1 => first,
            more => format!("{first} and {} more", more - 1),
        }
    }
}

/// The selected head, or all marked ones where it is one of them.
pub fn heads(app: &App) -> Vec<Knockout> {
    let head = app.place.head;
    if app.marks.contains(&head) {
        return app.marks.iter().map(|&head| Knockout::Head(head)).collect();
    }
    vec![Knockout::Head(head)]
}

/// The link under the cursor; nothing where it is masked in any case.
pub fn link(app: &App) -> Vec<Knockout> {
    let (head, query, key) = (app.place.head, app.place.query(), app.place.key());
    if head.kind() == Kind::Decoder && key > query {
        return Vec::new();
    }
    vec![Knockout::Link { head, query, key }]
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
