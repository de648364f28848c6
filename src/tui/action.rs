//! Everything that can happen to the state, and everything that the state asks of the world.

use std::sync::Arc;

use ratatui::layout::Position;

use crate::capture::Capture;
use crate::engine::{Event, Request};
use crate::tui::command::Command;
use crate::tui::guide::{ReadyStep, StepRequest};
use crate::tui::pixels::Protocol;
use crate::tui::widgets::editor::Edit;

/// One thing that happened.
#[derive(Debug)]
pub enum Action {
    /// The user asked for something.
    Do(Command),
    /// A key went into the line that is being edited.
    Edit(Edit),
    /// A key moves through a list or a text that lies on top.
    Scroll(isize),
    /// The item chosen in the list on top, or the text entered.
    Accept,
    /// Pasted text.
    Paste(String),
    /// The left button went down (or was dragged, when `drag`).
    Click {
        /// Where.
        at: Position,
        /// Whether the button was down before.
        drag: bool,
    },
    /// The wheel turned: steps down are positive; `across` with Shift held or a horizontal wheel.
    Wheel {
        /// Where.
        at: Position,
        /// Steps; down and right are positive.
        steps: isize,
        /// Sideways.
        across: bool,
    },
    /// The screen has another size.
    Resize,
    /// The terminal told how it takes pictures.
    Pictures {
        /// The best protocol that it named.
        takes: Option<Protocol>,
        /// Width and height of a cell in pixels.
        cell: Option<(u16, u16)>,
    },
    /// The terminal told its background.
    Background {
        /// Whether it is light.
        light: bool,
    },
    /// The engine tells something.
    Engine(Event),
    /// The survey of a capture's heads advanced.
    Surveyed(Box<super::survey::Surveyed>),
    /// A step of the tour is ready.
    StepReady(Box<ReadyStep>),
    /// A thread of the program failed.
    Crashed(String),
    /// The system wants the program to end.
    End,
}

/// What the world should do.
#[derive(Debug)]
pub enum Effect {
    /// Ask the engine.
    Ask(Request),
    /// Measure every head of a capture, behind the screen.
    Survey {
        /// The capture's number; an answer with an older number is dropped.
        serial: u64,
        /// What to measure.
        capture: Arc<Capture>,
        /// Links at least this far apart count as far.
        distance: usize,
    },
    /// Make a step of the tour ready, behind the screen.
    PlayStep(StepRequest),
    /// Put text into the terminal's clipboard (OSC 52).
    Copy(String),
    /// Draw everything anew.
    Redraw,
    /// Hand the terminal back to the shell until the program is continued.
    Suspend,
}

impl PartialEq for Effect {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Effect::Ask(a), Effect::Ask(b)) => a == b,
            (
                Effect::Survey { serial: a, distance: c, .. },
                Effect::Survey { serial: b, distance: d, .. },
            ) => a == b && c == d,
            (Effect::PlayStep(a), Effect::PlayStep(b)) => a == b,
            (Effect::Copy(a), Effect::Copy(b)) => a == b,
            (Effect::Redraw, Effect::Redraw) | (Effect::Suspend, Effect::Suspend) => true,
            _ => false,
        }
    }
}
