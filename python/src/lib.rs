//! The Python module of attn-tui: models, captures and the command line.
//!
//! Python code runs attached to the interpreter; everything that computes runs detached from it, on the engine's
//! threads ([`interrupt::run`]). Maps are NumPy arrays over the memory of the capture ([`arrays`]).

mod analyses;
mod arrays;
mod capture;
mod errors;
mod interrupt;
mod model;
mod options;
mod scan;
mod tables;

use std::ffi::OsString;
use std::io::Write;

use pyo3::prelude::*;

/// Runs a command line, whose first word is the program's name, and returns the exit status.
#[pyfunction]
fn run_command(py: Python<'_>, words: Vec<OsString>) -> u8 {
    py.detach(|| {
        let status = attn_tui::cli::main(&words);
        // The interpreter ends the process without the clean-up of a Rust program.
        let _ = std::io::stdout().flush();
        status
    })
}

/// Models, captures and the command line of attn-tui.
#[pymodule]
mod _native {
    #[pymodule_export]
    use super::arrays::MapBuffer;
    #[pymodule_export]
    use super::capture::PyCapture;
    #[pymodule_export]
    use super::model::PyModel;
    #[pymodule_export]
    use super::run_command;

    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");
}
