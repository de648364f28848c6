//! Commands of the tour and of the program itself.

use super::When::Always;
use super::entry::group::{PROGRAM, TOUR, VIEW};
use super::{CommandEntry, shared};
use crate::tui::command::Command as C;

/// The commands in the order of the help.
pub const COMMANDS: &[CommandEntry] = &[
    shared(C::Pin, "pin", &["P"], "pin", VIEW, Always, "Pin this capture to compare others with it"),
    shared(
        C::CompareRun,
        "compare-run",
        &["V"],
        "",
        VIEW,
        Always,
        "Compare the shown run with another one of the list of runs",
    ),
    shared(C::Tour, "tour", &["E"], "", TOUR, Always, "Start the guided tour, or leave it"),
    shared(C::NextStep, "next-step", &["a"], "", TOUR, Always, "Go to the tour's next page or step"),
    shared(
        C::PreviousStep,
        "previous-step",
        &["A"],
        "",
        TOUR,
        Always,
        "Go back to the previous page or step",
    ),
    shared(
        C::Palette,
        "palette",
        &[":", "ctrl-p"],
        "",
        PROGRAM,
        Always,
        "Find a command, or go to a head such as 3.5 or cross 2.4",
    ),
    shared(
        C::Menu,
        "menu",
        &[";"],
        "menu",
        PROGRAM,
        Always,
        "Show the groups of commands; a second key shows the commands of one",
    ),
    shared(C::Help, "help", &["?", "f1"], "help", PROGRAM, Always, "Show the keys of this view"),
    shared(
        C::Cancel,
        "cancel",
        &["esc"],
        "",
        PROGRAM,
        Always,
        "Close the window on top, or stop the work in progress",
    ),
    shared(
        C::OpenModel,
        "open-model",
        &["ctrl-o"],
        "",
        PROGRAM,
        Always,
        "Open another model, a session or a capture file, on this machine or by its name on the hub",
    ),
    shared(
        C::SaveSession,
        "save-session",
        &["W"],
        "",
        PROGRAM,
        Always,
        "Save the capture with the place and the view, as a session to open or to share",
    ),
    shared(
        C::Pick,
        "pick",
        &["Q"],
        "",
        PROGRAM,
        Always,
        "Leave, and print the selected rows to standard output (with --pick)",
    ),
    shared(C::Redraw, "redraw", &["ctrl-l"], "", PROGRAM, Always, "Redraw the screen"),
    shared(C::Suspend, "suspend", &["ctrl-z"], "", PROGRAM, Always, "Suspend the program; `fg` resumes it"),
    shared(C::Quit, "quit", &["q", "ctrl-c"], "quit", PROGRAM, Always, "Quit"),
];
