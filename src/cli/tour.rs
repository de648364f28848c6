//! `attn-tui tour`: the guided tour, on the screen, as a page or as plain text.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::args::Open;
use super::{output, run};
use crate::config::{self, Settings};
use crate::engine::{Models, Worker};
use crate::error::{Error, Result};
use crate::export::figure::{FigureStyle, FigureTheme};
use crate::export::font::Fonts;
use crate::export::tour as export;
use crate::files::{check_free, save};
use crate::paint::{Colormap, Curve, Range, Scale};
use crate::tour::{self, PlayedStep};
use crate::tui;

/// Options of `tour`.
#[derive(Args)]
pub struct Tour {
    /// A tour's file, in Markdown [default: the tour that the program carries].
    pub file: Option<PathBuf>,
    /// Print the tour as plain text, for a screen reader.
    #[arg(long, conflicts_with = "export")]
    pub plain: bool,
    /// Write the tour as one HTML page with its pictures.
    #[arg(long, value_name = "FILE.html")]
    pub export: Option<PathBuf>,
    /// Your own sentence, for the steps that take one (with --plain and --export).
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true)]
    pub source: Option<String>,
    /// Overwrite an existing file.
    #[arg(long, requires = "export")]
    pub force: bool,
    #[command(flatten)]
    pub open: Open,
}

/// Runs the command.
pub fn run(args: &Tour) -> Result<()> {
    let tour = match &args.file {
        None => tour::built_in()?,
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
            tour::parse(&path.display().to_string(), &text)?
        }
    };
    if args.plain {
        return output::print(&export::text(&tour, &played(args, &tour)?));
    }
    if let Some(path) = &args.export {
        check_free(path, args.force)?;
        let style = FigureStyle {
            theme: FigureTheme::Light,
            colormap: Colormap::Viridis,
            scale: Scale::new(Curve::Linear, Range::Map),
            values: false,
        };
        let page = export::page(&tour, &played(args, &tour)?, &style, &Fonts::built_in()?)?;
        return save(path, page.as_bytes(), args.force);
    }
    explore(args, tour)
}

/// Every step, played.
fn played(args: &Tour, tour: &tour::Tour) -> Result<Vec<PlayedStep>> {
    let watch = run::StatusLine::default();
    let mut models = Models::new(args.open.options("")?);
    let steps = tour.steps.iter();
    steps
        .map(|step| {
            tour::play(step, args.source.as_deref(), &mut |model, run| models.run(model, run, &watch))
        })
        .collect()
}

fn explore(args: &Tour, tour: tour::Tour) -> Result<()> {
    if !std::io::stdout().is_terminal() {
        return Err(Error::Usage(
            "the tour needs a terminal: give --plain for plain text or --export FILE.html for a page".into(),
        ));
    }
    let settings = Settings::load(config::Overrides::default())?;
    let settings = tui::Settings::new(&settings, |name| std::env::var(name).ok())?;
    let start =
        tui::Start { model: args.open.options("")?, tour: Some(Arc::new(tour)), ..tui::Start::default() };
    tui::run_with(start, settings, |tell| {
        let worker = Worker::spawn(tell);
        Box::new(move |request| worker.send(request))
    })
}
