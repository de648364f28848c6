//! `attn-tui [MODEL]`: opens the explorer.

use std::path::Path;
use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::context::Context;
use super::input::read_text;
use super::options::{ModelArgs, RunExtras, TextArgs, kinds};
use super::{output, screen};
use crate::config::{self, Overrides};
use crate::engine::OpenOptions;
use crate::error::{Error, Result};
use crate::export::ansi::Colors;
use crate::scan::Scan;
use crate::site::Kind;
use crate::sys::ScreenOutput;
use crate::tui::{self, session_file};

/// Options of the explorer.
#[derive(Args)]
pub struct ExploreArgs {
    /// Resume the last session with its model, texts, place and settings, or with =NAME a saved one.
    #[arg(long, value_name = "NAME", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    #[arg(conflicts_with_all = ["model", "source", "audio", "image", "target"])]
    resume: Option<String>,
    /// Draw on the terminal itself, and print the selected rows to standard output when Q leaves, as json, csv or
    /// table [default: json].
    #[arg(long, value_name = "FORMAT", value_enum, num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "json")]
    pick: Option<PickFormat>,
    /// Hub id (org/name, org/name@revision), folder, capture file, folder of a scan or built-in model (`demo`,
    /// `demo-ocr`, `demo-rnn`, `demo-rnn-plain`, `demo-speech`) [default: demo].
    model: Option<String>,
    /// Kind of attention of a capture file's maps, if the file does not say it.
    #[arg(long, value_parser = kinds(), help_heading = "Model")]
    kind: Option<Kind>,
    #[command(flatten)]
    open: ModelArgs,
    #[command(flatten)]
    text: TextArgs,
}

/// Name of the terminal in errors.
const TERMINAL: &str = if cfg!(windows) { "CONOUT$" } else { "/dev/tty" };

/// `--pick`.
#[derive(Clone, Copy, ValueEnum)]
enum PickFormat {
    /// An object with the schema and a list of rows.
    Json,
    /// CSV with a header line.
    Csv,
    /// Aligned columns.
    Table,
}

impl ExploreArgs {
    /// The MODEL argument.
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// The settings that these options override.
    pub fn overrides(&self) -> Overrides {
        Overrides { kind: self.kind, ..self.text.overrides(self.open.overrides()) }
    }
}

/// Returns the path of a saved session, given the file of the last one.
///
/// # Errors
/// [`Error::Usage`] if there is none of this name; it lists those that there are.
fn saved_session(last: &Path, name: &str) -> Result<String> {
    let folder = last.with_file_name(tui::SESSIONS);
    let path = session_file::path_of(&folder, name)?;
    if path.is_file() {
        return Ok(path.display().to_string());
    }
    let names: Vec<String> = session_file::list(&folder).into_iter().map(|session| session.name).collect();
    let names = if names.is_empty() { "none is saved so far".into() } else { names.join(", ") };
    Err(Error::Usage(format!("there is no session '{name}': {names}")))
}

/// Opens the explorer.
///
/// # Errors
/// [`Error::Usage`] without a terminal; those of the explorer.
pub fn run(args: &ExploreArgs, context: &Context) -> Result<()> {
    if !context.terminal.stdout && args.pick.is_none() {
        return Err(Error::Usage("the explorer needs a terminal, and standard output is not one".into()));
    }
    let given = args.text.has_source();
    if args.text.target.is_some() && !given {
        return Err(Error::Usage("--target requires --source, --audio or --image".into()));
    }
    let source = args.text.source.as_deref().map(read_text).transpose()?.unwrap_or_default();
    let run = args.text.options(source, RunExtras::default(), &context.settings)?;
    let pick = args.pick.is_some();
    let session = config::session(|name| std::env::var_os(name));
    let start = match (&session, &args.resume) {
        (Some(last), Some(name)) if !name.is_empty() => {
            let model = args.open.options(&saved_session(last, name)?, context);
            tui::Start { model, run, given, resume: None, session, tour: None, scan: None, pick }
        }
        (Some(path), Some(_)) => {
            let saved = tui::session::Saved::read(path)?;
            let model = OpenOptions { hub: context.hub.clone(), ..saved.open_options() };
            let last = saved.run_options();
            let (given, run) = (last.is_some(), last.unwrap_or(run));
            tui::Start { model, run, given, resume: Some(saved), session, tour: None, scan: None, pick }
        }
        (None, Some(_)) => {
            return Err(Error::Usage(
                "--resume finds no session folder: neither HOME nor XDG_STATE_HOME is set".into(),
            ));
        }
        (_, None) => {
            let model = args.model.as_ref().unwrap_or(&context.settings.model);
            if Scan::is_at(Path::new(model)) {
                let scan = Scan::open(Path::new(model))?;
                let model = args.open.options(&scan.manifest.opened, context);
                let run = if given { run } else { scan.first_run()?.unwrap_or(run) };
                let given = given || !run.source.is_empty();
                let scan = Some(Arc::new(scan));
                tui::Start { model, run, given, resume: None, session, tour: None, scan, pick }
            } else {
                let model = args.open.options(model, context);
                tui::Start { model, run, given, resume: None, session, tour: None, scan: None, pick }
            }
        }
    };
    let Some(format) = args.pick else { return screen::explore(start, context).map(drop) };
    let screen = ScreenOutput::open().map_err(|error| Error::io(TERMINAL, error))?;
    let picked = screen::explore(start, context);
    drop(screen);
    match (picked?, format) {
        (None, _) => Ok(()),
        (Some(table), PickFormat::Json) => output::print(&table.with_schema("attn-tui pick 1").to_json()),
        (Some(table), PickFormat::Csv) => output::print(&table.to_csv()),
        (Some(table), PickFormat::Table) => output::print(&table.render(Colors::None)),
    }
}
