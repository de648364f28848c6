//! Drawing of Tour: the output of each model, or the numbers of an experiment.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::capture::Capture;
use crate::tour::{PlayedStep, Plot, StepView, mean_probability};
use crate::tui::app::App;
use crate::tui::widgets::bar::bar;
use crate::tui::widgets::cells::{fit_left, fit_right, part, put, width};
use crate::tui::widgets::prose::at_spaces;

/// Draws the view.
pub fn draw(buf: &mut Buffer, area: Rect, app: &App) {
    let Some(guide) = &app.guide else { return };
    let (Some(played), Some(step)) = (guide.now(), guide.step()) else { return };
    let area = part(area, 1, 0, area.width.saturating_sub(2), area.height);
    match &played.plot {
        Some(found) if step.view == StepView::Plot => plot(buf, area, app, found),
        _ => outputs(buf, area, app, played),
    }
}

/// Draws the output of each run; the present capture replaces the run that the reader has changed.
fn outputs(buf: &mut Buffer, area: Rect, app: &App, played: &PlayedStep) {
    let theme = &app.theme;
    let columns = usize::from(area.width);
    let mut y = area.y;
    let mut before: Option<&Capture> = None;
    for capture in &played.captures {
        let repeated = before.is_some_and(|other| other.source.text == capture.source.text);
        if !repeated {
            y += u16::from(before.is_some());
            y = paragraph(buf, area, y, &capture.source.text, columns, theme.dim());
        }
        let sure = mean_probability(capture).map_or_else(String::new, |p| format!(" {p:.2}"));
        let head = fit_left(&format!("  {}{sure}", capture.model), NAME);
        if y < area.bottom() {
            put(buf, area, area.x, y, &head, theme.accent());
        }
        let text = part(area, NAME as u16, 0, area.width.saturating_sub(NAME as u16), area.height);
        y = paragraph(buf, text, y, &capture.target.text, usize::from(text.width), theme.text());
        before = Some(capture);
    }
    if y + 1 < area.bottom() {
        let what = "grey: the source; a number: how probable a model finds its own words (geometric mean)";
        paragraph(buf, area, y + 1, what, columns, theme.dim());
    }
}

/// Width of a model's name and number before its output.
const NAME: usize = 22;

fn paragraph(
    buf: &mut Buffer,
    area: Rect,
    mut y: u16,
    text: &str,
    columns: usize,
    style: ratatui::style::Style,
) -> u16 {
    for line in at_spaces(text.trim(), columns) {
        if y < area.bottom() {
            put(buf, area, area.x, y, &line, style);
        }
        y += 1;
    }
    y
}

/// Draws one bar per distance and model.
fn plot(buf: &mut Buffer, area: Rect, app: &App, plot: &Plot) {
    let theme = &app.theme;
    put(buf, area, area.x, area.y, "loss of log-probability when the far word is changed, nats", theme.dim());
    let name = plot.series.iter().map(|series| width(&series.model)).max().unwrap_or(0);
    let most = plot.largest().max(1e-6);
    let gap = u16::from(usize::from(area.height) > plot.distances.len() * (plot.series.len() + 1));
    let mut y = area.y + 1;
    for (at, distance) in plot.distances.iter().enumerate() {
        for (row, series) in plot.series.iter().enumerate() {
            if y >= area.bottom() {
                return;
            }
            let label = if row == 0 { format!("{distance} tokens") } else { String::new() };
            let x = put(buf, area, area.x, y, &fit_right(&label, 10), theme.text());
            let x = put(buf, area, x, y, &format!(" {} ", fit_left(&series.model, name)), theme.dim());
            let drop = series.drops.get(at).copied().unwrap_or(0.0);
            let x = put(buf, area, x, y, &fit_right(&format!("{drop:.2}"), 6), theme.text());
            let columns = usize::from(area.right().saturating_sub(x + 2));
            put(buf, area, x + 1, y, &bar((drop / most).max(0.0) as f32, columns), theme.bar());
            y += 1;
        }
        y += gap;
    }
}
