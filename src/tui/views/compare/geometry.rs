//! Layout of Compare: the list of heads, and one pane or three with a map each.

use ratatui::layout::Rect;

use super::state::cursor;
use crate::tui::app::App;
use crate::tui::reading::Axis;
use crate::tui::views::view::head_columns;
use crate::tui::widgets::axis::{self, LabelLayout};
use crate::tui::widgets::cells::{part, width};
use crate::tui::zoom::{Window, WindowRequest};

/// Subject of a pane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaneSide {
    /// The pinned capture.
    Pinned,
    /// The current capture.
    Present,
    /// The current weights minus the pinned ones.
    Difference,
}

/// One map with its labels.
pub struct Pane {
    /// Subject.
    pub side: PaneSide,
    /// The whole pane.
    pub area: Rect,
    /// Labels of the queries; empty where the pane at its left has them.
    pub gutter: Rect,
    /// Labels of the keys.
    pub keys: Rect,
    /// Layout of the labels of the keys.
    pub flags: LabelLayout,
    /// Visible part of the map, and its cells.
    pub window: Window,
}

/// Positions of the parts of Compare in its area. Drawing and movement read them alike.
pub struct ComparePanes {
    /// The panes, from left to right.
    pub panes: Vec<Pane>,
}

/// Width from which three maps stand side by side.
const THREE: u16 = 100;

/// Returns the width of the list of heads.
pub fn list_width(app: &App, area: Rect) -> u16 {
    let least = head_columns(app) as u16 + 13;
    match area.width {
        0..=59 => area.width,
        60..=109 => least,
        _ => least + 8,
    }
}

/// Returns the lines of the list of heads below its title.
pub fn list(app: &App, area: Rect) -> Rect {
    part(area, 0, 1, list_width(app, area).saturating_sub(1), area.height.saturating_sub(1))
}

impl ComparePanes {
    /// Computes the layout of the view in its area, for maps with these labels of queries and keys.
    pub fn new(app: &App, area: Rect, axes: [&Axis; 2]) -> Self {
        let left = list_width(app, area);
        let maps = part(area, left, 0, area.width - left, area.height);
        let mut geometry = Self { panes: Vec::new() };
        if maps.width < 16 || maps.height < 4 {
            return geometry;
        }
        let sides: &[PaneSide] = if maps.width >= THREE {
            &[PaneSide::Pinned, PaneSide::Present, PaneSide::Difference]
        } else {
            &[PaneSide::Difference]
        };
        let longest = axes[0].units.iter().map(|unit| width(&unit.label)).max().unwrap_or(0) as u16;
        let gutter = (longest + 2).min(maps.width / 4).min(20);
        let each = (maps.width - gutter) / sides.len() as u16;
        for (at, &side) in sides.iter().enumerate() {
            let (x, width) = match at {
                0 => (0, gutter + each),
                at => (gutter + at as u16 * each, each),
            };
            let pane = part(maps, x, 0, width, maps.height);
            let gutter = if at == 0 { gutter } else { 0 };
            geometry.panes.push(Pane::new(app, side, pane, gutter, axes));
        }
        geometry
    }
}

impl Pane {
    fn new(app: &App, side: PaneSide, area: Rect, gutter: u16, [queries, keys]: [&Axis; 2]) -> Self {
        let below = part(area, gutter, 1, area.width - gutter - 1, area.height - 1);
        let window = |room: Rect| {
            Window::new(&WindowRequest {
                room,
                size: (queries.len(), keys.len()),
                cursor: cursor(app).unwrap_or((0, 0)),
                step: None,
                half_blocks: false,
                last: app.layout.window.as_ref(),
            })
        };
        let most = (below.height / 3).max(3).min(below.height / 2).min(10);
        let (flags, rows) = match below.height {
            0..=1 => (LabelLayout::Sparse, 0),
            _ => axis::layout(keys, &window(below), most),
        };
        let room = part(below, 0, rows, below.width, below.height - rows);
        let window = window(room);
        let rows_at = window.area.y.saturating_sub(area.y);
        Self {
            side,
            area,
            gutter: part(area, 0, rows_at, gutter, window.area.height),
            keys: Rect { height: rows, ..below },
            flags,
            window,
        }
    }
}
