//! Layout of Lines: two columns of tokens, the lines between them, and a cell for each head of the layer.

use std::ops::Range;

use ratatui::layout::Rect;

use crate::tui::app::App;
use crate::tui::reading::Axis;
use crate::tui::widgets::cells::{part, width};

/// Positions of the parts of Lines in its area. Drawing and movement read them alike.
pub struct LinesLayout {
    /// The tokens at the left.
    pub queries: Rect,
    /// The lines.
    pub canvas: Rect,
    /// The tokens at the right.
    pub keys: Rect,
    /// A cell for each head of the layer and each token of the side that the cursor is not on; empty on a narrow
    /// screen.
    pub heads: Rect,
    /// Visible queries.
    pub shown_queries: Range<usize>,
    /// Visible keys.
    pub shown_keys: Range<usize>,
    /// Screen rows of a token: more than 1 where there is room for all.
    pub pitch: u16,
}

/// Largest width of a label.
const LABEL: u16 = 20;
/// Largest width of the lines: longer ones are too flat to be told apart.
const CANVAS: u16 = 72;
/// Largest number of screen rows of a token.
const PITCH: u16 = 3;

impl LinesLayout {
    /// Computes the layout of the view in its area.
    pub fn new(app: &App, area: Rect) -> Self {
        let inner = part(area, 0, 1, area.width, area.height.saturating_sub(1));
        let heads = if area.width >= 60 { app.heads() as u16 + 1 } else { 0 };
        let heads = if heads > area.width / 4 { 0 } else { heads };
        let labels = |axis: &Axis, shown: &Range<usize>| {
            let units = axis.units.get(shown.clone()).unwrap_or(&[]);
            let longest = units.iter().map(|unit| width(&unit.label)).max().unwrap_or(0) as u16;
            // A mark stands before the label, and a space behind it.
            (longest + 3).min(LABEL).min(area.width / 4)
        };
        let longest = app.queries().len().max(app.keys().len()).max(1);
        let pitch = (usize::from(inner.height) / longest).clamp(1, usize::from(PITCH)) as u16;
        let room = inner.height / pitch;
        let shown_queries = visible(app.query(), app.queries().len(), room);
        let shown_keys = visible(app.key(), app.keys().len(), room);
        let left = labels(app.queries(), &shown_queries);
        let right = labels(app.keys(), &shown_keys);
        let [queries_heads, keys_heads] = if app.views.lines.on_keys { [heads, 0] } else { [0, heads] };
        let canvas = inner.width.saturating_sub(left + right + heads).min(CANVAS);
        let queries = part(inner, queries_heads, 0, left, inner.height);
        let keys = part(inner, queries_heads + left + canvas, 0, right, inner.height);
        let heads = match app.views.lines.on_keys {
            true => part(inner, 0, 0, heads, inner.height),
            false => part(inner, left + canvas + right, 0, keys_heads, inner.height),
        };
        Self {
            queries,
            canvas: part(inner, queries_heads + left, 0, canvas, inner.height),
            keys,
            heads,
            shown_queries,
            shown_keys,
            pitch,
        }
    }

    /// Returns the screen rows of visible tokens in one of the columns, in order.
    pub fn rows(&self, column: Rect, shown: &Range<usize>) -> impl Iterator<Item = (u16, usize)> {
        let rows = (0..).map_while(move |row: u16| column.y.checked_add((row * self.pitch) + self.pitch / 2));
        rows.take_while(move |&y| y < column.bottom()).zip(shown.clone())
    }
}

/// Returns the visible part of a column of `len` tokens with the token `selected` in its middle.
fn visible(selected: usize, len: usize, room: u16) -> Range<usize> {
    let room = usize::from(room).min(len);
    let first = selected.saturating_sub(room / 2).min(len - room);
    first..first + room
}

#[cfg(test)]
mod tests {
    use super::visible;

    #[test]
    fn the_selected_token_is_visible() {
        assert_eq!(visible(3, 5, 20), 0..5);
        assert_eq!(visible(0, 50, 20), 0..20);
        assert_eq!(visible(25, 50, 20), 15..35);
        assert_eq!(visible(49, 50, 20), 30..50);
        assert_eq!(visible(0, 0, 20), 0..0);
    }
}
