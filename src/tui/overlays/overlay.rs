//! Help, lists to pick from, the text editor and errors, as parts of the state.

use crate::tui::widgets::editor::Editor;

/// Text that an editor overlay edits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EditedText {
    /// Source text of the encoder.
    Source,
    /// Target text of the decoder.
    Target,
    /// Filter of rows and columns.
    Filter,
}

/// An overlay.
#[derive(Clone, Debug, PartialEq)]
pub enum Overlay {
    /// The keys of the view, with the number of lines scrolled.
    Help(usize),
    /// A list to pick an item from.
    Picker(Picker),
    /// A text editor.
    Edit(EditedText, Editor),
    /// An error message.
    Error {
        /// Description of the error.
        message: String,
        /// Advice on how to fix it.
        hint: Option<String>,
    },
}

/// Subject of a picker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A command, or a head to go to.
    Palette,
    /// A source or target token.
    Search,
    /// The source language.
    SourceLanguage,
    /// The target language.
    TargetLanguage,
    /// A token that the selected decoder row predicts.
    Alternatives,
    /// The format to write the screen in.
    Export,
}

/// A list with a line of text that narrows it down.
#[derive(Clone, Debug, PartialEq)]
pub struct Picker {
    /// Subject.
    pub purpose: Purpose,
    /// Typed text.
    pub input: Editor,
    /// Index of the selected item.
    pub selected: usize,
}

impl Picker {
    /// Creates a picker with the full list.
    pub fn new(purpose: Purpose) -> Self {
        Self { purpose, input: Editor::default(), selected: 0 }
    }
}
