//! Opens the explorer, with the engine on a thread of its own.

use super::context::Context;
use crate::engine::Worker;
use crate::error::Result;
use crate::export::table::Table;
use crate::tui;

/// Runs the explorer until the user leaves it, and returns the rows that it was left with.
///
/// # Errors
/// Those of [`tui::ScreenSettings::new`] and of the terminal.
pub fn explore(start: tui::Start, context: &Context) -> Result<Option<Table>> {
    let settings = tui::ScreenSettings::new(&context.settings, |name| std::env::var(name).ok())?;
    tui::run_with(start, settings, |tell| {
        let worker = Worker::spawn(tell);
        Box::new(move |request| worker.send(request))
    })
}
