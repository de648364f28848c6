//! Scrolling of lists.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::cells::{put, width};
use crate::tui::theme::Theme;

/// Returns the first visible line of a list of `len` lines with room for `room` of them, scrolled from `last`
/// only as far as the selected line requires.
pub fn first_line(last: usize, selected: usize, room: usize, len: usize) -> usize {
    last.min(selected).max((selected + 1).saturating_sub(room)).min(len.saturating_sub(room))
}

/// Describes which lines of a list are visible, `9–16 of 24 ↑↓`, with arrows towards the others; `None` if all
/// are.
pub fn position(first: usize, room: usize, len: usize) -> Option<String> {
    let end = (first + room).min(len);
    let arrows = match (first > 0, end < len) {
        (false, false) => return None,
        (true, true) => "↑↓",
        (true, false) => "↑",
        (false, true) => "↓",
    };
    Some(format!("{}–{end} of {len} {arrows}", (first + 1).min(end)))
}

/// Writes [`position`] at the right end of a list's title line, over the end of a long title.
pub fn cue(buf: &mut Buffer, line: Rect, theme: &Theme, (first, room, len): (usize, usize, usize)) {
    let Some(text) = position(first, room, len) else { return };
    let text = format!(" {text} ");
    let x = line.right().saturating_sub(width(&text) as u16 + 1);
    if x > line.left() {
        put(buf, line, x, line.y, &text, theme.dim());
        if let Some(before) = buf.cell_mut((x - 1, line.y))
            && !["─", " ", ""].contains(&before.symbol())
        {
            before.set_symbol("…");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_tells_which_lines_show() {
        assert_eq!(position(0, 24, 24), None);
        assert_eq!(position(0, 8, 24).as_deref(), Some("1–8 of 24 ↓"));
        assert_eq!(position(8, 8, 24).as_deref(), Some("9–16 of 24 ↑↓"));
        assert_eq!(position(16, 8, 24).as_deref(), Some("17–24 of 24 ↑"));
        assert_eq!(position(0, 0, 3).as_deref(), Some("0–0 of 3 ↓"));
    }
}
