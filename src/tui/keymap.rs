//! The command table: names, keys, descriptions and scope of every command.
//!
//! Key bindings, help, command palette, footer and the documentation's key table are all made from [`TABLE`].

mod chord;

use std::collections::BTreeMap;
use std::fmt;

use ratatui::crossterm::event::KeyEvent;

pub use chord::{Chord, spell};

use super::action::Command;
use super::app::View;

/// Scope of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// The command applies in every view.
    Always,
    /// The command applies in these views.
    In(&'static [View]),
}

impl When {
    /// Returns true if the command applies in a view.
    pub fn holds(self, view: View) -> bool {
        match self {
            When::Always => true,
            When::In(views) => views.contains(&view),
        }
    }
}

/// Description of a command.
#[derive(Clone, Copy, Debug)]
pub struct CommandEntry {
    /// The command.
    pub command: Command,
    /// Name in the palette and in the user's `[keys]` settings.
    pub name: &'static str,
    /// Default keys.
    pub keys: &'static [&'static str],
    /// Effect, in one sentence.
    pub sentence: &'static str,
    /// Label of one or two words for the footer; empty if the footer does not show it.
    pub hint: &'static str,
    /// Heading in the help.
    pub group: &'static str,
    /// Scope.
    pub when: When,
}

const MOVE: &str = "Move";
const HEAD: &str = "Choose a head";
const TEXT: &str = "Text";
const LOOK: &str = "Look";
const VIEW: &str = "Views";
const TOUR: &str = "Tour";
const PROGRAM: &str = "Program";

const fn entry(
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
use When::{Always, In};

const MAPS: When = In(&[View::Map]);
const ON_CELLS: When = In(&[View::Map, View::Text]);
const TEXTS: When = In(&[View::Text]);
const LISTS: When = In(&[View::Heads, View::Links, View::Compare]);
const TABLE_OF_HEADS: When = In(&[View::Heads]);

/// All commands, in the order of the help.
pub const TABLE: &[CommandEntry] = &[
    entry(C::Left, "left", &["left", "h"], "", MOVE, Always, "Move one key (or thumbnail) to the left"),
    entry(C::Right, "right", &["right", "l"], "", MOVE, Always, "Move one key (or thumbnail) to the right"),
    entry(C::Up, "up", &["up", "k"], "", MOVE, Always, "Move one query (or line) up"),
    entry(C::Down, "down", &["down", "j"], "", MOVE, Always, "Move one query (or line) down"),
    entry(C::PageUp, "page-up", &["pageup", "ctrl-b"], "", MOVE, Always, "Move a page up"),
    entry(C::PageDown, "page-down", &["pagedown", "ctrl-f"], "", MOVE, Always, "Move a page down"),
    entry(C::PageLeft, "page-left", &["H", "shift-left"], "", MOVE, ON_CELLS, "Move a page to the left"),
    entry(C::PageRight, "page-right", &["L", "shift-right"], "", MOVE, ON_CELLS, "Move a page to the right"),
    entry(C::FirstKey, "first-key", &["home", "0"], "", MOVE, Always, "Go to the first key (or line)"),
    entry(C::LastKey, "last-key", &["end", "$"], "", MOVE, Always, "Go to the last key (or line)"),
    entry(C::FirstQuery, "first-query", &["ctrl-home", "K"], "", MOVE, ON_CELLS, "Go to the first query"),
    entry(C::LastQuery, "last-query", &["ctrl-end", "J"], "", MOVE, ON_CELLS, "Go to the last query"),
    entry(
        C::Strongest,
        "strongest",
        &["m"],
        "strongest",
        MOVE,
        ON_CELLS,
        "Go to the strongest key of this query",
    ),
    entry(
        C::NextLink,
        "next-link",
        &["n"],
        "far link",
        MOVE,
        Always,
        "Go to the next long-range link of this head, strongest first",
    ),
    entry(C::PreviousLink, "previous-link", &["N"], "", MOVE, Always, "Go to the previous long-range link"),
    entry(
        C::Farther,
        "farther",
        &[">"],
        "",
        MOVE,
        Always,
        "Raise the minimum distance of long-range links by one token",
    ),
    entry(C::Nearer, "nearer", &["<"], "", MOVE, Always, "Lower the minimum distance by one token"),
    entry(
        C::Back,
        "back",
        &["backspace", "u"],
        "",
        MOVE,
        Always,
        "Go back to where you were before the last jump",
    ),
    entry(C::Forward, "forward", &["U"], "", MOVE, Always, "Go forward again"),
    entry(C::Search, "search", &["/"], "find", MOVE, Always, "Find a token in the source or the target"),
    entry(C::PreviousHead, "previous-head", &["["], "", HEAD, Always, "Select the previous head"),
    entry(C::NextHead, "next-head", &["]"], "head", HEAD, Always, "Select the next head"),
    entry(C::PreviousLayer, "previous-layer", &["{"], "", HEAD, Always, "Select the previous layer"),
    entry(C::NextLayer, "next-layer", &["}"], "layer", HEAD, Always, "Select the next layer"),
    entry(
        C::NextKind,
        "next-kind",
        &["tab"],
        "kind",
        HEAD,
        Always,
        "Select the next kind: encoder, decoder, cross",
    ),
    entry(C::PreviousKind, "previous-kind", &["backtab"], "", HEAD, Always, "Select the previous kind"),
    entry(
        C::Overview,
        "overview",
        &["g"],
        "overview",
        HEAD,
        Always,
        "Show all layers and heads of this kind, or go back",
    ),
    entry(
        C::Open,
        "open",
        &["enter"],
        "open",
        HEAD,
        In(&[View::Grid, View::Heads, View::Links, View::Compare]),
        "Open the selection",
    ),
    entry(C::Sort, "sort", &["o"], "sort", HEAD, TABLE_OF_HEADS, "Sort by the next column"),
    entry(C::SortBack, "sort-back", &["i"], "", HEAD, TABLE_OF_HEADS, "Sort by the previous column"),
    entry(C::Reverse, "reverse", &["O"], "reverse", HEAD, TABLE_OF_HEADS, "Reverse the sort order"),
    entry(
        C::OneKind,
        "one-kind",
        &["f"],
        "one kind",
        HEAD,
        LISTS,
        "Show only the selected kind, or all kinds",
    ),
    entry(
        C::Keep,
        "keep",
        &["d"],
        "keep",
        HEAD,
        In(&[View::Links]),
        "Hide links of punctuation, then also links to sinks",
    ),
    entry(
        C::Over,
        "over",
        &["o"],
        "heads",
        HEAD,
        TEXTS,
        "Shade by this head, or by the mean, maximum or colours of the marked heads (else of the layer)",
    ),
    entry(
        C::FlowHeads,
        "flow-heads",
        &["o"],
        "heads",
        HEAD,
        In(&[View::Flow]),
        "Combine heads by their mean, their maximum, or their measured contributions (ALTI)",
    ),
    entry(
        C::FlowLayers,
        "flow-layers",
        &["d"],
        "layers",
        HEAD,
        In(&[View::Flow]),
        "Trace all layers, or only the selected layer",
    ),
    entry(
        C::Receives,
        "receives",
        &["d"],
        "gives/receives",
        HEAD,
        TEXTS,
        "Show what the query attends to, or what attends to the key",
    ),
    entry(
        C::Mark,
        "mark",
        &["space"],
        "mark",
        HEAD,
        In(&[View::Grid, View::Heads]),
        "Mark or unmark the head",
    ),
    entry(
        C::HeadOff,
        "head-off",
        &["X"],
        "off",
        HEAD,
        Always,
        "Switch the head (or all marked heads) off or on, to see what the output loses",
    ),
    entry(C::LinkOff, "link-off", &["D"], "", HEAD, Always, "Switch the link under the cursor off or on"),
    entry(C::EditSource, "source", &["s"], "source", TEXT, Always, "Edit the source"),
    entry(
        C::EditTarget,
        "target",
        &["t"],
        "target",
        TEXT,
        Always,
        "Edit the target to force; leave it empty to generate one",
    ),
    entry(C::Generate, "generate", &["T"], "", TEXT, Always, "Drop the forced target and generate one"),
    entry(
        C::SourceLanguage,
        "source-language",
        &["ctrl-s"],
        "",
        TEXT,
        Always,
        "Choose the source language, if the model has several",
    ),
    entry(
        C::TargetLanguage,
        "target-language",
        &["ctrl-t"],
        "",
        TEXT,
        Always,
        "Choose the target language, if the model has several",
    ),
    entry(C::CopyValue, "copy-value", &["y"], "", TEXT, Always, "Copy the selected weight with its tokens"),
    entry(C::CopyRow, "copy-row", &["Y"], "", TEXT, Always, "Copy the selected row with its tokens"),
    entry(C::CopyMap, "copy-map", &["ctrl-y"], "", TEXT, Always, "Copy the whole map as a table"),
    entry(C::ZoomIn, "zoom-in", &["+", "="], "", LOOK, MAPS, "Zoom in"),
    entry(
        C::ZoomOut,
        "zoom-out",
        &["-"],
        "",
        LOOK,
        MAPS,
        "Zoom out; each cell then pools the weights it covers",
    ),
    entry(C::ZoomFit, "zoom", &["z"], "", LOOK, MAPS, "Switch between the whole map and cells with labels"),
    entry(
        C::Words,
        "words",
        &["w"],
        "words",
        LOOK,
        Always,
        "Merge tokens into words: keys are summed, queries averaged",
    ),
    entry(
        C::Special,
        "special",
        &["x"],
        "",
        LOOK,
        Always,
        "Show special tokens, hide them, or hide them and renormalise",
    ),
    entry(
        C::Range,
        "range",
        &["r"],
        "",
        LOOK,
        Always,
        "Give the full colour to the maximum of the row, the maximum of the map, or 1",
    ),
    entry(
        C::Curve,
        "curve",
        &["c"],
        "",
        LOOK,
        Always,
        "Make colours linear, square root or logarithmic in the weight",
    ),
    entry(
        C::Values,
        "values",
        &["v"],
        "values",
        LOOK,
        Always,
        "Show value-weighted attention (weights times value norms), or plain weights",
    ),
    entry(
        C::Scores,
        "scores",
        &["S"],
        "",
        LOOK,
        MAPS,
        "Show scores before the softmax (total, content, position bias), or weights",
    ),
    entry(C::Brighter, "brighter", &["("], "", LOOK, Always, "Lower gamma, which brightens small weights"),
    entry(C::Darker, "darker", &[")"], "", LOOK, Always, "Raise gamma, which darkens small weights"),
    entry(
        C::Filter,
        "filter",
        &["F"],
        "filter",
        LOOK,
        MAPS,
        "Filter rows and columns by letters, positions (3-9) or weights (>0.2)",
    ),
    entry(
        C::Pooling,
        "pooling",
        &["p"],
        "",
        LOOK,
        MAPS,
        "When zoomed out, show the largest weight or the mean",
    ),
    entry(
        C::ThresholdUp,
        "threshold-up",
        &["."],
        "",
        LOOK,
        MAPS,
        "Raise the weight below which nothing is drawn",
    ),
    entry(
        C::ThresholdDown,
        "threshold-down",
        &[","],
        "",
        LOOK,
        MAPS,
        "Lower the weight below which nothing is drawn",
    ),
    entry(C::Colormap, "colours", &["C"], "", LOOK, Always, "Switch to the next colour map"),
    entry(C::Glyphs, "glyphs", &["G"], "", LOOK, Always, "Draw weights as characters, or as colours"),
    entry(
        C::Pixels,
        "pixels",
        &["ctrl-g"],
        "",
        LOOK,
        MAPS,
        "Draw zoomed-out maps in pixels, or in character cells",
    ),
    entry(C::Show(View::Map), "map", &["1"], "", VIEW, Always, "Map: one head as a heatmap"),
    entry(
        C::Show(View::Text),
        "text",
        &["2"],
        "",
        VIEW,
        Always,
        "Text: source and target as running text, shaded by weight",
    ),
    entry(
        C::Show(View::Heads),
        "heads",
        &["4"],
        "",
        VIEW,
        Always,
        "Heads: a table of all heads with their metrics",
    ),
    entry(
        C::Show(View::Links),
        "links",
        &["5"],
        "",
        VIEW,
        Always,
        "Links: the strongest long-range links of all heads",
    ),
    entry(
        C::Show(View::Flow),
        "flow",
        &["6"],
        "",
        VIEW,
        Always,
        "Flow: where an output token draws from, through all layers",
    ),
    entry(C::Show(View::Grid), "grid", &["3"], "", VIEW, Always, "Grid: thumbnails of all heads of a kind"),
    entry(
        C::Show(View::Compare),
        "compare",
        &["7"],
        "",
        VIEW,
        Always,
        "Compare: the pinned capture beside the current one",
    ),
    entry(C::Pin, "pin", &["P"], "pin", VIEW, Always, "Pin this capture to compare others with it"),
    entry(C::Tour, "tour", &["E"], "", TOUR, Always, "Start the guided tour, or leave it"),
    entry(C::NextStep, "next-step", &["a"], "", TOUR, Always, "Go to the tour's next page or step"),
    entry(C::PreviousStep, "previous-step", &["A"], "", TOUR, Always, "Go back to the previous page or step"),
    entry(
        C::Palette,
        "palette",
        &[":", "ctrl-p"],
        "",
        PROGRAM,
        Always,
        "Find a command, or go to a head such as 3.5 or cross 2.4",
    ),
    entry(C::Help, "help", &["?", "f1"], "help", PROGRAM, Always, "Show the keys of this view"),
    entry(
        C::Cancel,
        "cancel",
        &["esc"],
        "",
        PROGRAM,
        Always,
        "Close the window on top, or stop the work in progress",
    ),
    entry(C::Redraw, "redraw", &["ctrl-l"], "", PROGRAM, Always, "Redraw the screen"),
    entry(C::Suspend, "suspend", &["ctrl-z"], "", PROGRAM, Always, "Suspend the program; `fg` resumes it"),
    entry(C::Quit, "quit", &["q", "ctrl-c"], "quit", PROGRAM, Always, "Quit"),
];

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
    pub fn command(&self, event: &KeyEvent, view: View) -> Option<Command> {
        let chord = Chord::of(event);
        self.bindings
            .iter()
            .filter(|(bound, _)| *bound == chord)
            .map(|(_, command)| *command)
            .find(|&command| find(command).is_some_and(|entry| entry.when.holds(view)))
    }

    /// Returns the keys of a command as shown to the user.
    pub fn keys(&self, command: Command) -> Vec<String> {
        let at = TABLE.iter().position(|entry| entry.command == command);
        at.and_then(|at| self.keys.get(at))
            .map_or_else(Vec::new, |keys| keys.iter().map(|key| spell(key)).collect())
    }

    /// Returns the commands that apply in a view, with their keys as shown to the user.
    pub fn entries(&self, view: View) -> impl Iterator<Item = (&'static CommandEntry, Vec<String>)> {
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

/// Renders the key table of the documentation in Markdown.
pub fn markdown() -> String {
    let mut out = String::from("| keys | what they do |\n|---|---|\n");
    for entry in TABLE {
        let keys: Vec<String> = entry.keys.iter().map(|key| format!("`{}`", spell(key))).collect();
        out.push_str(&format!("| {} | {} |\n", keys.join(" "), entry.sentence));
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
        for &view in View::ALL {
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
    fn users_may_choose_their_keys() {
        let own = BTreeMap::from([("quit".to_string(), vec!["g".to_string()])]);
        let keymap = Keymap::with(&own).unwrap();
        let event = KeyEvent::new(KeyCode::Char('g'), KeyModifiers::NONE);
        assert_eq!(keymap.command(&event, View::Map), Some(Command::Quit));
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
