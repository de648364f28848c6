//! The `attn-tui` program, a thin wrapper around the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(attn_tui::cli::main(&std::env::args_os().collect::<Vec<_>>()))
}
