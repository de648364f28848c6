//! Control sequences: keys with modifiers, the mouse, replies.
//!
//! Sources: xterm's "Control Sequences", and kitty's "Comprehensive keyboard handling in terminals".

use ratatui::crossterm::event::{
    Event as TerminalEvent, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent,
    MouseEventKind,
};

use super::{Decoded, Input, LONGEST_SEQUENCE, key};
use crate::tui::answers::Reply;

/// Decodes a sequence that starts with `ESC [`, of which at least one more byte has arrived.
pub fn sequence(bytes: &[u8]) -> Decoded {
    let body = &bytes[2..];
    match body {
        // The Linux console's F1 to F5.
        [b'['] => return None,
        [b'[', end @ b'A'..=b'E', ..] => return Some((4, Some(key(KeyCode::F(end - b'A' + 1))))),
        [b'M', ..] if body.len() < 4 => return None,
        [b'M', button, column, row, ..] => return Some((6, old_mouse(*button, *column, *row))),
        _ => {}
    }
    let Some(length) = body.iter().position(|byte| !(0x20..=0x3f).contains(byte)) else {
        return (body.len() > LONGEST_SEQUENCE).then_some((bytes.len(), None));
    };
    let end = body[length];
    if !(0x40..=0x7e).contains(&end) {
        // No sequence continues like that; this byte starts something else.
        return Some((2 + length + usize::from(end >= 0x80), None));
    }
    let parameters = std::str::from_utf8(&body[..length]).unwrap_or_default();
    let reply = Reply::of_control(parameters, end).map(Input::Reply);
    Some((2 + length + 1, reply.or_else(|| event(parameters, end).map(Input::Event))))
}

/// Returns the key that `ESC O` and this byte mean.
pub fn application_key(end: u8) -> Option<KeyCode> {
    match end {
        b'M' => Some(KeyCode::Enter),
        b'j'..=b'y' => Some(KeyCode::Char(char::from(end - 0x40))),
        _ => cursor_key(end),
    }
}

fn cursor_key(end: u8) -> Option<KeyCode> {
    Some(match end {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'F' => KeyCode::End,
        b'H' => KeyCode::Home,
        b'P'..=b'S' => KeyCode::F(end - b'P' + 1),
        _ => return None,
    })
}

fn event(parameters: &str, end: u8) -> Option<TerminalEvent> {
    if let Some(mouse) = parameters.strip_prefix('<') {
        return self::mouse(mouse, end).map(TerminalEvent::Mouse);
    }
    let fields: Vec<Vec<u32>> = parameters
        .split(';')
        .map(|field| field.split(':').map(|number| number.parse().unwrap_or(0)).collect())
        .collect();
    let number = |field: usize, part: usize| fields.get(field).and_then(|parts| parts.get(part)).copied();
    let mask = number(1, 0).unwrap_or(1);
    let mut modifiers = modifiers(mask);
    let code = match end {
        b'I' => return Some(TerminalEvent::FocusGained),
        b'O' => return Some(TerminalEvent::FocusLost),
        b'Z' => {
            modifiers |= KeyModifiers::SHIFT;
            KeyCode::BackTab
        }
        b'u' => {
            let shifted =
                number(0, 1).filter(|&shifted| shifted > 0 && modifiers.contains(KeyModifiers::SHIFT));
            match key_of(shifted.or(number(0, 0))?)? {
                KeyCode::Tab if modifiers.contains(KeyModifiers::SHIFT) => KeyCode::BackTab,
                code => code,
            }
        }
        // xterm's `modifyOtherKeys`: 27, modifiers, character.
        b'~' if number(0, 0) == Some(27) => key_of(number(2, 0)?)?,
        b'~' => numbered_key(number(0, 0)?)?,
        // With two numbers the report of a position, unless the first is 1.
        b'R' if fields.len() > 1 && number(0, 0) != Some(1) => return None,
        _ => cursor_key(end)?,
    };
    let kind = match number(1, 1) {
        Some(2) => KeyEventKind::Repeat,
        Some(3) => KeyEventKind::Release,
        _ => KeyEventKind::Press,
    };
    Some(TerminalEvent::Key(KeyEvent::new_with_kind(code, modifiers, kind)))
}

/// Returns the modifiers of a parameter, which is a set of bits plus one.
fn modifiers(parameter: u32) -> KeyModifiers {
    let bits = parameter.saturating_sub(1);
    [
        (1, KeyModifiers::SHIFT),
        (2, KeyModifiers::ALT),
        (4, KeyModifiers::CONTROL),
        (8, KeyModifiers::SUPER),
        (16, KeyModifiers::HYPER),
        (32, KeyModifiers::META),
    ]
    .into_iter()
    .filter(|(bit, _)| bits & bit != 0)
    .fold(KeyModifiers::NONE, |all, (_, modifier)| all | modifier)
}

/// Returns the key of `ESC [ number ~`.
fn numbered_key(number: u32) -> Option<KeyCode> {
    let function = |at: u32| u8::try_from(at).ok().map(KeyCode::F);
    match number {
        1 | 7 => Some(KeyCode::Home),
        2 => Some(KeyCode::Insert),
        3 => Some(KeyCode::Delete),
        4 | 8 => Some(KeyCode::End),
        5 => Some(KeyCode::PageUp),
        6 => Some(KeyCode::PageDown),
        11..=15 => function(number - 10),
        17..=21 => function(number - 11),
        23..=26 => function(number - 12),
        28..=29 => function(number - 15),
        31..=34 => function(number - 17),
        _ => None,
    }
}

/// Returns the key of a code point. Keys without a character have code points of kitty's in a private area.
fn key_of(code: u32) -> Option<KeyCode> {
    const KEYPAD: [KeyCode; 28] = [
        KeyCode::Char('0'),
        KeyCode::Char('1'),
        KeyCode::Char('2'),
        KeyCode::Char('3'),
        KeyCode::Char('4'),
        KeyCode::Char('5'),
        KeyCode::Char('6'),
        KeyCode::Char('7'),
        KeyCode::Char('8'),
        KeyCode::Char('9'),
        KeyCode::Char('.'),
        KeyCode::Char('/'),
        KeyCode::Char('*'),
        KeyCode::Char('-'),
        KeyCode::Char('+'),
        KeyCode::Enter,
        KeyCode::Char('='),
        KeyCode::Char(','),
        KeyCode::Left,
        KeyCode::Right,
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::PageUp,
        KeyCode::PageDown,
        KeyCode::Home,
        KeyCode::End,
        KeyCode::Insert,
        KeyCode::Delete,
    ];
    match code {
        9 => Some(KeyCode::Tab),
        13 => Some(KeyCode::Enter),
        27 => Some(KeyCode::Esc),
        127 => Some(KeyCode::Backspace),
        57376..=57398 => u8::try_from(code - 57376 + 13).ok().map(KeyCode::F),
        57399..=57426 => KEYPAD.get(usize::try_from(code - 57399).ok()?).copied(),
        // Locks, media keys and modifiers alone.
        57344..=63743 => None,
        _ => char::from_u32(code).map(KeyCode::Char),
    }
}

/// Decodes a mouse report in the form `button;column;row`, which `M` ends for a press and `m` for a release.
fn mouse(parameters: &str, end: u8) -> Option<MouseEvent> {
    let mut numbers = parameters.split(';').map(|number| number.parse::<u16>().ok());
    let (button, column, row) = (numbers.next()??, numbers.next()??, numbers.next()??);
    let (kind, modifiers) = button_of(u8::try_from(button).ok()?)?;
    let kind = match (end, kind) {
        (b'M', kind) => kind,
        (b'm', MouseEventKind::Down(button)) => MouseEventKind::Up(button),
        (b'm', kind) => kind,
        _ => return None,
    };
    Some(MouseEvent { kind, column: column.checked_sub(1)?, row: row.checked_sub(1)?, modifiers })
}

/// Decodes a mouse report of three bytes, each a number plus 32; columns and rows start from 1.
fn old_mouse(button: u8, column: u8, row: u8) -> Option<Input> {
    let (kind, modifiers) = button_of(button.checked_sub(32)?)?;
    let (column, row) = (u16::from(column.checked_sub(33)?), u16::from(row.checked_sub(33)?));
    Some(Input::Event(TerminalEvent::Mouse(MouseEvent { kind, column, row, modifiers })))
}

/// Decodes a button code: the button in bits 0, 1, 6 and 7, modifiers in bits 2 to 4, motion in bit 5.
fn button_of(code: u8) -> Option<(MouseEventKind, KeyModifiers)> {
    let moving = code & 32 != 0;
    let button = match (code & 3) | ((code & 0xc0) >> 4) {
        0 => MouseButton::Left,
        1 => MouseButton::Middle,
        2 => MouseButton::Right,
        other => {
            let kind = match (other, moving) {
                (3, false) => MouseEventKind::Up(MouseButton::Left),
                (3..=5, true) => MouseEventKind::Moved,
                (4, _) => MouseEventKind::ScrollUp,
                (5, _) => MouseEventKind::ScrollDown,
                (6, false) => MouseEventKind::ScrollLeft,
                (7, false) => MouseEventKind::ScrollRight,
                _ => return None,
            };
            return Some((kind, held(code)));
        }
    };
    let kind = if moving { MouseEventKind::Drag(button) } else { MouseEventKind::Down(button) };
    Some((kind, held(code)))
}

/// Returns the modifiers in a button code.
fn held(code: u8) -> KeyModifiers {
    [(4, KeyModifiers::SHIFT), (8, KeyModifiers::ALT), (16, KeyModifiers::CONTROL)]
        .into_iter()
        .filter(|(bit, _)| code & bit != 0)
        .fold(KeyModifiers::NONE, |all, (_, modifier)| all | modifier)
}
