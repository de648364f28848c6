//! Thumbnails of maps.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::matrix::Matrix;
use crate::paint::{Pool, Region, Scale, pool};
use crate::tui::theme::Theme;

/// Draws a thumbnail into `area`, stretched to fill it.
pub fn thumbnail(buf: &mut Buffer, area: Rect, theme: &Theme, map: &Matrix, scale: Scale, causal: bool) {
    let stacked = if theme.draws_glyphs() { 1 } else { 2 };
    let (rows, cols) = (usize::from(area.height) * stacked, usize::from(area.width));
    if rows == 0 || cols == 0 || map.rows() == 0 || map.cols() == 0 {
        return;
    }
    let small = pool(map, &Region::whole(map), rows, cols, Pool::Max);
    let scaled = scale.map(&small, causal);
    // With fewer weights than cells, each weight takes a block of cells.
    let at = |row: usize, col: usize| {
        let i = row * small.rows() / rows;
        let j = col * small.cols() / cols;
        let ahead = causal && j * small.rows() > i * small.cols() + small.rows().max(small.cols()) - 1;
        if ahead { None } else { scaled.get(i, j) }
    };
    for y in 0..area.height {
        for x in 0..area.width {
            let Some(cell) = buf.cell_mut((area.x + x, area.y + y)) else { continue };
            let top = usize::from(y) * stacked;
            let upper = at(top, usize::from(x)).map(|level| theme.shade(level));
            if stacked == 1 {
                cell.set_char(upper.map_or(' ', |shade| shade.glyph));
                continue;
            }
            let lower = at(top + 1, usize::from(x)).map(|level| theme.shade(level));
            let (upper, lower) = (upper.and_then(|s| s.color), lower.and_then(|s| s.color));
            let mut style = Style::new();
            if let Some(color) = upper {
                style = style.fg(color);
            }
            if let Some(color) = lower {
                style = style.bg(color);
            }
            match (upper, lower) {
                (None, None) => continue,
                (None, Some(color)) => cell.set_char('▄').set_style(Style::new().fg(color)),
                _ => cell.set_char('▀').set_style(style),
            };
        }
    }
}
