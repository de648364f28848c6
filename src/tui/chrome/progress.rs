//! Work in progress: in the line below the view, or on the screen before a model is open.
//!
//! Every part has a place of its own, so that nothing moves while the numbers change.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::human::{bytes, duration};
use crate::progress::Progress;
use crate::tui::app::App;
use crate::tui::theme::Theme;
use crate::tui::widgets::cells::{fit, fit_left, part, put, tail, width, wrap};

/// Width of the description in the line below the view, if there is room.
const DESCRIPTION: usize = 34;
/// Width of the bar in the line below the view, if there is room.
const BAR: u16 = 20;
/// Width of the block on the screen before a model is open.
const BLOCK: u16 = 64;
const STOPS: &str = "Esc stops";

/// Work in progress, in words.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WorkStatus {
    /// Description of the work.
    pub what: String,
    /// Completed share, if it is known.
    pub share: Option<f32>,
    /// Finished part, rate and time left, as far as they are known.
    pub numbers: Vec<String>,
    /// The text that is being generated.
    pub text: String,
}

/// Describes the work in progress, if there is any.
pub fn work(app: &App) -> Option<WorkStatus> {
    let activity = app.run.activity.as_ref()?;
    let seconds = app.run.clock.saturating_sub(activity.since).as_secs_f64();
    let what = activity.what.clone();
    Some(match &activity.progress {
        None => WorkStatus { what: format!("{what} …"), ..WorkStatus::default() },
        Some(Progress::Download { file, done, total, speed }) => {
            let of = total.map_or_else(String::new, |total| format!(" of {}", bytes(total)));
            let mut numbers = vec![format!("{}{of}", bytes(*done)), format!("{}/s", bytes(*speed as u64))];
            if let Some(total) = total.filter(|_| *speed > 0.0) {
                numbers.push(format!("{} left", duration(total.saturating_sub(*done) as f64 / speed)));
            }
            let share = total.and_then(|total| share(*done as f64, total as f64));
            WorkStatus { what: format!("fetching {file}"), share, numbers, ..WorkStatus::default() }
        }
        Some(Progress::Load { done, total }) => {
            counted("reading weights", "tensors", (*done, *total), seconds)
        }
        Some(Progress::Encode) => {
            WorkStatus { what: format!("{what}: encoding the source …"), ..WorkStatus::default() }
        }
        Some(Progress::Generate { tokens, text }) => {
            let mut numbers = vec![format!("{tokens} tokens")];
            if seconds >= LEAST.as_secs_f64() {
                numbers.push(format!("{:.0} tokens/s", *tokens as f64 / seconds));
            }
            WorkStatus { what: format!("{what}: generating"), share: None, numbers, text: text.clone() }
        }
        Some(Progress::Capture { done, total }) => {
            counted("recording attention", "layers", (*done, *total), seconds)
        }
        Some(Progress::Runs { done, total: Some(total) }) => counted(&what, "runs", (*done, *total), seconds),
        Some(Progress::Scan { done, fraction, .. }) => WorkStatus {
            what: "scanning".into(),
            share: fraction.map(|fraction| fraction as f32),
            numbers: vec![format!("{done} sentences")],
            ..WorkStatus::default()
        },
        Some(Progress::Runs { done, total: None }) => {
            let numbers = vec![format!("{done} runs")];
            WorkStatus { what, numbers, ..WorkStatus::default() }
        }
    })
}

/// Time after which a rate is known well enough to show.
const LEAST: Duration = Duration::from_millis(500);

fn share(done: f64, total: f64) -> Option<f32> {
    (total > 0.0).then(|| (done / total).clamp(0.0, 1.0) as f32)
}

/// Describes work of which `done` of `total` units took `seconds`.
fn counted(what: &str, units: &str, (done, total): (usize, usize), seconds: f64) -> WorkStatus {
    let mut numbers = vec![format!("{done} of {total} {units}")];
    if seconds >= LEAST.as_secs_f64() && done > 0 {
        let rate = done as f64 / seconds;
        numbers.push(if rate >= 10.0 { format!("{rate:.0}/s") } else { format!("{rate:.1}/s") });
        numbers.push(format!("{} left", duration(total.saturating_sub(done) as f64 / rate)));
    }
    WorkStatus {
        what: what.into(),
        share: share(done as f64, total as f64),
        numbers,
        ..WorkStatus::default()
    }
}

fn bar(buf: &mut Buffer, area: Rect, share: Option<f32>, theme: &Theme) {
    let columns = usize::from(area.width);
    let done = share.map_or(0, |share| (share * columns as f32).round() as usize).min(columns);
    let end = put(buf, area, area.x, area.y, &"━".repeat(done), theme.accent());
    put(buf, area, end, area.y, &"─".repeat(columns - done), theme.line());
}

/// Draws the work in progress into one line.
pub fn line(buf: &mut Buffer, area: Rect, app: &App, work: &WorkStatus) {
    let theme = &app.theme;
    let x = put(buf, area, area.x, area.y, " ⋯ ", theme.accent());
    let stops = area.right().saturating_sub(width(STOPS) as u16 + 1).max(x);
    put(buf, area, stops, area.y, STOPS, theme.accent());
    let inner = part(area, x - area.x, 0, stops.saturating_sub(x + 2), 1);
    let numbers = work.numbers.join(" · ");
    let (description, bar_width) = match usize::from(inner.width) {
        columns if columns >= DESCRIPTION + usize::from(BAR) + 40 => (DESCRIPTION, BAR),
        columns if columns >= DESCRIPTION + 36 => (DESCRIPTION, 10),
        columns => (columns.saturating_sub(width(&numbers) + 1), 0),
    };
    let mut x = put(buf, inner, inner.x, inner.y, &fit_left(&work.what, description), theme.text());
    if bar_width > 0 {
        bar(buf, Rect { x: x + 1, width: bar_width, ..inner }, work.share, theme);
        x += bar_width + 1;
    }
    let x = put(buf, inner, x + 1, inner.y, &numbers, theme.text());
    let room = usize::from(inner.right().saturating_sub(x + 3));
    if !work.text.is_empty() && room > 8 {
        put(buf, inner, x + 3, inner.y, &tail(&work.text, room), theme.dim());
    }
}

/// Draws the work in progress on the screen before a model is open.
pub fn opening(buf: &mut Buffer, area: Rect, app: &App) {
    let theme = &app.theme;
    let columns = area.width.saturating_sub(4).min(BLOCK);
    let block = part(area, (area.width - columns) / 2, area.height / 3, columns, area.height);
    let Some(work) = work(app) else {
        put(buf, block, block.x, block.y, "nothing is open", theme.text());
        return;
    };
    let columns = usize::from(block.width);
    let what = wrap(&work.what, columns);
    for (y, line) in (block.y..block.bottom()).zip(what.iter().take(2)) {
        put(buf, block, block.x, y, line, theme.text());
    }
    let below = part(block, 0, 2, block.width, block.height);
    if below.is_empty() {
        return;
    }
    bar(buf, Rect { height: 1, ..below }, work.share, theme);
    let texts = [
        (fit(&work.numbers.join(" · "), columns), theme.text()),
        (tail(&work.text, columns), theme.dim()),
        (STOPS.to_string(), theme.accent()),
    ];
    for (y, (text, style)) in (below.y + 1..below.bottom()).zip(texts) {
        put(buf, below, below.x, y, &text, style);
    }
}
