//! `attn-tui links`: lists the strongest long-range links of all heads.

use attn_tui_kernels::threads;
use clap::Args;

use super::context::Context;
use super::input;
use super::options::{HeadArgs, InputArgs, OutputArgs, WeightsArgs, non_negative};
use crate::analysis::MapAxes;
use crate::analysis::links::{Link, LinkFilter, best, links_of_rows, strong_links};
use crate::analysis::metrics::FAR;
use crate::analysis::profile::STRONG_WEIGHT;
use crate::capture::Capture;
use crate::error::Result;
use crate::export::labels::item_label;
use crate::export::select::HeadSelection;
use crate::export::table::{Cell, Table};
use crate::site::{Head, Kind};

/// Options of `links`.
#[derive(Args)]
pub struct LinksArgs {
    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    pub heads: HeadArgs,
    #[command(flatten)]
    weights: WeightsArgs,
    /// Leave out links shorter than N tokens. In cross-attention the distance is from the alignment diagonal.
    #[arg(long, value_name = "N", default_value_t = FAR + 1.0, value_parser = non_negative)]
    min_distance: f32,
    /// Leave out links weaker than this.
    #[arg(long, value_name = "WEIGHT", default_value_t = 0.0, value_parser = non_negative)]
    min_weight: f32,
    /// Print the N strongest links.
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,
    /// Keep links to special tokens.
    #[arg(long)]
    special: bool,
    /// Keep links to and from punctuation.
    #[arg(long)]
    punctuation: bool,
    /// Keep links to attention sinks, keys that hold more than 0.3 of their head's weight on average.
    #[arg(long)]
    sinks: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// The columns of the table.
const COLUMNS: [&str; 10] =
    ["kind", "layer", "head", "weight", "distance", "query", "query_token", "predicted", "key", "key_token"];

/// Runs the command.
///
/// # Errors
/// Those of the engine; [`crate::error::Error::NoSuchHead`].
pub fn run(args: &LinksArgs, context: &Context) -> Result<()> {
    let capture = input::weighted_capture(&args.input, args.weights, context)?;
    let filter = LinkFilter {
        min_distance: args.min_distance,
        min_weight: args.min_weight,
        top: args.top,
        special: args.special,
        punctuation: args.punctuation,
        sinks: args.sinks,
    };
    let found = context.on_threads(|| find(&capture, &args.heads.selection(), &filter))?;
    let mut table = Table::new(COLUMNS);
    table.rows = found.iter().map(|link| row(&capture, link)).collect();
    args.output.print(&table, &context.terminal)
}

fn find(capture: &Capture, selection: &HeadSelection, filter: &LinkFilter) -> Result<Vec<Link>> {
    let heads = selection.heads(capture)?;
    let axes = |kind| MapAxes::new(kind, capture.queries(kind), capture.keys(kind));
    let of_all = |of_one: &(dyn Fn(Head) -> Result<Vec<Link>> + Sync)| -> Result<Vec<Link>> {
        let found = threads::map(heads.len(), usize::MAX, |at| of_one(heads[at]));
        Ok(best(found.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten(), filter.top))
    };
    let strong = LinkFilter { min_weight: filter.min_weight.max(STRONG_WEIGHT), ..filter.clone() };
    let found =
        of_all(&|head| Ok(strong_links(head, &*capture.profile(head)?, &axes(head.kind()), &strong)))?;
    // Weaker links are searched only if there are too few strong ones.
    if found.len() >= filter.top || filter.min_weight >= STRONG_WEIGHT {
        return Ok(found);
    }
    of_all(&|head| {
        let profile = capture.profile(head)?;
        Ok(links_of_rows(head, &profile, capture.maps.pieces(head), &axes(head.kind()), filter))
    })
}

fn row(capture: &Capture, link: &Link) -> Vec<Cell> {
    let kind = link.head.kind();
    let label =
        |tokens: &[_], at: usize| tokens.get(at).map_or(Cell::Missing, |token| Cell::Text(item_label(token)));
    let predicted =
        if kind == Kind::Encoder { Cell::Missing } else { label(&capture.target.items, link.query) };
    vec![
        Cell::Text(kind.name().into()),
        Cell::Whole(link.head.layer() as i64),
        Cell::Whole(link.head.head as i64),
        Cell::Number(link.weight),
        Cell::Number(link.distance),
        Cell::Whole(link.query as i64),
        label(capture.queries(kind), link.query),
        predicted,
        Cell::Whole(link.key as i64),
        label(capture.keys(kind), link.key),
    ]
}
