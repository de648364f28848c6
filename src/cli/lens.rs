//! `attn-tui lens`: what each decoder layer would predict, and what heads and blocks add to a logit.

use clap::Args;

use super::context::Context;
use super::options::{InputArgs, OutputArgs, RunExtras, whole};
use super::{input, output};
use crate::analysis::lens::{DirectLogits, LensPrediction};
use crate::capture::Capture;
use crate::engine::Session;
use crate::error::Result;
use crate::export::labels::{item_cell, item_label};
use crate::export::table::{Cell, Table};

/// Options of `lens`.
#[derive(Args)]
pub struct LensArgs {
    /// Split each target token's logit into what every head, feed-forward block, embedding and bias adds to it
    /// directly through the residual stream. The scales of norms are held fixed, so that the parts add up.
    #[arg(long, help_heading = "Method")]
    direct: bool,
    /// Show only the token that this decoder row predicts, counted from 0.
    #[arg(long, value_name = "N", value_parser = whole::<usize>, help_heading = "Method")]
    row: Option<usize>,
    /// With --direct, print only the N parts that add or take most [default: 20; all with --json or --csv].
    #[arg(long, value_name = "N", value_parser = whole::<usize>, requires = "direct", help_heading = "Output")]
    top: Option<usize>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    pub input: InputArgs,
}

/// Number of parts that are printed for people.
const TOP: usize = 20;

/// Runs the command.
///
/// # Errors
/// Those of the engine; [`Error::NotForModel`]; [`Error::Usage`] for a capture file.
pub fn run(args: &LensArgs, context: &Context) -> Result<()> {
    args.output.check()?;
    let watch = context.status_line();
    let session = input::session(&args.input, "the residual stream needs", &watch, context)?;
    let text = input::source(&args.input.text, &session)?;
    let options = args.input.text.options(text, RunExtras::default(), &context.settings)?;
    let source = session.source(&options)?;
    let base = session.run_source(&source, &options, &watch)?;
    if options.target.is_none() {
        input::note_generation(&session, &base);
    }
    let rows: Vec<usize> = input::chosen_rows(args.row, base.target.len())?.collect();
    let table = if args.direct {
        let direct = session.direct_logits(&base, &source, &watch)?;
        output::note(&format!(
            "the parts add up to the logits: largest difference {:.1e}",
            direct.largest_gap()
        ));
        match args.output.machine_readable() {
            true => parts(&base, &direct, &rows, args.top.unwrap_or(usize::MAX)),
            false => mean_parts(&direct, &rows, args.top.unwrap_or(TOP)),
        }
    } else {
        let layers = session.lens(&base, &source, &watch)?;
        match args.output.machine_readable() {
            true => predictions(&session, &base, &layers, &rows),
            false => by_layer(&session, &base, &layers, &rows),
        }
    };
    args.output.print(&table.with_schema("attn-tui lens 1"), &context.terminal)
}

/// Tabulates the predictions, one line for each row and layer.
fn predictions(session: &Session, base: &Capture, layers: &[Vec<LensPrediction>], rows: &[usize]) -> Table {
    let mut table = Table::new([
        "row",
        "fed",
        "target",
        "layer",
        "top_token",
        "top_probability",
        "target_probability",
        "target_rank",
        "method",
    ]);
    for &row in rows {
        for (layer, predictions) in layers.iter().enumerate() {
            let Some(found) = predictions.get(row) else { continue };
            table.rows.push(vec![
                Cell::Whole(row as i64),
                item_cell(base.decoder_input.get(row)),
                item_cell(base.target.items.get(row)),
                Cell::Whole(layer as i64),
                item_cell(Some(&session.token(found.top).into())),
                Cell::Number(found.top_probability),
                Cell::Number(found.target_probability),
                Cell::Whole(found.target_rank as i64),
                Cell::Text("logit-lens".into()),
            ]);
        }
    }
    table
}

/// Tabulates the predictions for people: a line for each row, a column for each layer.
fn by_layer(session: &Session, base: &Capture, layers: &[Vec<LensPrediction>], rows: &[usize]) -> Table {
    let columns = ["row", "fed", "target"].map(String::from).into_iter();
    let mut table = Table::new(columns.chain((0..layers.len()).map(|layer| format!("layer {layer}"))));
    for &row in rows {
        let mut cells = vec![
            Cell::Whole(row as i64),
            item_cell(base.decoder_input.get(row)),
            item_cell(base.target.items.get(row)),
        ];
        cells.extend(layers.iter().map(|predictions| match predictions.get(row) {
            Some(found) => {
                let token = item_label(&session.token(found.top).into());
                Cell::Text(format!("{token} {:.2} (#{})", found.top_probability, found.target_rank))
            }
            None => Cell::Missing,
        }));
        table.rows.push(cells);
    }
    output::note("per layer: likeliest token, its probability, (#place of the target token)");
    table
}

/// A part of a logit: the name of its kind, its layer and its head.
type PartName = (&'static str, Option<usize>, Option<usize>);

/// Lists the parts with their values by row.
fn all_parts(direct: &DirectLogits) -> Vec<(PartName, &[f32])> {
    let mut parts: Vec<(PartName, &[f32])> = vec![(("embedding", None, None), &direct.embedding)];
    parts.extend(
        direct
            .heads
            .iter()
            .map(|(head, rows)| ((head.kind().name(), Some(head.layer()), Some(head.head)), rows.as_slice())),
    );
    let ffn = direct.ffn.iter().enumerate();
    parts.extend(ffn.map(|(layer, rows)| (("ffn", Some(layer), None), rows.as_slice())));
    parts.push((("bias", None, None), &direct.bias));
    parts
}

fn part_cells((kind, layer, head): PartName) -> [Cell; 3] {
    let whole = |number: Option<usize>| number.map_or(Cell::Missing, |number| Cell::Whole(number as i64));
    [Cell::Text(kind.into()), whole(layer), whole(head)]
}

/// Tabulates the `top` largest parts of each row.
fn parts(base: &Capture, direct: &DirectLogits, rows: &[usize], top: usize) -> Table {
    let mut table = Table::new(["row", "target", "part", "layer", "head", "logit", "method"]);
    for &row in rows {
        let parts = all_parts(direct).into_iter().filter_map(|(name, rows)| Some((name, *rows.get(row)?)));
        for (name, value) in largest(parts.collect(), top) {
            let mut cells = vec![Cell::Whole(row as i64), item_cell(base.target.items.get(row))];
            cells.extend(part_cells(name));
            cells.extend([Cell::Number(value), Cell::Text("direct-logit-attribution".into())]);
            table.rows.push(cells);
        }
    }
    table
}

/// Tabulates the `top` parts that are largest on average over the rows, for people.
fn mean_parts(direct: &DirectLogits, rows: &[usize], top: usize) -> Table {
    let mean = |values: &[f32]| {
        let values = rows.iter().filter_map(|&row| values.get(row));
        values.sum::<f32>() / rows.len().max(1) as f32
    };
    let mut table = Table::new(["part", "layer", "head", "logit"]);
    let parts = all_parts(direct).into_iter().map(|(name, values)| (name, mean(values)));
    for (name, value) in largest(parts.collect(), top) {
        let mut cells = part_cells(name).to_vec();
        cells.push(Cell::Number(value));
        table.rows.push(cells);
    }
    let mut total = part_cells(("all", None, None)).to_vec();
    total.push(Cell::Number(mean(&direct.logit)));
    table.rows.push(total);
    table
}

/// Keeps the `top` parts of largest absolute value: in their order if that is all of them, else largest first.
fn largest(mut parts: Vec<(PartName, f32)>, top: usize) -> Vec<(PartName, f32)> {
    if top < parts.len() {
        parts.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
        parts.truncate(top);
    }
    parts
}
