//! Horizontal bars and colour bars.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::cells::{part, put, width};
use super::heat::fine;
use crate::tui::theme::{Shade, Theme};

const EIGHTHS: [&str; 9] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"];

/// Returns a bar that fills `share` (`0..=1`) of `columns`, to an eighth of a cell.
pub fn bar(share: f32, columns: usize) -> String {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    let eighths = (share * (columns * 8) as f32).round() as usize;
    let mut out = "█".repeat(eighths / 8);
    out.push_str(EIGHTHS.get(eighths % 8).copied().unwrap_or(""));
    out
}

/// Draws the colour bar `0 ░▒▓█ 0.61` at (`x`, `y`) and returns the column after it.
pub fn color_bar(buf: &mut Buffer, area: Rect, x: u16, y: u16, theme: &Theme, high: &str) -> u16 {
    shades(buf, area, (x, y), theme, ["0", high], |t| theme.shade(t))
}

/// Draws a colour bar for signed values from `low` to `high`, like [`color_bar`].
pub fn signed_bar(
    buf: &mut Buffer,
    area: Rect,
    x: u16,
    y: u16,
    theme: &Theme,
    [low, high]: [&str; 2],
) -> u16 {
    shades(buf, area, (x, y), theme, [low, high], |t| theme.signed(2.0 * t - 1.0))
}

/// Draws the colour bar of signed values up to `largest` at the right end of a title line; returns false if it has no
/// room.
pub fn signed_legend(buf: &mut Buffer, line: Rect, theme: &Theme, largest: f32) -> bool {
    let (low, high) = (format!("-{}", fine(largest)), format!("+{}", fine(largest)));
    let needed = (14 + width(&low) + width(&high)) as u16;
    if needed + 15 >= line.width {
        return false;
    }
    let at = part(line, line.width - needed, 0, needed, 1);
    put(buf, at, at.x, at.y, " ", theme.text());
    let end = signed_bar(buf, at, at.x + 1, at.y, theme, [&low, &high]);
    put(buf, at, end, at.y, " ", theme.text());
    true
}

fn shades(
    buf: &mut Buffer,
    area: Rect,
    (x, y): (u16, u16),
    theme: &Theme,
    [low, high]: [&str; 2],
    shade: impl Fn(f32) -> Shade,
) -> u16 {
    let mut x = put(buf, area, x, y, &format!("{low} "), theme.dim());
    const STEPS: u16 = 10;
    for step in 0..STEPS {
        let shade = shade(f32::from(step) / f32::from(STEPS - 1));
        if x >= area.right() || y >= area.bottom() {
            return x;
        }
        if let Some(cell) = buf.cell_mut((x, y)) {
            match shade.color {
                Some(color) => cell.set_char(' ').set_bg(color),
                None => cell.set_char(shade.glyph),
            };
        }
        x += 1;
    }
    put(buf, area, x, y, &format!(" {high}"), theme.dim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_have_eighths() {
        assert_eq!(bar(0.5, 4), "██");
        assert_eq!(bar(1.0, 2), "██");
        assert_eq!(bar(0.0625, 2), "▏");
        assert_eq!(bar(f32::NAN, 2), "");
    }
}
