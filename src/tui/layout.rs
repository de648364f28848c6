//! Where a frame put things: what the mouse hits, and how far a page is.

use ratatui::layout::{Position, Rect};

use super::action::Command;
use super::zoom::Window;
use crate::site::{Head, Kind};

/// What lies under the pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hit {
    /// Pressing it is the command.
    Command(Command),
    /// A kind's name.
    Kind(Kind),
    /// The map, whose cells are found through [`Layout::window`].
    Map,
    /// A query's label: its place on the axis.
    Query(usize),
    /// A source token in running text.
    Source(usize),
    /// A decoder row in running text.
    Target(usize),
    /// A thumbnail.
    Tile(Head),
    /// A row of the list in view.
    Row(usize),
    /// An item of the list on top.
    Item(usize),
}

/// What the last frame drew, and where.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    /// What the mouse hits; later ones lie on top.
    pub hits: Vec<(Rect, Hit)>,
    /// The part of the map that shows.
    pub window: Option<Window>,
    /// Whether the window's cells are left empty for a picture.
    pub picture: bool,
    /// Rows of a page of the list in view.
    pub page: usize,
    /// Thumbnails side by side.
    pub tiles_across: usize,
    /// First line of the list in view.
    pub first: usize,
    /// The farthest that the text on top scrolls.
    pub last: usize,
    /// Lines of the tour's text that show, and all that there are.
    pub lines: (usize, usize),
    /// Where the text cursor stands, when something is being typed.
    pub cursor: Option<Position>,
}

impl Layout {
    /// Notes what lies in a rectangle.
    pub fn hit(&mut self, area: Rect, hit: Hit) {
        if !area.is_empty() {
            self.hits.push((area, hit));
        }
    }

    /// What lies at a position.
    pub fn at(&self, at: Position) -> Option<Hit> {
        self.hits.iter().rev().find(|(area, _)| area.contains(at)).map(|(_, hit)| *hit)
    }
}
