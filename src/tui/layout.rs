//! Layout of the last frame: the regions that react to the mouse, and the sizes that scrolling needs.

use ratatui::layout::{Position, Rect};

use super::action::Command;
use super::zoom::Window;
use crate::site::{Head, Kind};

/// Target of a mouse click.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hit {
    /// A button that runs a command.
    Command(Command),
    /// The tab of a kind.
    Kind(Kind),
    /// The map; [`Layout::window`] tells which cell.
    Map,
    /// The label of a query, by its position on the axis.
    Query(usize),
    /// A source token in running text.
    Source(usize),
    /// A decoder row in running text.
    Target(usize),
    /// The thumbnail of a head.
    Tile(Head),
    /// A row of the view's list.
    Row(usize),
    /// An item of the list in an overlay.
    Item(usize),
}

/// Layout of the last frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    /// Regions that react to the mouse. Later ones lie on top.
    pub hits: Vec<(Rect, Hit)>,
    /// Visible part of the map.
    pub window: Option<Window>,
    /// True if the window's cells are left empty for a picture.
    pub picture: bool,
    /// Number of rows in a page of the list or text.
    pub page: usize,
    /// Number of thumbnails in a row.
    pub tiles_across: usize,
    /// First visible line of the list or text.
    pub first: usize,
    /// Last line to which the text in an overlay can scroll.
    pub last: usize,
    /// Visible lines of the tour's text, and their total number.
    pub lines: (usize, usize),
    /// Position of the text cursor while text is edited.
    pub cursor: Option<Position>,
}

impl Layout {
    /// Adds a region that reacts to the mouse.
    pub fn hit(&mut self, area: Rect, hit: Hit) {
        if !area.is_empty() {
            self.hits.push((area, hit));
        }
    }

    /// Returns the target at a position.
    pub fn at(&self, at: Position) -> Option<Hit> {
        self.hits.iter().rev().find(|(area, _)| area.contains(at)).map(|(_, hit)| *hit)
    }
}
