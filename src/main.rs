//! The `attn-tui` program: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    attn_tui::cli::main()
}
