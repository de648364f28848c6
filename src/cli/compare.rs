//! `attn-tui compare`: compares the heads of two runs of a model, or of two captures.

use clap::Args;

use super::context::Context;
use super::input;
use super::options::{HeadArgs, InputArgs, OutputArgs, RunExtras, whole};
use crate::capture::comparison::Comparison;
use crate::error::{Error, Result};
use crate::export::compared;
use crate::export::labels::model_title;

/// Options of `compare`.
#[derive(Args)]
pub struct CompareArgs {
    /// Source text of the second run.
    #[arg(long, value_name = "TEXT", help_heading = "Second run", allow_hyphen_values = true)]
    with_source: Option<String>,
    /// Target text of the second run; generated if absent.
    #[arg(long, value_name = "TEXT", help_heading = "Second run", allow_hyphen_values = true)]
    with_target: Option<String>,
    /// Model or capture file of the second run [default: MODEL].
    #[arg(long, value_name = "MODEL", help_heading = "Second run")]
    with: Option<String>,
    /// Heads to list. Those that --output draws: the chosen one, or else the one that changes most.
    #[command(flatten)]
    pub heads: HeadArgs,
    /// Print only the N largest changes.
    #[arg(long, value_name = "N", value_parser = whole::<usize>)]
    top: Option<usize>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    pub input: InputArgs,
}

/// Runs the command.
///
/// # Errors
/// Those of the engine; [`Error::Usage`] if nothing tells the second run; [`Error::NoSuchHead`].
pub fn run(args: &CompareArgs, context: &Context) -> Result<()> {
    if args.with.is_none() && args.with_source.is_none() && args.with_target.is_none() {
        return Err(Error::Usage(
            "the second run is missing: give --with-source TEXT, --with-target TEXT or --with MODEL".into(),
        ));
    }
    args.output.check()?;
    let first = input::capture(&args.input, RunExtras::default(), context)?;
    let second = input::capture(&args.second(), RunExtras::default(), context)?;
    let comparison = context.on_threads(|| Comparison::new(&first, &second))?;
    let selection = args.heads.selection();
    let listed = comparison.changes.iter().filter(|(head, _)| selection.contains(*head));
    let heads: Vec<_> = listed.take(args.top.unwrap_or(usize::MAX)).copied().collect();
    let Some(&(head, _)) = heads.first() else {
        selection.heads(&second)?;
        return Err(Error::NoSuchHead("the two runs have no such head in common".into()));
    };
    let captures = [&first, &second];
    if args.output.output.is_some() {
        let remark = model_title(&second);
        let drawing = compared::drawing(&comparison, captures, ["first", "second"], (head, &heads), &remark);
        return args.output.write(&drawing);
    }
    args.output.print(&compared::changes(&heads), &context.terminal)
}

impl CompareArgs {
    /// Returns the input of the second run. A capture file has its own texts.
    fn second(&self) -> InputArgs {
        let model = self.with.clone().unwrap_or_else(|| self.input.model.clone());
        let mut text = self.input.text.clone();
        let own = self.with.is_some() && self.with_source.is_none();
        let file = own && std::path::Path::new(&model).is_file();
        text.source = if file { None } else { self.with_source.clone().or(text.source) };
        text.target.clone_from(&self.with_target);
        InputArgs { model, open: self.input.open.clone(), text }
    }
}
