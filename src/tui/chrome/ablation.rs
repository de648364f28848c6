//! The panel below any view that compares the output under an ablation with the original:
//!
//! ```text
//! ─ without cross.2.4 ── −0.83 nats a token ── 3 of 10 likeliest tokens change ──
//! old  Les enfants qui vivent à côté jouent.
//! new  Les enfants qui sont là jouent.
//! Les −0.01  enfants −0.22  vivent −3.10 ⇒ sont  …
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::axis::AxisItem;
use crate::capture::comparison::shared;
use crate::text::label;
use crate::tui::ablation::TokenChange;
use crate::tui::app::App;
use crate::tui::layout::{Hit, Layout, ViewHit};
use crate::tui::widgets::cells::{fit, part, put, width};
use crate::tui::widgets::rule::rule;

/// Returns the number of rows of the panel in a view of `height` rows; 0 without an ablation.
pub fn height(app: &App, height: u16) -> u16 {
    match (&app.ablation, height) {
        (None, _) | (_, 0..=3) => 0,
        (_, 4..=13) => height / 2,
        _ => (height / 3).max(6),
    }
}

/// Draws the panel.
pub fn draw(buf: &mut Buffer, area: Rect, app: &App, layout: &mut Layout) {
    let (Some(ablation), Some(capture)) = (&app.ablation, &app.capture) else { return };
    let changes = ablation.changes(capture);
    let line = part(area, 0, 0, area.width, 1);
    let title = fit(&title(&ablation.describe(), &changes), usize::from(area.width).saturating_sub(4));
    rule(buf, line, &[(1, &title)], &app.theme);
    let inner = part(area, 1, 1, area.width.saturating_sub(2), area.height.saturating_sub(1));
    let Some(outcome) = &ablation.outcome else {
        put(buf, inner, inner.x, inner.y, "running …", app.theme.dim());
        return;
    };
    let mut y = inner.y;
    if let Some(new) = &outcome.generated {
        let kept = shared(&capture.target.items, &new.items);
        let same = new.ids() == capture.target.ids();
        for (name, tokens, old) in [("old", &capture.target.items, true), ("new", &new.items, false)] {
            let row = Rect { y, height: 1, ..inner };
            let mut x = put(buf, row, row.x, y, &format!("{name}  "), app.theme.dim());
            if same && !old {
                put(buf, row, x, y, "the same", app.theme.text());
                y += 1;
                continue;
            }
            let stays = |at: usize| kept.iter().any(|&(a, b)| if old { a == at } else { b == at });
            let pieces: Vec<String> = std::iter::zip(tokens, crate::text::word_starts(tokens))
                .enumerate()
                .map(|(at, (token, space))| {
                    format!("{}{}", if space && at > 0 { " " } else { "" }, label(&token.piece))
                })
                .collect();
            // A long text starts shortly before the first change.
            let long = pieces.iter().map(|piece| width(piece)).sum::<usize>() > usize::from(row.right() - x);
            let changed = (0..tokens.len()).find(|&at| !stays(at)).unwrap_or(0);
            let first = if long { changed.saturating_sub(4) } else { 0 };
            if first > 0 {
                x = put(buf, row, x, y, "…", app.theme.dim());
            }
            for (at, piece) in pieces.iter().enumerate().skip(first) {
                let style = match (stays(at), old) {
                    (true, _) => app.theme.text(),
                    (false, true) => app.theme.dim(),
                    (false, false) => app.theme.accent(),
                };
                x = put(buf, row, x, y, piece, style);
            }
            y += 1;
        }
    }
    let room = Rect { y, height: inner.bottom().saturating_sub(y), ..inner };
    tokens(buf, room, app, &capture.target.items, &changes, layout);
}

fn title(what: &str, changes: &[TokenChange]) -> String {
    if changes.is_empty() {
        return what.into();
    }
    let mean = changes.iter().map(|change| change.change).sum::<f32>() / changes.len() as f32;
    let others = changes.iter().filter(|change| change.best.is_some()).count();
    format!("{what} · {} nats a token · {others} of {} likeliest tokens change", signed(mean), changes.len())
}

/// Formats a change with its sign; without a sign if it rounds to zero.
fn signed(change: f32) -> String {
    if change.abs() < 0.005 { "0.00".into() } else { format!("{change:+.2}").replace('-', "−") }
}

/// Each token of the old target with the change of its log-probability, as many lines of them as there is
/// room around the selected row.
fn tokens(
    buf: &mut Buffer,
    area: Rect,
    app: &App,
    target: &[AxisItem],
    changes: &[TokenChange],
    layout: &mut Layout,
) {
    let columns = usize::from(area.width);
    let (mut x, mut line) = (0usize, 0usize);
    let mut spots = Vec::new();
    for (row, (token, change)) in target.iter().zip(changes).enumerate() {
        let name = fit(&label(&token.piece), columns / 2);
        let number = format!(" {}", signed(change.change));
        let other = change.best.as_ref().map_or_else(String::new, |best| format!(" ⇒ {best}"));
        let size = width(&name) + width(&number) + width(&other);
        if x > 0 && x + size > columns {
            (x, line) = (0, line + 1);
        }
        spots.push((row, x, line, name, number, other));
        x += size + 2;
    }
    let room = usize::from(area.height);
    let selected = app.selection.target_query;
    let focus = spots.iter().find(|spot| spot.0 == selected).map_or(0, |spot| spot.2);
    let first = focus.saturating_sub(room / 2).min((line + 1).saturating_sub(room));
    for (row, x, line, name, number, other) in spots {
        if line < first || line >= first + room {
            continue;
        }
        let (x, y) = (area.x + x as u16, area.y + (line - first) as u16);
        let change = changes.get(row).map_or(0.0, |change| change.change);
        let style = match change {
            c if c <= -0.1 => app.theme.error(),
            c if c >= 0.1 => app.theme.bar(),
            _ => app.theme.dim(),
        };
        let token = if row == selected { app.theme.selected() } else { app.theme.text() };
        let end = put(buf, area, x, y, &name, token);
        let end = put(buf, area, end, y, &number, style);
        let end = put(buf, area, end, y, &other, app.theme.text());
        let place = app.axes.input.unit_of(row);
        layout.hit(Rect { x, y, width: end.saturating_sub(x), height: 1 }, Hit::View(ViewHit::Target(place)));
    }
}
