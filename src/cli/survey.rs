//! Metrics of heads over many sentences: a file with one line per sentence and head, and their mean and spread.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::batch::{Runner, SentencePairs};
use super::measure::{HeadRow, all_metrics, head_cells, measure, table};
use crate::analysis::spread::Spread;
use crate::error::{Error, Result};
use crate::export::select::Selection;
use crate::export::table::{Cell, Table};
use crate::site::{Head, Kind};

/// Mean and spread of every metric of every head.
#[derive(Default)]
pub struct MetricSurvey {
    sentences: usize,
    heads: BTreeMap<Head, Vec<Spread>>,
}

/// Runs all sentences. The lines are written to `file` with `.part` behind its name, which is renamed once all are
/// done. Sentences that the `.part` file of an earlier run has already are not run again.
///
/// # Errors
/// Those of the engine; [`Error::BadFile`] if the `.part` file comes from other sentences,
/// another model or other options.
pub fn run(
    runner: &Runner,
    pairs: SentencePairs,
    selection: &Selection,
    far: f32,
    file: Option<&Path>,
) -> Result<MetricSurvey> {
    let mut survey = MetricSurvey::default();
    let mut lines = None;
    if let Some(path) = file {
        lines = Some(Partial::open(path, &mut survey)?);
    }
    for pair in pairs.skip(survey.sentences) {
        let capture = runner.run(&pair?)?;
        let measured = runner.context.on_threads(|| measure(&capture, selection, far))?;
        if let Some(lines) = &mut lines {
            lines.add(&text(survey.sentences, &measured))?;
        }
        survey.add(&measured);
        runner.show_progress(survey.sentences);
    }
    if survey.sentences == 0 {
        lines.map_or(Ok(()), Partial::discard)?;
        return Err(Error::Text("there are no sentences to run".into()));
    }
    if let (Some(lines), Some(path)) = (lines, file) {
        lines.finish(path)?;
    }
    Ok(survey)
}

impl MetricSurvey {
    fn add(&mut self, measured: &[HeadRow]) {
        for (head, values) in measured {
            let spreads = self.heads.entry(*head).or_insert_with(|| vec![Spread::default(); values.len()]);
            for (spread, value) in spreads.iter_mut().zip(values) {
                if let Some(value) = value {
                    spread.add(*value);
                }
            }
        }
        self.sentences += 1;
    }

    /// The means of every head's metrics.
    pub fn means(&self) -> Vec<HeadRow> {
        let mean = |spreads: &Vec<Spread>| spreads.iter().map(Spread::mean).collect();
        self.heads.iter().map(|(head, spreads)| (*head, mean(spreads))).collect()
    }

    /// Lays heads out as a table with the columns `kind`, `layer`, `head`, `sentences`, and for each named metric its
    /// mean and, as `{metric}_sd`, its standard deviation.
    pub fn table(&self, rows: &[HeadRow], metrics: &[&str]) -> Table {
        let mut columns: Vec<String> = ["kind", "layer", "head", "sentences"].map(String::from).into();
        columns.extend(metrics.iter().flat_map(|name| [name.to_string(), format!("{name}_sd")]));
        let mut table = Table::new(columns);
        for (head, _) in rows {
            let mut row = head_cells(*head).to_vec();
            row.push(Cell::Whole(self.sentences as i64));
            let spreads = self.heads.get(head).map_or(&[][..], Vec::as_slice);
            for (spread, name) in spreads.iter().zip(all_metrics()) {
                if metrics.contains(&name) {
                    row.extend([Cell::number(spread.mean()), Cell::number(spread.deviation())]);
                }
            }
            table.rows.push(row);
        }
        table
    }
}

/// Formats one sentence: a JSON object per head, with `sentence` and then the columns of `heads`.
fn text(sentence: usize, measured: &[HeadRow]) -> String {
    let mut table = table(measured, &all_metrics());
    table.columns.insert(0, "sentence".into());
    table.rows.iter_mut().for_each(|row| row.insert(0, Cell::Whole(sentence as i64)));
    (0..table.rows.len()).map(|row| format!("{}\n", table.object(row))).collect()
}

/// The `.part` file, which grows while sentences are run.
struct Partial {
    path: PathBuf,
    file: File,
    /// The lines that an interrupted run wrote for its last sentence. The sentence is run again, and its lines must
    /// begin with these.
    left: String,
}

impl Partial {
    /// Opens the `.part` file of `path` and adds its complete sentences to the survey.
    fn open(path: &Path, survey: &mut MetricSurvey) -> Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push(".part");
        let path = PathBuf::from(name);
        let io = |e| Error::io(&path, e);
        let file = OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(io)?;
        let mut reader = BufReader::new(&file);
        // The last sentence may be incomplete, so it is run again.
        let (mut kept, mut rows, mut left, mut line) = (0, Vec::new(), String::new(), String::new());
        while reader.read_line(&mut line).map_err(io)? > 0 {
            if !line.ends_with('\n') {
                left += &line;
                break;
            }
            let why = || Error::BadFile { file: path.display().to_string(), why: OTHER.into() };
            let (sentence, row) = read(&line).ok_or_else(why)?;
            if sentence == survey.sentences + 1 && !rows.is_empty() {
                survey.add(&rows);
                rows.clear();
                kept += left.len() as u64;
                left.clear();
            }
            if sentence != survey.sentences {
                return Err(why());
            }
            rows.push(row);
            left += &line;
            line.clear();
        }
        file.set_len(kept).map_err(io)?;
        Ok(Self { path, file, left })
    }

    fn add(&mut self, lines: &str) -> Result<()> {
        if !lines.starts_with(self.left.as_str()) {
            // The options may be wrong, so the file stays as it was.
            self.file.write_all(self.left.as_bytes()).map_err(|e| Error::io(&self.path, e))?;
            return Err(Error::BadFile { file: self.path.display().to_string(), why: OTHER.into() });
        }
        self.left.clear();
        self.file.write_all(lines.as_bytes()).map_err(|e| Error::io(&self.path, e))
    }

    /// Removes the file, which is empty.
    fn discard(self) -> Result<()> {
        std::fs::remove_file(&self.path).map_err(|e| Error::io(&self.path, e))
    }

    fn finish(self, path: &Path) -> Result<()> {
        self.file.sync_all().map_err(|e| Error::io(&self.path, e))?;
        std::fs::rename(&self.path, path).map_err(|e| Error::io(path, e))
    }
}

const OTHER: &str = "it belongs to a run with other sentences, model or options: remove it to start over";

/// Parses a line into its sentence and the head's metrics.
fn read(line: &str) -> Option<(usize, HeadRow)> {
    let value: Value = serde_json::from_str(line).ok()?;
    let number = |name: &str| Some(value.get(name)?.as_u64()? as usize);
    let kind: Kind = value.get("kind")?.as_str()?.parse().ok()?;
    let head = Head::new(kind, number("layer")?, number("head")?);
    let metric = |name: &str| Some(value.get(name)?.as_f64()? as f32);
    Some((number("sentence")?, (head, all_metrics().into_iter().map(metric).collect())))
}
