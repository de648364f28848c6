//! The metrics of heads over many sentences: a line a head and sentence, and their mean and spread.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::batch::{Pairs, Runner};
use super::common::{Input, Weighting};
use super::heads::{Measured, all_metrics, measure, place, table};
use crate::analysis::spread::Spread;
use crate::error::{Error, Result};
use crate::export::select::Selection;
use crate::export::table::{Cell, Table};
use crate::files::check_free;
use crate::site::{Head, Kind};

/// Mean and spread of every metric of every head.
#[derive(Default)]
pub struct Survey {
    sentences: usize,
    heads: BTreeMap<Head, Vec<Spread>>,
}

/// Runs all sentences. With a `place`, the lines go to a file that grows beside it (`.part`) and gets its name
/// once all are done; where such a file is there already, its sentences are taken from it.
///
/// # Errors
/// What the engine finds wrong; [`Error::Exists`]; [`Error::BadFile`] when the file beside was made from other
/// sentences, another model or other options.
pub fn run(
    (input, weighting): (&Input, Weighting),
    pairs: Pairs,
    selection: &Selection,
    far: f32,
    place: Option<(&Path, bool)>,
) -> Result<Survey> {
    let mut survey = Survey::default();
    let mut lines = None;
    if let Some((path, force)) = place {
        check_free(path, force)?;
        lines = Some(Partial::open(path, &mut survey)?);
    }
    let runner = Runner::open(input, weighting)?;
    for pair in pairs.skip(survey.sentences) {
        let capture = runner.run(&pair?)?;
        let measured = input.spread(|| measure(&capture, selection, far))?;
        if let Some(lines) = &mut lines {
            lines.add(&text(survey.sentences, &measured))?;
        }
        survey.add(&measured);
        runner.tell(survey.sentences);
    }
    if survey.sentences == 0 {
        lines.map_or(Ok(()), Partial::discard)?;
        return Err(Error::Text("there are no sentences to run".into()));
    }
    if let (Some(lines), Some((path, _))) = (lines, place) {
        lines.finish(path)?;
    }
    Ok(survey)
}

impl Survey {
    fn add(&mut self, measured: &[Measured]) {
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

    /// The mean metrics of every head.
    pub fn means(&self) -> Vec<Measured> {
        let mean = |spreads: &Vec<Spread>| spreads.iter().map(Spread::mean).collect();
        self.heads.iter().map(|(head, spreads)| (*head, mean(spreads))).collect()
    }

    /// The table of these heads: `kind`, `layer`, `head`, `sentences`, and for each named metric its mean and,
    /// as `{metric}_sd`, its standard deviation.
    pub fn table(&self, rows: &[Measured], metrics: &[&str]) -> Table {
        let mut columns: Vec<String> = ["kind", "layer", "head", "sentences"].map(String::from).into();
        columns.extend(metrics.iter().flat_map(|name| [name.to_string(), format!("{name}_sd")]));
        let mut table = Table::new(columns);
        for (head, _) in rows {
            let mut row = place(*head).to_vec();
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

/// The lines of one sentence: a JSON object a head, `sentence` and then the columns of `heads`.
fn text(sentence: usize, measured: &[Measured]) -> String {
    let mut table = table(measured, &all_metrics());
    table.columns.insert(0, "sentence".into());
    table.rows.iter_mut().for_each(|row| row.insert(0, Cell::Whole(sentence as i64)));
    (0..table.rows.len()).map(|row| format!("{}\n", table.object(row))).collect()
}

/// The file that grows while sentences are run.
struct Partial {
    path: PathBuf,
    file: File,
    /// What an interrupted run left of the sentence that comes next: it is made again, and must be the same.
    left: String,
}

impl Partial {
    /// Opens the file beside `path` and takes its complete sentences into the survey.
    fn open(path: &Path, survey: &mut Survey) -> Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push(".part");
        let path = PathBuf::from(name);
        let io = |e| Error::io(&path, e);
        let file = OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(io)?;
        let mut reader = BufReader::new(&file);
        // The last sentence is never known to be complete: it is left to be made again.
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
            // What was there stays, for whoever gave the wrong options.
            self.file.write_all(self.left.as_bytes()).map_err(|e| Error::io(&self.path, e))?;
            return Err(Error::BadFile { file: self.path.display().to_string(), why: OTHER.into() });
        }
        self.left.clear();
        self.file.write_all(lines.as_bytes()).map_err(|e| Error::io(&self.path, e))
    }

    /// Removes the file, into which nothing was written.
    fn discard(self) -> Result<()> {
        std::fs::remove_file(&self.path).map_err(|e| Error::io(&self.path, e))
    }

    fn finish(self, path: &Path) -> Result<()> {
        self.file.sync_all().map_err(|e| Error::io(&self.path, e))?;
        std::fs::rename(&self.path, path).map_err(|e| Error::io(path, e))
    }
}

const OTHER: &str =
    "it is not the beginning of this table (other sentences, model or options?): remove it to start anew";

/// A line back as the sentence and the head's metrics.
fn read(line: &str) -> Option<(usize, Measured)> {
    let value: Value = serde_json::from_str(line).ok()?;
    let number = |name: &str| Some(value.get(name)?.as_u64()? as usize);
    let kind: Kind = value.get("kind")?.as_str()?.parse().ok()?;
    let head = Head::new(kind, number("layer")?, number("head")?);
    let metric = |name: &str| Some(value.get(name)?.as_f64()? as f32);
    Some((number("sentence")?, (head, all_metrics().into_iter().map(metric).collect())))
}
