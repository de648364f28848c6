//! The text of the guided tour, beside or below the view.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::body;
use crate::tui::app::App;
use crate::tui::command::Command;
use crate::tui::guide::Guide;
use crate::tui::widgets::cells::{part, put, width};
use crate::tui::widgets::prose::at_spaces;
use crate::tui::widgets::rule::rule;

/// Columns of the text at the side of a wide screen.
const SIDE: u16 = 46;

/// Splits an area between the view and the tour's text, at its side if there is room, otherwise below.
pub fn split(app: &App, area: Rect) -> (Rect, Option<Rect>) {
    let Some(guide) = &app.guide else { return (area, None) };
    if area.width >= 120 && area.height >= 20 {
        let view = area.width - SIDE;
        return (part(area, 0, 0, view, area.height), Some(part(area, view, 0, SIDE, area.height)));
    }
    let lines = lines(guide, area.width).len() as u16;
    let rows = (lines + 1).min(area.height / 2);
    let view = area.height - rows;
    (part(area, 0, 0, area.width, view), Some(part(area, 0, view, area.width, rows)))
}

fn lines(guide: &Guide, columns: u16) -> Vec<String> {
    let columns = usize::from(columns.saturating_sub(2)).max(8);
    guide.text().split('\n').flat_map(|paragraph| at_spaces(paragraph, columns)).collect()
}

/// Returns the number of visible lines of the current step's text, and the number of all its lines.
pub fn lines_shown(app: &App, screen: Rect) -> (usize, usize) {
    let (Some(guide), (_, Some(panel))) = (&app.guide, split(app, body(screen))) else { return (0, 0) };
    (usize::from(inside(panel).height), lines(guide, panel.width).len())
}

/// Returns the area of the text below its title.
fn inside(panel: Rect) -> Rect {
    part(panel, 1, 1, panel.width.saturating_sub(2), panel.height.saturating_sub(1))
}

/// Draws the current step's title and text.
pub fn panel(buf: &mut Buffer, area: Rect, app: &App) {
    let (Some(guide), theme) = (&app.guide, &app.theme) else { return };
    let (page, pages, title) = guide.heading();
    let title = format!("{page}/{pages} {title}");
    rule(buf, part(area, 0, 0, area.width, 1), &[], &app.theme);
    put(buf, area, area.x + 1, area.y, &format!(" {title} "), theme.accent());
    let inner = inside(area);
    let lines = lines(guide, area.width);
    let room = usize::from(inner.height);
    let first = guide.first.min(lines.len().saturating_sub(1));
    // Emphasis may continue on the next line.
    let mut strong = lines.iter().take(first).flat_map(|line| line.matches('*')).count() % 2 == 1;
    for (y, line) in (inner.y..inner.bottom()).zip(lines.iter().skip(first)) {
        let mut x = inner.x;
        for (at, piece) in line.split('*').enumerate() {
            strong ^= at > 0;
            x = put(buf, inner, x, y, piece, if strong { theme.accent() } else { theme.text() });
        }
    }
    if first + room < lines.len() {
        let key = app.first_key(Command::NextStep);
        let more = format!(" {key} more ");
        let x = area.right().saturating_sub(width(&more) as u16 + 1);
        put(buf, area, x, area.y, &more, theme.dim());
    }
}
