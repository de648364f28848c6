//! Commands of the user.

use super::views::{ViewCommand, ViewId};

/// A command of the user. Movements go to the view on the screen, commands of one view to that view; all
/// others mean the same in every view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the table of commands has a sentence for each")]
pub enum Command {
    Move(Motion),
    View(ViewCommand),
    Show(ViewId),
    Overview,
    Open,
    NextHead,
    PreviousHead,
    NextLayer,
    PreviousLayer,
    NextKind,
    PreviousKind,
    NextLink,
    PreviousLink,
    Farther,
    Nearer,
    OneKind,
    Mark,
    Pin,
    HeadOff,
    LinkOff,
    Back,
    Forward,
    EditSource,
    EditTarget,
    Generate,
    SourceLanguage,
    TargetLanguage,
    CopyValue,
    CopyRow,
    CopyMap,
    Alternatives,
    Export,
    Pick,
    Words,
    Special,
    Range,
    Curve,
    Values,
    Brighter,
    Darker,
    Colormap,
    Glyphs,
    Search,
    Palette,
    Help,
    Tour,
    NextStep,
    PreviousStep,
    Cancel,
    Redraw,
    Suspend,
    Quit,
}

/// A movement of the cursor, to which each view gives its own meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the table of commands has a sentence for each")]
pub enum Motion {
    Left,
    Right,
    Up,
    Down,
    PageUp,
    PageDown,
    PageLeft,
    PageRight,
    FirstKey,
    LastKey,
    FirstQuery,
    LastQuery,
    Strongest,
}
