//! Work in progress, and the screen before a model is open.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::human::{bytes, duration};
use crate::progress::Progress;
use crate::tui::app::App;
use crate::tui::widgets::cells::{put, width, wrap};

/// Draws the work in progress in the middle of the view.
pub fn opening(buf: &mut Buffer, area: Rect, app: &App) {
    let theme = &app.theme;
    let y = area.y + area.height / 3;
    let (what, bar) = work(app).unwrap_or_else(|| ("nothing is open".into(), None));
    for (row, line) in (y..area.bottom()).zip(wrap(&what, usize::from(area.width.saturating_sub(4)))) {
        let x = area.x + (area.width.saturating_sub(width(&line) as u16)) / 2;
        put(buf, area, x, row, &line, theme.text());
    }
    if let Some(share) = bar {
        let columns = usize::from(area.width.saturating_sub(8)).min(50);
        let x = area.x + (area.width.saturating_sub(columns as u16)) / 2;
        let done = (share * columns as f32).round() as usize;
        let end = put(buf, area, x, y + 2, &"━".repeat(done), theme.accent());
        put(buf, area, end, y + 2, &"─".repeat(columns - done.min(columns)), theme.line());
    }
}

/// Describes the work in progress, with its completed share if that is known.
pub fn work(app: &App) -> Option<(String, Option<f32>)> {
    let activity = app.run.activity.as_ref()?;
    let share = |done: f64, total: f64| (total > 0.0).then(|| (done / total).clamp(0.0, 1.0) as f32);
    Some(match &activity.progress {
        None => (format!("{} …", activity.what), None),
        Some(Progress::Download { file, done, total, speed }) => {
            let left = total.filter(|_| *speed > 0.0).map(|total| total.saturating_sub(*done) as f64 / speed);
            let left = left.map_or_else(String::new, |s| format!(" · {} left", duration(s)));
            let of = total.map_or_else(String::new, |total| format!(" of {}", bytes(total)));
            let text = format!("fetching {file} · {}{of} · {}/s{left}", bytes(*done), bytes(*speed as u64));
            (text, total.and_then(|total| share(*done as f64, total as f64)))
        }
        Some(Progress::Load { done, total }) => {
            (format!("reading weights · {done} of {total}"), share(*done as f64, *total as f64))
        }
        Some(Progress::Encode) => ("encoding the source …".into(), None),
        Some(Progress::Generate { tokens, text }) => (format!("generating · {tokens} tokens · {text}"), None),
        Some(Progress::Capture { done, total }) => {
            (format!("recording attention · layer {done} of {total}"), share(*done as f64, *total as f64))
        }
    })
}
