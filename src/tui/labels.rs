//! Labels of tokens that the axes may not show under the current reading.

use super::app::App;
use crate::site::Kind;
use crate::text::label;

impl App {
    /// Returns the label of the token that the selected decoder row predicts; empty if there is none.
    pub fn predicted_token(&self) -> String {
        let items = self.capture.as_ref().map(|capture| &capture.target.items);
        let token = items.and_then(|items| items.get(self.selection.target_query));
        token.map(|token| label(&token.piece)).unwrap_or_default()
    }

    /// Returns the label of a query (`is_key` false) or key that the axes do not show, as the first decoder row
    /// if special tokens are hidden; `None` for one that they show.
    pub fn hidden_label(&self, kind: Kind, is_key: bool, token: usize) -> Option<String> {
        let axis = if is_key { self.axes.keys(kind) } else { self.axes.queries(kind) };
        let unit = axis.units.get(axis.unit_of(token));
        if unit.is_some_and(|unit| unit.tokens.contains(&token)) {
            return None;
        }
        let capture = self.capture.as_ref()?;
        let items = if is_key { capture.keys(kind) } else { capture.queries(kind) };
        items.get(token).map(|item| label(&item.piece))
    }

    /// Returns the label of what a decoder row predicts: of all tokens of a merged word, and of one token if the
    /// row is hidden; `None` for the encoder.
    pub fn prediction_label(&self, kind: Kind, query: usize) -> Option<String> {
        if kind == Kind::Encoder {
            return None;
        }
        if self.hidden_label(kind, false, query).is_some() {
            let token = self.capture.as_ref()?.target.items.get(query)?;
            return Some(label(&token.piece));
        }
        self.axes.predicts.get(self.axes.input.unit_of(query)).map(|(label, _)| label.clone())
    }
}
