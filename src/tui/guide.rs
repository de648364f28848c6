//! Progress of a reader through a guided tour.

use std::sync::Arc;

use crate::engine::OpenOptions;
use crate::error::Result;
use crate::tour::{PlayedStep, Tour, TourStep};

/// State of a running tour.
#[derive(Debug)]
pub struct Guide {
    /// The tour.
    pub tour: Arc<Tour>,
    /// Index of the current step.
    pub at: usize,
    /// First visible line of the text.
    pub first: usize,
    /// True on the page of sources, after the last step.
    pub cites: bool,
    /// Finished steps by index; `None` if a step has not been run.
    pub played: Vec<Option<Arc<PlayedStep>>>,
    /// Index of the step that is running.
    pub asked: Option<usize>,
    /// The reader's own sentence.
    pub own: Option<String>,
    /// Number of the reader's sentence; results for an older one are dropped.
    pub edition: u64,
    /// True while the engine opens a model whose run the tour already has, so that the run is not repeated.
    pub opening: bool,
    /// Reason why the current step cannot be shown.
    pub why: Option<String>,
}

impl Guide {
    /// Starts a tour, before its first step.
    pub fn new(tour: Arc<Tour>) -> Self {
        let played = tour.steps.iter().map(|_| None).collect();
        Self {
            tour,
            at: 0,
            first: 0,
            cites: false,
            played,
            asked: None,
            own: None,
            edition: 0,
            opening: false,
            why: None,
        }
    }

    /// Returns the current step.
    pub fn step(&self) -> Option<&TourStep> {
        self.tour.steps.get(self.at)
    }

    /// Returns the results of the current step; `None` while it is running.
    pub fn now(&self) -> Option<&Arc<PlayedStep>> {
        self.played.get(self.at)?.as_ref()
    }

    /// Returns the request to run step `at`.
    pub fn request(&self, at: usize, how: &OpenOptions) -> StepRequest {
        StepRequest {
            tour: Arc::clone(&self.tour),
            at,
            own: self.own.clone(),
            edition: self.edition,
            how: how.clone(),
        }
    }

    /// Returns the paragraphs of the current step, or the page of sources.
    pub fn text(&self) -> String {
        match (self.now(), &self.why) {
            _ if self.cites => self.tour.sources().join("\n\n"),
            (Some(played), _) => played.text.clone(),
            (None, Some(why)) => why.clone(),
            (None, None) => "Running the models …".into(),
        }
    }

    /// Returns the number of the current page, that of all pages and its title.
    pub fn heading(&self) -> (usize, usize, &str) {
        let pages = self.tour.steps.len() + usize::from(!self.tour.sources().is_empty());
        match self.cites {
            true => (pages, pages, "Sources"),
            false => (self.at + 1, pages, self.step().map_or("", |step| step.title.as_str())),
        }
    }
}

/// Request to run the models of one step.
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
