//! State and commands of Grid.

use serde::{Deserialize, Serialize};

use crate::tui::keymap::entry::{ViewEntry, ViewInfo, ViewTab};

/// State of Grid: its cursor is the selected head.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct GridView {}

/// Commands of Grid alone: none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GridCommand {}

/// Name, tab and shared commands of Grid.
pub const INFO: ViewInfo = ViewInfo {
    name: "Grid",
    tab: Some(ViewTab {
        command: "grid",
        keys: &["3"],
        sentence: "Grid: thumbnails of all heads of a kind; over a picture, where each looks",
        after: "flow",
    }),
    shared: &["cover", "open", "mark", "search"],
    footer: &[],
    arrows: "move",
    needs_maps: true,
};

/// The commands of Grid alone.
pub const COMMANDS: &[ViewEntry<GridCommand>] = &[];
