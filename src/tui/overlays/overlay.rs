//! Help, lists to pick from, the text editor and errors, as parts of the state.

use super::text_prompt::TextPrompt;
use crate::tui::selection::HistoryStep;
use crate::tui::widgets::editor::Editor;

/// An overlay.
#[derive(Clone, Debug, PartialEq)]
pub enum Overlay {
    /// The keys of the view.
    Help(HelpPage),
    /// The groups of commands, or the commands of the group with this index.
    Menu(Option<usize>),
    /// A list to pick an item from.
    Picker(Picker),
    /// A prompt for a text.
    Edit(TextPrompt),
    /// A question that Enter answers with yes.
    Confirm(Decision),
    /// An error message.
    Error {
        /// Description of the error.
        message: String,
        /// Advice on how to fix it.
        hint: Option<String>,
    },
}

/// The help as a part of the state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HelpPage {
    /// Text that narrows the list down.
    pub input: Editor,
    /// Number of lines scrolled.
    pub first: usize,
}

/// A step that is taken only after the user has confirmed it: it runs the model, or drops a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Drop the forced target and generate one.
    Generate,
    /// Run the model again for its value norms.
    Values,
    /// Run the model again for its scores.
    Scores,
    /// Start the guided tour.
    Tour,
    /// Open the model that a capture file names, and run its source.
    OpenModel,
    /// Take a step in the history that runs the model on other texts.
    History(HistoryStep),
}

/// Subject of a picker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A command, or a head to go to.
    Palette,
    /// A query or a key of the map.
    Search,
    /// The format of copied rows.
    Copy,
    /// The source language.
    SourceLanguage,
    /// The target language.
    TargetLanguage,
    /// A model or a capture file to open.
    Open,
    /// A token that the selected decoder row predicts.
    Alternatives,
    /// A token against which the predicted one is explained.
    Contrast,
    /// The format to write the screen in.
    Export,
    /// A run to show.
    Runs,
    /// A run to compare the shown one with.
    CompareRun,
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
