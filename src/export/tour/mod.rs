//! A played tour for readers without the explorer: an HTML page with pictures, or plain text.

mod page;
mod plain;
mod plot;

pub use page::page;
pub use plain::text;

use crate::capture::Capture;
use crate::site::{Head, Kind};
use crate::tour::{PlayedStep, StepView, TourStep};

/// Returns the capture that a step shows.
fn shown<'a>(step: &TourStep, played: &'a PlayedStep) -> Option<&'a Capture> {
    played.captures.get(step.show).map(AsRef::as_ref)
}

/// Returns the head that a step shows: the one it names, or else head 0.0 of the last kind. `None` if the
/// capture has no attention maps.
fn head(played: &PlayedStep, capture: &Capture) -> Option<Head> {
    let named = played.location.map(|location| location.head);
    let first = || capture.kinds().last().map(|&kind| Head::new(kind, 0, 0));
    named.or_else(first).filter(|&head| capture.map(head).is_ok())
}

/// Returns the kind of attention that a step shows.
fn kind(played: &PlayedStep, capture: &Capture) -> Kind {
    head(played, capture).map_or(Kind::Cross, Head::kind)
}

/// Returns true if a step shows the outputs of its runs instead of a map.
fn shows_outputs(step: &TourStep, capture: &Capture) -> bool {
    step.view == StepView::Outputs || capture.kinds().is_empty()
}
