//! Sums over a block of rows of a head.

use std::ops::Range;

use attn_tui_kernels::row_stats::{self, RowPlace, RowStats, WeightBlock, WeightCell};

use super::{ProfileAxes, ProfileSums, StrongPair};
use crate::analysis::distances::RowSpread;
use crate::analysis::gini::{Gini, gini_of_differences};
use crate::matrix::{cell_of, span_of};
use crate::site::Kind;

/// Rows of weights of a head.
#[derive(Clone)]
pub(super) struct WeightRows<'a> {
    /// Number of the first row.
    pub first: usize,
    /// Number of rows.
    pub count: usize,
    /// Columns that the weights are of; all others are 0.
    pub columns: Range<usize>,
    /// The weights, `stride` values from one row to the next.
    pub weights: &'a [f32],
    /// Distance between rows, in values.
    pub stride: usize,
}

impl<'a> WeightRows<'a> {
    /// Splits off all rows of a map that the thumbnail shows row by row, and otherwise those that share a row of
    /// the thumbnail; `None` if there are none left.
    pub fn next_block(&mut self, axes: &ProfileAxes) -> Option<Self> {
        let [down, _] = axes.thumbnail();
        let end = match axes.shows_every_row() {
            true => axes.queries,
            false => span_of(cell_of(self.first, axes.queries, down), axes.queries, down).end,
        };
        let count = self.count.min(end.saturating_sub(self.first).max(1));
        if self.count == 0 {
            return None;
        }
        let block = Self { count, ..self.clone() };
        self.first += count;
        self.count -= count;
        self.weights = self.weights.get(count * self.stride..).unwrap_or_default();
        Some(block)
    }

    /// The rows of weights.
    pub fn rows(&self) -> impl Iterator<Item = &'a [f32]> {
        let (weights, stride, width) = (self.weights, self.stride, self.columns.len());
        (0..self.count).map(move |at| &weights[at * stride..][..width])
    }
}

/// Sums over a block of rows. Its buffers are reused from block to block.
#[derive(Default)]
pub(super) struct RowBlock {
    pub first: usize,
    pub columns: Range<usize>,
    pub sums: ProfileSums,
    /// Weight by distance between patches, rounded up; of self-attention over a picture alone.
    pub by_distance: Vec<f64>,
    /// Weight by diagonal, starting with diagonal `lowest`.
    pub diagonals: Vec<f32>,
    pub lowest: isize,
    /// Sum and largest weight of each column.
    pub received: Vec<f32>,
    pub largest: Vec<f32>,
    pub offsets: Vec<i32>,
    pub centres: Vec<f64>,
    pub row_max: Vec<f32>,
    /// Pairs of at least the weight that was asked for.
    pub strong: Vec<StrongPair>,
    cells: Vec<WeightCell>,
    places: Vec<RowPlace>,
    stats: Vec<RowStats>,
    gini: Gini,
}

impl RowBlock {
    /// Replaces the sums by those of `rows`, and lists pairs of weight `least` or more.
    pub fn measure(&mut self, axes: &ProfileAxes, rows: &WeightRows, least: f32) {
        let WeightRows { first, count, ref columns, weights, stride } = *rows;
        let diagonal = |query: usize| axes.kind.diagonal(query, axes.queries, axes.keys);
        let (start, width) = (columns.start as isize, columns.len());
        self.first = first;
        self.columns = columns.clone();
        self.sums = ProfileSums::default();
        self.lowest = start - diagonal(first + count.saturating_sub(1)).ceil() as isize;
        let highest = columns.end as isize - diagonal(first).floor() as isize;
        clear(&mut self.diagonals, (highest - self.lowest).max(0) as usize);
        clear(&mut self.received, width);
        clear(&mut self.largest, width);
        self.by_distance.clear();
        if axes.patches.is_some() && axes.kind == Kind::Encoder {
            self.by_distance.resize(axes.keys + 2, 0.0);
        }
        self.places.clear();
        self.places.extend((first..first + count).map(|query| {
            // In causal attention, keys after the query have no weight.
            let end = axes.kind.visible(query, axes.keys).end.clamp(columns.start, columns.end);
            let (low, high) = (diagonal(query).floor() as isize, diagonal(query).ceil() as isize);
            let len = end - columns.start;
            RowPlace {
                len,
                split: (low + 1 - start).clamp(0, len as isize) as usize,
                origin: low - start,
                diagonals: [high, low].map(|centre| start - centre - self.lowest),
            }
        }));
        self.stats.clear();
        self.stats.resize(count, RowStats::default());
        self.cells.clear();
        WeightBlock {
            weights,
            stride,
            places: &self.places,
            stats: &mut self.stats,
            largest: &mut self.largest,
            received: &mut self.received,
            diagonals: &mut self.diagonals,
            least,
            cells: &mut self.cells,
            differences: axes.gini,
        }
        .measure();
        self.strong.clear();
        self.strong.extend(self.cells.iter().map(|cell| StrongPair {
            query: first as u32 + cell.row,
            key: columns.start as u32 + cell.column,
            weight: cell.weight,
        }));
        self.offsets.clear();
        self.centres.clear();
        self.row_max.clear();
        for at in 0..count {
            let row = &weights[at * stride..at * stride + self.places[at].len];
            self.add_row(axes, first + at, row, self.stats[at]);
        }
    }

    /// Number of columns of a row, from the first on, that its query may look at.
    pub fn visible(&self, row: usize) -> usize {
        self.places[row].len
    }

    fn add_row(&mut self, axes: &ProfileAxes, query: usize, row: &[f32], stats: RowStats) {
        let start = self.columns.start;
        let diagonal = axes.kind.diagonal(query, axes.queries, axes.keys);
        let choices = axes.kind.visible(query, axes.keys).len();
        let RowStats { sums: [before, behind], moments: [near, far], entropy, .. } = stats;
        let part = f64::from(diagonal) - f64::from(diagonal.floor());
        let sums = &mut self.sums;
        sums.total += before + behind;
        sums.entropy += entropy;
        sums.effective_keys += entropy.exp();
        if choices > 1 {
            sums.entropy_norm += entropy / (choices as f64).ln();
            sums.choices += 1;
        }
        match &axes.patches {
            None => sums.distance += near + part * before + far - part * behind,
            Some(patches) => {
                let RowSpread { spread, locality } = patches.row_spread(start, row);
                sums.spread += f64::from(spread);
                sums.locality += f64::from(locality);
                if axes.kind == Kind::Encoder {
                    sums.distance += patches.add_by_distance(query, start, row, &mut self.by_distance);
                }
            }
        }
        sums.top += stats.top.iter().copied().map(f64::from).sum::<f64>();
        sums.confidence += f64::from(confidence(axes, start, row, &stats));
        if axes.gini {
            let gini = match stats.differences {
                Some(differences) => gini_of_differences(differences, before + behind, row.len(), choices),
                None => self.gini.of(row, choices),
            };
            *sums.gini.get_or_insert(0.0) += gini;
        }
        let [max, ..] = stats.top;
        let best = if max > 0.0 { start + stats.top_columns[0] as usize } else { 0 };
        self.row_max.push(max);
        self.offsets.push(best as i32 - diagonal.round() as i32);
        match axes.kind {
            Kind::Cross => self.centres.push(centre(row, start)),
            Kind::Encoder | Kind::Decoder => self.add_copies(axes, query, row),
        }
    }

    /// Adds the weight on the previous token, on copies of the query's token, and on the tokens that
    /// followed them.
    fn add_copies(&mut self, axes: &ProfileAxes, query: usize, row: &[f32]) {
        let start = self.columns.start;
        let weight =
            |key: usize| key.checked_sub(start).and_then(|at| row.get(at)).map_or(0.0, |&w| f64::from(w));
        self.sums.previous += query.checked_sub(1).map_or(0.0, weight);
        for copy in axes.earlier(query) {
            self.sums.duplicate += weight(copy);
            self.sums.induction += weight(copy + 1);
        }
    }
}

/// Makes a buffer of `len` zeros.
fn clear(values: &mut Vec<f32>, len: usize) {
    values.clear();
    values.resize(len, 0.0);
}

/// Largest weight of a row, whose first key is `start`, on keys that are no special token.
fn confidence(axes: &ProfileAxes, start: usize, row: &[f32], stats: &RowStats) -> f32 {
    let special = |column: u32| axes.special.get(start + column as usize) == Some(&true);
    let found = stats.top.iter().zip(stats.top_columns).find(|&(_, column)| !special(column));
    match found {
        Some((&weight, _)) => weight,
        None => {
            let until = start + row.len();
            let runs = axes.plain.iter().filter(|run| run.start < until && run.end > start);
            let largest = |run: &Range<usize>| {
                row_stats::max(&row[run.start.max(start) - start..run.end.min(until) - start])
            };
            runs.map(largest).fold(0.0, f32::max)
        }
    }
}

/// Centre of mass of a row whose first key is `first`; in f64, so that equal centres stay equal.
fn centre(row: &[f32], first: usize) -> f64 {
    const LANES: usize = 8;
    let mut lanes = [0f64; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for (at, chunk) in chunks.iter().enumerate() {
        for (lane, (sum, &weight)) in lanes.iter_mut().zip(chunk).enumerate() {
            *sum += f64::from(weight) * (first + at * LANES + lane) as f64;
        }
    }
    let from = first + chunks.len() * LANES;
    let rest = rest.iter().zip(from..).map(|(&weight, at)| f64::from(weight) * at as f64);
    lanes.iter().sum::<f64>() + rest.sum::<f64>()
}
