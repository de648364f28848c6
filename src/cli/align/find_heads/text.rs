//! Heads judged by the alignment of words in texts.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::{HeadJudge, KEPT, Reading, reading_table, readings};
use crate::analysis::align::{Agreement, Convention, Gold, hard_alignment};
use crate::analysis::merge::{Merge, merge};
use crate::analysis::word_times::sharpness;
use crate::capture::Capture;
use crate::cli::align::{AlignArgs, read_gold, units};
use crate::corpus::NumberedLines;
use crate::error::{Error, Result};
use crate::export::spoken::upper_heads;
use crate::export::table::{Cell, Table};
use crate::matrix::Matrix;
use crate::site::Head;

/// A sentence whose maps are kept.
struct KeptSentence {
    /// Word of each token of source and target.
    source: Vec<Option<usize>>,
    target: Vec<Option<usize>>,
    gold: Gold,
    maps: BTreeMap<Head, Matrix>,
}

/// Judges heads by alignments: gold ones, or that of the heads of the upper layers together.
pub struct TextJudge {
    gold: Option<NumberedLines>,
    has_gold: bool,
    /// Number of sentences so far.
    count: usize,
    agreement: BTreeMap<Reading, Agreement>,
    /// Summed sharpness of every head.
    sharpness: BTreeMap<Head, f64>,
    kept: Vec<KeptSentence>,
    kept_bytes: usize,
}

impl TextJudge {
    /// Creates a judge; `gold` has one alignment per sentence.
    pub fn new(gold: Option<NumberedLines>) -> Self {
        Self {
            has_gold: gold.is_some(),
            gold,
            count: 0,
            agreement: BTreeMap::new(),
            sharpness: BTreeMap::new(),
            kept: Vec::new(),
            kept_bytes: 0,
        }
    }

    fn rate(&self, reading: &Reading) -> f64 {
        f64::from(self.agreement.get(reading).and_then(Agreement::error_rate).unwrap_or(1.0))
    }

    fn ranked(&self) -> Vec<Reading> {
        let mut ranked: Vec<Reading> = self.agreement.keys().copied().collect();
        ranked.sort_by(|a, b| self.rate(a).total_cmp(&self.rate(b)));
        ranked
    }
}

impl HeadJudge for TextJudge {
    fn add(&mut self, args: &AlignArgs, capture: Option<Capture>) -> Result<()> {
        let gold = self.gold.as_mut().map(|lines| read_gold(lines, args.one_based)).transpose()?;
        let Some(capture) = capture else { return Ok(()) };
        let source = units(&capture.source.items, args);
        let target = units(&capture.target.items, args);
        let readings = readings(&capture);
        let mut heads: Vec<Head> = readings.iter().map(|(head, _)| *head).collect();
        heads.dedup();
        let read = |&head: &Head| Ok((head, capture.map(head)?));
        let maps: BTreeMap<Head, Matrix> = heads.par_iter().map(read).collect::<Result<_>>()?;
        let together = |heads: &[Head]| {
            let maps: Vec<Matrix> = heads.iter().filter_map(|head| maps.get(head)).cloned().collect();
            merge(&maps, Merge::Mean).map_err(|_| Error::NoSuchHead("no heads to merge".into()))
        };
        let gold = match gold {
            Some(gold) => gold,
            None => {
                let map = together(&upper_heads(&capture))?;
                let found = hard_alignment(&map, &source, &target, Convention::Predicts).0;
                Gold { sure: found.clone(), possible: found }
            }
        };
        for (head, convention) in readings {
            let Some(map) = maps.get(&head) else { continue };
            let alignment = hard_alignment(map, &source, &target, convention);
            self.agreement.entry((head, convention)).or_default().add(&alignment, &gold);
        }
        for (&head, map) in &maps {
            *self.sharpness.entry(head).or_default() += f64::from(sharpness(map, map.cols(), 0..map.rows()));
        }
        let bytes = maps.values().map(|map| 4 * map.as_slice().len()).sum::<usize>();
        if self.kept.is_empty() || self.kept_bytes + bytes <= KEPT {
            self.kept.push(KeptSentence { source, target, gold, maps });
            self.kept_bytes += bytes;
        }
        self.count += 1;
        Ok(())
    }

    fn table(&self, config: &[Head]) -> Table {
        let rows = self.ranked().into_iter().map(|reading| {
            let found = self.agreement.get(&reading).copied().unwrap_or_default();
            let [error, precision, recall] =
                [found.error_rate(), found.precision(), found.recall()].map(Cell::number);
            (reading, [error, precision, recall, Cell::Whole(found.found as i64)])
        });
        let measures = ["aer", "precision", "recall", "links"];
        reading_table(measures, rows, config, (&self.sharpness, self.count))
    }

    fn predicting(&self) -> Vec<Head> {
        let ranked = self.ranked().into_iter();
        ranked.filter(|(_, by)| *by == Convention::Predicts).map(|(head, _)| head).collect()
    }

    fn error(&self, heads: &[Head]) -> f64 {
        let mut agreement = Agreement::default();
        for KeptSentence { source, target, gold, maps } in &self.kept {
            let maps: Vec<Matrix> = heads.iter().filter_map(|head| maps.get(head)).cloned().collect();
            let Ok(map) = merge(&maps, Merge::Mean) else { continue };
            agreement.add(&hard_alignment(&map, source, target, Convention::Predicts), gold);
        }
        f64::from(agreement.error_rate().unwrap_or(1.0))
    }

    fn named(&self, error: f64) -> String {
        format!("alignment error rate {error:.3}")
    }

    fn against(&self) -> String {
        let what =
            if self.has_gold { "the gold alignment" } else { "the heads of the upper layers together" };
        match self.kept.len() {
            kept if kept == self.count => format!("against {what} of {kept} sentences"),
            kept => format!("against {what} of the first {kept} of {} sentences", self.count),
        }
    }
}
