//! Translation of terminal events (keys, mouse, paste, resize) into actions.

use ratatui::crossterm::event::{
    Event as TerminalEvent, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent,
    MouseEventKind,
};
use ratatui::layout::Position;

use super::action::Action;
use super::app::App;
use super::command::Command;
use super::keymap::{self, entry::group};
use super::overlays::help;
use super::overlays::overlay::Overlay;
use super::widgets::editor::Edit;

/// Returns the action for a terminal event in the current state, if there is one.
pub fn action(app: &App, event: TerminalEvent) -> Option<Action> {
    match event {
        TerminalEvent::Key(key) if key.kind != KeyEventKind::Release => self::key(app, &key),
        TerminalEvent::Mouse(event) => mouse(&event),
        TerminalEvent::Paste(text) => Some(Action::Paste(text)),
        TerminalEvent::Resize(..) => Some(Action::Resize),
        _ => None,
    }
}

/// Returns the action for a key in the current state, if there is one.
pub fn key(app: &App, event: &KeyEvent) -> Option<Action> {
    let control = event.modifiers.contains(KeyModifiers::CONTROL);
    let alt = event.modifiers.contains(KeyModifiers::ALT);
    if control && event.code == KeyCode::Char('c') {
        return Some(Action::Do(Command::Quit));
    }
    let command = |event| app.keymap.command(event, app.view);
    match app.overlays.last() {
        None => match command(event) {
            Some(command) => Some(Action::Do(command)),
            None => is_typed(event.code).then_some(Action::NoCommand(*event)),
        },
        Some(Overlay::Menu(open)) => menu(app, *open, event),
        Some(Overlay::Confirm(_)) => match event.code {
            KeyCode::Enter => Some(Action::Accept),
            KeyCode::Esc => Some(Action::Do(Command::Cancel)),
            _ => None,
        },
        Some(Overlay::Error { .. }) => match event.code {
            KeyCode::Esc | KeyCode::Enter | KeyCode::Char(_) => Some(Action::Do(Command::Cancel)),
            _ => None,
        },
        Some(Overlay::Help(page)) => {
            let lines = help::room(app, page, app.layout.screen).max(2) as isize - 1;
            match event.code {
                KeyCode::Enter | KeyCode::F(1) => Some(Action::Do(Command::Cancel)),
                KeyCode::Char('?') if page.input.text().is_empty() => Some(Action::Do(Command::Cancel)),
                KeyCode::Up => Some(Action::Scroll(-1)),
                KeyCode::Down => Some(Action::Scroll(1)),
                KeyCode::PageUp => Some(Action::Scroll(-lines)),
                KeyCode::PageDown => Some(Action::Scroll(lines)),
                KeyCode::Home => Some(Action::Scroll(isize::MIN)),
                KeyCode::End => Some(Action::Scroll(isize::MAX)),
                _ => typed(event),
            }
        }
        Some(Overlay::Picker(_)) => match event.code {
            KeyCode::Up | KeyCode::BackTab => Some(Action::Scroll(-1)),
            KeyCode::Down | KeyCode::Tab => Some(Action::Scroll(1)),
            KeyCode::Char('p') if control => Some(Action::Scroll(-1)),
            KeyCode::Char('n') if control => Some(Action::Scroll(1)),
            KeyCode::PageUp => Some(Action::Scroll(-10)),
            KeyCode::PageDown => Some(Action::Scroll(10)),
            _ => typed(event),
        },
        Some(Overlay::Edit(prompt)) => match event.code {
            KeyCode::Up => Some(Action::Scroll(-1)),
            KeyCode::Down => Some(Action::Scroll(1)),
            KeyCode::Tab => Some(Action::Complete),
            KeyCode::Enter if prompt.edited.is_multiline() && alt => Some(Action::Edit(Edit::Insert('\n'))),
            KeyCode::Char('j') if prompt.edited.is_multiline() && control => {
                Some(Action::Edit(Edit::Insert('\n')))
            }
            _ => typed(event),
        },
    }
}

/// Returns the action for a key in the menu: the letter of a group, or a key of a command of the open group.
fn menu(app: &App, open: Option<usize>, event: &KeyEvent) -> Option<Action> {
    match (event.code, open) {
        (KeyCode::Esc, _) => return Some(Action::Do(Command::Cancel)),
        (KeyCode::Backspace, Some(_)) => return Some(Action::OpenGroup(None)),
        (KeyCode::Char(letter), None) => {
            let group = group::ALL.iter().position(|(_, key)| *key == letter)?;
            return Some(Action::OpenGroup(Some(group)));
        }
        _ => {}
    }
    let (name, _) = group::ALL.get(open?)?;
    let command = app.keymap.command(event, app.view)?;
    let entry = keymap::find(command)?;
    (entry.group == *name).then_some(Action::FromMenu(command))
}

/// Returns true for a key that a user presses for its own sake, not to modify or to lock others.
fn is_typed(code: KeyCode) -> bool {
    !matches!(
        code,
        KeyCode::Null
            | KeyCode::CapsLock
            | KeyCode::NumLock
            | KeyCode::ScrollLock
            | KeyCode::KeypadBegin
            | KeyCode::Media(_)
            | KeyCode::Modifier(_)
    )
}

fn typed(event: &KeyEvent) -> Option<Action> {
    let control = event.modifiers.contains(KeyModifiers::CONTROL);
    let alt = event.modifiers.contains(KeyModifiers::ALT);
    let edit = match (event.code, control, alt) {
        (KeyCode::Enter, ..) => return Some(Action::Accept),
        (KeyCode::Esc, ..) => return Some(Action::Do(Command::Cancel)),
        (KeyCode::Char('z'), true, _) => return Some(Action::Do(Command::Suspend)),
        (KeyCode::Left, false, false) | (KeyCode::Char('b'), true, _) => Edit::Left,
        (KeyCode::Right, false, false) | (KeyCode::Char('f'), true, _) => Edit::Right,
        (KeyCode::Left, ..) | (KeyCode::Char('b'), _, true) => Edit::WordLeft,
        (KeyCode::Right, ..) | (KeyCode::Char('f'), _, true) => Edit::WordRight,
        (KeyCode::Home, ..) | (KeyCode::Char('a'), true, _) => Edit::Home,
        (KeyCode::End, ..) | (KeyCode::Char('e'), true, _) => Edit::End,
        (KeyCode::Backspace, _, true) | (KeyCode::Char('w'), true, _) => Edit::DeleteWord,
        (KeyCode::Backspace, ..) | (KeyCode::Char('h'), true, _) => Edit::Backspace,
        (KeyCode::Delete, ..) | (KeyCode::Char('d'), true, _) => Edit::Delete,
        (KeyCode::Char('u'), true, _) => Edit::DeleteToStart,
        (KeyCode::Char('k'), true, _) => Edit::DeleteToEnd,
        (KeyCode::Char(c), false, _) => Edit::Insert(c),
        _ => return None,
    };
    Some(Action::Edit(edit))
}

fn mouse(event: &MouseEvent) -> Option<Action> {
    let at = Position::new(event.column, event.row);
    let shift = event.modifiers.contains(KeyModifiers::SHIFT);
    let wheel = |steps, across| Some(Action::Wheel { at, steps, across });
    match event.kind {
        MouseEventKind::Down(MouseButton::Left) => Some(Action::Click { at, drag: false }),
        MouseEventKind::Drag(MouseButton::Left) => Some(Action::Click { at, drag: true }),
        MouseEventKind::ScrollDown => wheel(1, shift),
        MouseEventKind::ScrollUp => wheel(-1, shift),
        MouseEventKind::ScrollRight => wheel(1, true),
        MouseEventKind::ScrollLeft => wheel(-1, true),
        _ => None,
    }
}
