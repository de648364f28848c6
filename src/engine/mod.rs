//! Opens a model and runs it: in place for the command line, behind the screen for the explorer.

mod protocol;
mod session;
mod worker;

pub use protocol::{Device, Event, ModelInfo, OpenOptions, Request, RunOptions};
pub use session::{Opened, Session, open};
pub use worker::Worker;
