//! Edits of the selected row of weights, as the user types them.

use crate::analysis::patching::PositionMap;
use crate::analysis::places::Places;
use crate::axis::all_token_ids;
use crate::capture::Capture;
use crate::site::{Head, Kind, RowEdit};
use crate::tui::action::Effect;
use crate::tui::app::App;
use crate::tui::command::Command;
use crate::tui::overlays::overlay::Overlay;
use crate::tui::overlays::text_prompt::TextPrompt;
use crate::tui::prompts::EditedText;
use crate::tui::requests;

/// A change of the selected row.
#[derive(Clone, Debug, PartialEq)]
enum RowChange {
    /// The same weight on every key.
    Uniform,
    /// All weight on these keys, evenly.
    Keys(Places),
    /// This weight on the selected key; the others keep their proportions.
    Weight(f32),
    /// The weights of another head.
    Head(Head),
    /// The weights of this head in the pinned run.
    Pinned,
    /// The weights before the last edit.
    Undo,
    /// The weights of the run, in every row.
    Restore,
}

impl RowChange {
    /// Parses what the user typed. A head without its kind is of the kind of `selected`.
    fn parse(text: &str, selected: Head) -> Result<Self, String> {
        let text = text.trim();
        if let Some(head) = text.strip_prefix("head ") {
            let (head, kind) = (head.trim(), selected.kind());
            let named = if head.split('.').count() == 2 { format!("{kind}.{head}") } else { head.into() };
            return named.parse().map(Self::Head);
        }
        let weight = text.parse::<f32>().ok().filter(|_| text.contains('.'));
        Ok(match (text, weight) {
            ("", _) => Self::Restore,
            ("uniform", _) => Self::Uniform,
            ("run", _) => Self::Pinned,
            ("undo", _) => Self::Undo,
            (_, Some(weight)) if (0.0..=1.0).contains(&weight) => Self::Weight(weight),
            (_, Some(_)) => return Err(format!("{text} is no weight: weights lie between 0.0 and 1.0")),
            (keys, None) => Self::Keys(Places::new(keys.strip_prefix("key ").unwrap_or(keys))),
        })
    }
}

/// The selected row.
struct SelectedRow<'a> {
    app: &'a App,
    capture: &'a Capture,
    head: Head,
    query: usize,
    weights: Vec<f32>,
}

impl<'a> SelectedRow<'a> {
    fn new(app: &'a App) -> Option<Self> {
        let capture = app.capture.as_deref()?;
        let (head, query) = (app.selection.head, app.selection.query());
        let weights = app.rows(head, |_| query..query + 1)?.as_slice().to_vec();
        Some(Self { app, capture, head, query, weights })
    }

    /// Number of keys that the query can attend to.
    fn visible(&self) -> usize {
        if self.head.kind() == Kind::Decoder { self.query + 1 } else { self.weights.len() }
    }

    /// Sum of the weights: 1, or less where keys that the map does not show have the rest.
    fn sum(&self) -> f32 {
        self.weights.iter().sum()
    }

    /// Scales new weights of the visible keys to the sum of the old ones.
    fn scaled(&self, new: Vec<f32>) -> Result<Vec<f32>, String> {
        let sum: f32 = new.iter().take(self.visible()).sum();
        if sum <= 0.0 {
            return Err("there would be no weight left in this row".into());
        }
        let factor = self.sum() / sum;
        let seen = |key: usize| if key < self.visible() { factor } else { 0.0 };
        Ok(new.into_iter().enumerate().map(|(key, weight)| weight * seen(key)).collect())
    }

    /// Returns the new weights.
    fn changed(&self, change: &RowChange) -> Result<Vec<f32>, String> {
        let count = self.weights.len();
        match change {
            RowChange::Uniform => self.scaled(vec![1.0; count]),
            RowChange::Keys(places) => {
                let named = places.named(self.app.axes.key_names(self.head.kind()));
                let mut new = vec![0.0; count];
                for key in named.into_iter().flatten() {
                    new.get_mut(key).into_iter().for_each(|weight| *weight = 1.0);
                }
                match new.iter().take(self.visible()).any(|weight| *weight > 0.0) {
                    true => self.scaled(new),
                    false if new.contains(&1.0) => {
                        Err(format!("{} lies ahead of the row, which cannot read it", places.text()))
                    }
                    false => Err(format!("no key is named {}", places.text())),
                }
            }
            RowChange::Weight(weight) => self.with_weight(*weight),
            RowChange::Head(head) if head.kind() != self.head.kind() => {
                Err(format!("{head} has other keys: take a head of {} attention", self.head.kind()))
            }
            RowChange::Head(head) => {
                self.capture.check(*head).map_err(|error| error.to_string())?;
                let row = self.capture.maps.rows(*head, self.query..self.query + 1);
                self.scaled(row.ok_or("that head was not recorded")?.as_slice().to_vec())
            }
            RowChange::Pinned => self.of_pinned(),
            RowChange::Undo | RowChange::Restore => Ok(self.weights.clone()),
        }
    }

    /// Sets the weight of the selected key, and scales the others.
    fn with_weight(&self, weight: f32) -> Result<Vec<f32>, String> {
        let key = self.app.selection.key();
        if key >= self.visible() {
            return Err("this key lies ahead of the row, which cannot read it".into());
        }
        if self.visible() < 2 {
            return Err("this row reads a single key, which has all of its weight".into());
        }
        let left = (self.sum() - weight).max(0.0);
        let others: f32 = self.sum() - self.weights[key];
        let mut new = self.weights.clone();
        for (at, other) in new.iter_mut().enumerate().take(self.visible()) {
            *other = match at == key {
                true => weight,
                false if others > 0.0 => *other * left / others,
                false => left / (self.visible() - 1) as f32,
            };
        }
        Ok(new)
    }

    /// Takes the weights of the same head and row in the pinned run, by the tokens that both runs share.
    fn of_pinned(&self) -> Result<Vec<f32>, String> {
        let pinned =
            self.app.views.compare.pinned.as_deref().filter(|pinned| !std::ptr::eq(*pinned, self.capture));
        let pin = self.app.first_key(Command::Pin);
        let pinned =
            pinned.ok_or_else(|| format!("no other run is pinned: {pin} pins one, then run another text"))?;
        let [queries, keys] = position_maps(pinned, self.capture, self.head.kind());
        let of = |at: usize, map: &PositionMap| map.clean_of(at);
        let missing = || "the pinned run has no such row".to_string();
        let query = of(self.query, &queries).ok_or_else(missing)?;
        pinned.check(self.head).map_err(|error| error.to_string())?;
        let row = pinned.maps.rows(self.head, query..query + 1).ok_or_else(missing)?;
        let weight = |key| of(key, &keys).and_then(|key| row.get(0, key)).unwrap_or(0.0);
        self.scaled((0..self.weights.len()).map(weight).collect())
    }
}

/// Maps the queries and the keys of two runs: those of common first and last tokens, or one to one where they
/// are as many.
fn position_maps(pinned: &Capture, shown: &Capture, kind: Kind) -> [PositionMap; 2] {
    let of = |queries: bool| {
        let source = kind == Kind::Encoder || (kind == Kind::Cross && !queries);
        let items = |capture: &Capture| {
            let items = if source { &capture.source.items } else { &capture.decoder_input };
            // Items that are no tokens are alike by their positions.
            all_token_ids(items).unwrap_or_else(|| (0..items.len() as u32).collect())
        };
        PositionMap::of(&items(pinned), &items(shown))
    };
    [of(true), of(false)]
}

/// Says why the selected row cannot be edited; `None` if it can.
fn refusal(app: &App) -> Option<String> {
    let key = |command| app.first_key(command);
    let head = app.selection.head;
    match () {
        () if app.run.info.is_none() => Some("a capture file has no model to run with other weights".into()),
        () if app.reading.words => {
            Some(format!("rows are those of tokens: {} shows them", key(Command::Words)))
        }
        () if app.scored().is_some() => Some("these are scores: show weights to edit them".into()),
        () if app.is_weighed() => {
            Some(format!("these are weights times values: {} shows weights", key(Command::Values)))
        }
        () if app.rows(head, |_| 0..1).is_none() => Some("this head was not recorded".into()),
        () => None,
    }
}

/// Asks for the new weights of the selected row.
pub fn ask(app: &mut App) {
    app.notice = refusal(app);
    if app.notice.is_none() {
        app.overlays.push(Overlay::Edit(TextPrompt::new(EditedText::Row, "")));
    }
}

/// Edits the selected row as the user typed it, and runs the model.
pub fn edit_row(app: &mut App, text: &str) -> Vec<Effect> {
    let mut edits = app.ablation.as_ref().map_or_else(Vec::new, |ablation| ablation.edits.clone());
    let new = refusal(app).map_or(Ok(()), Err).and_then(|()| {
        let change = RowChange::parse(text, app.selection.head)?;
        let row = SelectedRow::new(app).ok_or("this head was not recorded")?;
        let weights = row.changed(&change)?;
        Ok((change, RowEdit { head: row.head, query: row.query, weights: weights.into() }))
    });
    match new {
        Err(why) => {
            app.notice = Some(why);
            return Vec::new();
        }
        Ok((RowChange::Undo | RowChange::Restore, _)) if edits.is_empty() => {
            app.notice = Some("no row is edited".into());
            return Vec::new();
        }
        Ok((RowChange::Undo, _)) => drop(edits.pop()),
        Ok((RowChange::Restore, _)) => edits.clear(),
        Ok((_, edit)) => edits.push(edit),
    }
    requests::edit_rows(app, edits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_read_as_typed() {
        let selected = Head::new(Kind::Cross, 2, 4);
        let parse = |text| RowChange::parse(text, selected);
        assert_eq!(parse(" uniform "), Ok(RowChange::Uniform));
        assert_eq!(parse(""), Ok(RowChange::Restore));
        assert_eq!(parse("0.3"), Ok(RowChange::Weight(0.3)));
        assert_eq!(parse("head 1.2"), Ok(RowChange::Head(Head::new(Kind::Cross, 1, 2))));
        assert_eq!(parse("head encoder.1.2"), Ok(RowChange::Head(Head::new(Kind::Encoder, 1, 2))));
        assert_eq!(parse("key 5"), Ok(RowChange::Keys(Places::new("5"))));
        assert_eq!(parse("\"run\""), Ok(RowChange::Keys(Places::new("\"run\""))));
        assert!(parse("1.5").is_err_and(|why| why.contains("between 0.0 and 1.0")));
        assert!(parse("head one").is_err());
    }
}
