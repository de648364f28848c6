//! Running text whose tokens are styled one by one: the source and the target.

use std::borrow::Cow;
use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::cells::{cut, put, width};
use super::list;
use crate::tui::reading::Axis;
use crate::tui::theme::Theme;

/// Position of an axis item in the text: column, line, and the text itself.
struct Fragment<'a> {
    place: usize,
    x: usize,
    line: usize,
    text: Cow<'a, str>,
    spaced: bool,
}

/// Lays out the items of a range in lines of `columns`.
fn set(axis: &Axis, range: Range<usize>, columns: usize) -> impl Iterator<Item = Fragment<'_>> {
    let columns = columns.max(1);
    let (mut x, mut line) = (0, 0);
    let units = axis.units.get(range.clone()).unwrap_or(&[]);
    units.iter().zip(range).map(move |(unit, place)| {
        let text = cut(&unit.label, columns);
        let w = width(&text);
        let spaced = unit.space && x > 0;
        if x + usize::from(spaced) + w > columns && x > 0 {
            (x, line) = (0, line + 1);
        } else if spaced {
            x += 1;
        }
        let fragment = Fragment { place, x, line, text, spaced: spaced && x > 0 };
        x += w;
        fragment
    })
}

/// Returns the number of lines of the text at a width of `columns`, counted up to `most`.
pub fn lines(axis: &Axis, columns: usize, most: usize) -> usize {
    set(axis, 0..axis.len(), columns)
        .map(|fragment| fragment.line + 1)
        .take_while(|&line| line <= most)
        .last()
        .unwrap_or(1)
}

/// Returns the items around the selected one that may be visible, so that a long text is not laid out as a
/// whole.
fn around(axis: &Axis, area: Rect, selected: usize) -> Range<usize> {
    let room = (usize::from(area.width) * usize::from(area.height)).max(200);
    // The range moves in steps, so that line breaks stay in place while the selection moves.
    let first = (selected / room * room).saturating_sub(room);
    first..(first + 3 * room).min(axis.len()).max(first)
}

/// Lays out the lines that are visible in `area`, scrolled so that the item `selected` is among them.
fn visible(axis: &Axis, area: Rect, selected: usize) -> Vec<Fragment<'_>> {
    let height = usize::from(area.height);
    let mut last = usize::MAX;
    let mut fragments: Vec<Fragment> = set(axis, around(axis, area, selected), usize::from(area.width))
        .take_while(|fragment| {
            if fragment.place == selected {
                last = fragment.line + height;
            }
            fragment.line <= last
        })
        .collect();
    let total = fragments.last().map_or(0, |fragment| fragment.line + 1);
    let focus =
        fragments.iter().find(|fragment| fragment.place == selected).map_or(0, |fragment| fragment.line);
    let first = focus.saturating_sub(height / 2).min(total.saturating_sub(height));
    fragments.retain(|fragment| (first..first + height).contains(&fragment.line));
    fragments.iter_mut().for_each(|fragment| fragment.line -= first);
    fragments
}

/// Draws the text into `area`, scrolled so that the item `selected` is visible, each item in its style.
/// Returns the rectangles of the items with their positions on the axis.
pub fn draw(
    buf: &mut Buffer,
    area: Rect,
    axis: &Axis,
    selected: usize,
    style: impl Fn(usize) -> Style,
) -> Vec<(Rect, usize)> {
    let mut places = Vec::new();
    for fragment in visible(axis, area, selected) {
        let (x, y) = (area.x + fragment.x as u16, area.y + fragment.line as u16);
        if fragment.spaced && x > area.x {
            put(buf, area, x - 1, y, " ", Style::new());
        }
        let end = put(buf, area, x, y, &fragment.text, style(fragment.place));
        places.push((Rect { x, y, width: end.saturating_sub(x), height: 1 }, fragment.place));
    }
    places
}

/// Writes at the right end of a title line which items of the text are visible, where `places` of [`draw`] are not
/// all of them.
pub fn cue(buf: &mut Buffer, line: Rect, theme: &Theme, axis: &Axis, places: &[(Rect, usize)]) {
    if let (Some((_, first)), Some((_, last))) = (places.first(), places.last()) {
        list::cue(buf, line, theme, (*first, last + 1 - first, axis.len()));
    }
}

/// Returns the unit nearest to unit `now` on the next line of the text that [`draw`] shows in `area`, or on
/// the line before; `now` itself if no such line shows.
pub fn line_away(axis: &Axis, area: Rect, now: usize, down: bool) -> usize {
    let fragments = visible(axis, area, now);
    let Some(here) = fragments.iter().find(|fragment| fragment.place == now) else { return now };
    let lines = fragments.iter().map(|fragment| fragment.line);
    let line = match down {
        true => lines.filter(|&line| line > here.line).min(),
        false => lines.filter(|&line| line < here.line).max(),
    };
    let on_line = fragments.iter().filter(|fragment| Some(fragment.line) == line);
    on_line.min_by_key(|fragment| fragment.x.abs_diff(here.x)).map_or(now, |fragment| fragment.place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axis::AxisItem;
    use crate::tui::reading::Reading;

    #[test]
    fn pieces_stick_together_and_words_wrap() {
        let pieces = ["▁The", "▁chil", "dren", "▁play", "</s>"];
        let tokens: Vec<AxisItem> =
            pieces.iter().map(|piece| AxisItem::token(0, *piece, piece.starts_with('<'))).collect();
        let axis = Axis::new(&tokens, &Reading::default());
        let mut buf = Buffer::empty(Rect::new(0, 0, 14, 3));
        let places = draw(&mut buf, Rect::new(0, 0, 14, 3), &axis, 0, |_| Style::new());
        let line = |y: u16| (0..14).map(|x| buf[(x, y)].symbol()).collect::<String>();
        assert_eq!((line(0).trim_end(), line(1).trim_end()), ("The children", "play </s>"));
        assert_eq!(places[2], (Rect::new(8, 0, 4, 1), 2));
        assert_eq!((lines(&axis, 14, 9), lines(&axis, 14, 1)), (2, 1));
    }
}
