//! Questions before a step that runs the model or drops a text.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::frame;
use super::overlay::Decision;
use crate::tui::app::App;
use crate::tui::command::Command;
use crate::tui::layout::{Hit, Layout};
use crate::tui::selection::HistoryStep;
use crate::tui::widgets::cells::{fit, put, width, wrap};

/// Draws the question and its two answers.
pub fn draw(buf: &mut Buffer, area: Rect, app: &App, decision: Decision, layout: &mut Layout) {
    let width_of_box = area.width.saturating_sub(4).min(72);
    let lines = wrap(&question(app, decision), usize::from(width_of_box.saturating_sub(4)).max(1));
    let inner = frame(buf, area, width_of_box, lines.len() as u16 + 4, "run", &app.theme);
    for (y, line) in (inner.y..inner.bottom()).zip(&lines) {
        put(buf, inner, inner.x, y, line, app.theme.text());
    }
    let y = inner.bottom().saturating_sub(1);
    let mut x = inner.x;
    for (text, hit) in [("Enter yes", Hit::Accept), ("Esc no", Hit::Dismiss)] {
        put(buf, inner, x, y, text, app.theme.accent());
        layout.hit(Rect { x, y, width: width(text) as u16, height: 1 }, hit);
        x += width(text) as u16 + 3;
    }
}

fn question(app: &App, decision: Decision) -> String {
    /// Columns of a text that is quoted.
    const QUOTED: usize = 160;
    let back = app.first_key(Command::Back);
    match decision {
        Decision::Generate => {
            format!("Drop the forced target and let the model generate one? {back} brings it back.")
        }
        Decision::Values => "Run the model again to keep the norms of its values?".into(),
        Decision::Scores => "Run the model again to keep its scores before the softmax?".into(),
        Decision::OpenModel => {
            let model = app.capture.as_ref().map_or("", |capture| capture.model.as_str());
            format!("A capture file holds maps alone. Open {model} and run this source?")
        }
        Decision::Tour => "Start the guided tour? It shows models and texts of its own.".into(),
        Decision::History(step) => {
            let run = app.history.next(step).and_then(|visit| visit.run.as_ref());
            let Some(options) = run.map(|run| &run.options) else { return String::new() };
            let target = match &options.target {
                Some(target) => format!(" with the forced target “{}”", fit(target, QUOTED)),
                None => String::new(),
            };
            let when = if step == HistoryStep::Back { "earlier" } else { "later" };
            format!("Run the {when} source “{}”{target} again?", fit(&options.source, QUOTED))
        }
    }
}
