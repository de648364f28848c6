//! `attn-tui tour`: takes the guided tour, on the screen, as a page or as plain text.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::context::Context;
use super::options::ModelArgs;
use super::{output, screen};
use crate::engine::Models;
use crate::error::{Error, Result};
use crate::export::figure::{FigureStyle, FigureTheme};
use crate::export::font::Fonts;
use crate::export::tour as export;
use crate::files::check_free;
use crate::paint::{Colormap, Curve, Range, Scale};
use crate::tour::{self, PlayedStep};
use crate::tui;

/// Options of `tour`.
#[derive(Args)]
pub struct TourArgs {
    /// Tour to take, a Markdown file [default: the built-in tour].
    file: Option<PathBuf>,
    /// Print the tour as plain text, which suits screen readers.
    #[arg(long, conflicts_with = "export")]
    plain: bool,
    /// Write the tour as a single HTML page with pictures.
    #[arg(long, value_name = "FILE.html")]
    export: Option<PathBuf>,
    /// Your own sentence, for the steps that take one. Works with --plain and --export.
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true)]
    source: Option<String>,
    /// Overwrite an existing file.
    #[arg(long, requires = "export")]
    force: bool,
    #[command(flatten)]
    pub open: ModelArgs,
}

/// Runs the command.
///
/// # Errors
/// Those of the tour, the engine and the explorer; [`Error::Usage`] without a terminal.
pub fn run(args: &TourArgs, context: &Context) -> Result<()> {
    let tour = match &args.file {
        None => tour::built_in()?,
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
            tour::parse(&path.display().to_string(), &text)?
        }
    };
    if args.plain {
        return output::print(&export::text(&tour, &play_all(args, context, &tour)?));
    }
    if let Some(path) = &args.export {
        check_free(path, args.force)?;
        let style = FigureStyle {
            theme: FigureTheme::Light,
            colormap: Colormap::Viridis,
            scale: Scale::new(Curve::Linear, Range::Map),
            values: false,
        };
        let page = export::page(&tour, &play_all(args, context, &tour)?, &style, &Fonts::built_in()?)?;
        return output::save(path, args.force, |out| out.write_all(page.as_bytes()));
    }
    explore_tour(args, context, tour)
}

/// Plays every step.
fn play_all(args: &TourArgs, context: &Context, tour: &tour::Tour) -> Result<Vec<PlayedStep>> {
    let watch = context.status_line();
    let mut models = Models::new(args.open.options("", context));
    let steps = tour.steps.iter();
    steps
        .map(|step| {
            tour::play(step, args.source.as_deref(), &mut |model, run| models.run(model, run, &watch))
        })
        .collect()
}

fn explore_tour(args: &TourArgs, context: &Context, tour: tour::Tour) -> Result<()> {
    if !context.terminal.stdout {
        return Err(Error::Usage(
            "the tour needs a terminal: use --plain for plain text, or --export FILE.html for a page".into(),
        ));
    }
    let model = args.open.options("", context);
    screen::explore(tui::Start { model, tour: Some(Arc::new(tour)), ..tui::Start::default() }, context)
        .map(drop)
}
