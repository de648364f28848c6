//! The command line.

mod align;
mod args;
mod batch;
mod capture;
mod common;
mod completions;
mod doctor;
mod export;
mod heads;
mod knockout;
mod links;
mod man;
mod models;
mod output;
mod rollout;
mod run;
mod show;
mod survey;
mod timings;
mod tour;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;

use crate::config;
use crate::engine::Worker;
use crate::error::{Error, Result};
use crate::tui;
use args::{Cli, Command};

/// Parses the command line, runs the command, and reports an error as one line and a hint.
pub fn main() -> ExitCode {
    crate::sys::keep_freed_memory();
    // clap prints its own messages and exits with 2 on wrong usage, 0 on --help.
    let cli = Cli::parse();
    match dispatch(cli) {
        Ok(()) => {
            timings::print();
            ExitCode::SUCCESS
        }
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
        Some(Command::Show(args)) => show::run(&args),
        Some(Command::Heads(args)) => heads::run(&args),
        Some(Command::Links(args)) => links::run(&args),
        Some(Command::Align(args)) => align::run(&args),
        Some(Command::Rollout(args)) => rollout::run(&args),
        Some(Command::Knockout(args)) => knockout::run(&args),
        Some(Command::Export(args)) => export::run(&args),
        Some(Command::Tour(args)) => tour::run(&args),
        Some(Command::Models) => models::run(),
        Some(Command::Doctor(args)) => doctor::run(&args),
        Some(Command::Completions { shell }) => completions::run(shell),
        Some(Command::Man(args)) => man::run(&args),
        None => explore(&cli.explore),
    }
}

fn explore(args: &args::Explore) -> Result<()> {
    if !std::io::stdout().is_terminal() {
        return Err(Error::Usage("the explorer needs a terminal: standard output is none".into()));
    }
    let given = args.text.source.is_some();
    if args.text.target.is_some() && !given {
        return Err(Error::Usage("--target needs a --source".into()));
    }
    let source = args.text.source.as_deref().map(run::read_text).transpose()?.unwrap_or_default();
    let run = args.text.options(source, run::Keep::default())?;
    let settings = config::Settings::load(config::Overrides::default())?;
    let session = config::session(|name| std::env::var_os(name));
    let start = match (&session, args.resume) {
        (Some(path), true) => {
            let saved = tui::session::Saved::read(path)?;
            let (model, last) = (saved.open_options(), saved.run_options());
            let (given, run) = (last.is_some(), last.unwrap_or(run));
            tui::Start { model, run, given, resume: Some(saved), session, tour: None }
        }
        (None, true) => {
            return Err(Error::Usage("--resume needs a home: HOME and XDG_STATE_HOME are not set".into()));
        }
        (_, false) => {
            let model = args.model.clone().unwrap_or_else(|| settings.model.clone());
            tui::Start { model: args.open.options(&model)?, run, given, resume: None, session, tour: None }
        }
    };
    let settings = tui::Settings::new(&settings, |name| std::env::var(name).ok())?;
    tui::run_with(start, settings, |tell| {
        let worker = Worker::spawn(tell);
        Box::new(move |request| worker.send(request))
    })
}

fn report(error: &Error) {
    eprintln!("error: {error}");
    if let Some(hint) = error.hint() {
        eprintln!("hint: {hint}");
    }
}
