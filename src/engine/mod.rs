//! Opens a model and runs it: in place for the command line, behind the screen for the explorer.

mod models;
mod protocol;
mod session;
mod timings;
mod worker;

pub use models::Models;
pub use protocol::{AblatedRun, Device, Event, ModelInfo, OpenOptions, Request, RunOptions};
pub use session::{Opened, Session, open};
pub use timings::Timings;
pub use worker::Worker;

/// The instruction set in use on the CPU.
pub fn kernels() -> &'static str {
    crate::model::kernel_level()
}

/// Threads of the engine where `wish` is what the user asked for.
pub fn threads(wish: Option<usize>) -> usize {
    wish.unwrap_or_else(attn_tui_kernels::threads::default_count)
}
