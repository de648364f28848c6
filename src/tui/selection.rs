//! The selection that all views share, and its history.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::views::ViewId;
use crate::engine::RunOptions;
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

/// The texts that a displayed capture was made of.
#[derive(Clone, Debug, PartialEq)]
pub struct DisplayedRun {
    /// The MODEL argument.
    pub model: String,
    /// Options of the run.
    pub options: RunOptions,
}

impl DisplayedRun {
    /// Returns true if another run has the same model, source, target and languages.
    pub fn has_texts_of(&self, other: &Self) -> bool {
        self.model == other.model && self.options.has_texts_of(&other.options)
    }
}

/// A view and a selection that the user was at.
#[derive(Clone, Debug, PartialEq)]
pub struct Visit {
    /// The view.
    pub view: ViewId,
    /// The selection.
    pub selection: Selection,
    /// The run that was displayed; `None` for a capture file.
    pub run: Option<Arc<DisplayedRun>>,
}

/// Direction of a step in the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryStep {
    /// To the place before.
    Back,
    /// To the place that the last step back left.
    Forward,
}

/// History of the places that were visited.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    back: Vec<Visit>,
    forward: Vec<Visit>,
}

impl History {
    const LIMIT: usize = 200;

    /// Adds the place that a jump is about to leave.
    pub fn leave(&mut self, visit: Visit) {
        if self.back.last() != Some(&visit) {
            self.back.push(visit);
        }
        if self.back.len() > Self::LIMIT {
            self.back.remove(0);
        }
        self.forward.clear();
    }

    /// Returns the place that a step leads to.
    pub fn next(&self, step: HistoryStep) -> Option<&Visit> {
        match step {
            HistoryStep::Back => self.back.last(),
            HistoryStep::Forward => self.forward.last(),
        }
    }

    /// Takes a step: returns the place that it leads to, and keeps the current one for a step in the other
    /// direction.
    pub fn take(&mut self, step: HistoryStep, now: Visit) -> Option<Visit> {
        let (from, to) = match step {
            HistoryStep::Back => (&mut self.back, &mut self.forward),
            HistoryStep::Forward => (&mut self.forward, &mut self.back),
        };
        let visit = from.pop()?;
        to.push(now);
        Some(visit)
    }
}
