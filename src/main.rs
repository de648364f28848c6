//! The `attn-tui` program, a thin wrapper around the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    attn_tui::cli::main()
}
