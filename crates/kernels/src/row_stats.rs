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
    /// Sum of `|a - b|` over all pairs of weights, each pair once, if it was asked for and the block is narrow
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
mod tests;
