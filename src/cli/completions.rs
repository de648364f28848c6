//! `attn-tui completions`: prints shell completions.

use clap::Args;
use clap_complete::Shell;

use super::output;
use crate::error::Result;

/// Options of `completions`.
#[derive(Args)]
pub struct CompletionsArgs {
    /// Shell to print completions for.
    #[arg(value_enum)]
    shell: Shell,
}

/// Runs the command for the command line `program`.
///
/// # Errors
/// [`crate::error::Error::Io`].
pub fn run(args: &CompletionsArgs, program: &mut clap::Command) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, program, "attn-tui", &mut script);
    output::print(&String::from_utf8_lossy(&script))
}
