//! The selection that all views share, and its history.

use serde::{Deserialize, Serialize};

use super::views::ViewId;
use crate::site::{Head, Kind};

/// The selection that all views share. Queries and keys are kept as tokens of the source and of the target,
/// so that the cursor stays on the same tokens when kind, layer or head changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Selection {
    /// The head.
    pub head: Head,
    /// Source token of the query in encoder maps.
    pub source_query: usize,
    /// Source token of the key in encoder and cross maps.
    pub source_key: usize,
    /// Decoder row of the query in decoder and cross maps.
    pub target_query: usize,
    /// Decoder row of the key in decoder maps.
    pub target_key: usize,
}

impl Default for Selection {
    fn default() -> Self {
        Self {
            head: Head::new(Kind::Cross, 0, 0),
            source_query: 0,
            source_key: 0,
            target_query: 0,
            target_key: 0,
        }
    }
}

impl Selection {
    /// The token of the selected query.
    pub fn query(&self) -> usize {
        if self.head.kind() == Kind::Encoder { self.source_query } else { self.target_query }
    }

    /// The token of the selected key.
    pub fn key(&self) -> usize {
        if self.head.kind() == Kind::Decoder { self.target_key } else { self.source_key }
    }

    /// Selects a query and a key token.
    pub fn set(&mut self, query: usize, key: usize) {
        self.set_query(query);
        self.set_key(key);
    }

    /// Selects a query token.
    pub fn set_query(&mut self, token: usize) {
        if self.head.kind() == Kind::Encoder { self.source_query = token } else { self.target_query = token }
    }

    /// Selects a key token.
    pub fn set_key(&mut self, token: usize) {
        if self.head.kind() == Kind::Decoder { self.target_key = token } else { self.source_key = token }
    }
}

/// History of views and selections.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    back: Vec<(ViewId, Selection)>,
    forward: Vec<(ViewId, Selection)>,
}

impl History {
    const LIMIT: usize = 200;

    /// Adds the view and the selection that a jump is about to leave.
    pub fn leave(&mut self, view: ViewId, selection: Selection) {
        if self.back.last() != Some(&(view, selection)) {
            self.back.push((view, selection));
        }
        if self.back.len() > Self::LIMIT {
            self.back.remove(0);
        }
        self.forward.clear();
    }

    /// Goes back: returns the last entry, and keeps the current view and selection for [`History::forward`].
    pub fn back(&mut self, now: (ViewId, Selection)) -> Option<(ViewId, Selection)> {
        let left = self.back.pop()?;
        self.forward.push(now);
        Some(left)
    }

    /// Goes forward again: returns the view and selection that [`History::back`] left.
    pub fn forward(&mut self, now: (ViewId, Selection)) -> Option<(ViewId, Selection)> {
        let left = self.forward.pop()?;
        self.back.push(now);
        Some(left)
    }
}
