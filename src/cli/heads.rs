//! `attn-tui heads`: lists all heads with their metrics.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;

use super::context::Context;
use super::measure::{HeadRow, ROLE_COLUMNS, add_roles, all_metrics, measure, table};
use super::options::{BatchArgs, HeadArgs, InputArgs, OutputArgs, WeightsArgs, non_negative};
use super::survey::{self, SentenceTable};
use super::{batch, examples, input};
use crate::analysis::metrics::{FAR, HeadMetrics};
use crate::analysis::roles::ROLES;
use crate::analysis::similarity::{cluster, divergences};
use crate::capture::Capture;
use crate::error::Result;
use crate::export::table::Cell;
use crate::site::Head;

/// Options of `heads`.
#[derive(Args)]
#[command(after_help = metrics_help())]
pub struct HeadsArgs {
    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    batch: BatchArgs,
    #[command(flatten)]
    pub heads: HeadArgs,
    #[command(flatten)]
    weights: WeightsArgs,
    /// Sort by a metric, largest first. Heads without it come last.
    #[arg(long, value_name = "METRIC", value_parser = metric)]
    sort: Option<String>,
    /// Sort in reverse order.
    #[arg(long, requires = "sort")]
    reverse: bool,
    /// Print only the first N heads.
    #[arg(long, value_name = "N")]
    top: Option<usize>,
    /// Distance in tokens beyond which a key counts as far.
    #[arg(long, value_name = "TOKENS", default_value_t = FAR, value_parser = non_negative)]
    far: f32,
    /// Columns to print, separated by commas, or `all` [default: a selection; all with --json or --csv].
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', value_parser = column)]
    columns: Vec<String>,
    /// Cluster the heads of each kind into N groups (average linkage over the mean Jensen-Shannon
    /// divergence).
    #[arg(long, value_name = "N", conflicts_with = "source_file")]
    groups: Option<usize>,
    /// Write the metrics of every sentence of --source-file to a .jsonl file, one line per head. The printed
    /// table has each head's mean and standard deviation. An interrupted run continues when started again.
    #[arg(long = "table", value_name = "FILE", requires = "source_file", help_heading = "Output")]
    sentences: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Metrics that are printed by default, few enough for the width of a terminal.
const DEFAULT_COLUMNS: [&str; 9] = [
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
///
/// # Errors
/// Those of the engine and of the files.
pub fn run(args: &HeadsArgs, context: &Context) -> Result<()> {
    let selection = args.heads.selection();
    if let Some(pairs) = batch::pairs(&args.batch)? {
        let sentences = args.sentences.as_deref();
        let sentences = sentences.map(|path| SentenceTable::open(path, args.output.force)).transpose()?;
        let runner = batch::Runner::open(&args.input, args.weights, context)?;
        let survey = survey::run(&runner, pairs, &selection, args.far, sentences)?;
        let rows = arranged(args, survey.means());
        let mut table = survey.table(&rows, &columns(args));
        add_roles(&mut table, &rows, |name| args.prints(name));
        return args.output.print(&table, &context.terminal);
    }
    let capture = input::weighted_capture(&args.input, args.weights, context)?;
    let rows = context.on_threads(|| measure(&capture, &selection, args.far))?;
    let groups = args.groups.map(|count| groups(&capture, &rows, count)).transpose()?;
    let rows = arranged(args, rows);
    let mut table = table(&rows, &columns(args));
    if let Some(groups) = groups {
        table.columns.push("group".into());
        for (row, (head, _)) in table.rows.iter_mut().zip(&rows) {
            row.push(groups.get(head).map_or(Cell::Missing, |&group| Cell::Whole(group as i64)));
        }
    }
    add_roles(&mut table, &rows, |name| args.prints(name));
    args.output.print(&table, &context.terminal)
}

impl HeadsArgs {
    /// Returns true if a column of [`ROLE_COLUMNS`] is to be printed.
    fn prints(&self, role_column: &str) -> bool {
        self.columns.is_empty() || self.columns.iter().any(|name| name == "all" || name == role_column)
    }
}

/// Sorts and truncates the list of heads.
fn arranged(args: &HeadsArgs, mut rows: Vec<HeadRow>) -> Vec<HeadRow> {
    if let Some(metric) = &args.sort {
        sort(&mut rows, metric, args.reverse);
    }
    rows.truncate(args.top.unwrap_or(usize::MAX));
    rows
}

/// Assigns each head to one of `count` groups, numbered from 0 within its kind.
fn groups(capture: &Capture, rows: &[HeadRow], count: usize) -> Result<BTreeMap<Head, usize>> {
    let mut groups = BTreeMap::new();
    for kind in rows.chunk_by(|(a, _), (b, _)| a.kind() == b.kind()) {
        let maps: Vec<_> = kind.iter().map(|(head, _)| capture.map(*head)).collect::<Result<_>>()?;
        let labels = cluster(&divergences(&maps)?, count);
        groups.extend(kind.iter().map(|(head, _)| *head).zip(labels));
    }
    Ok(groups)
}

fn sort(rows: &mut [HeadRow], metric: &str, reverse: bool) {
    let at = HeadMetrics::COLUMNS.iter().position(|column| column.name == metric);
    let value = |row: &HeadRow| at.and_then(|at| *row.1.get(at)?);
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

fn columns(args: &HeadsArgs) -> Vec<&'static str> {
    let all = all_metrics();
    if args.columns.iter().any(|name| name == "all")
        || (args.columns.is_empty() && args.output.machine_readable())
    {
        return all;
    }
    let wanted = |name: &&str| {
        if args.columns.is_empty() {
            DEFAULT_COLUMNS.contains(name) || args.sort.as_deref() == Some(*name)
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
        Err(format!("no such metric; the metrics are {}", all.join(", ")))
    }
}

fn column(name: &str) -> std::result::Result<String, String> {
    if name == "all" || ROLE_COLUMNS.contains(&name) {
        return Ok(name.into());
    }
    metric(name).map_err(|why| format!("{why}; further columns are {}", ROLE_COLUMNS.join(", ")))
}

fn metrics_help() -> String {
    let metrics = HeadMetrics::COLUMNS.iter().map(|column| (column.name, column.about.to_string()));
    let names: Vec<_> = ROLES.iter().map(|role| role.name).collect();
    let roles =
        [format!("what the head does: {}", names.join(", ")), "how clearly it does so, 0 to 1".into()];
    let lines = metrics.chain(ROLE_COLUMNS.into_iter().zip(roles));
    let lines = lines.map(|(name, about)| format!("  {name:14}  {about}"));
    format!("{}\n\nColumns (d: --far):\n{}", examples::HEADS, lines.collect::<Vec<_>>().join("\n"))
}
