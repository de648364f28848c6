//! Distributions of a metric over the sentences of a scan.

use std::collections::BTreeMap;

use super::opened::Scan;
use super::rows::sentence_head;
use crate::analysis::spread::Spread;
use crate::error::Result;
use crate::export::tables::HEAD_COLUMNS;
use crate::progress::Watch;
use crate::site::Head;

/// Number of bins of a distribution.
pub const BINS: usize = 16;

/// The distribution of a metric of one head over sentences.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distribution {
    /// Mean and standard deviation.
    pub spread: Spread,
    /// Number of sentences in each bin. The bins divide the range of all heads.
    pub bins: [usize; BINS],
}

/// The distributions of a metric of every head.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distributions {
    /// The distribution of each head that has the metric.
    pub heads: BTreeMap<Head, Distribution>,
    /// Smallest and largest value of all heads.
    pub range: (f32, f32),
    /// Number of sentences that were read.
    pub sentences: usize,
    /// Number of files that were read, out of how many.
    pub parts: (usize, usize),
}

/// Most rows of the table of heads that are read for distributions, about: a sample is as good for a histogram.
const MOST_ROWS: usize = 4_000_000;

/// Computes the distributions of a metric. Of a large scan some files are read, evenly spread over it.
///
/// # Errors
/// [`crate::error::Error::Cancelled`]; those of the files.
pub fn distributions(scan: &Scan, metric: &str, watch: &dyn Watch) -> Result<Distributions> {
    let mut values: BTreeMap<Head, Vec<f32>> = BTreeMap::new();
    let mut found = Distributions { parts: (0, scan.parts()), ..Distributions::default() };
    let mut step = 1;
    let mut part = 0;
    while part < scan.parts() {
        watch.check()?;
        let columns: Vec<&str> = ["sentence"].into_iter().chain(HEAD_COLUMNS).chain([metric]).collect();
        let heads = scan.read("heads", part, &columns)?;
        if part == 0 {
            step = (scan.parts() * heads.rows()).div_ceil(MOST_ROWS).max(1);
        }
        let mut last = None;
        for row in 0..heads.rows() {
            let Some((sentence, head)) = sentence_head(&heads, row) else { continue };
            found.sentences += usize::from(last != Some(sentence));
            last = Some(sentence);
            if let Some(value) = heads.number(metric, row).filter(|value| value.is_finite()) {
                values.entry(head).or_default().push(value);
            }
        }
        found.parts.0 += 1;
        part += step;
    }
    let all = || values.values().flatten().copied();
    let (low, high) = (all().fold(f32::INFINITY, f32::min), all().fold(f32::NEG_INFINITY, f32::max));
    found.range = if low <= high { (low, high) } else { (0.0, 0.0) };
    found.heads = values.iter().map(|(head, values)| (*head, distribution(values, (low, high)))).collect();
    Ok(found)
}

fn distribution(values: &[f32], (low, high): (f32, f32)) -> Distribution {
    let mut found = Distribution::default();
    for &value in values {
        let place = if high > low { (value - low) / (high - low) } else { 0.0 };
        found.bins[((place * BINS as f32) as usize).min(BINS - 1)] += 1;
        found.spread.add(value);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_divide_the_range() {
        let found = distribution(&[0.0, 0.5, 1.0, 1.0], (0.0, 1.0));
        assert_eq!((found.bins[0], found.bins[BINS / 2], found.bins[BINS - 1]), (1, 1, 2));
        assert_eq!(found.spread.mean(), Some(0.625));
        assert_eq!(distribution(&[2.0], (2.0, 2.0)).bins[0], 1);
    }
}
