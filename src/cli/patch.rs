//! `attn-tui patch`: takes activations of a clean run into a corrupt one and measures what they restore.

use clap::Args;

use super::context::Context;
use super::options::{InputArgs, OutputArgs, RunExtras, named};
use super::{input, output};
use crate::analysis::patching::{ActivationKind, PositionMap};
use crate::axis::Token;
use crate::engine::RunOptions;
use crate::error::Result;
use crate::export::format::Format;
use crate::export::labels::{Labels, item_label};
use crate::export::patching::LabelledEffects;
use crate::site::Kind;

/// Options of `patch`.
#[derive(Args)]
pub struct PatchArgs {
    /// Source text of the clean run; the same as --source.
    #[arg(long, value_name = "TEXT", help_heading = "Runs", conflicts_with_all = ["source", "audio"],
          allow_hyphen_values = true)]
    clean: Option<String>,
    /// Source text of the corrupt run. Both runs are forced to the target of the clean one.
    #[arg(long, value_name = "TEXT", help_heading = "Runs", allow_hyphen_values = true)]
    corrupt: String,
    /// Activations to take from the clean run, one at a time: what a head reads (z), the residual stream that
    /// enters a layer or the output of a feed-forward block at a position, the weights of a head, or the
    /// encoder's output at a position.
    #[arg(long, value_name = "WHAT", default_value = "heads", help_heading = "Method",
          value_parser = named::<ActivationKind>(ActivationKind::ALL.map(ActivationKind::name)))]
    what: ActivationKind,
    /// Estimate the effects of all heads to first order, in one backward pass, instead of one run for each
    /// (attribution patching). For heads and pattern.
    #[arg(long, help_heading = "Method")]
    estimate: bool,
    /// Score the target token against TOKEN: by the difference of their log-probabilities.
    #[arg(long, value_name = "TOKEN", help_heading = "Method")]
    contrast: Option<String>,
    /// Score only the token that this decoder row predicts, counted from 0 [default: the sum over all rows].
    #[arg(long, value_name = "N", help_heading = "Method")]
    row: Option<usize>,
    /// Print only the N largest effects, the largest first.
    #[arg(long, value_name = "N", help_heading = "Output")]
    top: Option<usize>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    pub input: InputArgs,
}

/// Number of effects in the table of a picture.
const TOP: usize = 20;

/// Runs the command.
///
/// # Errors
/// Those of the engine; [`crate::error::Error::NotForModel`]; [`crate::error::Error::Usage`] for a capture file.
pub fn run(args: &PatchArgs, context: &Context) -> Result<()> {
    args.output.check()?;
    let watch = context.status_line();
    let session = input::session(&args.input, "patching needs", &watch, context)?;
    let contrast = args.contrast.as_deref().map(|text| session.single_target_token(text)).transpose()?;
    let mut text = args.input.text.clone();
    text.source = args.clean.clone().or(text.source);
    let options = text.options(input::source(&text, &session)?, RunExtras::default(), &context.settings)?;
    let source = session.source(&options)?;
    let corrupt = input::read_text(&args.corrupt)?;
    let corrupt = session.source(&RunOptions { source: corrupt, ..options.clone() })?;
    let clean = session.run_source(&source, &options, &watch)?;
    if options.target.is_none() {
        input::note_generation(&session, &clean);
    }
    let rows = input::chosen_rows(args.row, clean.target.len())?;
    let ids = corrupt.sequence().ids();
    let against = contrast.as_ref().map(|token| token.id);
    let effects = match args.estimate {
        true => session.estimate_patching(&clean, &ids, args.what, rows.clone(), against, &watch)?,
        false => session.patch(&clean, &ids, args.what, against, &watch)?.effects(rows.clone()),
    };
    args.note_positions(&PositionMap::of(&clean.source.ids(), &ids), ids.len());
    let labelled = LabelledEffects {
        kind: args.what,
        effects,
        source: corrupt.items().iter().map(item_label).collect(),
        rows: Labels::of(&clean, Kind::Decoder).queries,
    };
    let remark = args.remark(&labelled, contrast.as_ref(), rows.len());
    output::note(&remark);
    if labelled.effects.effect(1.0).is_none() {
        output::note(
            "both runs score the target the same: there is nothing to restore, and effects are empty",
        );
    }
    let picture = args.output.output.as_deref().map(Format::of).transpose()?;
    match picture {
        Some(Format::Svg | Format::Png | Format::Html) => {
            args.output.write(&labelled.drawing(args.top.unwrap_or(TOP), &remark))
        }
        _ => {
            let list = args.output.machine_readable() || args.top.is_some();
            let table = if list { labelled.list(args.top) } else { labelled.grid() };
            args.output.print(&table, &context.terminal)
        }
    }
}

impl PatchArgs {
    /// Notes which positions belong together if the sources have different lengths.
    fn note_positions(&self, map: &PositionMap, corrupt: usize) {
        if map.whole {
            return;
        }
        let pairs = map.pairs.len();
        let left_out = match self.what {
            ActivationKind::Pattern => "weights of encoder and cross-attention heads are left out",
            _ => "encoder activations are patched there alone",
        };
        output::note(&format!(
            "the sources have different lengths; {pairs} of {corrupt} positions belong together, by their common \
             begin and end: {left_out}"
        ));
    }

    /// Returns a line on the scores of the two runs.
    fn remark(&self, labelled: &LabelledEffects, contrast: Option<&Token>, rows: usize) -> String {
        let score = match contrast {
            Some(token) => format!("log p(target) - log p({})", item_label(&token.clone().into())),
            None => "log p(target)".into(),
        };
        let of = if rows == 1 { String::new() } else { format!(", summed over {rows} rows") };
        let effects = &labelled.effects;
        let how = if self.estimate { "; effects are estimated to first order" } else { "" };
        format!("{score}{of}: clean {:.3}, corrupt {:.3}{how}", effects.clean, effects.corrupt)
    }
}
