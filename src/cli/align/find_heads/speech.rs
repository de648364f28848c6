//! Heads judged by the times of words in recordings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde_json::Value;

use super::{HeadJudge, KEPT, Reading, reading_table, readings};
use crate::analysis::align::Convention;
use crate::analysis::word_times::{TimeErrors, sharpness, smoothed, smoothed_starts};
use crate::capture::Capture;
use crate::cli::align::AlignArgs;
use crate::error::{Error, Result};
use crate::export::spoken::{SpokenText, upper_heads};
use crate::export::table::{Cell, Table};
use crate::matrix::Matrix;
use crate::site::Head;

/// A recording whose maps are kept.
struct KeptRecording {
    text: SpokenText,
    /// Begins of its words to compare with.
    starts: Vec<f64>,
    /// Smoothed maps of every head.
    maps: BTreeMap<Head, Matrix>,
}

/// Judges heads by the begins of words: gold ones, or those by the heads of the upper layers together.
pub struct SpeechJudge {
    /// Gold begins of the words of each recording, and their file.
    gold: Option<(PathBuf, Vec<Vec<f64>>)>,
    /// Number of lines so far, blank ones included.
    lines: usize,
    /// Number of recordings so far.
    count: usize,
    /// Differences of every word but the first of a recording, by which every path begins.
    differences: BTreeMap<Reading, Vec<f64>>,
    /// Summed sharpness of every head.
    sharpness: BTreeMap<Head, f64>,
    kept: Vec<KeptRecording>,
    kept_bytes: usize,
}

impl SpeechJudge {
    /// Opens the file of gold words, if there is one.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::BadFile`].
    pub fn open(gold: Option<&Path>) -> Result<Self> {
        let gold = gold.map(|path| Ok::<_, Error>((path.to_path_buf(), read_gold(path)?))).transpose()?;
        Ok(Self {
            gold,
            lines: 0,
            count: 0,
            differences: BTreeMap::new(),
            sharpness: BTreeMap::new(),
            kept: Vec::new(),
            kept_bytes: 0,
        })
    }

    /// The begins to compare with in the recording of a line; `found` are those by the upper heads together.
    fn reference(&self, number: usize, capture: &Capture, found: Vec<f64>) -> Result<Vec<f64>> {
        let Some((path, all)) = &self.gold else { return Ok(found) };
        let bad = |why: String| Error::BadFile { file: path.display().to_string(), why };
        match all.get(number) {
            Some(gold) if gold.len() == found.len() => Ok(gold.clone()),
            Some(gold) => Err(bad(format!(
                "recording {number} has {} gold words for the {} of the text \"{}\"",
                gold.len(),
                found.len(),
                capture.target.text.trim()
            ))),
            None => Err(bad(format!("it has the words of {} recordings; there are more", all.len()))),
        }
    }

    fn errors(&self, reading: Reading) -> TimeErrors {
        TimeErrors::of(self.differences.get(&reading).map_or(&[], Vec::as_slice))
    }

    /// Returns every reading, the best first.
    fn ranked(&self) -> Vec<(Reading, TimeErrors)> {
        let mut ranked: Vec<_> =
            self.differences.keys().map(|&reading| (reading, self.errors(reading))).collect();
        ranked.sort_by(|(_, a), (_, b)| a.mean.total_cmp(&b.mean));
        ranked
    }
}

/// Differences of the begins of words from a reference, without the first word.
fn differences(text: &SpokenText, convention: Convention, maps: &[&Matrix], reference: &[f64]) -> Vec<f64> {
    let starts = smoothed_starts(maps, text.rows(convention));
    let times = text.times(&starts);
    times.iter().zip(reference).skip(1).map(|((start, _), gold)| start - gold).collect()
}

impl HeadJudge for SpeechJudge {
    fn add(&mut self, _: &AlignArgs, capture: Option<Capture>) -> Result<()> {
        let line = self.lines;
        self.lines += 1;
        let Some(capture) = capture else { return Ok(()) };
        let text = SpokenText::new(&capture, false)?;
        let (frames, rows) = (text.frames(), text.rows(Convention::Predicts));
        let mut heads: Vec<Head> = readings(&capture).into_iter().map(|(head, _)| head).collect();
        heads.dedup();
        let measure = |&head: &Head| {
            let map = capture.map(head)?;
            Ok((head, (smoothed(&map, frames), sharpness(&map, frames, rows.clone()))))
        };
        let measured: BTreeMap<Head, (Matrix, f32)> = heads.par_iter().map(measure).collect::<Result<_>>()?;
        let upper = upper_heads(&capture);
        let together: Vec<&Matrix> = upper.iter().filter_map(|head| Some(&measured.get(head)?.0)).collect();
        let found = text.times(&smoothed_starts(&together, rows.clone()));
        let found = found.into_iter().map(|(start, _)| start).collect();
        let starts = self.reference(line, &capture, found)?;
        let readings = readings(&capture);
        let judged: Vec<(Reading, Vec<f64>)> = readings
            .par_iter()
            .filter_map(|&(head, convention)| {
                let (map, _) = measured.get(&head)?;
                Some(((head, convention), differences(&text, convention, &[map], &starts)))
            })
            .collect();
        for (reading, found) in judged {
            self.differences.entry(reading).or_default().extend(found);
        }
        for (&head, (_, sharpness)) in &measured {
            *self.sharpness.entry(head).or_default() += f64::from(*sharpness);
        }
        let bytes = measured.values().map(|(map, _)| 4 * map.as_slice().len()).sum::<usize>();
        if self.kept.is_empty() || self.kept_bytes + bytes <= KEPT {
            let maps = measured.into_iter().map(|(head, (map, _))| (head, map)).collect();
            self.kept.push(KeptRecording { text, starts, maps });
            self.kept_bytes += bytes;
        }
        self.count += 1;
        Ok(())
    }

    fn table(&self, config: &[Head]) -> Table {
        let number = |value: f64| Cell::number(Some(value as f32));
        let cells = |errors: &TimeErrors| [errors.mean, errors.median, errors.bias, errors.near].map(number);
        let rows = self.ranked().into_iter().map(|(reading, errors)| (reading, cells(&errors)));
        let measures = ["error", "median", "bias", "near"];
        reading_table(measures, rows, config, (&self.sharpness, self.count))
    }

    fn predicting(&self) -> Vec<Head> {
        let ranked = self.ranked().into_iter();
        ranked.filter(|((_, by), _)| *by == Convention::Predicts).map(|((head, _), _)| head).collect()
    }

    fn error(&self, heads: &[Head]) -> f64 {
        let mut all = Vec::new();
        for KeptRecording { text, starts, maps } in &self.kept {
            let maps: Vec<&Matrix> = heads.iter().filter_map(|head| maps.get(head)).collect();
            all.extend(differences(text, Convention::Predicts, &maps, starts));
        }
        TimeErrors::of(&all).mean
    }

    fn named(&self, error: f64) -> String {
        format!("{:.0} ms mean error", 1e3 * error)
    }

    fn against(&self) -> String {
        let what =
            if self.gold.is_some() { "the gold times" } else { "the heads of the upper layers together" };
        match self.kept.len() {
            kept if kept == self.count => format!("against {what} of {kept} recordings"),
            kept => format!("against {what} of the first {kept} of {} recordings", self.count),
        }
    }
}

/// Reads the begins of gold words: a list of words, or an object with `words`, for one recording; a list of these for
/// several.
fn read_gold(path: &Path) -> Result<Vec<Vec<f64>>> {
    let bad = |why: &str| Error::BadFile { file: path.display().to_string(), why: why.into() };
    let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
    let value: Value = serde_json::from_str(&text).map_err(|e| bad(&format!("not valid JSON: {e}")))?;
    let words = |value: &Value| {
        let list = value.get("words").unwrap_or(value).as_array()?;
        list.iter().map(|word| word.get("start")?.as_f64()).collect::<Option<Vec<f64>>>()
    };
    let all = match (words(&value), value.as_array()) {
        (Some(one), _) => Some(vec![one]),
        (None, Some(list)) => list.iter().map(words).collect(),
        (None, None) => None,
    };
    all.ok_or_else(|| bad("it is no list of words, each with its `start` in seconds"))
}
