//! `attn-tui find`: lists the sentences of a scan in which a head has its strongest link or its largest metric.

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::context::Context;
use super::measure::all_metrics;
use super::options::{OutputArgs, PlaceArgs, non_negative, whole};
use crate::analysis::roles::ROLES;
use crate::error::Result;
use crate::export::table::{Cell, Table};
use crate::export::tables::{HEAD_COLUMNS, LINK_COLUMNS, head_cells};
use crate::scan::{Exemplar, ExemplarFilter, Scan, find};
use crate::site::Head;

/// Options of `find`.
#[derive(Args)]
pub struct FindArgs {
    /// Folder of a scan.
    scan: PathBuf,
    /// Head, such as cross.2.4 [default: all heads].
    #[arg(long, value_name = "KIND.LAYER.HEAD", help_heading = "Heads")]
    head: Option<Head>,
    /// Leave out sentences in which the head has another role.
    #[arg(long, value_name = "ROLE", help_heading = "Heads", value_parser = roles())]
    role: Option<String>,
    /// Order by a metric of the head in the sentence, largest first [default: the weight of the link].
    #[arg(long, value_name = "METRIC", help_heading = "Heads", value_parser = PossibleValuesParser::new(all_metrics()))]
    by: Option<String>,
    #[command(flatten)]
    places: PlaceArgs,
    /// Leave out links shorter than N tokens. In cross-attention the distance is from the alignment diagonal.
    #[arg(long, value_name = "N", default_value_t = 0.0, value_parser = non_negative)]
    min_distance: f32,
    /// Leave out links weaker than this.
    #[arg(long, value_name = "WEIGHT", default_value_t = 0.0, value_parser = non_negative)]
    min_weight: f32,
    /// Print the N best sentences.
    #[arg(long, value_name = "N", value_parser = whole::<usize>, default_value_t = 20)]
    top: usize,
    #[command(flatten)]
    output: OutputArgs,
}

fn roles() -> PossibleValuesParser {
    PossibleValuesParser::new(ROLES.iter().map(|role| role.name))
}

/// Runs the command.
///
/// # Errors
/// Those of [`find`] and of the output.
pub fn run(args: &FindArgs, context: &Context) -> Result<()> {
    args.output.check()?;
    let scan = Scan::open(&args.scan)?;
    let places = args.places.selection();
    let filter = ExemplarFilter {
        head: args.head,
        query: places.queries,
        key: places.keys,
        min_distance: args.min_distance,
        min_weight: args.min_weight,
        role: args.role.clone(),
        by: args.by.clone(),
        like: None,
        top: args.top,
    };
    let found = find(&scan, &filter, &context.status_line())?;
    let mut columns: Vec<&str> = ["sentence"].into_iter().chain(HEAD_COLUMNS).collect();
    columns.extend(args.by.as_deref());
    columns.extend(LINK_COLUMNS);
    columns.extend(["source", "target"]);
    let mut table = Table::new(columns).with_schema("attn-tui find 1");
    table.rows = found.iter().map(|exemplar| row(exemplar, args.by.is_some())).collect();
    args.output.print(&table, &context.terminal)
}

fn row(exemplar: &Exemplar, with_score: bool) -> Vec<Cell> {
    let mut row = vec![Cell::Whole(exemplar.sentence)];
    row.extend(head_cells(exemplar.head));
    row.extend(with_score.then_some(Cell::Number(exemplar.score)));
    match &exemplar.link {
        None => row.extend(std::iter::repeat_n(Cell::Missing, LINK_COLUMNS.len())),
        Some(found) => row.extend([
            Cell::Number(found.link.weight),
            Cell::number(found.link.distance),
            Cell::Whole(found.link.query as i64),
            Cell::Text(found.query_token.clone()),
            found.predicted.clone().map_or(Cell::Missing, Cell::Text),
            Cell::Whole(found.link.key as i64),
            Cell::Text(found.key_token.clone()),
        ]),
    }
    row.extend([Cell::Text(exemplar.source.clone()), Cell::Text(exemplar.target.clone())]);
    row
}
