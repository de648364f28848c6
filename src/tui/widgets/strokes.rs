//! Lines between two columns of tokens, drawn with braille characters.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::cells::put;
use crate::tui::theme::Theme;

/// A line from the left edge of an area to its right edge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stroke {
    /// Row at the left edge, counted from the top of the area in screen rows; it may lie outside.
    pub left: f32,
    /// Row at the right edge.
    pub right: f32,
    /// Strength, `0..=1`.
    pub level: f32,
    /// Number of the hue, where several heads are told apart; `None` for the colour map.
    pub hue: Option<usize>,
}

impl Stroke {
    /// Returns the row at a share `0..=1` of the way from left to right.
    pub fn at(&self, share: f32) -> f32 {
        self.left + (self.right - self.left) * share
    }

    /// Returns the part of the way, in shares, in which the line is between the rows 0 and `rows`; empty if it is
    /// nowhere.
    pub fn inside(&self, rows: f32) -> (f32, f32) {
        let slope = self.right - self.left;
        if slope.abs() < 1e-6 {
            return if (0.0..rows).contains(&self.left) { (0.0, 1.0) } else { (1.0, 0.0) };
        }
        let (a, b) = (-self.left / slope, (rows - self.left) / slope);
        (a.min(b).max(0.0), a.max(b).min(1.0))
    }
}

/// Dots of a braille character, by column and row: bits of U+2800 to U+28FF.
const DOTS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];

/// Part of a line's strength below which another line in the same cell is left out: a cell has one colour, and
/// faint lines would look as strong as the strongest.
const LEAST: f32 = 0.6;

/// Draws lines into an area. Where lines meet in a cell, the strongest gives the colour, and those that are much
/// weaker are left out. Without shades of colour, weak lines are dotted.
pub fn braille(buf: &mut Buffer, area: Rect, strokes: &[Stroke], theme: &Theme) {
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    if width == 0 || height == 0 {
        return;
    }
    let mut cells: Vec<(u8, Option<&Stroke>)> = vec![(0, None); width * height];
    for stroke in strokes {
        let (from, to) = stroke.inside(height as f32);
        let dots = ((stroke.right - stroke.left).abs() * 4.0).max(width as f32 * 2.0).ceil().max(1.0);
        let every = match stroke.level {
            _ if !theme.draws_glyphs() => 1,
            level if level >= 0.5 => 1,
            level if level >= 0.2 => 2,
            _ => 4,
        };
        for dot in ((from * dots).ceil() as usize..=(to * dots).floor() as usize).step_by(every) {
            let share = dot as f32 / dots;
            let (x, y) =
                ((share * (width * 2 - 1) as f32).round() as usize, (stroke.at(share) * 4.0) as usize);
            if x / 2 >= width || y / 4 >= height {
                continue;
            }
            let (dots, strongest) = &mut cells[y / 4 * width + x / 2];
            let other = strongest.map_or(0.0, |other: &Stroke| other.level);
            if stroke.level < LEAST * other {
                continue;
            }
            if other < LEAST * stroke.level {
                *dots = 0;
            }
            *dots |= DOTS[x % 2][y % 4];
            if other <= stroke.level {
                *strongest = Some(stroke);
            }
        }
    }
    for (at, (dots, stroke)) in cells.iter().enumerate() {
        let Some(stroke) = stroke else { continue };
        let (x, y) = (area.x + (at % width) as u16, area.y + (at / width) as u16);
        let glyph = char::from_u32(0x2800 + u32::from(*dots)).unwrap_or(' ');
        put(buf, area, x, y, glyph.encode_utf8(&mut [0; 4]), theme.stroke(stroke.hue, stroke.level));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stroke(left: f32, right: f32) -> Stroke {
        Stroke { left, right, level: 1.0, hue: None }
    }

    #[test]
    fn lines_are_clipped_to_their_area() {
        assert_eq!(stroke(0.5, 1.5).inside(2.0), (0.0, 1.0));
        assert_eq!(stroke(1.0, 5.0).inside(2.0), (0.0, 0.25));
        assert_eq!(stroke(-1.0, 1.0).inside(2.0), (0.5, 1.0));
        let (from, to) = stroke(3.0, 4.0).inside(2.0);
        assert!(from >= to, "it never enters");
        assert_eq!(stroke(3.0, 3.0).inside(2.0), (1.0, 0.0));
    }

    #[test]
    fn a_strong_line_covers_a_faint_one() {
        let area = Rect::new(0, 0, 2, 2);
        let faint = Stroke { level: 0.2, ..stroke(0.0, 2.0) };
        let (mut alone, mut both) = (Buffer::empty(area), Buffer::empty(area));
        braille(&mut alone, area, &[stroke(0.5, 0.5)], &Theme::default());
        braille(&mut both, area, &[faint, stroke(0.5, 0.5)], &Theme::default());
        assert_eq!(both[(0, 0)], alone[(0, 0)]);
        braille(&mut both, area, &[stroke(0.5, 0.5), faint], &Theme::default());
        assert_eq!(both[(0, 0)], alone[(0, 0)], "in either order");
    }

    #[test]
    fn a_level_line_is_a_row_of_dots() {
        let area = Rect::new(0, 0, 4, 2);
        let mut buf = Buffer::empty(area);
        braille(&mut buf, area, &[stroke(0.5, 0.5), stroke(-9.0, -9.0)], &Theme::default());
        let row = |y: u16| (0..4).map(|x| buf[(x, y)].symbol()).collect::<String>();
        assert_eq!((row(0).as_str(), row(1).as_str()), ("⠤⠤⠤⠤", "    "));
    }
}
