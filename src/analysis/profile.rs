//! Profiles of heads: sums over the rows of a map, updated block by block while the rows are in the cache,
//! by several threads. Thumbnails, metrics and strong links follow from them without the map.

mod pair_filter;
mod row_block;

pub use pair_filter::PairFilter;

use std::cell::RefCell;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use attn_tui_kernels::attention::RowObserver;
use attn_tui_kernels::row_stats;

use super::distances::PatchPlaces;
use crate::axis::AxisItem;
use crate::matrix::{Matrix, cell_of, span_of};
use crate::nn::CompactMaps;
use crate::site::Kind;
use row_block::{RowBlock, WeightRows};

/// Maximum number of rows and columns of a thumbnail.
pub const THUMBNAIL: usize = 64;

/// Minimum weight of the pairs that a profile lists.
pub const STRONG_WEIGHT: f32 = 0.1;

/// Properties of the axes that profiles need; the same for all heads of a kind.
#[derive(Clone, Debug)]
pub struct ProfileAxes {
    kind: Kind,
    queries: usize,
    keys: usize,
    special: Vec<bool>,
    /// Runs of keys that are not special.
    plain: Vec<Range<usize>>,
    /// Last earlier copy of each token; in self-attention only.
    before: Vec<Option<u32>>,
    /// True if Gini coefficients are computed.
    gini: bool,
    /// Places of keys on a picture; `None` if they have none.
    patches: Option<PatchPlaces>,
    /// Pairs to list in place of all those of [`STRONG_WEIGHT`].
    pairs: Option<PairFilter>,
}

impl ProfileAxes {
    /// Prepares the axes of maps `[queries, keys]` with these items as keys. Positions beyond them are not
    /// special.
    pub fn new(kind: Kind, [queries, keys]: [usize; 2], tokens: &[AxisItem]) -> Self {
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
        let same = |(at, token): (usize, &AxisItem)| last.insert(token.token_id()?, at as u32);
        let before = match kind {
            Kind::Cross => Vec::new(),
            Kind::Encoder | Kind::Decoder => tokens.iter().enumerate().map(same).collect(),
        };
        let patches = if kind == Kind::Decoder { None } else { PatchPlaces::of_items(tokens) };
        Self { kind, queries, keys, special, plain, before, gini: false, patches, pairs: None }
    }

    /// The same axes for profiles with [`ProfileSums::gini`], which take several times as long.
    pub fn with_gini(self) -> Self {
        Self { gini: true, ..self }
    }

    /// The same axes for profiles whose [`HeadProfile::strong`] lists the strongest pairs that pass a filter.
    pub fn with_pairs(self, pairs: PairFilter) -> Self {
        Self { pairs: Some(pairs), ..self }
    }

    /// Rows and columns of a thumbnail.
    fn thumbnail(&self) -> [usize; 2] {
        [self.queries.min(THUMBNAIL), self.keys.min(THUMBNAIL)]
    }

    /// Returns true if every row of the map is a row of the thumbnail.
    fn shows_every_row(&self) -> bool {
        self.queries <= THUMBNAIL
    }

    /// Earlier copies of the token at `query`, the nearest first.
    fn earlier(&self, query: usize) -> impl Iterator<Item = usize> {
        let before = |at: usize| self.before.get(at).copied().flatten().map(|at| at as usize);
        std::iter::successors(before(query), move |&at| before(at))
    }
}

/// A pair that a profile lists.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StrongPair {
    /// Row, zero-based.
    pub query: u32,
    /// Column, zero-based.
    pub key: u32,
    /// The head's weight there.
    pub weight: f32,
}

/// Sums over the rows of one head. `d_ij` and `n_i` are as in [`super::metrics`].
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
    /// `Σ A d` over the pairs that have a distance
    pub distance: f64,
    /// `Σ_i` of the spread of row `i` over a picture, in pixels
    pub spread: f64,
    /// `Σ_i` of the locality of row `i` on a picture
    pub locality: f64,
    /// `Σ_i A_i,i-1`
    pub previous: f64,
    /// Weight on earlier copies of the query's token.
    pub duplicate: f64,
    /// Weight on the tokens that followed them.
    pub induction: f64,
    /// Weight of the five largest weights of each row.
    pub top: f64,
    /// Sum of the rows' Gini coefficients over their `n_i` keys, if asked for ([`ProfileAxes::with_gini`]).
    pub gini: Option<f64>,
}

impl ProfileSums {
    fn add(&mut self, other: &ProfileSums) {
        // Names every field, so that a sum that is not added does not compile.
        let &ProfileSums {
            total,
            entropy,
            entropy_norm,
            choices,
            effective_keys,
            confidence,
            distance,
            spread,
            locality,
            previous,
            duplicate,
            induction,
            top,
            gini,
        } = other;
        self.total += total;
        self.entropy += entropy;
        self.entropy_norm += entropy_norm;
        self.choices += choices;
        self.effective_keys += effective_keys;
        self.confidence += confidence;
        self.distance += distance;
        self.spread += spread;
        self.locality += locality;
        self.previous += previous;
        self.duplicate += duplicate;
        self.induction += induction;
        self.top += top;
        if let Some(gini) = gini {
            *self.gini.get_or_insert(0.0) += gini;
        }
    }
}

/// The profile of one head.
#[derive(Clone, Debug, Default)]
pub struct HeadProfile {
    /// Number of queries.
    pub rows: usize,
    /// Number of keys.
    pub keys: usize,
    /// Sums over all rows.
    pub sums: ProfileSums,
    /// Weight by distance, rounded up to whole tokens or patches. Cross maps of a picture have none.
    pub by_distance: Vec<f64>,
    /// Weight that each key receives.
    pub received: Vec<f64>,
    /// Offset of the largest weight of each row from the rounded diagonal.
    pub offsets: Vec<i32>,
    /// Centre of mass of each row, `Σ_j j A_ij`; only of cross maps.
    pub centres: Vec<f64>,
    /// Largest weight of each row.
    pub row_max: Vec<f32>,
    /// All pairs of weight [`STRONG_WEIGHT`] or more, or those that were asked for
    /// ([`ProfileAxes::with_pairs`]), in no order.
    pub strong: Vec<StrongPair>,
    /// Weight from which on pairs are listed.
    least: f32,
    largest: Vec<f32>,
    added: Vec<f32>,
    cells: [usize; 2],
}

impl HeadProfile {
    /// Creates an empty profile.
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
            least: axes.pairs.as_ref().map_or(STRONG_WEIGHT, |pairs| pairs.min_weight),
            ..Self::default()
        }
    }

    /// Computes the profile of a whole map.
    pub fn of(map: &Matrix, axes: &ProfileAxes) -> Self {
        let mut profile = Self::new(axes);
        profile.add_rows(0, map, axes);
        profile
    }

    /// The profile of `head` of maps in compact form, whose rows are computed one block at a time and not
    /// kept.
    ///
    /// # Panics
    /// If `head` is out of range.
    pub fn of_compact(maps: &CompactMaps, head: usize, axes: &Arc<ProfileAxes>) -> Self {
        let profile = SiteProfiles::one(axes, head);
        maps.observe(head, &profile);
        profile.finish().pop().unwrap_or_default()
    }

    /// Adds a block of rows, the first of which is row `first`. Sums are the same for all block sizes that
    /// are multiples of 64.
    pub fn add_rows(&mut self, first: usize, rows: &Matrix, axes: &ProfileAxes) {
        const ROWS: usize = 64;
        for at in (0..rows.rows()).step_by(ROWS) {
            let count = ROWS.min(rows.rows() - at);
            let weights = &rows.as_slice()[at * rows.cols()..(at + count) * rows.cols()];
            let mut left = WeightRows {
                first: first + at,
                count,
                columns: 0..rows.cols(),
                weights,
                stride: rows.cols(),
            };
            while let Some(rows) = left.next_block(axes) {
                let least = self.least;
                measured(axes, &rows, least, |block| self.add(&rows, block, axes));
            }
        }
    }

    /// Largest weight of each of at most [`THUMBNAIL`] x [`THUMBNAIL`] blocks of the map.
    pub fn max_thumbnail(&self) -> Matrix {
        Matrix::new(self.cells[0], self.cells[1], self.largest.clone())
    }

    /// Mean weight of each of these blocks.
    pub fn mean_thumbnail(&self) -> Matrix {
        let [down, across] = self.cells;
        let len = |cell, len, cells| span_of(cell, len, cells).len() as f32;
        Matrix::from_fn(down, across, |row, col| {
            self.added[row * across + col] / (len(row, self.rows, down) * len(col, self.keys, across))
        })
    }

    /// Size in bytes.
    pub fn bytes(&self) -> usize {
        8 * (self.by_distance.len() + self.received.len() + self.centres.len())
            + 4 * (self.offsets.len() + self.row_max.len() + self.largest.len() + self.added.len())
            + size_of::<StrongPair>() * self.strong.len()
    }

    /// Adds `weights`, whose sums are `block`.
    fn add(&mut self, weights: &WeightRows, block: &RowBlock, axes: &ProfileAxes) {
        let rows = block.first..block.first + block.row_max.len();
        self.sums.add(&block.sums);
        match &axes.patches {
            None => self.add_diagonals(&block.diagonals, block.lowest),
            Some(_) => {
                self.by_distance.iter_mut().zip(&block.by_distance).for_each(|(sum, weight)| *sum += weight);
            }
        }
        for (sum, weight) in self.received[block.columns.clone()].iter_mut().zip(&block.received) {
            *sum += f64::from(*weight);
        }
        self.row_max[rows.clone()].copy_from_slice(&block.row_max);
        self.offsets[rows.clone()].copy_from_slice(&block.offsets);
        if !self.centres.is_empty() {
            self.centres[rows].copy_from_slice(&block.centres);
        }
        self.add_pairs(&block.strong, axes);
        if axes.shows_every_row() {
            for (at, row) in weights.rows().enumerate() {
                let row = &row[..block.visible(at)];
                self.add_thumbnail(block.first + at, &block.columns, row, row);
            }
        } else {
            let row = cell_of(block.first, self.rows, self.cells[0]);
            self.add_thumbnail(row, &block.columns, &block.largest, &block.received);
        }
    }

    /// Adds the weights of diagonals `lowest` and following.
    fn add_diagonals(&mut self, diagonals: &[f32], lowest: isize) {
        let count = usize::try_from(-lowest).unwrap_or(0).min(diagonals.len());
        let (before, behind) = diagonals.split_at(count);
        // The last diagonal of those before is the nearest to diagonal 0.
        let nearest = usize::try_from(1 - lowest).unwrap_or(0).saturating_sub(count);
        let add = |(sum, weight): (&mut f64, &f32)| *sum += f64::from(*weight);
        if let Some(sums) = self.by_distance.get_mut(nearest..) {
            sums.iter_mut().zip(before.iter().rev()).for_each(add);
        }
        if let Some(sums) = self.by_distance.get_mut(usize::try_from(lowest).unwrap_or(0)..) {
            sums.iter_mut().zip(behind).for_each(add);
        }
    }

    /// Lists pairs.
    fn add_pairs(&mut self, pairs: &[StrongPair], axes: &ProfileAxes) {
        match &axes.pairs {
            None => self.strong.extend_from_slice(pairs),
            Some(filter) => {
                self.strong.extend(pairs.iter().filter(|pair| filter.keeps(pair)));
                filter.prune(&mut self.strong, &mut self.least);
            }
        }
    }

    /// Adds the largest weight and the sum of each of `columns` to a row of the thumbnail. Columns behind these are
    /// 0.
    fn add_thumbnail(&mut self, row: usize, columns: &Range<usize>, most: &[f32], sums: &[f32]) {
        let across = self.cells[1];
        let cells = row * across..(row + 1) * across;
        let (largest, added) = (&mut self.largest[cells.clone()], &mut self.added[cells]);
        if across == self.keys {
            let cells = largest[columns.start..].iter_mut().zip(&mut added[columns.start..]);
            for ((largest, added), (&most, &sum)) in cells.zip(most.iter().zip(sums)) {
                *largest = largest.max(most);
                *added += sum;
            }
            return;
        }
        let end = columns.start + most.len();
        for (col, (largest, added)) in largest.iter_mut().zip(added).enumerate() {
            let span = span_of(col, self.keys, across);
            let (from, until) = (span.start.max(columns.start), span.end.min(end));
            if from >= until {
                continue;
            }
            let span = from - columns.start..until - columns.start;
            *largest = largest.max(row_stats::max(&most[span.clone()]));
            *added += row_stats::sum(&sums[span]);
        }
    }
}

thread_local! {
    static BLOCK: RefCell<RowBlock> = RefCell::default();
}

/// Calls `add` with the sums of rows.
fn measured(axes: &ProfileAxes, rows: &WeightRows, least: f32, add: impl FnOnce(&RowBlock)) {
    let mut block = BLOCK.take();
    block.measure(axes, rows, least);
    add(&block);
    BLOCK.set(block);
}

/// Profiles of a site's heads, updated while its attention is computed.
#[derive(Debug)]
pub struct SiteProfiles {
    axes: Arc<ProfileAxes>,
    /// Number of the first head.
    first: usize,
    heads: Vec<Mutex<HeadProfile>>,
}

impl SiteProfiles {
    /// Of no row yet.
    pub fn new(axes: Arc<ProfileAxes>, heads: usize) -> Self {
        let heads = (0..heads).map(|_| Mutex::new(HeadProfile::new(&axes))).collect();
        Self { axes, first: 0, heads }
    }

    /// Creates an empty profile of head `head` alone.
    pub fn one(axes: &Arc<ProfileAxes>, head: usize) -> Self {
        Self { first: head, ..Self::new(Arc::clone(axes), 1) }
    }

    /// Returns true if these profiles are for maps `[heads, queries, keys]`.
    pub fn fit(&self, shape: [usize; 3]) -> bool {
        shape == [self.heads.len(), self.axes.queries, self.axes.keys]
    }

    /// Returns the profiles, once all rows were observed.
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
        let Some(head) = self.heads.get(head - self.first) else { return };
        let profile = || head.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left = WeightRows { first, count, columns, weights, stride };
        while let Some(rows) = left.next_block(&self.axes) {
            let least = profile().least;
            measured(&self.axes, &rows, least, |block| profile().add(&rows, block, &self.axes));
        }
    }
}
