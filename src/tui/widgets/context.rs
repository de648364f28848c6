//! A unit with the running text around it.

use std::fmt;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::cells::{put, width};
use crate::tui::reading::Axis;
use crate::tui::theme::Theme;

/// A unit in its running text, cut to a number of columns.
#[derive(Clone, Debug, PartialEq)]
pub struct TextContext {
    /// Text before the unit; `…` marks the cut.
    pub before: String,
    /// The unit.
    pub unit: String,
    /// Text after the unit; `…` marks the cut.
    pub after: String,
}

impl TextContext {
    /// Takes whole units around the one at `place`, as many as fit into `columns`, nearest first.
    pub fn new(axis: &Axis, place: usize, columns: usize) -> Self {
        let spaced = |place: usize| place > 0 && axis.units.get(place).is_some_and(|unit| unit.space);
        let text = |place: usize| format!("{}{}", if spaced(place) { " " } else { "" }, axis.label(place));
        let unit = axis.label(place).to_string();
        let mut before = if spaced(place) { String::from(" ") } else { String::new() };
        let mut after = String::new();
        // Two quotes, two ellipses and a space.
        let mut room = columns.saturating_sub(width(&unit) + width(&before) + 5);
        let (mut first, mut end) = (place, place + 1);
        loop {
            let left = first.checked_sub(1).map(text).filter(|text| width(text) <= room);
            if let Some(text) = &left {
                first -= 1;
                room -= width(text);
                before.insert_str(0, text);
            }
            let right = (end < axis.len()).then(|| text(end)).filter(|text| width(text) <= room);
            if let Some(text) = &right {
                end += 1;
                room -= width(text);
                after.push_str(text);
            }
            if left.is_none() && right.is_none() {
                break;
            }
        }
        if first > 0 {
            before.insert(0, '…');
        }
        if end < axis.len() {
            after.push_str(if spaced(end) { " …" } else { "…" });
        }
        Self { before, unit, after }
    }

    /// Draws the text, the unit accented and in angle quotes; returns the column after it.
    pub fn draw(&self, buf: &mut Buffer, area: Rect, x: u16, y: u16, theme: &Theme) -> u16 {
        let x = put(buf, area, x, y, &self.before, theme.dim());
        let x = put(buf, area, x, y, &format!("‹{}›", self.unit), theme.accent());
        put(buf, area, x, y, &self.after, theme.dim())
    }
}

impl fmt::Display for TextContext {
    /// Marks the unit with angle quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}‹{}›{}", self.before, self.unit, self.after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axis::AxisItem;

    #[test]
    fn the_nearest_units_are_taken() {
        let pieces = ["▁the", "▁chil", "dren", "▁next", "▁door", "▁play", "."];
        let items: Vec<AxisItem> = pieces.iter().map(|piece| AxisItem::token(0, *piece, false)).collect();
        let axis = Axis::new(&items, &Default::default());
        let text = |place: usize, columns: usize| {
            let text = TextContext::new(&axis, place, columns).to_string();
            assert!(width(&text) <= columns.max(8) + 2, "{text}");
            text
        };
        assert_eq!(text(3, 60), "the children ‹next› door play.");
        assert_eq!(text(3, 20), "…dren ‹next› door …");
        assert_eq!(text(0, 17), "‹the› children …");
        assert_eq!(text(6, 12), "… play‹.›");
        assert_eq!(text(2, 3), "…‹dren› …");
    }
}
