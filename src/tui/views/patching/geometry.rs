//! Layout of Patching: a map with its labels.

use ratatui::layout::Rect;

use super::effects::ShownEffects;
use crate::tui::app::App;
use crate::tui::widgets::axis::{self, LabelLayout};
use crate::tui::widgets::cells::{part, width};
use crate::tui::zoom::{Window, WindowRequest};

/// Positions of the parts of Patching in its area. Drawing and movement read them alike.
pub struct PatchingLayout {
    /// Labels of the layers.
    pub gutter: Rect,
    /// Labels of the columns.
    pub columns: Rect,
    /// Layout of the labels of the columns.
    pub flags: LabelLayout,
    /// Visible part of the map, and its cells.
    pub window: Window,
}

impl PatchingLayout {
    /// Computes the layout of a map below the first line of an area; `None` if the area is too small.
    pub fn new(app: &App, area: Rect, shown: &ShownEffects) -> Option<Self> {
        let longest = shown.layers.units.iter().map(|unit| width(&unit.label)).max().unwrap_or(0) as u16;
        let gutter = (longest + 2).min(area.width / 3);
        if area.width < gutter + 4 || area.height < 4 {
            return None;
        }
        let below = part(area, gutter, 1, area.width - gutter - 1, area.height - 1);
        let window = |room: Rect| {
            Window::new(&WindowRequest {
                room,
                size: (shown.layers.len(), shown.columns.len()),
                cursor: shown.cursor(app),
                step: None,
                half_blocks: false,
                last: app.layout.window.as_ref(),
            })
        };
        let most = (below.height / 3).max(3).min(below.height / 2).min(10);
        let (flags, rows) = axis::layout(&shown.columns, &window(below), most);
        let window = window(part(below, 0, rows, below.width, below.height - rows));
        let first = window.area.y.saturating_sub(area.y);
        Some(Self {
            gutter: part(area, 0, first, gutter, window.area.height),
            columns: Rect { height: rows, ..below },
            flags,
            window,
        })
    }
}
