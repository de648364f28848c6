//! Statistics of blocks of rows of attention weights, computed while the rows are in the cache.

use super::math::ln;
use super::simd::{Simd, Task, dispatch};

mod short;

/// Number of largest weights that are kept per row.
pub const TOP: usize = 5;

/// Number of columns that are added up for all rows before the next ones: the column statistics of so many
/// stay in the first-level cache.
const TILE: usize = 1024;

/// Number of weights whose maximum is compared at once.
const BLOCK: usize = 64;

/// Most columns of a block whose rows are measured side by side.
pub const NARROW: usize = 64;

/// Sums over a row of weights.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RowStats {
    /// Sum of the weights before the split, and from it on.
    pub sums: [f64; 2],
    /// Sum of each weight times its distance from the origin: before the split, and from it on.
    pub moments: [f64; 2],
    /// `-Σ w ln w`, nats.
    pub entropy: f64,
    /// The largest weights in descending order, padded with 0.
    pub top: [f32; TOP],
    /// Columns of the largest weights; of equal weights the first come first.
    pub top_columns: [u32; TOP],
    /// Sum of the differences of all pairs of weights, if it was asked for and the block is narrow
    /// ([`WeightBlock::differences`]).
    pub differences: Option<f32>,
}

/// The position of a row of weights in its map.
#[derive(Clone, Copy, Debug, Default)]
pub struct RowPlace {
    /// Number of weights; the columns behind them are not read.
    pub len: usize,
    /// Number of weights before the split, at most `len`.
    pub split: usize,
    /// Column that distances are counted from; columns before the split are not behind it.
    pub origin: isize,
    /// Index of the diagonal that column 0 is on, for columns before the split and for those from it on.
    pub diagonals: [isize; 2],
}

/// A weight of a block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WeightCell {
    /// Row within the block.
    pub row: u32,
    /// Column.
    pub column: u32,
    /// The weight.
    pub weight: f32,
}

/// A block of rows of weights, and the statistics that they are added to.
pub struct WeightBlock<'a> {
    /// The weights, `stride` values from one row to the next.
    pub weights: &'a [f32],
    /// Distance between rows, in values.
    pub stride: usize,
    /// Each row's position.
    pub places: &'a [RowPlace],
    /// Statistics of each row. They are overwritten.
    pub stats: &'a mut [RowStats],
    /// The largest weight of each column so far.
    pub largest: &'a mut [f32],
    /// The sum of each column so far.
    pub received: &'a mut [f32],
    /// The sum of each diagonal so far.
    pub diagonals: &'a mut [f32],
    /// Weights from which on cells are listed.
    pub least: f32,
    /// The list of cells, in no order. Weights of 0 are never listed.
    pub cells: &'a mut Vec<WeightCell>,
    /// True to compute [`RowStats::differences`] of a block of at most [`NARROW`] columns.
    pub differences: bool,
}

impl WeightBlock<'_> {
    /// Adds the rows to all statistics.
    ///
    /// # Panics
    /// If a row leaves the weights, the columns or the diagonals.
    pub fn measure(self) {
        let columns = self.largest.len();
        assert!(self.received.len() == columns && self.stats.len() == self.places.len());
        for (row, place) in self.places.iter().enumerate() {
            assert!(place.split <= place.len && place.len <= columns);
            assert!(place.len == 0 || row * self.stride + place.len <= self.weights.len());
            for (side, range) in [(0, 0..place.split), (1, place.split..place.len)] {
                let [from, until] = [range.start, range.end].map(|at| place.diagonals[side] + at as isize);
                assert!(range.is_empty() || (from >= 0 && until as usize <= self.diagonals.len()));
            }
        }
        // SAFETY: every row lies within the slices, as was just checked.
        unsafe { dispatch(self) }
    }
}

impl Task for WeightBlock<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let columns = self.largest.len();
        self.stats.fill(RowStats::default());
        if columns <= NARROW {
            // SAFETY: the contract of the task.
            return unsafe { short::measure::<S>(self) };
        }
        for first in (0..columns).step_by(TILE) {
            for (row, (place, stats)) in self.places.iter().zip(self.stats.iter_mut()).enumerate() {
                let end = place.len.min(first + TILE);
                if first >= end {
                    continue;
                }
                let split = place.split.clamp(first, end);
                for (side, from, until, step) in [(0, first, split, -1.0), (1, split, end, 1.0)] {
                    if from == until {
                        continue;
                    }
                    let mut list = RowList {
                        top: &mut stats.top,
                        columns: &mut stats.top_columns,
                        row: row as u32,
                        least: self.least,
                        cells: &mut *self.cells,
                    };
                    // SAFETY: the caller ensures that the row lies within all slices.
                    let [sum, moment, entropy] = unsafe {
                        let diagonal = place.diagonals[side] + from as isize;
                        let segment = RowSegment {
                            weights: self.weights.as_ptr().add(row * self.stride + from),
                            len: until - from,
                            distance: step * (from as isize - place.origin) as f32,
                            step,
                            largest: self.largest.as_mut_ptr().add(from),
                            received: self.received.as_mut_ptr().add(from),
                            diagonals: self.diagonals.as_mut_ptr().offset(diagonal),
                            column: from as u32,
                        };
                        segment.add::<S>(&mut list)
                    };
                    stats.sums[side] += f64::from(sum);
                    stats.moments[side] += f64::from(moment);
                    stats.entropy += f64::from(entropy);
                }
            }
        }
    }
}

/// A part of a row on one side of the split. Pointers are valid for `len` values.
struct RowSegment {
    weights: *const f32,
    len: usize,
    /// Distance of the first weight from the origin, and how it changes from one weight to the next.
    distance: f32,
    step: f32,
    largest: *mut f32,
    received: *mut f32,
    diagonals: *mut f32,
    /// Column of the first weight.
    column: u32,
}

/// Vectors of partial sums.
struct Sums<S: Simd> {
    sum: S::V,
    moment: S::V,
    entropy: S::V,
    /// Distances of the next vector.
    distance: S::V,
    /// Largest weights of the current block.
    most: S::V,
}

impl RowSegment {
    /// Adds the segment to the column statistics and to the list. Returns sum, sum times distance, and
    /// entropy.
    ///
    /// # Safety
    /// The pointers are valid as described; the processor has the instructions of `S`.
    #[inline(always)]
    unsafe fn add<S: Simd>(&self, list: &mut RowList) -> [f32; 3] {
        // SAFETY: every access is below `len`; the last, partial vector is loaded and stored by its length.
        unsafe {
            let mut distances = [0f32; 16];
            for (lane, distance) in distances.iter_mut().enumerate() {
                *distance = self.distance + self.step * lane as f32;
            }
            let zero = S::splat(0.0);
            let distance = S::load(distances.as_ptr());
            let mut sums = Sums::<S> { sum: zero, moment: zero, entropy: zero, distance, most: zero };
            let mut at = 0;
            while at < self.len {
                let (start, end) = (at, self.len.min(at + BLOCK));
                sums.most = zero;
                while at + S::LANES <= end {
                    self.add_vector::<S>(at, S::LANES, &mut sums);
                    at += S::LANES;
                }
                if at < end {
                    self.add_vector::<S>(at, end - at, &mut sums);
                    at = end;
                }
                if S::at_least(sums.most, S::splat(list.limit())) != 0 {
                    self.list_block::<S>(start, end, list);
                }
            }
            [S::sum(sums.sum), S::sum(sums.moment), -S::sum(sums.entropy)]
        }
    }

    /// Adds `len` weights from index `at` on, at most a vector.
    ///
    /// # Safety
    /// As for [`RowSegment::add`]; `at + len` is at most the length of the segment.
    #[inline(always)]
    unsafe fn add_vector<S: Simd>(&self, at: usize, len: usize, sums: &mut Sums<S>) {
        // SAFETY: the caller ensures that the weights are there.
        unsafe {
            let w = load::<S>(self.weights.add(at), len);
            sums.sum = S::add(sums.sum, w);
            sums.moment = S::fma(w, sums.distance, sums.moment);
            sums.entropy = S::fma(w, ln::<S>(w), sums.entropy);
            sums.distance = S::add(sums.distance, S::splat(self.step * S::LANES as f32));
            sums.most = S::max(w, sums.most);
            let largest = self.largest.add(at);
            store::<S>(largest, S::max(w, load::<S>(largest, len)), len);
            for column in [self.received.add(at), self.diagonals.add(at)] {
                store::<S>(column, S::add(load::<S>(column, len), w), len);
            }
        }
    }

    /// Offers the weights with indices `start..end` to the list.
    ///
    /// # Safety
    /// As for [`RowSegment::add`]; `end` is at most the length of the segment.
    #[inline(always)]
    unsafe fn list_block<S: Simd>(&self, start: usize, end: usize, list: &mut RowList) {
        let mut at = start;
        while at < end {
            // SAFETY: the caller ensures that the weights are there.
            unsafe {
                let w = load::<S>(self.weights.add(at), S::LANES.min(end - at));
                let mut lanes = S::at_least(w, S::splat(list.limit()));
                while lanes != 0 {
                    let index = at + lanes.trailing_zeros() as usize;
                    list.offer(self.column + index as u32, *self.weights.add(index));
                    lanes &= lanes - 1;
                }
            }
            at += S::LANES;
        }
    }
}

/// Lists of the largest weights of a row, and of those of at least `least`.
struct RowList<'a> {
    top: &'a mut [f32; TOP],
    columns: &'a mut [u32; TOP],
    row: u32,
    least: f32,
    cells: &'a mut Vec<WeightCell>,
}

impl RowList<'_> {
    /// Returns the smallest weight that belongs into a list, which is above 0.
    #[inline(always)]
    fn limit(&self) -> f32 {
        const SMALLEST: f32 = f32::from_bits(1);
        let above_top = f32::from_bits(self.top[TOP - 1].to_bits() + 1);
        above_top.min(self.least).max(SMALLEST)
    }

    /// Adds a weight above 0 to the lists that it belongs to.
    #[inline(always)]
    fn offer(&mut self, column: u32, weight: f32) {
        if weight >= self.least {
            self.cells.push(WeightCell { row: self.row, column, weight });
        }
        let mut at = TOP;
        while at > 0 && weight > self.top[at - 1] {
            at -= 1;
            if at + 1 < TOP {
                self.top[at + 1] = self.top[at];
                self.columns[at + 1] = self.columns[at];
            }
        }
        if at < TOP {
            self.top[at] = weight;
            self.columns[at] = column;
        }
    }
}

/// Loads `len` values, at most a vector, and puts 0 into the other lanes.
///
/// # Safety
/// `from` is valid for `len` values; the processor has the instructions of `S`.
#[inline(always)]
unsafe fn load<S: Simd>(from: *const f32, len: usize) -> S::V {
    // SAFETY: the caller ensures that the values are there.
    unsafe { if len == S::LANES { S::load(from) } else { S::load_part(from, len, 0.0) } }
}

/// Stores the first `len` values of a vector.
///
/// # Safety
/// `to` is valid for `len` values; the processor has the instructions of `S`.
#[inline(always)]
unsafe fn store<S: Simd>(to: *mut f32, v: S::V, len: usize) {
    // SAFETY: the caller ensures that there is room.
    unsafe { if len == S::LANES { S::store(to, v) } else { S::store_part(to, v, len) } }
}

/// Returns the largest of `weights`, or 0 if there is none above it.
pub fn max(weights: &[f32]) -> f32 {
    // SAFETY: the task borrows the slice.
    unsafe { dispatch(Max(weights)) }
}

/// Task of [`max`].
struct Max<'a>(&'a [f32]);

impl Task for Max<'_> {
    type Output = f32;

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> f32 {
        // SAFETY: the vectors lie within the slice.
        unsafe {
            let mut largest = S::splat(0.0);
            let mut at = 0;
            while at < self.0.len() {
                let w = load::<S>(self.0.as_ptr().add(at), S::LANES.min(self.0.len() - at));
                largest = S::max(w, largest);
                at += S::LANES;
            }
            S::max_lane(largest)
        }
    }
}

/// Returns the sum of `weights`.
pub fn sum(weights: &[f32]) -> f32 {
    // SAFETY: the task borrows the slice.
    unsafe { dispatch(Sum(weights)) }
}

/// Task of [`sum`].
struct Sum<'a>(&'a [f32]);

impl Task for Sum<'_> {
    type Output = f32;

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> f32 {
        // SAFETY: the vectors lie within the slice.
        unsafe {
            let mut sum = S::splat(0.0);
            let mut at = 0;
            while at < self.0.len() {
                sum = S::add(sum, load::<S>(self.0.as_ptr().add(at), S::LANES.min(self.0.len() - at)));
                at += S::LANES;
            }
            S::sum(sum)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Level, dispatch_at};
    use crate::softmax::normaliser;
    use crate::test_data::noise;

    /// A row of `len` weights, one of them 0.
    fn weights(len: usize, seed: u64) -> Vec<f32> {
        let scores: Vec<f32> = noise(len, seed).iter().map(|x| 6.0 * x).collect();
        let (max, sum) = normaliser(&scores);
        let mut weights: Vec<f32> = scores.iter().map(|x| (x - max).exp() / sum).collect();
        weights[len / 2] = 0.0;
        weights
    }

    #[test]
    fn a_block_adds_up_at_every_level() {
        const LEAST: f32 = 0.01;
        for level in Level::available() {
            for (len, split) in
                [(1, 1), (7, 3), (16, 0), (NARROW, 9), (90, 90), (333, 100), (2 * TILE + 77, TILE + 5)]
            {
                // The second row sees fewer columns, and its diagonals lie one further back.
                let short = len - len / 3;
                let rows = [weights(len, 5), weights(short, 6)];
                let stride = len + 3;
                let mut all = vec![f32::NAN; stride + short];
                all[..len].copy_from_slice(&rows[0]);
                all[stride..].copy_from_slice(&rows[1]);
                let place =
                    |len, split, diagonals| RowPlace { len, split, origin: split as isize - 1, diagonals };
                let places = [place(len, split, [1, 2]), place(short, split.min(short), [0, 1])];
                let (mut largest, mut received) = (vec![0.25; len], vec![1.0; len]);
                let (mut diagonals, mut cells) = (vec![0.0; len + 2], Vec::new());
                let mut stats = [RowStats { entropy: 7.0, ..RowStats::default() }; 2];
                let block = WeightBlock {
                    weights: &all,
                    stride,
                    places: &places,
                    stats: &mut stats,
                    largest: &mut largest,
                    received: &mut received,
                    diagonals: &mut diagonals,
                    least: LEAST,
                    cells: &mut cells,
                    differences: true,
                };
                // SAFETY: the level is available, and the rows lie within the slices.
                unsafe { dispatch_at(level, block) };
                let near = |a: f64, b: f64| {
                    assert!((a - b).abs() <= 1e-6 * b.abs().max(1.0), "{level:?} {len}: {a}, {b}");
                };
                let mut expected = vec![0f64; len + 2];
                let mut listed = Vec::new();
                for (row, (weights, place)) in rows.iter().zip(places).enumerate() {
                    let wide = |at: usize| f64::from(weights[at]);
                    let sides = [0..place.split, place.split..place.len];
                    let entropy: f64 =
                        (0..place.len).filter(|&at| wide(at) > 0.0).map(|at| -wide(at) * wide(at).ln()).sum();
                    near(stats[row].entropy, entropy);
                    for (side, columns) in sides.into_iter().enumerate() {
                        near(stats[row].sums[side], columns.clone().map(wide).sum());
                        let distance = |at: usize| (at as isize - place.origin).abs() as f64;
                        near(
                            stats[row].moments[side],
                            columns.clone().map(|at| wide(at) * distance(at)).sum(),
                        );
                        columns.for_each(|at| expected[at + place.diagonals[side] as usize] += wide(at));
                    }
                    let pairs = (0..place.len).flat_map(|at| (0..at).map(move |before| (before, at)));
                    let differences = pairs.map(|(a, b)| (wide(a) - wide(b)).abs()).sum::<f64>();
                    match stats[row].differences {
                        Some(found) => near(f64::from(found), differences),
                        None => assert!(len > NARROW),
                    }
                    let mut order: Vec<usize> = (0..place.len).filter(|&at| weights[at] > 0.0).collect();
                    order.sort_by(|&a, &b| weights[b].total_cmp(&weights[a]));
                    for rank in 0..TOP {
                        let (weight, column) =
                            order.get(rank).map_or((0.0, 0), |&at| (weights[at], at as u32));
                        assert_eq!((stats[row].top[rank], stats[row].top_columns[rank]), (weight, column));
                    }
                    let strong = (0..place.len).filter(|&at| weights[at] >= LEAST);
                    let cell =
                        |at: usize| WeightCell { row: row as u32, column: at as u32, weight: weights[at] };
                    listed.extend(strong.map(cell));
                }
                diagonals
                    .iter()
                    .zip(&expected)
                    .for_each(|(&found, &expected)| near(f64::from(found), expected));
                for at in 0..len {
                    let seen = [rows[0][at], rows[1].get(at).copied().unwrap_or(0.0)];
                    near(f64::from(received[at]), 1.0 + f64::from(seen[0]) + f64::from(seen[1]));
                    assert_eq!(largest[at], seen[0].max(seen[1]).max(0.25));
                }
                cells.sort_by_key(|cell| (cell.row, cell.column));
                assert_eq!(cells, listed, "{level:?} {len}");
                assert_eq!(max(&rows[0]), stats[0].top[0]);
                near(f64::from(sum(&rows[0])), stats[0].sums.iter().sum());
            }
        }
    }

    #[test]
    fn equal_weights_keep_their_order_and_zeros_are_never_listed() {
        for level in Level::available() {
            let row = [0.0, 0.125, 0.25, 0.125, 0.25, 0.125, 0.125, 0.0, 1e-42];
            let (mut largest, mut received, mut diagonals) = ([0.0; 9], [0.0; 9], [0.0; 9]);
            let (mut stats, mut cells) = ([RowStats::default()], Vec::new());
            let place = RowPlace { len: 9, split: 9, origin: 8, diagonals: [0, 0] };
            let block = WeightBlock {
                weights: &row,
                stride: 9,
                places: &[place],
                stats: &mut stats,
                largest: &mut largest,
                received: &mut received,
                diagonals: &mut diagonals,
                least: 0.0,
                cells: &mut cells,
                differences: false,
            };
            // SAFETY: the level is available, and the row lies within the slices.
            unsafe { dispatch_at(level, block) };
            assert_eq!(stats[0].top_columns, [2, 4, 1, 3, 5], "{level:?}");
            assert_eq!(cells.len(), 7, "{level:?}");
            assert_eq!(stats[0].differences, None);
        }
    }
}
