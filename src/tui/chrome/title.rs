//! The title line: the model and the tabs of the views.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::app::App;
use crate::tui::command::Command;
use crate::tui::layout::{Hit, Layout};
use crate::tui::views::ViewId;
use crate::tui::widgets::cells::{part, put, tail, width};

/// Draws the line.
pub fn draw(buf: &mut Buffer, area: Rect, app: &App, layout: &mut Layout) {
    let theme = &app.theme;
    let wide = area.width >= 120;
    // The model, its languages and the badge of a forced target need room, too.
    let name = |view: ViewId| {
        let key = app.first_key(Command::Show(view));
        match view == app.view {
            _ if wide => format!(" {key} {} ", view.name()),
            _ if area.width >= 100 => format!(" {} ", view.name()),
            true => format!(" {key} {} ", view.name()),
            false => format!(" {key} "),
        }
    };
    let tabs: usize = ViewId::tabs().map(|view| width(&name(view))).sum();
    let left = part(area, 0, 0, area.width.saturating_sub(tabs as u16 + 1), 1);
    let brand = if wide { " attn-tui  " } else { " " };
    let x = put(buf, left, left.x, left.y, brand, theme.accent());
    let room = usize::from(left.right().saturating_sub(x));
    put(buf, left, x, left.y, &model(app, room), theme.text());
    let mut x = area.right().saturating_sub(tabs as u16);
    for view in ViewId::tabs() {
        let text = name(view);
        let style = if view == app.view { theme.selected() } else { theme.dim() };
        let end = put(buf, area, x, area.y, &text, style);
        layout.hit(
            Rect { x, y: area.y, width: end.saturating_sub(x), height: 1 },
            Hit::Command(Command::Show(view)),
        );
        x = end;
    }
}

/// Describes the model in a few words, `demo · marian 3+3 × 6 heads`, and says if the target was forced, or
/// generated in 8 bits or by sampling. Of a name that is longer than the room, the end stays.
fn model(app: &App, room: usize) -> String {
    let mut text = String::new();
    if let Some(capture) = &app.capture {
        let displayed = app.run.displayed.as_ref();
        if displayed.is_some_and(|run| run.options.target.is_some()) {
            text += " · forced target";
        }
        if let Some(badge) = app.edit_badge() {
            text += &format!(" · {badge}");
        }
        text += if capture.int8_target { " · 8-bit text" } else { "" };
        if let Some(seed) = capture.sampled {
            text += &format!(" · sampled, seed {seed}");
        }
    }
    match (&app.run.info, &app.capture) {
        (Some(info), _) => {
            let (encoder, decoder) = info.layers;
            let heads = match info.heads {
                (a, b) if a == b => format!("{a} heads"),
                (a, b) => format!("{a}/{b} heads"),
            };
            let languages = match app.run.languages() {
                (source, Some(target)) if !info.languages.is_empty() => {
                    format!(" · {} → {target}", source.unwrap_or_else(|| "?".into()))
                }
                _ => String::new(),
            };
            let name = tail(&info.name, room);
            format!("{name}{text}{languages} · {} {encoder}+{decoder} × {heads}", info.model_type)
        }
        (None, Some(capture)) => {
            format!("{}{text} · {} · capture", tail(&capture.model, room), capture.model_type)
        }
        (None, None) => tail(&app.run.model, room),
    }
}
