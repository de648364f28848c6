//! State and commands of Tour.

use serde::{Deserialize, Serialize};

use crate::tui::keymap::entry::{ViewEntry, ViewInfo};

/// State of Tour: it displays the results of the tour's current step.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TourView {}

/// Commands of Tour alone: none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TourCommand {}

/// Name and keys of Tour. It has no tab: a step of the tour shows it.
pub const INFO: ViewInfo =
    ViewInfo { name: "Tour", tab: None, shared: &[], footer: &[], arrows: "move", needs_maps: false };

/// The commands of Tour alone.
pub const COMMANDS: &[ViewEntry<TourCommand>] = &[];
