//! `attn-tui [MODEL]`: opens the explorer.

use clap::Args;

use super::context::Context;
use super::input::read_text;
use super::options::{ModelArgs, RunExtras, TextArgs, kinds};
use super::screen;
use crate::config::{self, Overrides};
use crate::engine::OpenOptions;
use crate::error::{Error, Result};
use crate::site::Kind;
use crate::tui;

/// Options of the explorer.
#[derive(Args)]
pub struct ExploreArgs {
    /// Resume the last session with its model, texts, position and settings.
    #[arg(long, conflicts_with_all = ["model", "source", "target"])]
    resume: bool,
    /// Hub id (org/name, org/name@revision), folder, capture file or built-in model (`demo`, `demo-rnn`,
    /// `demo-rnn-plain`) [default: demo].
    model: Option<String>,
    /// Kind of attention of a capture file's maps, if the file does not say it.
    #[arg(long, value_parser = kinds(), help_heading = "Model")]
    kind: Option<Kind>,
    #[command(flatten)]
    open: ModelArgs,
    #[command(flatten)]
    text: TextArgs,
}

impl ExploreArgs {
    /// The settings that these options override.
    pub fn overrides(&self) -> Overrides {
        Overrides { kind: self.kind, ..self.text.overrides(self.open.overrides()) }
    }
}

/// Opens the explorer.
///
/// # Errors
/// [`Error::Usage`] without a terminal; those of the explorer.
pub fn run(args: &ExploreArgs, context: &Context) -> Result<()> {
    if !context.terminal.stdout {
        return Err(Error::Usage("the explorer needs a terminal, and standard output is not one".into()));
    }
    let given = args.text.source.is_some();
    if args.text.target.is_some() && !given {
        return Err(Error::Usage("--target requires --source".into()));
    }
    let source = args.text.source.as_deref().map(read_text).transpose()?.unwrap_or_default();
    let run = args.text.options(source, RunExtras::default(), &context.settings);
    let session = config::session(|name| std::env::var_os(name));
    let start = match (&session, args.resume) {
        (Some(path), true) => {
            let saved = tui::session::Saved::read(path)?;
            let model = OpenOptions { hub: context.hub.clone(), ..saved.open_options() };
            let last = saved.run_options();
            let (given, run) = (last.is_some(), last.unwrap_or(run));
            tui::Start { model, run, given, resume: Some(saved), session, tour: None }
        }
        (None, true) => {
            return Err(Error::Usage(
                "--resume finds no session folder: neither HOME nor XDG_STATE_HOME is set".into(),
            ));
        }
        (_, false) => {
            let model = args.model.as_ref().unwrap_or(&context.settings.model);
            let model = args.open.options(model, context);
            tui::Start { model, run, given, resume: None, session, tour: None }
        }
    };
    screen::explore(start, context)
}
