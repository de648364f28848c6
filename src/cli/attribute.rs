//! `attn-tui attribute`: scores source and prefix tokens for each predicted token.

use std::ops::Range;

use clap::Args;

use super::context::Context;
use super::options::{InputArgs, MaskingArgs, OutputArgs, RunExtras, count, named, span, steps, whole};
use super::{input, output};
use crate::analysis::attribution::{Attribution, AttributionMethod};
use crate::axis::AxisItem;
use crate::capture::Capture;
use crate::engine::{AttributionOptions, EmbeddingBaseline};
use crate::error::{Error, Result};
use crate::export::labels::{item_cell, item_label};
use crate::export::table::{Cell, Table};

/// Options of `attribute`.
#[derive(Args)]
pub struct AttributeArgs {
    /// Method: mean, value-weighted, rollout, alti, occlusion, value-zeroing, saliency, input-x-gradient,
    /// integrated-gradients, attention-x-gradient, relevance, a cross-attention head such as cross.2.4, or
    /// attention-x-gradient:cross.2.4 for one head.
    #[arg(long, value_name = "METHOD", default_value = "occlusion", help_heading = "Method")]
    method: AttributionMethod,
    /// Explain only the token that this decoder row predicts, counted from 0.
    #[arg(long, value_name = "N", value_parser = whole::<usize>, help_heading = "Method")]
    row: Option<usize>,
    /// Explain the tokens that rows A to B predict together: scores are those of the sum of their
    /// log-probabilities. For methods that run the model.
    #[arg(long, value_name = "A-B", value_parser = span, conflicts_with = "row", help_heading = "Method")]
    rows: Option<Range<usize>>,
    /// Explain why the target token is predicted rather than TOKEN. For methods that run the model.
    #[arg(long, value_name = "TOKEN", help_heading = "Method")]
    contrast: Option<String>,
    #[command(flatten)]
    masking: MaskingArgs,
    /// Embeddings from which integrated gradients start: zeros, or those of the padding or the unknown token.
    #[arg(long, value_name = "BASELINE", default_value = "zero", value_parser = named::<EmbeddingBaseline>(EmbeddingBaseline::ALL.map(EmbeddingBaseline::name)),
          help_heading = "Method")]
    baseline: EmbeddingBaseline,
    /// Number of points of the integration, for integrated gradients.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = steps, help_heading = "Method")]
    steps: usize,
    /// Side of the squares of patches that are covered with the picture's mean colour at once, for the
    /// occlusion of a picture. All patches of a square get its score.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = count, help_heading = "Method")]
    patches: usize,
    /// Print the N highest scores of each row [default: 5; all with --json or --csv].
    #[arg(long, value_name = "N", value_parser = whole::<usize>, help_heading = "Output")]
    top: Option<usize>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    pub input: InputArgs,
}

/// Number of scores of a row that are printed for people.
const TOP: usize = 5;

/// Runs the command.
///
/// # Errors
/// Those of the engine; [`Error::Usage`] for options that do not belong together.
pub fn run(args: &AttributeArgs, context: &Context) -> Result<()> {
    args.output.check()?;
    let (capture, attribution) = if args.method.needs_runs() {
        args.run_model(context)?
    } else if args.contrast.is_some() || args.rows.is_some() {
        let option = if args.rows.is_some() { "--rows" } else { "--contrast" };
        let why =
            format!("{option} is no option of --method {}, which explains no log-probability", args.method);
        return Err(Error::Usage(why));
    } else {
        let extras = RunExtras { values: args.method.needs_values(), ..RunExtras::default() };
        let capture = input::capture(&args.input, extras, context)?;
        let attribution = context.on_threads(|| capture.attribution(args.method))?;
        (capture, attribution)
    };
    let top = args.top.unwrap_or(if args.output.machine_readable() { usize::MAX } else { TOP });
    let table = args.table(&capture, &attribution, top)?;
    args.output.print(&table.with_schema("attn-tui attribute 1"), &context.terminal)
}

impl AttributeArgs {
    /// Runs the model once to record the target and again for the attribution.
    fn run_model(&self, context: &Context) -> Result<(Capture, Attribution)> {
        let watch = context.status_line();
        let session = input::session(&self.input, &format!("{} needs", self.method), &watch, context)?;
        let contrast = self.contrast.as_deref().map(|text| session.single_target_token(text)).transpose()?;
        let text = input::source(&self.input.text, &session)?;
        let run = self.input.text.options(text, RunExtras::default(), &context.settings)?;
        let source = session.source(&run)?;
        let capture = session.run_source(&source, &run, &watch)?;
        if run.target.is_none() {
            input::note_generation(&session, &capture);
        }
        if let Some(token) = &contrast {
            let label = item_label(&token.clone().into());
            output::note(&format!("scores explain log p(predicted) - log p({label})"));
        }
        let options = AttributionOptions {
            masking: self.masking.masking,
            contrast: contrast.map(|token| token.id),
            span: self.span(&capture)?,
            baseline: self.baseline,
            steps: self.steps,
            patches: self.patches,
        };
        let attribution = session.attribution(&capture, &source, self.method, options, &watch)?;
        if let Some(error) = attribution.completeness_error {
            output::note(&format!(
                "completeness error {error:.2e}: the largest difference between the sum of a row's scores and the \
                 change of what they explain"
            ));
        }
        Ok((capture, attribution))
    }

    /// The rows that are explained together, or the only row.
    fn span(&self, capture: &Capture) -> Result<Option<Range<usize>>> {
        match self.row {
            None => Ok(self.rows.clone()),
            row => input::chosen_rows(row, capture.target.len()).map(Some),
        }
    }

    /// Tabulates the `top` highest scores of each explained row, in the order of the tokens.
    fn table(&self, capture: &Capture, attribution: &Attribution, top: usize) -> Result<Table> {
        let rows: Vec<(usize, Range<usize>)> = match self.span(capture)? {
            Some(span) if self.method.needs_runs() => vec![(0, span)],
            Some(span) => span.map(|row| (row, row..row + 1)).collect(),
            None => (0..capture.target.len()).map(|row| (row, row..row + 1)).collect(),
        };
        let mut columns = vec!["row", "predicted", "side", "position", "token", "score", "method"];
        let occludes = self.method == AttributionMethod::Occlusion;
        columns.extend(occludes.then_some("masking"));
        let mut table = Table::new(columns);
        for (at, rows) in rows {
            let mut scores: Vec<_> = scores_of(capture, attribution, at, rows.end).collect();
            let mut order: Vec<f32> = scores.iter().map(|(.., score)| *score).collect();
            order.sort_by(|a, b| b.total_cmp(a));
            if let Some(&least) = order.get(top.saturating_sub(1)) {
                scores.retain(|(.., score)| *score >= least);
            }
            let (name, predicted) = match rows.len() {
                1 => (Cell::Whole(rows.start as i64), item_cell(capture.target.items.get(rows.start))),
                _ => {
                    let words = capture.target.items[rows.clone()].iter().map(item_label);
                    let name = format!("{}-{}", rows.start, rows.end - 1);
                    (Cell::Text(name), Cell::Text(words.collect::<Vec<_>>().join(" ")))
                }
            };
            for (side, position, token, score) in scores.into_iter().take(top) {
                let mut cells = vec![
                    name.clone(),
                    predicted.clone(),
                    Cell::Text(side.into()),
                    Cell::Whole(position as i64),
                    item_cell(Some(token)),
                    Cell::Number(score),
                    Cell::Text(self.method.to_string()),
                ];
                let covered = side == "source" && token.token_id().is_none();
                let masking = if covered { "covered".into() } else { self.masking.masking.to_string() };
                cells.extend(occludes.then_some(Cell::Text(masking)));
                table.rows.push(cells);
            }
        }
        Ok(table)
    }
}

/// Side, position, token and score of every source token and of the first `seen` tokens of the decoder input,
/// in row `row` of the attribution.
fn scores_of<'a>(
    capture: &'a Capture,
    attribution: &'a Attribution,
    row: usize,
    seen: usize,
) -> impl Iterator<Item = (&'static str, usize, &'a AxisItem, f32)> {
    let side = |name, items: &'a [AxisItem], scores: &'a [f32]| {
        let scored = items.iter().zip(scores).enumerate();
        scored.map(move |(position, (token, &score))| (name, position, token, score))
    };
    let source = side("source", &capture.source.items, attribution.source.row(row));
    let prefix = attribution.prefix.as_ref().map(|prefix| {
        let seen = capture.decoder_input.len().min(seen);
        side("prefix", &capture.decoder_input[..seen], prefix.row(row))
    });
    source.chain(prefix.into_iter().flatten())
}
