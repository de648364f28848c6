//! `attn-tui heads`: lists all heads with their metrics.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;

use super::context::Context;
use super::measure::{all_metrics, measure, measure_groups};
use super::options::{
    BatchArgs, HeadArgs, InputArgs, OutputArgs, ProfileExtras, RunExtras, WeightsArgs, needs_source_file,
    non_negative, whole,
};
use super::survey::{self, SentenceTable};
use super::{batch, examples, input};
use crate::analysis::metrics::{FAR, HeadMetrics};
use crate::analysis::roles::ROLES;
use crate::capture::{Capture, HeadRow, MetricOptions};
use crate::error::{Error, Result};
use crate::export::table::Cell;
use crate::export::tables::{ROLE_COLUMNS, add_roles, head_table};
use crate::site::{Head, Kind};

/// Options of `heads`.
#[derive(Args)]
#[command(after_help = metrics_help())]
pub struct HeadsArgs {
    #[command(flatten)]
    pub heads: HeadArgs,
    #[command(flatten)]
    weights: WeightsArgs,
    /// Add the column `importance`: how much the target's mean log-probability changes with the size of the head's
    /// output (the absolute gradient; Michel et al. 2019). Needs a model that gradients can go through.
    #[arg(long, conflicts_with = "source_file")]
    importance: bool,
    /// Sort by a metric, or with --importance by `importance`, largest first. Heads without it come last.
    #[arg(long, value_name = "METRIC", value_parser = sortable)]
    sort: Option<String>,
    /// Sort in reverse order.
    #[arg(long, requires = "sort")]
    reverse: bool,
    /// Print only the first N heads.
    #[arg(long, value_name = "N", value_parser = whole::<usize>)]
    top: Option<usize>,
    /// Distance in tokens beyond which a key counts as far.
    #[arg(long, value_name = "TOKENS", default_value_t = FAR, value_parser = non_negative)]
    far: f32,
    /// Columns to print, separated by commas, or `all` [default: a selection; all with --json or --csv].
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', value_parser = column)]
    columns: Vec<String>,
    /// Cluster the heads of each kind into N groups (average linkage over the mean Jensen-Shannon
    /// divergence).
    #[arg(long, value_name = "N", value_parser = whole::<usize>, conflicts_with = "source_file")]
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
    pub batch: BatchArgs,
}

/// The column of `--importance`.
const IMPORTANCE: &str = "importance";

/// Importance of heads; empty if it was not measured.
type Importance = BTreeMap<Head, f32>;

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

/// Those for a picture, in whose cross maps queries and keys have no distance.
const PICTURE_COLUMNS: [&str; 8] =
    ["entropy", "confidence", "mean_distance", "far_mass", "far_ratio", "spread", "locality", "sink"];

/// Runs the command.
///
/// # Errors
/// Those of the engine and of the files.
pub fn run(args: &HeadsArgs, context: &Context) -> Result<()> {
    args.output.check()?;
    if args.sort.as_deref() == Some(IMPORTANCE) && !args.importance {
        return Err(Error::Usage("--sort importance needs --importance".into()));
    }
    let selection = args.heads.selection();
    let texts = columns(args, &DEFAULT_COLUMNS);
    let gini = texts.contains(&"gini") || args.sort.as_deref() == Some("gini");
    if args.sentences.is_some() && args.batch.source_file.is_none() {
        return Err(needs_source_file("--table"));
    }
    if let Some(pairs) = batch::pairs(&args.batch)? {
        let sentences = args.sentences.as_deref();
        let sentences = sentences.map(|path| SentenceTable::open(path, args.output.force)).transpose()?;
        let options = MetricOptions { far: args.far, gini: gini || sentences.is_some() };
        let runner = batch::Runner::open(&args.input, args.weights, context)?;
        let runner = runner.keeping(args.extras(options));
        let survey = survey::run(&runner, pairs, &selection, options, sentences)?;
        let rows = arranged(args, survey.means(), &Importance::new());
        let mut table = survey.table(&rows, &texts);
        add_roles(&mut table, &rows, |name| args.prints(name));
        return args.output.print(&table, &context.terminal);
    }
    let options = MetricOptions { far: args.far, gini };
    let (capture, importance) = args.capture(options, context)?;
    let capture = input::weighted(capture, args.weights)?;
    let (rows, groups) = context.on_threads(|| match args.groups {
        Some(count) => measure_groups(&capture, &selection, options, count),
        None => Ok((measure(&capture, &selection, options)?, BTreeMap::new())),
    })?;
    let rows = arranged(args, rows, &importance);
    let columns = match capture.axes(Kind::Cross).keys_are_patches() {
        true => columns(args, &PICTURE_COLUMNS),
        false => texts,
    };
    let mut table = head_table(&rows, &columns);
    if args.importance {
        table.columns.push(IMPORTANCE.into());
        for (row, (head, _)) in table.rows.iter_mut().zip(&rows) {
            row.push(Cell::number(importance.get(head).copied()));
        }
    }
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

    /// Runs the model or opens the capture file, and measures the importance of heads if it is asked for.
    fn capture(&self, options: MetricOptions, context: &Context) -> Result<(Capture, Importance)> {
        if !self.importance {
            return Ok((input::capture(&self.input, self.extras(options), context)?, Importance::new()));
        }
        let watch = context.status_line();
        let session = input::session(&self.input, "--importance needs", &watch, context)?;
        let source = input::source(&self.input.text, &session)?;
        let run = self.input.text.options(source, self.extras(options), &context.settings)?;
        let capture = session.run(&run, &watch)?;
        if run.target.is_none() {
            input::note_generation(&session, &capture);
        }
        let importance = session.head_importance(&capture, &watch)?;
        Ok((capture, importance.into_iter().collect()))
    }

    /// The data that a run must keep for these metrics.
    fn extras(&self, options: MetricOptions) -> RunExtras {
        let profiles = ProfileExtras { gini: options.gini, links: None };
        self.weights.analysis_extras(&self.heads, profiles)
    }
}

/// Sorts and truncates the list of heads.
fn arranged(args: &HeadsArgs, mut rows: Vec<HeadRow>, importance: &Importance) -> Vec<HeadRow> {
    if let Some(metric) = &args.sort {
        sort(&mut rows, metric, importance, args.reverse);
    }
    rows.truncate(args.top.unwrap_or(usize::MAX));
    rows
}

fn sort(rows: &mut [HeadRow], metric: &str, importance: &Importance, reverse: bool) {
    let at = HeadMetrics::COLUMNS.iter().position(|column| column.name == metric);
    let value = |row: &HeadRow| match metric {
        IMPORTANCE => importance.get(&row.0).copied(),
        _ => at.and_then(|at| *row.1.get(at)?),
    };
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

/// Returns the columns that are asked for, or else `default`.
fn columns(args: &HeadsArgs, default: &[&str]) -> Vec<&'static str> {
    let all = all_metrics();
    if args.columns.iter().any(|name| name == "all")
        || (args.columns.is_empty() && args.output.machine_readable())
    {
        return all;
    }
    let wanted = |name: &&str| {
        if args.columns.is_empty() {
            default.contains(name) || args.sort.as_deref() == Some(*name)
        } else {
            args.columns.iter().any(|column| column == *name)
        }
    };
    all.into_iter().filter(wanted).collect()
}

/// Parses a metric that heads can be sorted by.
fn sortable(name: &str) -> std::result::Result<String, String> {
    if name == IMPORTANCE { Ok(name.into()) } else { metric(name) }
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
