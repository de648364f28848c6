//! The one table of commands: it binds the keys and writes the help, the palette, the footer and the
//! README's key table.

mod chord;

use std::collections::BTreeMap;
use std::fmt;

use ratatui::crossterm::event::KeyEvent;

pub use chord::{Chord, spell};

use super::action::Command;
use super::app::View;

/// Where a command applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Everywhere.
    Always,
    /// In these views.
    In(&'static [View]),
}

impl When {
    /// Whether the command applies in a view.
    pub fn holds(self, view: View) -> bool {
        match self {
            When::Always => true,
            When::In(views) => views.contains(&view),
        }
    }
}

/// One command: what it is called, which keys call it, what it does.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// What it is.
    pub command: Command,
    /// Its name in the palette and in a user's keymap.
    pub name: &'static str,
    /// Its keys.
    pub keys: &'static [&'static str],
    /// What it does, in one sentence.
    pub sentence: &'static str,
    /// A word or two for the footer; empty where it does not show there.
    pub hint: &'static str,
    /// The heading it stands under in the help.
    pub group: &'static str,
    /// Where it applies.
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
) -> Entry {
    Entry { command, name, keys, sentence, hint, group, when }
}

use Command as C;
use When::{Always, In};

const MAPS: When = In(&[View::Map]);
const ON_CELLS: When = In(&[View::Map, View::Text]);
const TEXTS: When = In(&[View::Text]);
const LISTS: When = In(&[View::Heads, View::Links, View::Compare]);
const TABLE_OF_HEADS: When = In(&[View::Heads]);

/// Every command, in the order of the help.
pub const TABLE: &[Entry] = &[
    entry(C::Left, "left", &["left", "h"], "", MOVE, Always, "One key, or thumbnail, to the left"),
    entry(C::Right, "right", &["right", "l"], "", MOVE, Always, "One key, or thumbnail, to the right"),
    entry(C::Up, "up", &["up", "k"], "", MOVE, Always, "One query, or line, up"),
    entry(C::Down, "down", &["down", "j"], "", MOVE, Always, "One query, or line, down"),
    entry(C::PageUp, "page-up", &["pageup", "ctrl-b"], "", MOVE, Always, "A page up"),
    entry(C::PageDown, "page-down", &["pagedown", "ctrl-f"], "", MOVE, Always, "A page down"),
    entry(C::PageLeft, "page-left", &["H", "shift-left"], "", MOVE, ON_CELLS, "A page to the left"),
    entry(C::PageRight, "page-right", &["L", "shift-right"], "", MOVE, ON_CELLS, "A page to the right"),
    entry(C::FirstKey, "first-key", &["home", "0"], "", MOVE, Always, "To the first key, or line"),
    entry(C::LastKey, "last-key", &["end", "$"], "", MOVE, Always, "To the last key, or line"),
    entry(C::FirstQuery, "first-query", &["ctrl-home", "K"], "", MOVE, ON_CELLS, "To the first query"),
    entry(C::LastQuery, "last-query", &["ctrl-end", "J"], "", MOVE, ON_CELLS, "To the last query"),
    entry(
        C::Strongest,
        "strongest",
        &["m"],
        "strongest",
        MOVE,
        ON_CELLS,
        "To the strongest key of this query",
    ),
    entry(
        C::NextLink,
        "next-link",
        &["n"],
        "far link",
        MOVE,
        Always,
        "To the next far link of this head, strongest first",
    ),
    entry(C::PreviousLink, "previous-link", &["N"], "", MOVE, Always, "To the far link before"),
    entry(C::Farther, "farther", &[">"], "", MOVE, Always, "Count links as far from one token farther"),
    entry(C::Nearer, "nearer", &["<"], "", MOVE, Always, "Count links as far from one token nearer"),
    entry(C::Back, "back", &["backspace", "u"], "", MOVE, Always, "Back to the place before the last jump"),
    entry(C::Forward, "forward", &["U"], "", MOVE, Always, "Forward again"),
    entry(C::Search, "search", &["/"], "find", MOVE, Always, "Find a token of the source or the target"),
    entry(C::PreviousHead, "previous-head", &["["], "", HEAD, Always, "The head before"),
    entry(C::NextHead, "next-head", &["]"], "head", HEAD, Always, "The next head"),
    entry(C::PreviousLayer, "previous-layer", &["{"], "", HEAD, Always, "The layer before"),
    entry(C::NextLayer, "next-layer", &["}"], "layer", HEAD, Always, "The next layer"),
    entry(C::NextKind, "next-kind", &["tab"], "kind", HEAD, Always, "The next kind: encoder, decoder, cross"),
    entry(C::PreviousKind, "previous-kind", &["backtab"], "", HEAD, Always, "The kind before"),
    entry(
        C::Overview,
        "overview",
        &["g"],
        "overview",
        HEAD,
        Always,
        "All layers and heads of the kind, and back",
    ),
    entry(
        C::Open,
        "open",
        &["enter"],
        "open",
        HEAD,
        In(&[View::Grid, View::Heads, View::Links, View::Compare]),
        "Open what is selected",
    ),
    entry(C::Sort, "sort", &["o"], "sort", HEAD, TABLE_OF_HEADS, "Sort by the next column"),
    entry(C::SortBack, "sort-back", &["i"], "", HEAD, TABLE_OF_HEADS, "Sort by the column before"),
    entry(C::Reverse, "reverse", &["O"], "reverse", HEAD, TABLE_OF_HEADS, "Sort the other way round"),
    entry(C::OneKind, "one-kind", &["f"], "one kind", HEAD, LISTS, "The selected kind alone, or all kinds"),
    entry(C::Keep, "keep", &["d"], "keep", HEAD, In(&[View::Links]), "Leave out punctuation, and sinks"),
    entry(
        C::Over,
        "over",
        &["o"],
        "heads",
        HEAD,
        TEXTS,
        "Shade by the head, the mean, the maximum or the hues of the marked heads, or the layer's",
    ),
    entry(
        C::FlowHeads,
        "flow-heads",
        &["o"],
        "heads",
        HEAD,
        In(&[View::Flow]),
        "The mean of the heads, the largest of them, or contributions measured with the values (ALTI)",
    ),
    entry(
        C::FlowLayers,
        "flow-layers",
        &["d"],
        "layers",
        HEAD,
        In(&[View::Flow]),
        "Through all layers, or the selected layer alone",
    ),
    entry(
        C::Receives,
        "receives",
        &["d"],
        "gives/receives",
        HEAD,
        TEXTS,
        "What the query gives, or what the key receives",
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
        "Switch the head (or all marked ones) off, and on again: what the output loses",
    ),
    entry(
        C::LinkOff,
        "link-off",
        &["D"],
        "",
        HEAD,
        Always,
        "Switch the link under the cursor off, and on again",
    ),
    entry(C::EditSource, "source", &["s"], "source", TEXT, Always, "Type another source"),
    entry(
        C::EditTarget,
        "target",
        &["t"],
        "target",
        TEXT,
        Always,
        "Type a target to force; empty: generate it",
    ),
    entry(C::Generate, "generate", &["T"], "", TEXT, Always, "Drop the forced target and generate one"),
    entry(
        C::SourceLanguage,
        "source-language",
        &["ctrl-s"],
        "",
        TEXT,
        Always,
        "Choose the source's language, where the model has several",
    ),
    entry(
        C::TargetLanguage,
        "target-language",
        &["ctrl-t"],
        "",
        TEXT,
        Always,
        "Choose the target's language, where the model has several",
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
        "Zoom out; cells then show the largest weight they cover",
    ),
    entry(C::ZoomFit, "zoom", &["z"], "", LOOK, MAPS, "The whole map, or cells with labels"),
    entry(
        C::Words,
        "words",
        &["w"],
        "words",
        LOOK,
        Always,
        "Merge pieces into words: keys summed, queries averaged",
    ),
    entry(
        C::Special,
        "special",
        &["x"],
        "",
        LOOK,
        Always,
        "Special tokens: show, hide, hide and renormalise",
    ),
    entry(
        C::Range,
        "range",
        &["r"],
        "",
        LOOK,
        Always,
        "Full colour at the maximum of the row, of the map, or at 1",
    ),
    entry(
        C::Curve,
        "curve",
        &["c"],
        "",
        LOOK,
        Always,
        "Colour grows linearly, with the square root, or the logarithm",
    ),
    entry(
        C::Values,
        "values",
        &["v"],
        "values",
        LOOK,
        Always,
        "Weights times the norms of what they take (value-weighted), or weights alone",
    ),
    entry(
        C::Scores,
        "scores",
        &["S"],
        "",
        LOOK,
        MAPS,
        "Scores before the softmax: all, content alone, position bias alone; or weights",
    ),
    entry(C::Brighter, "brighter", &["("], "", LOOK, Always, "A smaller gamma: small weights show more"),
    entry(C::Darker, "darker", &[")"], "", LOOK, Always, "A larger gamma: small weights show less"),
    entry(
        C::Filter,
        "filter",
        &["F"],
        "filter",
        LOOK,
        MAPS,
        "Type which rows and columns show: letters, places 3-9, weights >0.2",
    ),
    entry(C::Pooling, "pooling", &["p"], "", LOOK, MAPS, "Zoomed out, show the largest weight or the mean"),
    entry(
        C::ThresholdUp,
        "threshold-up",
        &["."],
        "",
        LOOK,
        MAPS,
        "Raise the weight below which nothing is drawn",
    ),
    entry(C::ThresholdDown, "threshold-down", &[","], "", LOOK, MAPS, "Lower it"),
    entry(C::Colormap, "colours", &["C"], "", LOOK, Always, "The next colour map"),
    entry(C::Glyphs, "glyphs", &["G"], "", LOOK, Always, "Draw weights as glyphs, or as colours"),
    entry(
        C::Pixels,
        "pixels",
        &["ctrl-g"],
        "",
        LOOK,
        MAPS,
        "Draw zoomed-out maps with true pixels, or with cells",
    ),
    entry(C::Show(View::Map), "map", &["1"], "", VIEW, Always, "Map: one head as a heatmap"),
    entry(
        C::Show(View::Text),
        "text",
        &["2"],
        "",
        VIEW,
        Always,
        "Text: source and target as paragraphs, shaded",
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
        "Links: the strongest far links of all heads",
    ),
    entry(
        C::Show(View::Flow),
        "flow",
        &["6"],
        "",
        VIEW,
        Always,
        "Flow: what an output token draws from where, through all layers",
    ),
    entry(C::Show(View::Grid), "grid", &["3"], "", VIEW, Always, "Grid: every head of a kind"),
    entry(
        C::Show(View::Compare),
        "compare",
        &["7"],
        "",
        VIEW,
        Always,
        "Compare: the pinned capture and the present one",
    ),
    entry(C::Pin, "pin", &["P"], "pin", VIEW, Always, "Pin this capture, to compare others with it"),
    entry(C::Tour, "tour", &["E"], "", TOUR, Always, "Take the guided tour, or leave it"),
    entry(C::NextStep, "next-step", &["a"], "", TOUR, Always, "The tour's next page or step"),
    entry(C::PreviousStep, "previous-step", &["A"], "", TOUR, Always, "The page or step before"),
    entry(
        C::Palette,
        "palette",
        &[":", "ctrl-p"],
        "",
        PROGRAM,
        Always,
        "Find a command, or go to a head: 3.5, cross 2.4",
    ),
    entry(C::Help, "help", &["?", "f1"], "help", PROGRAM, Always, "The keys of this view"),
    entry(
        C::Cancel,
        "cancel",
        &["esc"],
        "",
        PROGRAM,
        Always,
        "Close what lies on top, or stop the work under way",
    ),
    entry(C::Redraw, "redraw", &["ctrl-l"], "", PROGRAM, Always, "Draw the screen anew"),
    entry(
        C::Suspend,
        "suspend",
        &["ctrl-z"],
        "",
        PROGRAM,
        Always,
        "Suspend the program; `fg` brings it back",
    ),
    entry(C::Quit, "quit", &["q", "ctrl-c"], "quit", PROGRAM, Always, "Quit"),
];

/// Which key does what: the table, with the user's own keys over it.
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

/// Why a user's keymap cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadKeymap(pub String);

impl fmt::Display for BadKeymap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Keymap {
    /// The table with other keys for some commands, by the command's name. A key given to a command is taken
    /// from the one that has it in the table.
    ///
    /// # Errors
    /// An unknown command, or something that is no key.
    pub fn with(overrides: &BTreeMap<String, Vec<String>>) -> Result<Self, BadKeymap> {
        for name in overrides.keys() {
            if !TABLE.iter().any(|entry| entry.name == name) {
                return Err(BadKeymap(format!("keys: '{name}' is no command")));
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
        let (keymap, wrong) = Self::build(keys);
        wrong.map_or(Ok(keymap), |wrong| Err(BadKeymap(wrong)))
    }

    fn build(keys: Vec<Vec<String>>) -> (Self, Option<String>) {
        let mut bindings = Vec::new();
        let mut wrong = None;
        for (entry, keys) in TABLE.iter().zip(&keys) {
            for key in keys {
                match key.parse() {
                    Ok(chord) => bindings.push((chord, entry.command)),
                    Err(why) => wrong = Some(why),
                }
            }
        }
        (Self { bindings, keys }, wrong)
    }

    /// The command of a key in a view.
    pub fn command(&self, event: &KeyEvent, view: View) -> Option<Command> {
        let chord = Chord::of(event);
        self.bindings
            .iter()
            .filter(|(bound, _)| *bound == chord)
            .map(|(_, command)| *command)
            .find(|&command| find(command).is_some_and(|entry| entry.when.holds(view)))
    }

    /// The keys of a command, as people write them.
    pub fn keys(&self, command: Command) -> Vec<String> {
        let at = TABLE.iter().position(|entry| entry.command == command);
        at.and_then(|at| self.keys.get(at))
            .map_or_else(Vec::new, |keys| keys.iter().map(|key| spell(key)).collect())
    }

    /// The commands that apply in a view with their keys.
    pub fn entries(&self, view: View) -> impl Iterator<Item = (&'static Entry, Vec<String>)> {
        TABLE
            .iter()
            .zip(&self.keys)
            .filter(move |(entry, _)| entry.when.holds(view))
            .map(|(entry, keys)| (entry, keys.iter().map(|key| spell(key)).collect()))
    }
}

/// The table's line of a command.
pub fn find(command: Command) -> Option<&'static Entry> {
    TABLE.iter().find(|entry| entry.command == command)
}

/// The key table of the README, in Markdown.
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
