//! What a user can ask for.

use super::views::{ViewCommand, ViewId};

/// What a user can ask for: the commands that mean the same in every view, the movements of a view's cursor, and the
/// commands that one view alone has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the table of commands has a sentence for each
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
#[allow(missing_docs)] // the table of commands has a sentence for each
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
