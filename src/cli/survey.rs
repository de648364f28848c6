//! Metrics of heads over many sentences: a file with one line per sentence and head, and their mean and
//! spread.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::batch::{Runner, SentencePairs};
use super::measure::{all_metrics, measure};
use super::output;
use crate::analysis::spread::Spread;
use crate::capture::{HeadRow, MetricOptions};
use crate::error::{Error, Result};
use crate::export::select::HeadSelection;
use crate::export::table::{Cell, Table};
use crate::export::tables::{head_cells, head_table};
use crate::files::{check_free, is_at, linked, move_into_place};
use crate::site::{Head, Kind};

/// Mean and spread of every metric of every head.
#[derive(Default)]
pub struct MetricSurvey {
    /// Lines read, blank ones among them.
    lines: usize,
    /// Sentences measured.
    sentences: usize,
    heads: BTreeMap<Head, Vec<Spread>>,
}

/// Runs all sentences. Sentences that the table has from an earlier run are not run again.
///
/// # Errors
/// Those of the engine; [`Error::BadFile`] if the table's `.part` file comes from other sentences, another
/// model or other options.
pub fn run(
    runner: &Runner,
    mut pairs: SentencePairs,
    selection: &HeadSelection,
    options: MetricOptions,
    mut table: Option<SentenceTable>,
) -> Result<MetricSurvey> {
    let mut survey = MetricSurvey::default();
    if let Some(table) = &mut table {
        table.resume(&mut survey)?;
    }
    runner.run_each(pairs.by_ref().skip(survey.lines), |capture| {
        let measured = match capture {
            Some(capture) => runner.context.on_threads(|| measure(&capture, selection, options))?,
            None => Vec::new(),
        };
        if let Some(table) = &mut table {
            table.add(&text(survey.lines, &measured))?;
        }
        survey.add(&measured);
        Ok(())
    })?;
    pairs.note_blank_lines();
    if survey.sentences == 0 {
        table.map_or(Ok(()), |table| table.clear())?;
        return Err(Error::Text("there are no sentences to run".into()));
    }
    table.map_or(Ok(()), |table| table.finish())?;
    Ok(survey)
}

impl MetricSurvey {
    /// Adds the heads of one line, none for a blank line.
    fn add(&mut self, measured: &[HeadRow]) {
        for (head, values) in measured {
            let spreads = self.heads.entry(*head).or_insert_with(|| vec![Spread::default(); values.len()]);
            for (spread, value) in spreads.iter_mut().zip(values) {
                if let Some(value) = value {
                    spread.add(*value);
                }
            }
        }
        self.lines += 1;
        self.sentences += usize::from(!measured.is_empty());
    }

    /// The means of every head's metrics.
    pub fn means(&self) -> Vec<HeadRow> {
        let mean = |spreads: &Vec<Spread>| spreads.iter().map(Spread::mean).collect();
        self.heads.iter().map(|(head, spreads)| (*head, mean(spreads))).collect()
    }

    /// Lays heads out as a table with the columns `kind`, `layer`, `head`, `sentences`, and for each named
    /// metric its mean and, as `{metric}_sd`, its standard deviation.
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

/// Formats one sentence: a JSON object per head, with `sentence` and then the columns of `heads`; for a blank
/// line one object without values.
fn text(sentence: usize, measured: &[HeadRow]) -> String {
    let mut table = head_table(measured, &all_metrics());
    if table.rows.is_empty() {
        table.rows.push(vec![Cell::Missing; table.columns.len()]);
    }
    table.columns.insert(0, "sentence".into());
    table.rows.iter_mut().for_each(|row| row.insert(0, Cell::Whole(sentence as i64)));
    (0..table.rows.len()).map(|row| format!("{}\n", table.object(row))).collect()
}

/// The file of `--table` while sentences are run. It has `.part` behind its name until all are done, and is
/// locked against other runs. Dropping it removes the `.part` file if it is empty.
pub struct SentenceTable {
    path: PathBuf,
    force: bool,
    part: PathBuf,
    file: File,
    /// The lines that an interrupted run wrote for its last sentence. The sentence is run again, and its
    /// lines must begin with these.
    left: String,
}

impl SentenceTable {
    /// Creates or continues the `.part` file of `path`.
    ///
    /// # Errors
    /// [`Error::Busy`] if another run has it; those of [`check_free`]; [`Error::Io`].
    pub fn open(path: &Path, force: bool) -> Result<Self> {
        check_free(path, force)?;
        let mut name = linked(path).into_os_string();
        name.push(".part");
        let part = PathBuf::from(name);
        check_free(&part, true)?;
        let io = |e| Error::io(&part, e);
        loop {
            let file = OpenOptions::new().read(true).append(true).create(true).open(&part).map_err(io)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(Error::Busy { path: path.into() }),
                Err(TryLockError::Error(_)) => output::note(&format!(
                    "the file system of {} has no locks: do not start a second run on this table",
                    part.display()
                )),
            }
            // Another run may have finished the file between opening and locking it: it has its final name
            // then.
            if is_at(&file, &part) {
                let table = Self { path: path.into(), force, part, file, left: String::new() };
                check_free(path, force)?;
                return Ok(table);
            }
        }
    }

    /// Adds the complete sentences of an earlier run to the survey.
    fn resume(&mut self, survey: &mut MetricSurvey) -> Result<()> {
        let io = |e| Error::io(&self.part, e);
        let mut reader = BufReader::new(&self.file);
        // The last sentence may be incomplete, so it is run again.
        let (mut kept, mut rows, mut left, mut line) = (0, Vec::new(), String::new(), String::new());
        while reader.read_line(&mut line).map_err(io)? > 0 {
            if !line.ends_with('\n') {
                left += &line;
                break;
            }
            let (sentence, row) = read(&line).ok_or_else(|| self.other())?;
            if sentence == survey.lines + 1 && !left.is_empty() {
                survey.add(&rows);
                rows.clear();
                kept += left.len() as u64;
                left.clear();
            }
            if sentence != survey.lines {
                return Err(self.other());
            }
            rows.extend(row);
            left += &line;
            line.clear();
        }
        self.file.set_len(kept).map_err(io)?;
        self.left = left;
        Ok(())
    }

    fn add(&mut self, lines: &str) -> Result<()> {
        if !lines.starts_with(self.left.as_str()) {
            // The options may be wrong, so the file stays as it was.
            self.file.write_all(self.left.as_bytes()).map_err(|e| Error::io(&self.part, e))?;
            return Err(self.other());
        }
        self.left.clear();
        self.file.write_all(lines.as_bytes()).map_err(|e| Error::io(&self.part, e))
    }

    /// Creates the error for a `.part` file of another run.
    fn other(&self) -> Error {
        Error::BadFile { file: self.part.display().to_string(), why: OTHER.into() }
    }

    /// Empties the file, so that dropping removes it.
    fn clear(self) -> Result<()> {
        self.file.set_len(0).map_err(|e| Error::io(&self.part, e))
    }

    fn finish(self) -> Result<()> {
        self.file.sync_all().map_err(|e| Error::io(&self.part, e))?;
        move_into_place(&self.part, &self.path, self.force)
    }
}

impl Drop for SentenceTable {
    fn drop(&mut self) {
        if self.file.metadata().is_ok_and(|data| data.len() == 0) && is_at(&self.file, &self.part) {
            let _ = std::fs::remove_file(&self.part);
        }
    }
}

const OTHER: &str = "it belongs to a run with other sentences, model or options: remove it to start over";

/// Parses a line into its sentence and the head's metrics; no head for a blank line.
fn read(line: &str) -> Option<(usize, Option<HeadRow>)> {
    let value: Value = serde_json::from_str(line).ok()?;
    let number = |name: &str| Some(value.get(name)?.as_u64()? as usize);
    let sentence = number("sentence")?;
    if value.get("kind")?.is_null() {
        return Some((sentence, None));
    }
    let kind: Kind = value.get("kind")?.as_str()?.parse().ok()?;
    let head = Head::new(kind, number("layer")?, number("head")?);
    let metric = |name: &str| Some(value.get(name)?.as_f64()? as f32);
    Some((sentence, Some((head, all_metrics().into_iter().map(metric).collect()))))
}
