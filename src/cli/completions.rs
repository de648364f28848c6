//! `attn-tui completions`: what a shell needs to complete our command line.

use clap::CommandFactory;
use clap_complete::Shell;

use super::args::Cli;
use super::output;
use crate::error::Result;

/// Runs the command.
pub fn run(shell: Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "attn-tui", &mut script);
    output::print(&String::from_utf8_lossy(&script))
}
