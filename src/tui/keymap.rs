//! The table of commands, the source of the key bindings, the help, the palette, the footer and the key table
//! of the documentation. Shared commands are listed in a file per group, those of a single view in its folder.

mod chord;
pub mod entry;
mod heads;
mod looks;
mod moving;
mod program;
mod texts;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use ratatui::crossterm::event::KeyEvent;

pub use chord::{Chord, spell};
use entry::group::VIEW;

use super::command::Command;
use super::views::{self, ViewId};

/// Views in which a command applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// All views.
    Always,
    /// These views.
    In(Vec<ViewId>),
}

impl When {
    /// Returns true if the command applies in a view.
    pub fn holds(&self, view: ViewId) -> bool {
        match self {
            When::Always => true,
            When::In(views) => views.contains(&view),
        }
    }
}

/// Entry of the command table.
#[derive(Clone, Debug)]
pub struct CommandEntry {
    /// The command.
    pub command: Command,
    /// Its name in the palette and in a user's keymap.
    pub name: &'static str,
    /// Its keys.
    pub keys: &'static [&'static str],
    /// Description in one sentence.
    pub sentence: &'static str,
    /// Label in the footer; empty if the footer leaves the command out.
    pub hint: &'static str,
    /// Heading in the help.
    pub group: &'static str,
    /// Views in which it applies.
    pub when: When,
}

const fn shared(
    command: Command,
    name: &'static str,
    keys: &'static [&'static str],
    hint: &'static str,
    group: &'static str,
    when: When,
    sentence: &'static str,
) -> CommandEntry {
    CommandEntry { command, name, keys, sentence, hint, group, when }
}

use Command as C;
use When::Always;

/// Placeholder for the views that list the command among their shared commands.
const SOME_VIEWS: When = When::In(Vec::new());

/// Every command in the order of the help, shared commands and those of single views.
pub static TABLE: LazyLock<Vec<CommandEntry>> = LazyLock::new(|| {
    let mut table = shared_commands();
    for entry in &mut table {
        if let When::In(views) = &mut entry.when {
            let takes = |view: &&ViewId| view.info().shared.contains(&entry.name);
            views.extend(ViewId::ALL.iter().filter(takes));
        }
    }
    let mut own: Vec<(&str, CommandEntry)> = Vec::new();
    for &view in ViewId::ALL {
        let Some(tab) = view.info().tab else { continue };
        own.push((tab.after, shared(C::Show(view), tab.command, tab.keys, "", VIEW, Always, tab.sentence)));
    }
    for (view, of) in views::commands() {
        let when = When::In(vec![view]);
        own.push((
            of.after,
            shared(C::View(of.command), of.name, of.keys, of.hint, of.group, when, of.sentence),
        ));
    }
    // A command may follow one that has not been placed yet, so several rounds are needed.
    while !own.is_empty() {
        let left = own.len();
        own.retain(|(after, entry)| match table.iter().position(|placed| placed.name == *after) {
            Some(at) => {
                table.insert(at + 1, entry.clone());
                false
            }
            None => true,
        });
        if own.len() == left {
            table.extend(own.drain(..).map(|(_, entry)| entry));
        }
    }
    table
});

/// Returns the commands that have the same meaning in every view in which they apply.
fn shared_commands() -> Vec<CommandEntry> {
    [moving::COMMANDS, heads::COMMANDS, texts::COMMANDS, looks::COMMANDS, program::COMMANDS].concat()
}

/// Key bindings: the defaults of [`TABLE`], overridden by the user's settings.
#[derive(Clone, Debug)]
pub struct Keymap {
    bindings: Vec<(Chord, Command)>,
    keys: Vec<Vec<String>>,
}

impl Default for Keymap {
    fn default() -> Self {
        Self::build(
            TABLE.iter().map(|entry| entry.keys.iter().map(|key| key.to_string()).collect()).collect(),
        )
        .0
    }
}

/// Error in the user's `[keys]` settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadKeymap(pub String);

impl fmt::Display for BadKeymap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Keymap {
    /// Creates key bindings from the defaults and the user's keys by command name. A key that the user gives
    /// to one command no longer belongs to the command that has it by default.
    ///
    /// # Errors
    /// Returns [`BadKeymap`] for an unknown command or an invalid key.
    pub fn with(overrides: &BTreeMap<String, Vec<String>>) -> Result<Self, BadKeymap> {
        for name in overrides.keys() {
            if !TABLE.iter().any(|entry| entry.name == name) {
                return Err(BadKeymap(format!("keys: '{name}' is not a command")));
            }
        }
        let given: Vec<&String> = overrides.values().flatten().collect();
        let keys = TABLE
            .iter()
            .map(|entry| match overrides.get(entry.name) {
                Some(keys) => keys.clone(),
                None => {
                    entry.keys.iter().map(|key| key.to_string()).filter(|key| !given.contains(&key)).collect()
                }
            })
            .collect();
        let (keymap, error) = Self::build(keys);
        error.map_or(Ok(keymap), |error| Err(BadKeymap(error)))
    }

    /// Binds the keys of each entry of [`TABLE`]; the second value is the last invalid key's error, if any.
    fn build(keys: Vec<Vec<String>>) -> (Self, Option<String>) {
        let mut bindings = Vec::new();
        let mut error = None;
        for (entry, keys) in TABLE.iter().zip(&keys) {
            for key in keys {
                match key.parse() {
                    Ok(chord) => bindings.push((chord, entry.command)),
                    Err(why) => error = Some(why),
                }
            }
        }
        (Self { bindings, keys }, error)
    }

    /// Returns the command bound to a key in a view.
    pub fn command(&self, event: &KeyEvent, view: ViewId) -> Option<Command> {
        let chord = Chord::of(event);
        self.bindings
            .iter()
            .filter(|(bound, _)| *bound == chord)
            .map(|(_, command)| *command)
            .find(|&command| find(command).is_some_and(|entry| entry.when.holds(view)))
    }

    /// Returns the command that a key has in some view.
    pub fn elsewhere(&self, event: &KeyEvent) -> Option<&'static CommandEntry> {
        let chord = Chord::of(event);
        self.bindings.iter().find(|(bound, _)| *bound == chord).and_then(|(_, command)| find(*command))
    }

    /// Returns the keys of a command as shown to the user.
    pub fn keys(&self, command: Command) -> Vec<String> {
        let at = TABLE.iter().position(|entry| entry.command == command);
        at.and_then(|at| self.keys.get(at))
            .map_or_else(Vec::new, |keys| keys.iter().map(|key| spell(key)).collect())
    }

    /// Returns the commands that apply in a view, with their keys as shown to the user.
    pub fn entries(&self, view: ViewId) -> impl Iterator<Item = (&'static CommandEntry, Vec<String>)> {
        TABLE
            .iter()
            .zip(&self.keys)
            .filter(move |(entry, _)| entry.when.holds(view))
            .map(|(entry, keys)| (entry, keys.iter().map(|key| spell(key)).collect()))
    }
}

/// Returns the table entry of a command.
pub fn find(command: Command) -> Option<&'static CommandEntry> {
    TABLE.iter().find(|entry| entry.command == command)
}

/// Renders the key table of the documentation in Markdown. A command that applies in all views names none.
pub fn markdown() -> String {
    let cell = |text: &str| text.replace('|', "\\|");
    let mut out = String::from("| keys | view | what they do |\n|---|---|---|\n");
    for entry in TABLE.iter() {
        let keys: Vec<String> = entry.keys.iter().map(|key| format!("`{}`", spell(key))).collect();
        let views: Vec<&str> = match &entry.when {
            When::Always => Vec::new(),
            When::In(views) => views.iter().map(|view| view.name()).collect(),
        };
        let cells = [cell(&keys.join(" ")), views.join(", "), cell(entry.sentence)];
        out.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    out
}

#[cfg(test)]
mod tests {
    use ratatui::crossterm::event::{KeyCode, KeyModifiers};

    use super::*;

    #[test]
    fn names_are_unique_and_no_key_is_bound_twice_in_a_view() {
        for (at, entry) in TABLE.iter().enumerate() {
            assert!(!TABLE[..at].iter().any(|other| other.name == entry.name), "{}", entry.name);
        }
        for &view in ViewId::ALL {
            let mut seen = Vec::new();
            for entry in TABLE.iter().filter(|entry| entry.when.holds(view)) {
                for key in entry.keys {
                    assert!(key.parse::<Chord>().is_ok(), "{key}");
                    assert!(!seen.contains(key), "{key} in {view:?}");
                    seen.push(key);
                }
            }
        }
    }

    #[test]
    fn views_name_commands_that_exist() {
        let is_known = |name: &str| TABLE.iter().any(|entry| entry.name == name);
        for view in ViewId::ALL.iter().map(|view| view.info()) {
            let named = view.shared.iter().chain(view.footer).chain(view.tab.as_ref().map(|tab| &tab.after));
            named.for_each(|name| assert!(is_known(name), "{}: {name}", view.name));
            let some_views =
                |name: &str| shared_commands().iter().any(|entry| entry.name == name && entry.when != Always);
            view.shared.iter().for_each(|name| assert!(some_views(name), "{}: {name}", view.name));
        }
        for (view, entry) in views::commands() {
            assert!(is_known(entry.after), "{}: {} follows {}", view.name(), entry.name, entry.after);
        }
    }

    #[test]
    fn users_may_choose_their_keys() {
        let own = BTreeMap::from([("quit".to_string(), vec!["g".to_string()])]);
        let keymap = Keymap::with(&own).unwrap();
        let event = KeyEvent::new(KeyCode::Char('g'), KeyModifiers::NONE);
        assert_eq!(keymap.command(&event, ViewId::Map), Some(Command::Quit));
        assert_eq!(keymap.keys(Command::Quit), ["g"]);
        assert!(keymap.keys(Command::Overview).is_empty());
        let wrong = BTreeMap::from([("quiet".to_string(), Vec::new())]);
        assert!(Keymap::with(&wrong).is_err());
        let wrong = BTreeMap::from([("quit".to_string(), vec!["ctrl-".to_string()])]);
        assert!(Keymap::with(&wrong).is_err());
    }

    #[test]
    fn keys_are_spelled_for_people() {
        assert_eq!(spell("ctrl-y"), "Ctrl-Y");
        assert_eq!(spell("-"), "-");
        assert_eq!(spell("shift-left"), "Shift-←");
    }
}
