//! Keys with modifiers: parsed from settings, formatted for the user.

use std::fmt;
use std::str::FromStr;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// A key with its modifiers. Settings spell it `ctrl-x`, `shift-left`, `G` or `enter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chord {
    code: KeyCode,
    modifiers: KeyModifiers,
}

impl Chord {
    /// Returns the chord of a key event. For a character key, Shift is part of the character and not a
    /// modifier.
    pub fn of(event: &KeyEvent) -> Self {
        let mut modifiers =
            event.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT);
        if matches!(event.code, KeyCode::Char(_) | KeyCode::BackTab) {
            modifiers -= KeyModifiers::SHIFT;
        }
        Self { code: event.code, modifiers }
    }
}

/// Keys that settings spell out by name.
const NAMED: [(&str, KeyCode); 17] = [
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("pageup", KeyCode::PageUp),
    ("pagedown", KeyCode::PageDown),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("tab", KeyCode::Tab),
    ("backtab", KeyCode::BackTab),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
    ("insert", KeyCode::Insert),
    ("space", KeyCode::Char(' ')),
    ("f1", KeyCode::F(1)),
];

impl fmt::Display for Chord {
    /// Formats the key for the user.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = String::new();
        for (prefix, modifier) in PREFIXES {
            if self.modifiers.contains(modifier) {
                key.push_str(prefix);
            }
        }
        let named = NAMED.iter().find(|(_, code)| *code == self.code).map(|(name, _)| name.to_string());
        key.push_str(&named.unwrap_or_else(|| self.code.to_string()));
        f.write_str(&spell(&key))
    }
}

/// Modifiers as settings spell them.
const PREFIXES: [(&str, KeyModifiers); 3] =
    [("ctrl-", KeyModifiers::CONTROL), ("alt-", KeyModifiers::ALT), ("shift-", KeyModifiers::SHIFT)];

impl FromStr for Chord {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut modifiers = KeyModifiers::NONE;
        let mut rest = text;
        for (prefix, modifier) in PREFIXES {
            if let Some(after) = rest.strip_prefix(prefix).filter(|after| !after.is_empty()) {
                modifiers |= modifier;
                rest = after;
            }
        }
        let named = NAMED.iter().find(|(name, _)| *name == rest).map(|(_, code)| *code);
        let mut letters = rest.chars();
        let code = match (named, letters.next(), letters.next()) {
            (Some(code), _, _) => code,
            (None, Some(letter), None) => KeyCode::Char(letter),
            _ => {
                return Err(format!(
                    "'{text}' is not a key: write it like x, X, ctrl-x, alt-x, left, enter or f1"
                ));
            }
        };
        Ok(Self { code, modifiers })
    }
}

/// Formats a key from the settings for the user: `←`, `Ctrl-Y`, `Tab`.
pub fn spell(key: &str) -> String {
    let (ctrl, key) =
        key.strip_prefix("ctrl-").filter(|rest| !rest.is_empty()).map_or(("", key), |k| ("Ctrl-", k));
    let (shift, key) =
        key.strip_prefix("shift-").filter(|rest| !rest.is_empty()).map_or(("", key), |k| ("Shift-", k));
    let name = match key {
        "left" => "←",
        "right" => "→",
        "up" => "↑",
        "down" => "↓",
        "pageup" => "PgUp",
        "pagedown" => "PgDn",
        "home" => "Home",
        "end" => "End",
        "enter" => "Enter",
        "esc" => "Esc",
        "tab" => "Tab",
        "backtab" => "Shift-Tab",
        "backspace" => "Backspace",
        "delete" => "Del",
        "space" => "Space",
        "f1" => "F1",
        key => {
            return format!("{ctrl}{shift}{}", if ctrl.is_empty() { key.into() } else { key.to_uppercase() });
        }
    };
    format!("{ctrl}{shift}{name}")
}
