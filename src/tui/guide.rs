//! Progress of a reader through a guided tour.

use std::sync::Arc;

use crate::engine::OpenOptions;
use crate::error::Result;
use crate::tour::{PlayedStep, Tour, TourStep};

/// A tour under way.
#[derive(Debug)]
pub struct Guide {
    /// The tour.
    pub tour: Arc<Tour>,
    /// The step that shows, zero-based.
    pub at: usize,
    /// First line of the text that shows.
    pub first: usize,
    /// The steps that are ready, one place a step.
    pub played: Vec<Option<Arc<PlayedStep>>>,
    /// The step that is being made ready.
    pub asked: Option<usize>,
    /// The reader's own sentence.
    pub own: Option<String>,
    /// Number of the reader's sentence; answers made for an older one are dropped.
    pub edition: u64,
    /// True while the engine opens a model that the tour has run already, so that it need not run again.
    pub opening: bool,
    /// Reason why the present step cannot be shown.
    pub why: Option<String>,
}

impl Guide {
    /// Starts a tour, before its first step.
    pub fn new(tour: Arc<Tour>) -> Self {
        let played = tour.steps.iter().map(|_| None).collect();
        Self { tour, at: 0, first: 0, played, asked: None, own: None, edition: 0, opening: false, why: None }
    }

    /// The present step.
    pub fn step(&self) -> Option<&TourStep> {
        self.tour.steps.get(self.at)
    }

    /// The present step as it was played; `None` while it is being made ready.
    pub fn now(&self) -> Option<&Arc<PlayedStep>> {
        self.played.get(self.at)?.as_ref()
    }

    /// Makes the request for a step.
    pub fn request(&self, at: usize, how: &OpenOptions) -> StepRequest {
        StepRequest {
            tour: Arc::clone(&self.tour),
            at,
            own: self.own.clone(),
            edition: self.edition,
            how: how.clone(),
        }
    }

    /// The paragraphs of the present step's text, with the tour's sources at its end.
    pub fn text(&self) -> String {
        let mut text = match (self.now(), &self.why) {
            (Some(played), _) => played.text.clone(),
            (None, Some(why)) => why.clone(),
            (None, None) => "Running the models …".into(),
        };
        if self.at + 1 == self.tour.steps.len() && self.now().is_some() {
            for source in self.tour.sources() {
                text.push_str("\n\n");
                text.push_str(source);
            }
        }
        text
    }
}

/// Request to run the models of one step, behind the screen.
#[derive(Clone, Debug, PartialEq)]
pub struct StepRequest {
    /// The tour.
    pub tour: Arc<Tour>,
    /// The step.
    pub at: usize,
    /// The reader's own sentence.
    pub own: Option<String>,
    /// Copied into the answer; see [`Guide::edition`].
    pub edition: u64,
    /// Options for opening models.
    pub how: OpenOptions,
}

/// Answer to a [`StepRequest`].
#[derive(Debug)]
pub struct ReadyStep {
    /// The step.
    pub at: usize,
    /// The request's edition.
    pub edition: u64,
    /// The step, or the error that ended it.
    pub played: Result<PlayedStep>,
}
