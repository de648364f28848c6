//! `attn-tui links`: the strongest long-range links over all heads.

use attn_tui_kernels::threads;
use clap::Args;

use super::common::{Input, Output, Weighting, Which};
use super::heads::distance;
use crate::analysis::MapAxes;
use crate::analysis::links::{Link, LinkFilter, best, links_of_rows, strong_links};
use crate::analysis::metrics::FAR;
use crate::analysis::profile::STRONG_WEIGHT;
use crate::capture::Capture;
use crate::error::Result;
use crate::export::labels::token_label;
use crate::export::select::Selection;
use crate::export::table::{Cell, Table};
use crate::site::{Head, Kind};

/// Options of `links`.
#[derive(Args)]
pub struct Links {
    #[command(flatten)]
    input: Input,
    #[command(flatten)]
    heads: Which,
    #[command(flatten)]
    weighting: Weighting,
    /// Leave out links shorter than N tokens (in cross maps: nearer to the alignment diagonal).
    #[arg(long, value_name = "N", default_value_t = FAR + 1.0, value_parser = distance)]
    min_distance: f32,
    /// Leave out links weaker than this.
    #[arg(long, value_name = "WEIGHT", default_value_t = 0.0, value_parser = distance)]
    min_weight: f32,
    /// Print the N strongest links.
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,
    /// Keep links to special tokens.
    #[arg(long)]
    special: bool,
    /// Keep links from and to punctuation.
    #[arg(long)]
    punctuation: bool,
    /// Keep links to sinks: keys with more than 0.3 of their head's weight on average.
    #[arg(long)]
    sinks: bool,
    #[command(flatten)]
    output: Output,
}

/// The columns of the table.
const COLUMNS: [&str; 10] =
    ["kind", "layer", "head", "weight", "distance", "query", "query_token", "predicted", "key", "key_token"];

/// Runs the command.
pub fn run(args: &Links) -> Result<()> {
    let capture = args.weighting.capture(&args.input)?;
    let filter = LinkFilter {
        min_distance: args.min_distance,
        min_weight: args.min_weight,
        top: args.top,
        special: args.special,
        punctuation: args.punctuation,
        sinks: args.sinks,
    };
    let found = args.input.spread(|| find(&capture, &args.heads.selection(), &filter))?;
    let mut table = Table::new(COLUMNS);
    table.rows = found.iter().map(|link| row(&capture, link)).collect();
    args.output.print(&table)
}

fn find(capture: &Capture, selection: &Selection, filter: &LinkFilter) -> Result<Vec<Link>> {
    let heads = selection.heads(capture)?;
    let context = |kind| MapAxes::new(kind, capture.queries(kind), capture.keys(kind));
    let of_all = |of_one: &(dyn Fn(Head) -> Result<Vec<Link>> + Sync)| -> Result<Vec<Link>> {
        let found = threads::made(heads.len(), usize::MAX, |at| of_one(heads[at]));
        Ok(best(found.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten(), filter.top))
    };
    let strong = LinkFilter { min_weight: filter.min_weight.max(STRONG_WEIGHT), ..filter.clone() };
    let found =
        of_all(&|head| Ok(strong_links(head, &*capture.profile(head)?, &context(head.kind()), &strong)))?;
    // Where these are enough, weaker ones need not be looked for.
    if found.len() >= filter.top || filter.min_weight >= STRONG_WEIGHT {
        return Ok(found);
    }
    of_all(&|head| {
        let profile = capture.profile(head)?;
        Ok(links_of_rows(head, &profile, capture.maps.pieces(head), &context(head.kind()), filter))
    })
}

fn row(capture: &Capture, link: &Link) -> Vec<Cell> {
    let kind = link.head.kind();
    let label = |tokens: &[_], at: usize| {
        tokens.get(at).map_or(Cell::Missing, |token| Cell::Text(token_label(token)))
    };
    let predicted =
        if kind == Kind::Encoder { Cell::Missing } else { label(&capture.target.tokens, link.query) };
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
