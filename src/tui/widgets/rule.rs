//! Horizontal rule with titles.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::cells::put;
use crate::tui::theme::Theme;

/// Draws a horizontal rule with titles at the given columns.
pub fn rule(buf: &mut Buffer, area: Rect, titles: &[(u16, &str)], theme: &Theme) {
    put(buf, area, area.x, area.y, &"─".repeat(usize::from(area.width)), theme.line());
    for (x, title) in titles {
        put(buf, area, area.x + x, area.y, &format!(" {title} "), theme.dim());
    }
}
