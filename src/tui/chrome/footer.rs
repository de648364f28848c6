//! The footer: keys of the view.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::app::App;
use crate::tui::command::Command;
use crate::tui::keymap::{self, When};
use crate::tui::layout::{Hit, Layout};
use crate::tui::views::ViewId;
use crate::tui::widgets::cells::{put, width};

/// Draws the line.
pub fn draw(buf: &mut Buffer, area: Rect, app: &App, layout: &mut Layout) {
    let theme = &app.theme;
    let mut x = area.x + 1;
    let last = area.right();
    let mut show = |x: u16, keys: &str, hint: &str, command: Option<Command>, buf: &mut Buffer| {
        let needed = (width(keys) + width(hint) + 1) as u16;
        if x + needed > last {
            return x;
        }
        let end = put(buf, area, x, area.y, keys, theme.accent());
        let end = put(buf, area, end, area.y, &format!(" {hint}"), theme.dim());
        if let Some(command) = command {
            layout.hit(Rect { x, y: area.y, width: end - x, height: 1 }, Hit::Command(command));
        }
        end + 2
    };
    let first = [
        (Command::EditSource, "source"),
        (Command::EditTarget, "target"),
        (Command::Palette, "commands"),
        (Command::Help, "help"),
        (Command::Quit, "quit"),
    ];
    for (command, hint) in first {
        if let Some(key) = app.keymap.keys(command).first() {
            x = show(x, key, hint, Some(command), buf);
        }
    }
    if app.guide.is_some() {
        let keys = format!("{} {}", app.first_key(Command::NextStep), app.first_key(Command::PreviousStep));
        x = show(x, &keys, "next/previous step", Some(Command::NextStep), buf);
        x = show(x, &app.first_key(Command::Tour), "leave the tour", Some(Command::Tour), buf);
    }
    x = show(x, "←→↑↓", app.view.info().arrows, None, buf);
    if let Some(views) = view_keys(app) {
        x = show(x, &views, "views", None, buf);
    }
    let pairs = [
        ("head", Command::PreviousHead, Command::NextHead),
        ("layer", Command::PreviousLayer, Command::NextLayer),
    ];
    for (hint, before, after) in pairs {
        let keys: Vec<String> =
            [before, after].iter().filter_map(|c| app.keymap.keys(*c).first().cloned()).collect();
        x = show(x, &keys.join(" "), hint, Some(after), buf);
    }
    let shown = |command: Command| {
        first.iter().any(|(shown, _)| *shown == command)
            || matches!(command, Command::NextHead | Command::NextLayer)
    };
    // The view's own commands come first, then those that apply in few views.
    let own = |entry: &keymap::CommandEntry| app.view.info().footer.contains(&entry.name);
    let specific = |entry: &keymap::CommandEntry| match entry.when {
        _ if own(entry) => 0,
        When::In(_) => 1,
        When::Always => 2,
    };
    let mut entries: Vec<_> = app.keymap.entries(app.view).collect();
    entries.sort_by_key(|(entry, _)| specific(entry));
    for (entry, keys) in entries {
        if entry.hint.is_empty() || shown(entry.command) {
            continue;
        }
        if let Some(key) = keys.first() {
            x = show(x, key, entry.hint, Some(entry.command), buf);
        }
    }
}

/// Formats the keys of the first and the last view, `1–7`.
fn view_keys(app: &App) -> Option<String> {
    let key = |view: Option<ViewId>| app.keymap.keys(Command::Show(view?)).first().cloned();
    Some(format!("{}–{}", key(ViewId::tabs().next())?, key(ViewId::tabs().next_back())?))
}
