//! `attn-tui beams`: the targets that the beam search finishes, with their scores.

use clap::Args;

use super::context::Context;
use super::input;
use super::options::{InputArgs, OutputArgs, RunExtras};
use crate::error::{Error, Result};
use crate::export::table::{Cell, Table};

/// Options of `beams`.
#[derive(Args)]
pub struct BeamsArgs {
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    pub input: InputArgs,
}

/// Runs the command.
///
/// # Errors
/// Those of the engine; [`Error::Usage`] for a capture file, a given target and a search without beams.
pub fn run(args: &BeamsArgs, context: &Context) -> Result<()> {
    args.output.check()?;
    if args.input.text.target.is_some() {
        return Err(Error::Usage("a given target leaves nothing to search: leave out --target".into()));
    }
    let watch = context.status_line();
    let session = input::session(&args.input, "a search needs", &watch, context)?;
    let text = input::source(&args.input.text, &session)?;
    let options = args.input.text.options(text, RunExtras::default(), &context.settings)?;
    let capture = session.run(&options, &watch)?;
    input::note_generation(&session, &capture);
    if capture.beams.is_empty() {
        return Err(Error::Usage("this search has one beam: give --beams 2 or more".into()));
    }
    let mut table = Table::new(["rank", "score", "tokens", "text"]);
    for (at, beam) in capture.beams.iter().enumerate() {
        table.rows.push(vec![
            Cell::Whole(at as i64 + 1),
            Cell::Number(beam.score),
            Cell::Whole(beam.target.len() as i64),
            Cell::Text(beam.target.text.clone()),
        ]);
    }
    args.output.print(&table.with_schema("attn-tui beams 1"), &context.terminal)
}
