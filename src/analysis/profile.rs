//! What is told of a head without its map: sums over its rows, made a few rows at a time while these are in
//! the cache, by several threads. Pictures, metrics and strong links follow from them.

mod row_block;

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use attn_tui_kernels::attention::RowObserver;

use crate::axis::Item;
use crate::matrix::{Matrix, span_of};
use crate::nn::CompactMaps;
use crate::site::Kind;
use row_block::RowBlock;

/// Rows and columns of a profile's pictures, at most.
pub const THUMBNAIL: usize = 64;

/// A profile keeps every pair of at least this weight.
pub const STRONG_WEIGHT: f32 = 0.1;

/// What profiles need to know of the axes; the same for all heads of a kind.
#[derive(Clone, Debug)]
pub struct ProfileAxes {
    kind: Kind,
    queries: usize,
    keys: usize,
    special: Vec<bool>,
    /// The keys that are no special tokens, in runs.
    plain: Vec<Range<usize>>,
    /// The last token before each that is the same; in self-attention.
    before: Vec<Option<u32>>,
    /// Whether rows are sorted, too, for their Gini coefficients.
    gini: bool,
}

impl ProfileAxes {
    /// For maps `[queries, keys]` between these tokens; what lies beyond them is no special token.
    pub fn new(kind: Kind, [queries, keys]: [usize; 2], tokens: &[Item]) -> Self {
        let special: Vec<bool> =
            (0..keys).map(|key| tokens.get(key).is_some_and(|token| token.special)).collect();
        let mut plain: Vec<Range<usize>> = Vec::new();
        for key in (0..keys).filter(|&key| !special[key]) {
            match plain.last_mut() {
                Some(run) if run.end == key => run.end += 1,
                _ => plain.push(key..key + 1),
            }
        }
        let mut last = std::collections::HashMap::new();
        let same = |(at, token): (usize, &Item)| last.insert(token.token_id()?, at as u32);
        let before = match kind {
            Kind::Cross => Vec::new(),
            Kind::Encoder | Kind::Decoder => tokens.iter().enumerate().map(same).collect(),
        };
        Self { kind, queries, keys, special, plain, before, gini: false }
    }

    /// The same, for profiles with [`ProfileSums::gini`]: rows are sorted for it, which takes several times as long as
    /// everything else.
    pub fn with_gini(self) -> Self {
        Self { gini: true, ..self }
    }

    /// Rows and columns of the pictures.
    fn thumbnail(&self) -> [usize; 2] {
        [self.queries.min(THUMBNAIL), self.keys.min(THUMBNAIL)]
    }

    /// The same tokens earlier in the text, the nearest first.
    fn earlier(&self, query: usize) -> impl Iterator<Item = usize> {
        let before = |at: usize| self.before.get(at).copied().flatten().map(|at| at as usize);
        std::iter::successors(before(query), move |&at| before(at))
    }
}

/// A pair of a profile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StrongPair {
    /// Row, zero-based.
    pub query: u32,
    /// Column, zero-based.
    pub key: u32,
    /// The head's weight there, at least [`STRONG_WEIGHT`].
    pub weight: f32,
}

/// Sums over rows of one head, or over all of them. `d_ij` and `n_i` are the distance and the number of keys as
/// in the metrics that follow.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "each field is the sum in its formula")]
pub struct ProfileSums {
    /// `Σ A`
    pub total: f64,
    /// `Σ_i H_i`
    pub entropy: f64,
    /// `Σ_i H_i / ln n_i` over rows with a choice
    pub entropy_norm: f64,
    /// Number of rows with a choice.
    pub choices: usize,
    /// `Σ_i exp H_i`
    pub effective_keys: f64,
    /// `Σ_i max_j A_ij` over keys that are no special token
    pub confidence: f64,
    /// `Σ A d`
    pub distance: f64,
    /// `Σ_i A_i,i-1`
    pub previous: f64,
    /// Weight on earlier copies of the query's token.
    pub duplicate: f64,
    /// Weight on what followed them.
    pub induction: f64,
    /// Weight of each row's largest weights.
    pub top: f64,
    /// `Σ_i` of the rows' Gini coefficients over their `n_i` keys, where rows were sorted ([`ProfileAxes::with_gini`]).
    pub gini: Option<f64>,
}

impl ProfileSums {
    fn add(&mut self, other: &ProfileSums) {
        self.total += other.total;
        self.entropy += other.entropy;
        self.entropy_norm += other.entropy_norm;
        self.choices += other.choices;
        self.effective_keys += other.effective_keys;
        self.confidence += other.confidence;
        self.distance += other.distance;
        self.previous += other.previous;
        self.duplicate += other.duplicate;
        self.induction += other.induction;
        self.top += other.top;
        if let Some(gini) = other.gini {
            *self.gini.get_or_insert(0.0) += gini;
        }
    }
}

/// All that is told of one head.
#[derive(Clone, Debug, Default)]
pub struct HeadProfile {
    /// Number of queries.
    pub rows: usize,
    /// Number of keys.
    pub keys: usize,
    /// Sums over all rows.
    pub sums: ProfileSums,
    /// Weight by distance, rounded up to whole tokens.
    pub by_distance: Vec<f64>,
    /// Weight that each key got.
    pub received: Vec<f64>,
    /// Offset of every row's favourite key from the rounded diagonal.
    pub offsets: Vec<i32>,
    /// Centre of mass of every row, `Σ_j j A_ij`; of cross maps alone.
    pub centres: Vec<f64>,
    /// The largest weight of every row.
    pub row_max: Vec<f32>,
    /// Every pair of weight [`STRONG_WEIGHT`] or more, in no order.
    pub strong: Vec<StrongPair>,
    largest: Vec<f32>,
    added: Vec<f32>,
    cells: [usize; 2],
}

impl HeadProfile {
    /// Of no row yet.
    pub fn new(axes: &ProfileAxes) -> Self {
        let cells @ [down, across] = axes.thumbnail();
        let centres = if axes.kind == Kind::Cross { axes.queries } else { 0 };
        Self {
            rows: axes.queries,
            keys: axes.keys,
            by_distance: vec![0.0; axes.keys + 2],
            received: vec![0.0; axes.keys],
            offsets: vec![0; axes.queries],
            centres: vec![0.0; centres],
            row_max: vec![0.0; axes.queries],
            largest: vec![0.0; down * across],
            added: vec![0.0; down * across],
            cells,
            ..Self::default()
        }
    }

    /// Of a whole map.
    pub fn of(map: &Matrix, axes: &ProfileAxes) -> Self {
        let mut profile = Self::new(axes);
        profile.add_rows(0, map, axes);
        profile
    }

    /// The profile of `head` of maps in compact form, whose rows are computed one block at a time and not kept.
    ///
    /// # Panics
    /// If `head` is out of range.
    pub fn of_compact(maps: &CompactMaps, head: usize, axes: ProfileAxes) -> Self {
        let profile = SiteProfiles::one(axes, head);
        maps.observe(head, &profile);
        profile.finish().pop().unwrap_or_default()
    }

    /// Adds the rows from row `first` on, in the same order whatever the number of rows, if that is a multiple of 64.
    pub fn add_rows(&mut self, first: usize, rows: &Matrix, axes: &ProfileAxes) {
        const ROWS: usize = 64;
        for at in (0..rows.rows()).step_by(ROWS) {
            let count = ROWS.min(rows.rows() - at);
            let weights = &rows.as_slice()[at * rows.cols()..(at + count) * rows.cols()];
            self.add(RowBlock::of(axes, first + at, count, 0..rows.cols(), weights, rows.cols()));
        }
    }

    /// The largest weight of each of at most [`THUMBNAIL`] x [`THUMBNAIL`] blocks.
    pub fn max_thumbnail(&self) -> Matrix {
        Matrix::new(self.cells[0], self.cells[1], self.largest.clone())
    }

    /// The mean weight of each of these blocks.
    pub fn mean_thumbnail(&self) -> Matrix {
        let [down, across] = self.cells;
        let len = |cell, len, cells| span_of(cell, len, cells).len() as f32;
        Matrix::from_fn(down, across, |row, col| {
            self.added[row * across + col] / (len(row, self.rows, down) * len(col, self.keys, across))
        })
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        8 * (self.by_distance.len() + self.received.len() + self.centres.len())
            + 4 * (self.offsets.len() + self.row_max.len() + self.largest.len() + self.added.len())
            + size_of::<StrongPair>() * self.strong.len()
    }

    fn add(&mut self, block: RowBlock) {
        let rows = block.first..block.first + block.row_max.len();
        self.sums.add(&block.sums);
        for (weight, distance) in block.diagonals.iter().zip(block.lowest..) {
            if let Some(sum) = self.by_distance.get_mut(distance.unsigned_abs()) {
                *sum += f64::from(*weight);
            }
        }
        for (sum, weight) in self.received[block.columns].iter_mut().zip(&block.received) {
            *sum += weight;
        }
        self.row_max[rows.clone()].copy_from_slice(&block.row_max);
        self.offsets[rows.clone()].copy_from_slice(&block.offsets);
        if !self.centres.is_empty() {
            self.centres[rows].copy_from_slice(&block.centres);
        }
        self.strong.extend(block.strong);
        let from = block.row * self.cells[1];
        for (cell, found) in self.largest[from..].iter_mut().zip(&block.largest) {
            *cell = cell.max(*found);
        }
        for (cell, found) in self.added[from..].iter_mut().zip(&block.added) {
            *cell += found;
        }
    }
}

/// The profiles of a site's heads, as they grow while its attention is computed.
#[derive(Debug)]
pub struct SiteProfiles {
    axes: Arc<ProfileAxes>,
    /// The number of the first one.
    first: usize,
    heads: Vec<Mutex<HeadProfile>>,
}

impl SiteProfiles {
    /// Of no row yet.
    pub fn new(axes: Arc<ProfileAxes>, heads: usize) -> Self {
        let heads = (0..heads).map(|_| Mutex::new(HeadProfile::new(&axes))).collect();
        Self { axes, first: 0, heads }
    }

    /// That of head `head` alone.
    pub fn one(axes: ProfileAxes, head: usize) -> Self {
        Self { first: head, ..Self::new(Arc::new(axes), 1) }
    }

    /// Whether these are for maps `[heads, queries, keys]`.
    pub fn fit(&self, shape: [usize; 3]) -> bool {
        shape == [self.heads.len(), self.axes.queries, self.axes.keys]
    }

    /// The profiles, complete once every row was seen.
    pub fn finish(self) -> Vec<HeadProfile> {
        let inner = |head: Mutex<HeadProfile>| head.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.heads.into_iter().map(inner).collect()
    }
}

impl RowObserver for SiteProfiles {
    fn rows(
        &self,
        head: usize,
        first: usize,
        count: usize,
        columns: Range<usize>,
        weights: &[f32],
        stride: usize,
    ) {
        let block = RowBlock::of(&self.axes, first, count, columns, weights, stride);
        if let Some(head) = self.heads.get(head - self.first) {
            head.lock().unwrap_or_else(PoisonError::into_inner).add(block);
        }
    }
}
