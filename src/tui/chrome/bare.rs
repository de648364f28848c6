//! The screen of a capture without attention: the reason, and the texts.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::capture::Capture;
use crate::site::Kind;
use crate::tui::app::App;
use crate::tui::widgets::cells::{fit_left, part, put, width, wrap};
use crate::tui::widgets::heat::short;

/// Draws the reason, the texts, and what each decoder row predicts.
pub fn draw(buf: &mut Buffer, area: Rect, app: &App, capture: &Capture) {
    let theme = &app.theme;
    let area = part(area, 2, 1, area.width.saturating_sub(4), area.height.saturating_sub(1));
    let columns = usize::from(area.width);
    let mut y = area.y;
    let mut say = |y: &mut u16, text: &str, style| {
        for line in wrap(text, columns) {
            if *y < area.bottom() {
                put(buf, area, area.x, *y, &line, style);
            }
            *y += 1;
        }
    };
    say(&mut y, &capture.why_absent(Kind::Cross), theme.accent());
    y += 1;
    for (name, text) in [("source", &capture.source.text), ("target", &capture.target.text)] {
        say(&mut y, name, theme.dim());
        say(&mut y, text, theme.text());
        y += 1;
    }
    if y + 1 >= area.bottom() {
        return;
    }
    say(&mut y, "reads → predicts", theme.dim());
    let rows = rows(app);
    let column = rows.iter().map(|row| width(row)).max().unwrap_or(0) + 3;
    let (first, height) = (y, usize::from(area.bottom().saturating_sub(y)).max(1));
    for (at, row) in rows.iter().enumerate() {
        let (x, y) = (area.x + (at / height * column) as u16, first + (at % height) as u16);
        if x + column as u16 <= area.right() {
            put(buf, area, x, y, &fit_left(row, column), theme.text());
        }
    }
}

/// Returns a line for each decoder row: its input, its prediction and the probability.
fn rows(app: &App) -> Vec<String> {
    let inputs = app.axes.input.units.iter();
    inputs
        .zip(&app.axes.predicts)
        .map(|(unit, (predicted, probability))| {
            let known = probability.map_or_else(String::new, |p| format!(" {}", short(p)));
            format!("{} → {predicted}{known}", unit.label)
        })
        .collect()
}
