//! The command line.

use std::process::ExitCode;

/// Parses the command line, runs the command, and reports an error as one line and a hint.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
