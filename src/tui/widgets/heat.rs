//! The cells of a heatmap.

use ratatui::buffer::Buffer;
use ratatui::style::{Modifier, Style};

use super::cells::put;
use crate::matrix::Matrix;
use crate::paint::Scale;
use crate::tui::reading::Axis;
use crate::tui::theme::{Shade, Theme};
use crate::tui::zoom::Window;

/// The visible part of a map, ready to draw.
pub struct Heat<'a> {
    /// One weight per pixel: `[window.pixels.0, window.pixels.1]`; NaN where there is none.
    pub pixels: &'a Matrix,
    /// Weight that gets the full colour, for each row of pixels.
    pub tops: &'a [f32],
    /// Visible part of the map.
    pub window: &'a Window,
    /// Scale from weight to shade.
    pub scale: Scale,
    /// True if the pixels hold signed values, scores or differences. Scores are minus infinity where masked.
    pub signed: bool,
    /// Formats the number of a cell in few columns.
    pub number: fn(f32) -> String,
    /// Weight below which nothing is drawn.
    pub threshold: f32,
    /// Query and key axes, if keys after their query are masked (decoder self-attention).
    pub causal: Option<(&'a Axis, &'a Axis)>,
    /// Selected query and key.
    pub cursor: (usize, usize),
    /// Colours and styles.
    pub theme: &'a Theme,
}

/// Formats a weight in three columns: `.61`, `1.0`, or nothing if it rounds to less than 0.01.
pub fn short(weight: f32) -> String {
    match weight {
        w if w >= 0.995 => "1.0".into(),
        w if w >= 0.005 => format!("{w:.2}").trim_start_matches('0').to_string(),
        _ => String::new(),
    }
}

/// Formats a weight of at most 1 with about two digits: `0.21`, `0.046`, `.0004`.
pub fn fine(weight: f32) -> String {
    match weight {
        w if w >= 0.0995 => format!("{w:.2}"),
        w if w >= 0.0095 => format!("{w:.3}"),
        w => precise(w),
    }
}

/// Formats a weight of at most 1 in at most five columns: `0.614`, and small ones with their first digits,
/// `.0002` or `2e-6`.
pub fn precise(weight: f32) -> String {
    match weight {
        w if w >= 0.0005 || w <= 0.0 => format!("{w:.3}"),
        w if w >= 0.00005 => format!("{w:.4}").trim_start_matches('0').to_string(),
        w => format!("{w:.0e}"),
    }
}

/// Formats a score in few columns: `-1.2`, `13`.
pub fn short_score(score: f32) -> String {
    if score.abs() < 9.95 { format!("{score:.1}") } else { format!("{score:.0}") }
}

impl Heat<'_> {
    /// Draws the cells.
    pub fn draw(&self, buf: &mut Buffer) {
        let cursor = self.window.pixel_of(self.cursor.0, self.cursor.1);
        for row in 0..self.window.area.height {
            for col in 0..self.window.pixels.1 {
                if self.window.stacked == 2 {
                    self.half(buf, row, col, cursor);
                } else {
                    self.cell(buf, row, col, cursor);
                }
            }
        }
    }

    /// Returns the shade of a pixel in `0..=1`, or `None` if its keys are masked.
    pub fn level_at(&self, row: usize, col: usize) -> Option<f32> {
        self.weight(row, col).map(|weight| self.level(row, weight))
    }

    fn weight(&self, row: usize, col: usize) -> Option<f32> {
        if let Some((queries, keys)) = self.causal {
            let last = self.window.rows_of(row).end.saturating_sub(1);
            let end = queries.units.get(last).map_or(0, |unit| unit.tokens.end);
            if keys.token_of(self.window.cols_of(col).start) >= end {
                return None;
            }
        }
        self.pixels.get(row, col).filter(|value| !value.is_nan() && (!self.signed || value.is_finite()))
    }

    fn shade(&self, level: f32) -> Shade {
        if self.signed { self.theme.signed(level) } else { self.theme.shade(level) }
    }

    fn level(&self, row: usize, weight: f32) -> f32 {
        let top = self.tops.get(row).copied().unwrap_or(1.0);
        if self.signed {
            return if top > 0.0 { weight / top } else { 0.0 };
        }
        if weight < self.threshold {
            return 0.0;
        }
        self.scale.unit(weight, top)
    }

    fn cell(&self, buf: &mut Buffer, row: u16, col: usize, cursor: Option<(usize, usize)>) {
        let columns = usize::from(self.window.columns);
        let x = self.window.area.x + (col * columns) as u16;
        let y = self.window.area.y + row;
        let lines = self.window.lines.max(1);
        let pixel = usize::from(row / lines);
        // Tall cells show their number in the middle row.
        let middle = row % lines == (lines - 1) / 2;
        let here = cursor == Some((pixel, col));
        let across = cursor.is_some_and(|(r, _)| r == pixel);
        let down = cursor.is_some_and(|(_, c)| c == col);
        let Some(weight) = self.weight(pixel, col) else {
            let text = if here && middle {
                brackets("", columns)
            } else {
                crosshair(across && middle, down, columns, ' ')
            };
            let style = if here { self.theme.accent() } else { self.theme.line() };
            put(buf, self.window.area, x, y, &text, style);
            return;
        };
        let level = self.level(pixel, weight);
        let shade = self.shade(level);
        let number = if columns < 4 || !middle { String::new() } else { (self.number)(weight) };
        // Numbers of adjacent cells must not touch.
        let number = if number.len() < columns { number } else { String::new() };
        let style = match shade.color {
            Some(color) => Style::new().fg(shade.ink).bg(color),
            None => Style::new(),
        };
        let across = across && middle;
        if here && middle {
            let inner =
                if shade.color.is_none() && number.is_empty() { shade.glyph.to_string() } else { number };
            let style = match shade.color {
                Some(_) => style.add_modifier(Modifier::BOLD),
                None => self.theme.accent().add_modifier(Modifier::REVERSED),
            };
            put(buf, self.window.area, x, y, &brackets(&inner, columns), style);
        } else if shade.color.is_some() {
            let text = match number.is_empty() {
                true => crosshair(across, down, columns, ' '),
                false => format!("{number:^columns$}"),
            };
            let ink = if (level > 0.0 || self.signed) && !number.is_empty() {
                style
            } else {
                style.patch(self.theme.line())
            };
            put(buf, self.window.area, x, y, &text, ink);
        } else {
            let ink = shade.glyph.to_string().repeat(columns.saturating_sub(1).min(2));
            let text = match (number.is_empty() || columns < 5, shade.glyph) {
                (_, ' ') => crosshair(across, down, columns, '·'),
                (true, _) => format!("{ink:<columns$}"),
                // The glyph of a signed value would read as its sign.
                (false, _) if self.signed => format!("{number:^columns$}"),
                (false, glyph) => format!("{:<columns$}", format!("{glyph}{number}")),
            };
            let style = if shade.glyph == ' ' { self.theme.line() } else { style };
            put(buf, self.window.area, x, y, &text, style);
        }
    }

    fn half(&self, buf: &mut Buffer, row: u16, col: usize, cursor: Option<(usize, usize)>) {
        let (top, bottom) = (usize::from(row) * 2, usize::from(row) * 2 + 1);
        let accent = self.theme.selected().bg;
        let color = |pixel: usize| {
            if cursor == Some((pixel, col)) {
                return accent;
            }
            self.weight(pixel, col).and_then(|weight| self.shade(self.level(pixel, weight)).color)
        };
        let (upper, lower) = (color(top), color(bottom));
        let Some(cell) = buf.cell_mut((self.window.area.x + col as u16, self.window.area.y + row)) else {
            return;
        };
        cell.reset();
        match (upper, lower) {
            (None, None) => {}
            (Some(upper), Some(lower)) if upper == lower => {
                cell.set_char(' ').set_bg(upper);
            }
            (Some(upper), None) => {
                cell.set_char('▀').set_fg(upper);
            }
            (None, Some(lower)) => {
                cell.set_char('▄').set_fg(lower);
            }
            (Some(upper), Some(lower)) => {
                cell.set_char('▀').set_fg(upper).set_bg(lower);
            }
        }
    }
}

fn brackets(inner: &str, columns: usize) -> String {
    match columns {
        0 => String::new(),
        1 => "◆".into(),
        2 => "[]".into(),
        _ => {
            match inner.chars().count() {
                // The second bracket would touch the number of the next cell, or hide a digit of this one.
                width if width + 1 == columns => format!("[{inner}"),
                width if width < columns => format!("[{inner:^width$}]", width = columns - 2),
                _ => format!("[{:^width$}]", "", width = columns - 2),
            }
        }
    }
}

/// Returns the text of a cell without a number on the row or the column of the cursor. Its line along the row is
/// dashed where cells have numbers: a line that touches a number reads as its sign.
fn crosshair(across: bool, down: bool, columns: usize, blank: char) -> String {
    if across {
        return if columns < 4 { "─".repeat(columns) } else { format!(" {} ", "─".repeat(columns - 2)) };
    }
    let mark = if down { '│' } else { blank };
    let left = (columns - 1) / 2;
    format!("{}{mark}{}", " ".repeat(left), " ".repeat(columns - 1 - left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_short() {
        assert_eq!(short(0.614), ".61");
        assert_eq!(short(0.9951), "1.0");
        assert_eq!(short(0.004), "");
        assert_eq!(short(1.0), "1.0");
        let small = [1.0, 0.614, 0.0004, 0.00012, 0.000_002, 0.0].map(precise);
        assert_eq!(small, ["1.000", "0.614", ".0004", ".0001", "2e-6", "0.000"]);
        assert_eq!([0.213, 0.0456, 0.0004].map(fine), ["0.21", "0.046", ".0004"]);
        assert_eq!([-1.24, 0.0, 9.97, -13.6].map(short_score), ["-1.2", "0.0", "10", "-14"]);
    }

    #[test]
    fn the_cursor_keeps_its_width() {
        for columns in 1..8 {
            assert_eq!(brackets(".61", columns).chars().count(), columns);
            assert_eq!(crosshair(false, true, columns, ' ').chars().count(), columns);
            assert_eq!(crosshair(true, false, columns, ' ').chars().count(), columns);
        }
        assert_eq!(brackets(".61", 5), "[.61]");
        assert_eq!(brackets(".61", 4), "[.61");
        assert_eq!(brackets(".610", 3), "[ ]");
        assert_eq!([3, 4, 6].map(|columns| crosshair(true, false, columns, ' ')), ["───", " ── ", " ──── "]);
    }
}
