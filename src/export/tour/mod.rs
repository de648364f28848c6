//! A tour that was played, for readers without the explorer: a page with its pictures, or plain text.

mod page;
mod plain;
mod plot;

pub use page::page;
pub use plain::text;

use crate::capture::Capture;
use crate::site::{Head, Kind};
use crate::tour::{Picture, Played, Step};

/// The capture that a step shows.
fn shown<'a>(step: &Step, played: &'a Played) -> Option<&'a Capture> {
    played.captures.get(step.show).map(AsRef::as_ref)
}

/// The head that a step shows: the one that it names, else the first of the last kind; `None` where there is
/// no attention.
fn head(played: &Played, capture: &Capture) -> Option<Head> {
    let spot = played.spot.map(|spot| spot.head);
    let first = || capture.kinds().last().map(|&kind| Head::new(kind, 0, 0));
    spot.or_else(first).filter(|&head| capture.map(head).is_ok())
}

/// The kind that a step shows.
fn kind(played: &Played, capture: &Capture) -> Kind {
    head(played, capture).map_or(Kind::Cross, Head::kind)
}

/// Whether a step's picture is what its runs say.
fn says_outputs(step: &Step, capture: &Capture) -> bool {
    step.picture == Picture::Outputs || capture.kinds().is_empty()
}
