//! Where a reader is on a guided tour.

use std::sync::Arc;

use super::app::View;
use crate::engine::OpenOptions;
use crate::error::Result;
use crate::tour::{PlayedStep, StepView, Tour, TourStep};

/// A tour under way.
#[derive(Debug)]
pub struct Guide {
    /// What is told.
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
    /// Counts the reader's sentences: what was made for an older one is dropped.
    pub edition: u64,
    /// Whether the engine is opening a model for the tour, which has run it already.
    pub opening: bool,
    /// Why the present step cannot be shown.
    pub why: Option<String>,
}

impl Guide {
    /// Before the first step.
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

    /// What is to be made ready for a step.
    pub fn play(&self, at: usize, how: &OpenOptions) -> Play {
        Play {
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

/// The view that shows a step's picture.
pub fn view(view: StepView) -> View {
    match view {
        StepView::Map => View::Map,
        StepView::Text => View::Text,
        StepView::Grid => View::Grid,
        StepView::Heads => View::Heads,
        StepView::Links => View::Links,
        StepView::Flow => View::Flow,
        StepView::Compare => View::Compare,
        StepView::Outputs | StepView::Plot => View::Tour,
    }
}

/// One step to be made ready, behind the screen.
#[derive(Clone, Debug, PartialEq)]
pub struct Play {
    /// The tour.
    pub tour: Arc<Tour>,
    /// The step.
    pub at: usize,
    /// The reader's own sentence.
    pub own: Option<String>,
    /// Goes into the answer.
    pub edition: u64,
    /// How models are opened.
    pub how: OpenOptions,
}

/// A step that is ready, or why it is not.
#[derive(Debug)]
pub struct Ready {
    /// The step.
    pub at: usize,
    /// The reader's sentence that it was made for, by its count.
    pub edition: u64,
    /// What was made.
    pub played: Result<PlayedStep>,
}
