//! The guided tour: its text beside or below the view, and the two pictures that no other view has, what each
//! model says and the numbers of an experiment.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::map::rule;
use crate::capture::Capture;
use crate::tour::{PlayedStep, Plot, mean_probability};
use crate::tui::action::Command;
use crate::tui::app::App;
use crate::tui::layout::Layout;
use crate::tui::tour::Guide;
use crate::tui::widgets::bar::bar;
use crate::tui::widgets::cells::{fit_left, fit_right, part, put, width};

/// Columns of the text at the side of a wide screen.
const SIDE: u16 = 46;

/// Splits the screen between the view and the tour's text: at its side where there is room, else below.
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

/// Breaks a paragraph at spaces alone, so that punctuation stays with its word; `*` takes no room.
fn at_spaces(paragraph: &str, columns: usize) -> Vec<String> {
    let room = |text: &str| width(text) - text.matches('*').count();
    let mut lines = vec![String::new()];
    for word in paragraph.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if room(line) + 1 + room(word) <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines
}

/// Draws the present step's title and text.
pub fn panel(buf: &mut Buffer, area: Rect, app: &App, layout: &mut Layout) {
    let (Some(guide), theme) = (&app.guide, &app.theme) else { return };
    let title = guide.step().map(|step| step.title.as_str()).unwrap_or_default();
    let title = format!("{}/{} {title}", guide.at + 1, guide.tour.steps.len());
    rule(buf, part(area, 0, 0, area.width, 1), &[], app);
    put(buf, area, area.x + 1, area.y, &format!(" {title} "), theme.accent());
    let inner = part(area, 1, 1, area.width.saturating_sub(2), area.height.saturating_sub(1));
    let lines = lines(guide, area.width);
    let room = usize::from(inner.height);
    let first = guide.first.min(lines.len().saturating_sub(1));
    // Emphasis may run over the end of a line.
    let mut strong = lines.iter().take(first).flat_map(|line| line.matches('*')).count() % 2 == 1;
    for (y, line) in (inner.y..inner.bottom()).zip(lines.iter().skip(first)) {
        let mut x = inner.x;
        for (at, piece) in line.split('*').enumerate() {
            strong ^= at > 0;
            x = put(buf, inner, x, y, piece, if strong { theme.accent() } else { theme.text() });
        }
    }
    if first + room < lines.len() {
        let key = app.keymap.keys(Command::NextStep).first().cloned().unwrap_or_default();
        let more = format!(" {key} more ");
        let x = area.right().saturating_sub(width(&more) as u16 + 1);
        put(buf, area, x, area.y, &more, theme.dim());
    }
    layout.lines = (room, lines.len());
}

/// Draws what the present step shows where no other view does.
pub fn draw(buf: &mut Buffer, area: Rect, app: &App) {
    let Some(guide) = &app.guide else { return };
    let (Some(played), Some(step)) = (guide.now(), guide.step()) else { return };
    let area = part(area, 1, 0, area.width.saturating_sub(2), area.height);
    match &played.plot {
        Some(found) if step.view == crate::tour::StepView::Plot => plot(buf, area, app, found),
        _ => outputs(buf, area, app, played),
    }
}

/// What each run says; the present capture in the place of the run that the reader has changed.
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

/// Columns of a model's name and number before its output.
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

/// One bar a distance and model.
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

#[cfg(test)]
mod tests {
    use super::at_spaces;

    #[test]
    fn punctuation_stays_with_its_word() {
        assert_eq!(at_spaces("one *two*, three \"four\".", 8), ["one *two*,", "three", "\"four\"."]);
        assert_eq!(at_spaces("", 8), [""]);
    }
}
