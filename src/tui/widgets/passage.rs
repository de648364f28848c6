//! Running text whose tokens carry styles: the source and the target as one reads them.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::cells::{fit, put, width};
use crate::tui::reading::Axis;

/// Where a place of the axis stands in the text: column, line, text.
struct Spot {
    place: usize,
    x: usize,
    line: usize,
    text: String,
    spaced: bool,
}

fn set(axis: &Axis, columns: usize) -> Vec<Spot> {
    let columns = columns.max(1);
    let (mut x, mut line) = (0, 0);
    let mut spots = Vec::with_capacity(axis.len());
    for (place, unit) in axis.units.iter().enumerate() {
        let text = fit(&unit.label, columns);
        let w = width(&text);
        let spaced = unit.space && x > 0;
        if x + usize::from(spaced) + w > columns && x > 0 {
            (x, line) = (0, line + 1);
        } else if spaced {
            x += 1;
        }
        let spaced = spaced && x > 0;
        spots.push(Spot { place, x, line, text, spaced });
        x += w;
    }
    spots
}

/// Lines that the text takes when it is `columns` wide.
pub fn lines(axis: &Axis, columns: usize) -> usize {
    set(axis, columns).last().map_or(1, |spot| spot.line + 1)
}

/// Draws the text into `area`, scrolled so that `selected` shows, each place in its style; returns the
/// rectangles of the places.
pub fn draw(
    buf: &mut Buffer,
    area: Rect,
    axis: &Axis,
    selected: usize,
    style: impl Fn(usize) -> Style,
) -> Vec<(Rect, usize)> {
    let spots = set(axis, usize::from(area.width));
    let height = usize::from(area.height);
    let total = spots.last().map_or(0, |spot| spot.line + 1);
    let focus = spots.iter().find(|spot| spot.place == selected).map_or(0, |spot| spot.line);
    let first = focus.saturating_sub(height / 2).min(total.saturating_sub(height));
    let mut places = Vec::new();
    for spot in &spots {
        if spot.line < first || spot.line >= first + height {
            continue;
        }
        let (x, y) = (area.x + spot.x as u16, area.y + (spot.line - first) as u16);
        if spot.spaced && x > area.x {
            put(buf, area, x - 1, y, " ", Style::new());
        }
        let end = put(buf, area, x, y, &spot.text, style(spot.place));
        places.push((Rect { x, y, width: end.saturating_sub(x), height: 1 }, spot.place));
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::Token;
    use crate::tui::reading::Reading;

    #[test]
    fn pieces_stick_together_and_words_wrap() {
        let pieces = ["▁The", "▁chil", "dren", "▁play", "</s>"];
        let tokens: Vec<Token> = pieces
            .iter()
            .map(|piece| Token { id: 0, piece: piece.to_string(), special: piece.starts_with('<') })
            .collect();
        let axis = Axis::new(&tokens, &Reading::default());
        let mut buf = Buffer::empty(Rect::new(0, 0, 14, 3));
        let places = draw(&mut buf, Rect::new(0, 0, 14, 3), &axis, 0, |_| Style::new());
        let line = |y: u16| (0..14).map(|x| buf[(x, y)].symbol()).collect::<String>();
        assert_eq!((line(0).trim_end(), line(1).trim_end()), ("The children", "play </s>"));
        assert_eq!(places[2], (Rect::new(8, 0, 4, 1), 2));
        assert_eq!(lines(&axis, 14), 2);
    }
}
