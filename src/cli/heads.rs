//! `attn-tui heads`: lists all heads with their metrics.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;

use super::context::Context;
use super::measure::{
    HeadRow, MetricOptions, ROLE_COLUMNS, add_roles, all_metrics, measure, measure_groups, table,
};
use super::options::{
    BatchArgs, HeadArgs, InputArgs, OutputArgs, ProfileExtras, RunExtras, WeightsArgs, non_negative,
};
use super::survey::{self, SentenceTable};
use super::{batch, examples, input};
use crate::analysis::metrics::{FAR, HeadMetrics};
use crate::analysis::roles::ROLES;
use crate::error::Result;
use crate::export::table::Cell;

/// Options of `heads`.
#[derive(Args)]
#[command(after_help = metrics_help())]
pub struct HeadsArgs {
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
    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    batch: BatchArgs,
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
    args.output.check()?;
    let selection = args.heads.selection();
    let columns = columns(args);
    let gini = columns.contains(&"gini") || args.sort.as_deref() == Some("gini");
    if let Some(pairs) = batch::pairs(&args.batch)? {
        let sentences = args.sentences.as_deref();
        let sentences = sentences.map(|path| SentenceTable::open(path, args.output.force)).transpose()?;
        let options = MetricOptions { far: args.far, gini: gini || sentences.is_some() };
        let runner = batch::Runner::open(&args.input, args.weights, context)?;
        let runner = runner.keeping(args.extras(options));
        let survey = survey::run(&runner, pairs, &selection, options, sentences)?;
        let rows = arranged(args, survey.means());
        let mut table = survey.table(&rows, &columns);
        add_roles(&mut table, &rows, |name| args.prints(name));
        return args.output.print(&table, &context.terminal);
    }
    let options = MetricOptions { far: args.far, gini };
    let capture = input::capture(&args.input, args.extras(options), context)?;
    let capture = input::weighted(capture, args.weights)?;
    let (rows, groups) = context.on_threads(|| match args.groups {
        Some(count) => measure_groups(&capture, &selection, options, count),
        None => Ok((measure(&capture, &selection, options)?, BTreeMap::new())),
    })?;
    let rows = arranged(args, rows);
    let mut table = table(&rows, &columns);
    if args.groups.is_some() {
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

    /// The data that a run must keep for these metrics.
    fn extras(&self, options: MetricOptions) -> RunExtras {
        let profiles = ProfileExtras { gini: options.gini, links: None };
        self.weights.analysis_extras(&self.heads, profiles)
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
