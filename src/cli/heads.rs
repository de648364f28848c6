//! `attn-tui heads`: every head with its metrics.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::PathBuf;

use attn_tui_kernels::threads;
use clap::Args;

use super::batch::Files;
use super::common::{Input, Output, Weighting, Which};
use super::survey;
use crate::analysis::MapAxes;
use crate::analysis::metrics::{FAR, HeadMetrics, Measure, is_uneven, metrics};
use crate::analysis::similarity::{cluster, divergences};
use crate::capture::Capture;
use crate::error::Result;
use crate::export::select::Selection;
use crate::export::table::{Cell, Table};
use crate::site::Head;

/// Options of `heads`.
#[derive(Args)]
#[command(after_help = metrics_help())]
pub struct Heads {
    #[command(flatten)]
    input: Input,
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    weighting: Weighting,
    /// Sort by a metric, largest first; heads that lack it come last.
    #[arg(long, value_name = "METRIC", value_parser = metric)]
    sort: Option<String>,
    /// Sort the other way round.
    #[arg(long, requires = "sort")]
    reverse: bool,
    /// Print only the first N heads.
    #[arg(long, value_name = "N")]
    top: Option<usize>,
    /// Keys farther than so many tokens count as far.
    #[arg(long, value_name = "TOKENS", default_value_t = FAR, value_parser = distance)]
    far: f32,
    /// Metrics to print, separated by commas, or `all` [default: a choice for people, all for programs].
    #[arg(long, value_name = "METRICS", value_delimiter = ',', value_parser = metric_or_all)]
    columns: Vec<String>,
    /// Sort the heads of a kind into N groups of like heads (mean Jensen-Shannon divergence, average linkage).
    #[arg(long, value_name = "N", conflicts_with = "source_file")]
    groups: Option<usize>,
    /// Write the metrics of every sentence of --source-file to a .jsonl file, a line a head. What is printed is
    /// their mean and standard deviation a head. Run again after an interruption, it goes on where it was.
    #[arg(long = "table", value_name = "FILE", requires = "source_file", help_heading = "Output")]
    sentences: Option<PathBuf>,
    /// Overwrite an existing table.
    #[arg(long, help_heading = "Output")]
    force: bool,
    #[command(flatten)]
    output: Output,
}

/// What fits a screen.
const CHOICE: [&str; 9] = [
    "entropy",
    "confidence",
    "mean_distance",
    "far_mass",
    "far_ratio",
    "offset",
    "offset_share",
    "sink",
    "special_mass",
];

/// Runs the command.
pub fn run(args: &Heads) -> Result<()> {
    let selection = args.which.selection();
    if let Some(pairs) = args.files.pairs()? {
        let place = args.sentences.as_deref().map(|path| (path, args.force));
        let survey = survey::run((&args.input, args.weighting), pairs, &selection, args.far, place)?;
        let rows = arranged(args, survey.means());
        return args.output.print(&survey.table(&rows, &columns(args)));
    }
    let capture = args.weighting.capture(&args.input)?;
    let rows = args.input.spread(|| measure(&capture, &selection, args.far))?;
    let groups = args.groups.map(|count| groups(&capture, &rows, count)).transpose()?;
    let rows = arranged(args, rows);
    let mut table = table(&rows, &columns(args));
    if let Some(groups) = groups {
        table.columns.push("group".into());
        for (row, (head, _)) in table.rows.iter_mut().zip(&rows) {
            row.push(groups.get(head).map_or(Cell::Missing, |&group| Cell::Whole(group as i64)));
        }
    }
    args.output.print(&table)
}

/// Sorts and cuts the heads as asked.
fn arranged(args: &Heads, mut rows: Vec<Measured>) -> Vec<Measured> {
    if let Some(metric) = &args.sort {
        sort(&mut rows, metric, args.reverse);
    }
    rows.truncate(args.top.unwrap_or(usize::MAX));
    rows
}

/// The group of each head, counted from 0 within its kind.
fn groups(capture: &Capture, rows: &[Measured], count: usize) -> Result<BTreeMap<Head, usize>> {
    let mut groups = BTreeMap::new();
    for kind in rows.chunk_by(|(a, _), (b, _)| a.kind() == b.kind()) {
        let maps: Vec<_> = kind.iter().map(|(head, _)| capture.map(*head)).collect::<Result<_>>()?;
        let labels = cluster(&divergences(&maps)?, count);
        groups.extend(kind.iter().map(|(head, _)| *head).zip(labels));
    }
    Ok(groups)
}

/// A head and its metrics, in the order of [`HeadMetrics::COLUMNS`].
pub type Measured = (Head, Vec<Option<f32>>);

/// The metrics of the chosen heads of a capture, each made by one thread.
pub fn measure(capture: &Capture, selection: &Selection, far: f32) -> Result<Vec<Measured>> {
    let heads = selection.heads(capture)?;
    let one = |at: usize| {
        let (head, kind) = (heads[at], heads[at].kind());
        let context = MapAxes::new(kind, capture.queries(kind), capture.keys(kind));
        let (queries, keys) = capture.shape(kind);
        if is_uneven(kind, far) {
            let mut measure = Measure::new([queries, keys], &context, far);
            capture.maps.pieces(head).for_each(|(first, rows)| measure.add(first, &rows));
            return Ok((head, measure.finish().values()));
        }
        let profile = capture.compute_profile(head, context.profile_axes([queries, keys]).with_gini())?;
        Ok((head, metrics(&profile, &context, far).values()))
    };
    threads::made(heads.len(), usize::MAX, one).into_iter().collect()
}

/// The table of heads: `kind`, `layer`, `head`, and the named metrics.
pub fn table(rows: &[Measured], metrics: &[&str]) -> Table {
    let mut table = Table::new(["kind", "layer", "head"].into_iter().chain(metrics.iter().copied()));
    for (head, values) in rows {
        let mut row = place(*head).to_vec();
        let wanted =
            values.iter().zip(HeadMetrics::COLUMNS).filter(|(_, column)| metrics.contains(&column.name));
        row.extend(wanted.map(|(value, column)| match value {
            Some(value) if column.whole => Cell::Whole(*value as i64),
            value => Cell::number(*value),
        }));
        table.rows.push(row);
    }
    table
}

/// The cells that name a head.
pub fn place(head: Head) -> [Cell; 3] {
    [Cell::Text(head.kind().name().into()), Cell::Whole(head.layer() as i64), Cell::Whole(head.head as i64)]
}

/// Every metric's name.
pub fn all_metrics() -> Vec<&'static str> {
    HeadMetrics::COLUMNS.iter().map(|column| column.name).collect()
}

fn sort(rows: &mut [Measured], metric: &str, reverse: bool) {
    let at = HeadMetrics::COLUMNS.iter().position(|column| column.name == metric);
    let value = |row: &Measured| at.and_then(|at| *row.1.get(at)?);
    rows.sort_by(|a, b| {
        let order = match (value(a), value(b)) {
            (Some(a), Some(b)) if reverse => a.total_cmp(&b),
            (Some(a), Some(b)) => b.total_cmp(&a),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        };
        order.then_with(|| a.0.cmp(&b.0))
    });
}

fn columns(args: &Heads) -> Vec<&'static str> {
    let all = all_metrics();
    if args.columns.iter().any(|name| name == "all")
        || (args.columns.is_empty() && args.output.for_programs())
    {
        return all;
    }
    let wanted = |name: &&str| {
        if args.columns.is_empty() {
            CHOICE.contains(name) || args.sort.as_deref() == Some(*name)
        } else {
            args.columns.iter().any(|column| column == *name)
        }
    };
    all.into_iter().filter(wanted).collect()
}

fn metric(name: &str) -> std::result::Result<String, String> {
    let all = all_metrics();
    if all.contains(&name) {
        Ok(name.into())
    } else {
        Err(format!("no metric; there are {}", all.join(", ")))
    }
}

fn metric_or_all(name: &str) -> std::result::Result<String, String> {
    if name == "all" { Ok(name.into()) } else { metric(name) }
}

/// A distance in tokens.
pub fn distance(text: &str) -> std::result::Result<f32, String> {
    match text.parse::<f32>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err("a number of tokens, 0 or more, is needed".into()),
    }
}

fn metrics_help() -> String {
    let lines = HeadMetrics::COLUMNS.iter().map(|column| format!("  {:14}  {}", column.name, column.about));
    format!("Metrics (d: --far):\n{}", lines.collect::<Vec<_>>().join("\n"))
}
