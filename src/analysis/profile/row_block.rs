//! Sums over a block of rows of a head.

use std::ops::Range;

use attn_tui_kernels::row_stats::{self, WeightRow};

use super::{ProfileAxes, ProfileSums, STRONG_WEIGHT, StrongPair};
use crate::analysis::gini::Gini;
use crate::matrix::{cell_of, span_of};
use crate::site::Kind;

/// Sums over a block of rows, to be added to a profile.
pub(super) struct RowBlock {
    pub first: usize,
    pub columns: Range<usize>,
    pub sums: ProfileSums,
    /// Weight by diagonal, starting with diagonal `lowest`.
    pub diagonals: Vec<f32>,
    pub lowest: isize,
    pub received: Vec<f64>,
    pub offsets: Vec<i32>,
    pub centres: Vec<f64>,
    pub row_max: Vec<f32>,
    pub strong: Vec<StrongPair>,
    /// First row of the thumbnail that `largest` and `added` belong to.
    pub row: usize,
    pub largest: Vec<f32>,
    pub added: Vec<f32>,
}

impl RowBlock {
    /// Sums over `count` rows from `first` on, with `stride` values from one row to the next. `weights`
    /// holds the weights of `columns`; all others are 0.
    pub fn of(
        axes: &ProfileAxes,
        first: usize,
        count: usize,
        columns: Range<usize>,
        weights: &[f32],
        stride: usize,
    ) -> Self {
        let diagonal = |query: usize| axes.kind.diagonal(query, axes.queries, axes.keys);
        let lowest = columns.start as isize - diagonal(first + count.saturating_sub(1)).ceil() as isize;
        let highest = columns.end as isize - diagonal(first).floor() as isize;
        let [down, across] = axes.thumbnail();
        let cell = |query: usize| cell_of(query, axes.queries, down);
        let (row, cells) = (cell(first), cell(first + count.saturating_sub(1)) + 1 - cell(first));
        let mut block = Self {
            first,
            sums: ProfileSums::default(),
            diagonals: vec![0.0; (highest - lowest).max(0) as usize],
            lowest,
            received: vec![0.0; columns.len()],
            offsets: Vec::with_capacity(count),
            centres: Vec::new(),
            row_max: Vec::with_capacity(count),
            strong: Vec::new(),
            row,
            largest: vec![0.0; cells * across],
            added: vec![0.0; cells * across],
            columns,
        };
        let width = block.columns.len();
        let mut gini = Gini::default();
        let (mut largest, mut received) = (vec![0f32; width], vec![0f32; width]);
        for at in 0..count {
            let query = first + at;
            // In causal attention, keys after the query have no weight.
            let end = axes.kind.visible(query, axes.keys).end.clamp(block.columns.start, block.columns.end);
            let visible = end - block.columns.start;
            let row = &weights[at * stride..at * stride + visible];
            block.row(axes, query, row, &mut largest[..visible], &mut received[..visible]);
            if axes.gini {
                *block.sums.gini.get_or_insert(0.0) +=
                    gini.of(row, axes.kind.visible(query, axes.keys).len());
            }
            if at + 1 == count || cell(query + 1) != cell(query) {
                block.fold(axes, cell(query), &largest, &received);
                largest.fill(0.0);
                received.fill(0.0);
            }
        }
        block
    }

    fn row(
        &mut self,
        axes: &ProfileAxes,
        query: usize,
        row: &[f32],
        largest: &mut [f32],
        received: &mut [f32],
    ) {
        let start = self.columns.start as isize;
        let diagonal = axes.kind.diagonal(query, axes.queries, axes.keys);
        let (low, high) = (diagonal.floor() as isize, diagonal.ceil() as isize);
        let split = (low + 1 - start).clamp(0, row.len() as isize) as usize;
        let places = [(low - start) as f32, (start + split as isize - low) as f32];
        let sums_of_row = WeightRow { weights: row, split, distances: places, largest, received }.stats();
        for (side, weights, centre) in [(0, &row[..split], high), (split, &row[split..], low)] {
            let from = start + side as isize - centre - self.lowest;
            if !weights.is_empty() {
                row_stats::add_to(weights, &mut self.diagonals[from as usize..from as usize + weights.len()]);
            }
        }
        let choices = axes.kind.visible(query, axes.keys).len();
        let entropy = f64::from(sums_of_row.entropy);
        let sums = &mut self.sums;
        let [before, behind] = sums_of_row.sums.map(f64::from);
        let part = f64::from(diagonal) - low as f64;
        sums.total += before + behind;
        sums.entropy += entropy;
        sums.effective_keys += entropy.exp();
        if choices > 1 {
            sums.entropy_norm += entropy / (choices as f64).ln();
            sums.choices += 1;
        }
        let [near, far] = sums_of_row.moments.map(f64::from);
        sums.distance += near + part * before + far - part * behind;
        sums.top += sums_of_row.top.iter().copied().map(f64::from).sum::<f64>();
        let max = sums_of_row.top[0];
        self.row_max.push(max);
        let best = self.find(query, row, max);
        self.offsets.push(best as i32 - diagonal.round() as i32);
        self.sums.confidence += f64::from(if axes.special.get(best) == Some(&true) {
            let columns = self.columns.start..self.columns.start + row.len();
            let runs = axes.plain.iter().filter_map(|run| {
                let (from, until) = (run.start.max(columns.start), run.end.min(columns.end));
                (from < until).then(|| row_stats::max(&row[from - columns.start..until - columns.start]))
            });
            runs.fold(0.0, f32::max)
        } else {
            max
        });
        match axes.kind {
            Kind::Cross => self.centres.push(centre(row, self.columns.start)),
            Kind::Encoder | Kind::Decoder => self.copies(axes, query, row),
        }
    }

    /// Lists the strong pairs of a row and returns the index of its largest weight, the first of equal
    /// ones.
    fn find(&mut self, query: usize, row: &[f32], max: f32) -> usize {
        let start = self.columns.start;
        if max <= 0.0 {
            return 0;
        }
        let mut best = None;
        let strong = &mut self.strong;
        row_stats::for_each_at_least(row, max.min(STRONG_WEIGHT), |at| {
            let weight = row[at];
            if weight == max && best.is_none() {
                best = Some(start + at);
            }
            if weight >= STRONG_WEIGHT {
                strong.push(StrongPair { query: query as u32, key: (start + at) as u32, weight });
            }
        });
        best.unwrap_or(start)
    }

    /// Adds the weight on the previous token, on copies of the query's token, and on the tokens that
    /// followed them.
    fn copies(&mut self, axes: &ProfileAxes, query: usize, row: &[f32]) {
        let start = self.columns.start;
        let weight =
            |key: usize| key.checked_sub(start).and_then(|at| row.get(at)).map_or(0.0, |&w| f64::from(w));
        self.sums.previous += query.checked_sub(1).map_or(0.0, weight);
        for copy in axes.earlier(query) {
            self.sums.duplicate += weight(copy);
            self.sums.induction += weight(copy + 1);
        }
    }

    /// Adds the columns of a few rows to a row of the thumbnail.
    fn fold(&mut self, axes: &ProfileAxes, cell: usize, largest: &[f32], received: &[f32]) {
        let [_, across] = axes.thumbnail();
        let row = (cell - self.row) * across;
        let columns = self.columns.clone();
        for col in 0..across {
            let span = span_of(col, axes.keys, across);
            let (from, until) = (span.start.max(columns.start), span.end.min(columns.end));
            if from >= until {
                continue;
            }
            let span = from - columns.start..until - columns.start;
            let max = largest[span.clone()].iter().fold(0.0f32, |a, &b| if b > a { b } else { a });
            self.largest[row + col] = self.largest[row + col].max(max);
            self.added[row + col] += received[span].iter().sum::<f32>();
        }
        for (sum, &weight) in self.received.iter_mut().zip(received) {
            *sum += f64::from(weight);
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
