//! Scrolling of lists.

/// Returns the first visible line of a list of `len` lines with room for `room` of them, scrolled from `last`
/// only as far as the selected line requires.
pub fn first_line(last: usize, selected: usize, room: usize, len: usize) -> usize {
    last.min(selected).max((selected + 1).saturating_sub(room)).min(len.saturating_sub(room))
}
