//! Messages to the main loop.

use ratatui::crossterm::event::Event as TerminalEvent;

use super::clipboard::Carried;
use super::export_job::ExportedFile;
use super::guide::ReadyStep;
use super::pair_search::PairResults;
#[cfg(unix)]
use super::pixels::Protocol;
use super::render::RenderResult;
use super::scan_reader::ScanPart;
use super::survey::Surveyed;
use super::views::compare::state::Compared;
use crate::engine::{Event, Openable};
use crate::error::Result;

/// A message to the main loop.
pub enum Message {
    /// Event of the terminal: key, mouse, paste.
    Terminal(TerminalEvent),
    /// The terminal's size changed.
    #[cfg(unix)]
    Resized,
    /// The terminal's reply about its background.
    #[cfg(unix)]
    Background {
        /// True if it is light.
        light: bool,
    },
    /// The terminal's reply about graphics.
    #[cfg(unix)]
    Pictures {
        /// Best protocol that it supports.
        takes: Option<Protocol>,
        /// Width and height of a cell in pixels.
        cell: Option<(u16, u16)>,
    },
    /// Event of the engine.
    Engine(Event),
    /// Results of the survey of heads.
    Surveyed(Box<Surveyed>),
    /// Results of the search for given links.
    PairsFound(Box<PairResults>),
    /// A part of the open scan.
    ScanRead(Box<ScanPart>),
    /// The outcome of a copy, with the text.
    Copied((Carried, String)),
    /// Results of a render job.
    Rendered(Box<RenderResult>),
    /// Comparison of two captures.
    Compared(Box<Compared>),
    /// Models and files that can be opened.
    Openable(Vec<Openable>),
    /// Result of an export.
    Exported(Result<ExportedFile>),
    /// A step of the tour that is ready.
    StepReady(Box<ReadyStep>),
    /// A thread panicked.
    Crashed(String),
    /// Request by a signal to suspend the program.
    #[cfg(unix)]
    Suspend,
    /// Request by a signal, given by its number, to end the program.
    End(i32),
}

impl Message {
    /// Returns true if the message only reports progress, so that it needs no frame of its own.
    pub fn can_wait(&self) -> bool {
        match self {
            Message::Engine(Event::Progress(_)) => true,
            Message::Surveyed(part) => !part.complete,
            Message::PairsFound(part) => !part.complete,
            Message::Rendered(part) => !part.complete,
            _ => false,
        }
    }
}

/// The signal that ends the program when its terminal is gone.
#[cfg(unix)]
pub const HANGUP: i32 = signal_hook::consts::SIGHUP;
/// Stands for the signal that other platforms have when the terminal is gone.
#[cfg(not(unix))]
pub const HANGUP: i32 = 1;
