//! `attn-tui compare`: compares the heads of two runs of a model, or of two captures.

use std::path::{Path, PathBuf};

use clap::Args;

use super::context::Context;
use super::input;
use super::options::{HeadArgs, InputArgs, OutputArgs, RunExtras, rectangle, whole};
use crate::axis::PixelBox;
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
    /// Recording of the second run.
    #[arg(long, value_name = "FILE", help_heading = "Second run", conflicts_with = "with_source")]
    with_audio: Option<PathBuf>,
    /// Picture of the second run.
    #[arg(long, value_name = "FILE", help_heading = "Second run", conflicts_with_all = ["with_source", "with_audio"])]
    with_image: Option<PathBuf>,
    /// Paint a rectangle of the picture with its mean colour in the second run. May be given several times.
    #[arg(long, value_name = "X,Y,W,H", value_parser = rectangle, help_heading = "Second run")]
    with_cover: Vec<PixelBox>,
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
    if args.with.is_none() && args.with_target.is_none() && !args.has_source() {
        return Err(Error::Usage(
            "the second run is missing: give --with-source TEXT, --with-audio FILE, --with-image FILE, --with-cover \
             X,Y,W,H, --with-target TEXT or --with MODEL"
                .into(),
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
    /// Returns true if the second run has a source of its own.
    fn has_source(&self) -> bool {
        let file = self.with_audio.is_some() || self.with_image.is_some();
        file || self.with_source.is_some() || !self.with_cover.is_empty()
    }

    /// Returns the input of the second run. A capture file has its own texts.
    fn second(&self) -> InputArgs {
        let model = self.with.clone().unwrap_or_else(|| self.input.model.clone());
        let mut text = self.input.text.clone();
        let file = self.with.is_some() && !self.has_source() && Path::new(&model).is_file();
        if file || self.with_source.is_some() || self.with_audio.is_some() || self.with_image.is_some() {
            (text.audio.audio, text.image.image) = (self.with_audio.clone(), self.with_image.clone());
            text.image.cover.clear();
            text.source.clone_from(&self.with_source);
        }
        text.image.cover.extend(&self.with_cover);
        text.target.clone_from(&self.with_target);
        InputArgs { model, open: self.input.open.clone(), text }
    }
}
