//! The command line.

mod align;
mod args;
mod attribute;
mod batch;
mod beams;
mod capture;
mod compare;
mod completions;
mod config;
mod context;
mod doctor;
mod examples;
mod explore;
mod export;
mod faithful;
mod find;
mod heads;
mod input;
mod interrupt;
mod knockout;
mod lens;
mod licenses;
mod links;
mod man;
mod measure;
mod models;
mod needles;
mod options;
mod output;
mod patch;
mod rollout;
mod scan;
mod screen;
mod show;
mod status;
mod stdin;
mod survey;
mod timings;
mod tour;
mod typos;

use std::ffi::OsString;

use clap::{Arg, Command, CommandFactory, FromArgMatches};

use crate::config::Overrides;
use crate::error::{Error, Result};
use crate::hub::Hub;
use args::{Cli, CliCommand};
use context::Context;

/// Parses a command line, whose first word is the program's name, runs the command, and reports an error with
/// its hint. Returns the exit status.
pub fn main(words: &[OsString]) -> u8 {
    crate::sys::keep_freed_memory();
    crate::sys::report_fatal_signals();
    crate::panics::install_hook();
    // Wrong usage exits with 2, --help with 0.
    let cli = match parse(words) {
        Ok(cli) => cli,
        Err(message) => {
            // A mistyped command with arguments is taken for a model with a command.
            let first = words.get(1).filter(|_| message.use_stderr());
            let typo = first.and_then(|name| typos::check(name.to_str()?, &Cli::command()).err());
            let Some(typo) = typo else { return output::clap_message(&message) };
            output::error(&typo);
            return typo.exit_code();
        }
    };
    match dispatch(cli) {
        Ok(()) => 0,
        // The reader of our output has seen enough.
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::BrokenPipe => 0,
        Err(error) => {
            output::error(&error);
            error.exit_code()
        }
    }
}

/// Parses a command line. A negative number is the value of the option before it, which then says what it takes,
/// and no unknown option.
fn parse(words: &[OsString]) -> std::result::Result<Cli, clap::Error> {
    let takes_numbers = |arg: Arg| match arg.get_action().takes_values() && !arg.is_positional() {
        true => arg.allow_negative_numbers(true),
        false => arg,
    };
    let options = |command: Command| command.mut_args(takes_numbers);
    let mut command = options(Cli::command()).mut_subcommands(options);
    let matches = command.try_get_matches_from_mut(words)?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

fn dispatch(cli: Cli) -> Result<()> {
    // Built-in models and local files open without a cache folder, so only a hub id fails without one.
    let hub = Hub::from_env().ok();
    match cli.command {
        None if cli.licenses => licenses::run(),
        None => {
            if let Some(model) = cli.explore.model() {
                typos::check(model, &Cli::command())?;
            }
            explore::run(&cli.explore, &Context::load(cli.explore.overrides(), hub)?)
        }
        Some(CliCommand::Model(command)) => {
            let context = Context::load(command.overrides(), hub)?;
            command.run(&context)?;
            context.timings.print();
            Ok(())
        }
        Some(CliCommand::Find(args)) => find::run(&args, &Context::load(Overrides::default(), hub)?),
        Some(CliCommand::Models) => models::run(hub),
        Some(CliCommand::Doctor(args)) => doctor::run(&args, hub.as_ref()),
        Some(CliCommand::Config(args)) => config::run(&args),
        Some(CliCommand::Completions(args)) => completions::run(&args, &mut Cli::command()),
        Some(CliCommand::Man(args)) => man::run(&args, Cli::command()),
    }
}
