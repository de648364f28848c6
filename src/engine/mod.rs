//! Opens a model and runs it: in place for the command line, behind the screen for the explorer.

mod protocol;

pub use protocol::{Device, Event, ModelInfo, OpenOptions, Request, RunOptions};
