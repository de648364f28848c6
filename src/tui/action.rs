//! Actions, which change the state, and effects, which its changes have outside of it.

use std::time::Duration;

use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::Position;

use crate::engine::{Event, OpenOptions, Openable, Request};
use crate::error::Result;
use crate::tui::clipboard::Carried;
use crate::tui::command::Command;
use crate::tui::export_job::{ExportJob, ExportedFile};
use crate::tui::guide::{ReadyStep, StepRequest};
use crate::tui::pair_search::{PairRequest, PairResults};
use crate::tui::pixels::Protocol;
use crate::tui::prompts::AcceptedText;
use crate::tui::scan_reader::{ScanPart, ScanRequest};
use crate::tui::session_file::SessionFile;
use crate::tui::survey::{SurveyRequest, Surveyed};
use crate::tui::views::compare::state::{Compared, ComparisonRequest};
use crate::tui::widgets::editor::Edit;

/// An input of [`update`](super::update::update).
#[derive(Debug)]
pub enum Action {
    /// A command of the user.
    Do(Command),
    /// A key that has no command in the displayed view.
    NoCommand(KeyEvent),
    /// An edit of the text in the topmost overlay.
    Edit(Edit),
    /// Opens a group of the menu on top, or returns to its groups.
    OpenGroup(Option<usize>),
    /// Closes the menu on top and runs a command.
    FromMenu(Command),
    /// Completes the last word of the text in the topmost overlay.
    Complete,
    /// Movement in the topmost overlay, in lines; down is positive.
    Scroll(isize),
    /// Accepts the selected item or the text of the topmost overlay.
    Accept,
    /// Pasted text.
    Paste(String),
    /// The left mouse button was pressed, or the mouse moved with it held down (`drag`).
    Click {
        /// Position of the mouse.
        at: Position,
        /// True if the button was already down.
        drag: bool,
    },
    /// The mouse wheel turned.
    Wheel {
        /// Position of the mouse.
        at: Position,
        /// Number of steps; down and right are positive.
        steps: isize,
        /// True for a horizontal wheel, or with Shift held.
        across: bool,
    },
    /// The size of the screen changed.
    Resize,
    /// The terminal replied about graphics.
    Pictures {
        /// Best protocol that it supports.
        takes: Option<Protocol>,
        /// Width and height of a cell in pixels.
        cell: Option<(u16, u16)>,
    },
    /// The terminal replied about its background.
    Background {
        /// True if it is light.
        light: bool,
    },
    /// The time since the program started, before a report of progress.
    Clock(Duration),
    /// Event of the engine.
    Engine(Event),
    /// Results of the survey of heads.
    Surveyed(Box<Surveyed>),
    /// Two captures are compared.
    Compared(Box<Compared>),
    /// The models and files that can be opened.
    Openable(Vec<Openable>),
    /// The export of the screen ended.
    Exported(Result<ExportedFile>),
    /// Results of the search for given links.
    PairsFound(Box<PairResults>),
    /// A part of the open scan.
    ScanRead(Box<ScanPart>),
    /// A program has carried copied text to the clipboard, or not; or the terminal was sent it.
    Copied(Carried),
    /// A step of the tour is ready.
    StepReady(Box<ReadyStep>),
    /// A thread panicked, with this message.
    Crashed(String),
    /// Request of the system to end the program.
    End,
}

/// An effect outside the state, carried out by the main loop.
#[derive(Debug)]
pub enum Effect {
    /// Send a request to the engine.
    Ask(Request),
    /// Measure every head of a capture on a thread of its own.
    Survey(SurveyRequest),
    /// List the models and files that can be opened with these options.
    ListOpenable(OpenOptions),
    /// Write what the screen shows to a file, on a thread of its own.
    Export(Box<ExportJob>),
    /// Compare a capture with the pinned one on a thread of its own.
    Compare(ComparisonRequest),
    /// Weigh given links in every head, on a thread of its own.
    WeighPairs(PairRequest),
    /// Read parts of the open scan, on a thread of its own.
    ReadScan(ScanRequest),
    /// Run the models of a step of the tour on a thread of its own.
    PlayStep(StepRequest),
    /// Add a text to the file of those that were accepted in prompts.
    Remember(AcceptedText),
    /// Add a file to the list of those that were opened lately.
    RememberFile(String),
    /// Write a session to a file, on a thread of its own.
    SaveSession(Box<SessionFile>),
    /// Copy text to the clipboard.
    Copy(String),
    /// Redraw the whole screen.
    Redraw,
    /// Return to the shell until the program is continued.
    Suspend,
}

impl PartialEq for Effect {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Effect::Ask(a), Effect::Ask(b)) => a == b,
            (Effect::Survey(a), Effect::Survey(b)) => a == b,
            (Effect::Compare(a), Effect::Compare(b)) => a == b,
            (Effect::WeighPairs(a), Effect::WeighPairs(b)) => (a.number, &a.pairs) == (b.number, &b.pairs),
            (Effect::ReadScan(a), Effect::ReadScan(b)) => a == b,
            (Effect::PlayStep(a), Effect::PlayStep(b)) => a == b,
            (Effect::Remember(a), Effect::Remember(b)) => a == b,
            (Effect::ListOpenable(a), Effect::ListOpenable(b)) => a == b,
            (Effect::Copy(a), Effect::Copy(b)) | (Effect::RememberFile(a), Effect::RememberFile(b)) => a == b,
            (Effect::Redraw, Effect::Redraw) | (Effect::Suspend, Effect::Suspend) => true,
            _ => false,
        }
    }
}
