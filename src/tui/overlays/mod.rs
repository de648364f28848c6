//! Overlays on top of a view: help, pickers, the text editor, errors.

pub mod completion;
mod confirm;
pub mod help;
mod menu;
pub mod overlay;
pub mod picker;
pub mod text_prompt;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use self::overlay::Overlay;
use self::text_prompt::TextPrompt;
use super::app::App;
use super::layout::Layout;
use super::prompts::EditedText;
use super::theme::Theme;
use super::widgets::cells::{fill, part, put, wrap};
use crate::axis::Medium;

/// Draws the overlays and adds their regions and the text cursor to the layout.
pub fn draw(buf: &mut Buffer, area: Rect, app: &App, layout: &mut Layout) {
    for overlay in &app.overlays {
        match overlay {
            Overlay::Help(page) => help::draw(buf, area, app, page, layout),
            Overlay::Menu(open) => menu::draw(buf, area, app, *open, layout),
            Overlay::Picker(picker) => picker::draw(buf, area, app, picker, layout),
            Overlay::Edit(prompt) => edit(buf, area, app, prompt, layout),
            Overlay::Confirm(decision) => confirm::draw(buf, area, app, *decision, layout),
            Overlay::Error { message, hint } => error(buf, area, app, message, hint.as_deref()),
        }
    }
}

/// Draws an empty framed box in the middle of the screen and returns the area inside the frame.
pub fn frame(buf: &mut Buffer, area: Rect, width: u16, height: u16, title: &str, theme: &Theme) -> Rect {
    let (outer, inner) = inside(area, width, height);
    fill(buf, outer, ' ', theme.text());
    if inner == outer {
        return outer;
    }
    let line = theme.accent();
    let (right, bottom) = (outer.right() - 1, outer.bottom() - 1);
    let across = "─".repeat(usize::from(outer.width) - 2);
    put(buf, outer, outer.x, outer.y, &format!("╭{across}╮"), line);
    put(buf, outer, outer.x, bottom, &format!("╰{across}╯"), line);
    for y in outer.y + 1..bottom {
        put(buf, outer, outer.x, y, "│", line);
        put(buf, outer, right, y, "│", line);
    }
    let head = part(outer, 2, 0, outer.width - 4, 1);
    put(buf, head, head.x, head.y, &format!(" {title} "), line);
    inner
}

/// Returns a box in the middle of the screen, and its inside; both are the same if there is no room for a
/// frame.
fn inside(area: Rect, width: u16, height: u16) -> (Rect, Rect) {
    let width = width.min(area.width);
    let height = height.min(area.height);
    let outer = part(area, (area.width - width) / 2, (area.height - height) / 3, width, height);
    if outer.width < 4 || outer.height < 3 {
        return (outer, outer);
    }
    (outer, part(outer, 2, 1, outer.width - 4, outer.height - 2))
}

fn edit(buf: &mut Buffer, area: Rect, app: &App, prompt: &TextPrompt, layout: &mut Layout) {
    let width = (area.width.saturating_sub(4)).min(90);
    let columns = usize::from(width.saturating_sub(4)).max(1);
    let lines = (prompt.editor.lines(columns) + 1).min(10) as u16;
    let height = lines.max(2) + 4;
    let title = match prompt.edited {
        EditedText::Source => match app.run.medium() {
            Medium::Text => "source: text for the encoder",
            Medium::Sound => "recording: path of a sound file",
            Medium::Picture => "picture: path of a picture file",
        },
        EditedText::Target => "target: text that the decoder is forced to produce",
        EditedText::Corrupt => "source of the corrupt run",
        EditedText::Filter => "filter: rows | columns",
        EditedText::Link => "a link in every head: queries | keys",
        EditedText::Row => "new weights of the selected row",
        EditedText::SessionName => "save the session: a name, or the path of a file",
    };
    let inner = frame(buf, area, width, height, title, &app.theme);
    let text = part(inner, 0, 0, inner.width, inner.height.saturating_sub(2).max(1));
    let cursor = prompt.editor.draw(buf, text, app.theme.text());
    layout.cursor = cursor.map(Into::into);
    let hint = match prompt.edited {
        EditedText::Source if app.run.medium() == Medium::Picture => {
            "Enter see it · ↑ earlier pictures · Tab complete · Esc cancel"
        }
        EditedText::Source if app.run.medium() == Medium::Sound => {
            "Enter hear it · ↑ earlier recordings · Tab complete · Esc cancel"
        }
        EditedText::Source if app.run.options.target.is_some() => {
            "Enter run with the forced target · ↑ earlier texts · Tab complete · Esc cancel"
        }
        EditedText::Source => "Enter run · Alt-Enter new line · ↑ earlier texts · Tab complete · Esc cancel",
        EditedText::Corrupt => {
            "Enter patch · the clean run stays · ↑ earlier texts · Tab complete · Esc cancel"
        }
        EditedText::Link => "it | cat: words, positions 3-9 · Tab complete · ↑ earlier · Esc cancel",
        EditedText::Row => "uniform · cat or 5 · 0.3 · head 2.4 · run · undo · empty restores",
        EditedText::Filter if app.keys().is_timed() => {
            "words, seconds 1.2s-2s, positions 3-9, weights >0.2 · empty shows all"
        }
        EditedText::Filter => "words, positions 3-9, weights >0.2 · empty shows all · Tab complete",
        EditedText::SessionName => {
            "Enter save · a name is listed by Ctrl-O, a path is a file to share · Esc cancel"
        }
        EditedText::Target => "Enter force · empty generates · ↑ earlier texts · Tab complete · Esc cancel",
    };
    if inner.height > 2 {
        put(buf, inner, inner.x, inner.bottom() - 1, hint, app.theme.dim());
    }
}

fn error(buf: &mut Buffer, area: Rect, app: &App, message: &str, hint: Option<&str>) {
    let width = area.width.saturating_sub(4).min(84);
    let columns = usize::from(width.saturating_sub(4)).max(1);
    let message = wrap(message, columns);
    let hint = hint.map(|hint| wrap(hint, columns)).unwrap_or_default();
    let height = (message.len() + hint.len() + 4 + usize::from(!hint.is_empty())) as u16;
    let inner = frame(buf, area, width, height, "error", &app.theme);
    let mut y = inner.y;
    for line in &message {
        put(buf, inner, inner.x, y, line, app.theme.error());
        y += 1;
    }
    for (at, line) in hint.iter().enumerate() {
        y += u16::from(at == 0);
        put(buf, inner, inner.x, y, line, app.theme.text());
        y += 1;
    }
    put(buf, inner, inner.x, inner.bottom().saturating_sub(1).max(y), "Esc close", app.theme.dim());
}
