//! The command line.

mod args;
mod capture;
mod output;
mod run;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;

use crate::error::{Error, Result};
use args::{Cli, Command};

/// Parses the command line, runs the command, and reports an error as one line and a hint.
pub fn main() -> ExitCode {
    // clap prints its own messages and exits with 2 on wrong usage, 0 on --help.
    let cli = Cli::parse();
    match dispatch(cli) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads our output has seen enough.
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

fn dispatch(cli: Cli) -> Result<()> {
    match cli.command {
        Some(Command::Capture(args)) => capture::run(&args),
        None => explore(&cli.explore),
    }
}

fn explore(_args: &args::Explore) -> Result<()> {
    if !std::io::stdout().is_terminal() {
        return Err(Error::Usage("the explorer needs a terminal: standard output is none".into()));
    }
    Ok(())
}

fn report(error: &Error) {
    eprintln!("error: {error}");
    if let Some(hint) = error.hint() {
        eprintln!("hint: {hint}");
    }
}
