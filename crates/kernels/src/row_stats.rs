//! Statistics of a row of attention weights, computed while it is in the cache.

use super::math::ln;
use super::simd::{Simd, Task, dispatch};

/// Number of largest weights that are kept per row.
pub const TOP: usize = 5;

/// Sums over a row of weights.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RowStats {
    /// Sum of the weights before the split, and from it on.
    pub sums: [f32; 2],
    /// Sum of each weight times its distance from the last position before the split: before the split, and
    /// from it on.
    pub moments: [f32; 2],
    /// `-Σ w ln w`, nats.
    pub entropy: f32,
    /// The largest weights in descending order, padded with 0.
    pub top: [f32; TOP],
}

/// A row of weights and the column statistics that it is added to. All slices have the length of `weights`.
pub struct WeightRow<'a> {
    /// The weights.
    pub weights: &'a [f32],
    /// Number of weights before the split.
    pub split: usize,
    /// Distance of the first weight from the last position before the split, and of the first one after the
    /// split.
    pub distances: [f32; 2],
    /// The largest weight of each column so far.
    pub largest: &'a mut [f32],
    /// The sum of each column so far.
    pub received: &'a mut [f32],
}

impl WeightRow<'_> {
    /// Adds the row to its columns and returns its sums.
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn stats(self) -> RowStats {
        let len = self.weights.len();
        assert!(self.split <= len && self.largest.len() == len && self.received.len() == len);
        // SAFETY: the slices are equally long and contain the split.
        unsafe { dispatch(self) }
    }
}

impl Task for WeightRow<'_> {
    type Output = RowStats;

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> RowStats {
        let (row, len, split) = (self.weights.as_ptr(), self.weights.len(), self.split);
        // SAFETY: all slices have `len` values, and the split is among them.
        unsafe {
            let before = moments::<S>(row, split, self.distances[0], -1.0);
            let behind = moments::<S>(row.add(split), len - split, self.distances[1], 1.0);
            let top = top::<S>(row, len, self.largest.as_mut_ptr(), self.received.as_mut_ptr());
            RowStats {
                sums: [before[0], behind[0]],
                moments: [before[1], behind[1]],
                entropy: before[2] + behind[2],
                top,
            }
        }
    }
}

/// Returns sum, sum times distance, and entropy of `len` weights whose distances start at `first` and go on
/// by `step`.
///
/// # Safety
/// `row` is valid for `len` values; the processor has the instructions of `S`.
#[inline(always)]
unsafe fn moments<S: Simd>(row: *const f32, len: usize, first: f32, step: f32) -> [f32; 3] {
    // SAFETY: weights are loaded below `len`, the last, partial vector by its length.
    unsafe {
        let mut places = [0f32; 16];
        for (lane, place) in places.iter_mut().enumerate() {
            *place = first + step * lane as f32;
        }
        let mut place = S::load(places.as_ptr());
        let onward = S::splat(step * S::LANES as f32);
        let zero = S::splat(0.0);
        let (mut sum, mut moment, mut entropy) = (zero, zero, zero);
        let mut at = 0;
        while at < len {
            let w = if at + S::LANES <= len {
                S::load(row.add(at))
            } else {
                S::load_part(row.add(at), len - at, 0.0)
            };
            sum = S::add(sum, w);
            moment = S::fma(w, place, moment);
            entropy = S::fma(w, ln::<S>(w), entropy);
            place = S::add(place, onward);
            at += S::LANES;
        }
        [S::sum(sum), S::sum(moment), -S::sum(entropy)]
    }
}

/// Returns the largest weights of a row, and adds it to its columns.
///
/// # Safety
/// All pointers are valid for `len` values; the processor has the instructions of `S`.
#[inline(always)]
unsafe fn top<S: Simd>(row: *const f32, len: usize, largest: *mut f32, received: *mut f32) -> [f32; TOP] {
    // SAFETY: every access is below `len`.
    unsafe {
        let mut best = [S::splat(0.0); TOP];
        let whole = len - len % S::LANES;
        let mut at = 0;
        while at < whole {
            let mut w = S::load(row.add(at));
            S::store(received.add(at), S::add(S::load(received.add(at)), w));
            S::store(largest.add(at), S::max(S::load(largest.add(at)), w));
            for best in &mut best {
                let larger = S::max(w, *best);
                w = S::min(w, *best);
                *best = larger;
            }
            at += S::LANES;
        }
        // Each lane has its own descending list. The largest of their heads is taken `TOP` times.
        let mut lists = [[0f32; 16]; TOP + 1];
        for (list, best) in lists.iter_mut().zip(best) {
            S::store(list.as_mut_ptr(), best);
        }
        let mut top = [0f32; TOP];
        for top in &mut top {
            let mut lane = 0;
            for other in 1..S::LANES {
                if lists[0][other] > lists[0][lane] {
                    lane = other;
                }
            }
            *top = lists[0][lane];
            for rank in 0..TOP {
                lists[rank][lane] = lists[rank + 1][lane];
            }
        }
        for at in whole..len {
            let mut w = *row.add(at);
            *received.add(at) += w;
            *largest.add(at) = f32::max(*largest.add(at), w);
            for top in &mut top {
                if w > *top {
                    std::mem::swap(&mut w, top);
                }
            }
        }
        top
    }
}

/// Calls `tell` with the index of each weight that is at least `least`, in order.
pub fn for_each_at_least(weights: &[f32], least: f32, mut tell: impl FnMut(usize)) {
    let mut at = 0;
    while at < weights.len() {
        // SAFETY: the task borrows the slice.
        at += unsafe { dispatch(SkipBlocks { weights: &weights[at..], least }) };
        let end = weights.len().min(at + BLOCK);
        (at..end).filter(|&at| weights[at] >= least).for_each(&mut tell);
        at = end;
    }
}

/// Number of weights that are compared at once.
const BLOCK: usize = 64;

/// Task that returns the number of weights before the first block with one of at least `least`.
struct SkipBlocks<'a> {
    weights: &'a [f32],
    least: f32,
}

impl Task for SkipBlocks<'_> {
    type Output = usize;

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> usize {
        let (row, len) = (self.weights.as_ptr(), self.weights.len());
        let mut at = 0;
        // SAFETY: only whole blocks within the slice are loaded.
        unsafe {
            while at + BLOCK <= len {
                let mut largest = S::load(row.add(at));
                for next in (S::LANES..BLOCK).step_by(S::LANES) {
                    largest = S::max(S::load(row.add(at + next)), largest);
                }
                if S::max_lane(largest) >= self.least {
                    return at;
                }
                at += BLOCK;
            }
        }
        at
    }
}

/// Returns the largest of `weights`, or 0 if there is none.
pub fn max(weights: &[f32]) -> f32 {
    // SAFETY: the task borrows the slice.
    unsafe { dispatch(RowMax(weights)) }
}

/// Task of [`max`].
struct RowMax<'a>(&'a [f32]);

impl Task for RowMax<'_> {
    type Output = f32;

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> f32 {
        let (row, len) = (self.0.as_ptr(), self.0.len());
        let whole = len - len % S::LANES;
        // SAFETY: vectors are loaded below `whole`, and the rest by its length.
        unsafe {
            let mut largest = S::load_part(row.add(whole), len - whole, 0.0);
            let mut at = 0;
            while at < whole {
                largest = S::max(S::load(row.add(at)), largest);
                at += S::LANES;
            }
            S::max_lane(largest).max(0.0)
        }
    }
}

/// Adds `weights` to `to`.
///
/// # Panics
/// If the lengths differ.
pub fn add_to(weights: &[f32], to: &mut [f32]) {
    assert_eq!(weights.len(), to.len());
    // SAFETY: the slices are equally long.
    unsafe { dispatch(AddRows(weights, to)) }
}

/// Task of [`add_to`].
struct AddRows<'a>(&'a [f32], &'a mut [f32]);

impl Task for AddRows<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let (from, to, len) = (self.0.as_ptr(), self.1.as_mut_ptr(), self.0.len());
        let whole = len - len % S::LANES;
        // SAFETY: every access is below `len`, the length of both slices.
        unsafe {
            let mut at = 0;
            while at < whole {
                S::store(to.add(at), S::add(S::load(to.add(at)), S::load(from.add(at))));
                at += S::LANES;
            }
            for at in whole..len {
                *to.add(at) += *from.add(at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Level, dispatch_at};
    use crate::softmax::normaliser;
    use crate::test_data::noise;

    #[test]
    fn a_row_adds_up_at_every_level() {
        for level in Level::available() {
            for (len, split) in [(1, 1), (7, 3), (16, 0), (90, 90), (333, 100)] {
                let scores: Vec<f32> = noise(len, 5).iter().map(|x| 6.0 * x).collect();
                let (max, sum) = normaliser(&scores);
                let mut weights: Vec<f32> = scores.iter().map(|x| (x - max).exp() / sum).collect();
                weights[len / 2] = 0.0;
                let (mut largest, mut received) = (vec![0.25; len], vec![1.0; len]);
                let places = [split as f32 - 1.0, 1.0];
                let sweep = WeightRow {
                    weights: &weights,
                    split,
                    distances: places,
                    largest: &mut largest,
                    received: &mut received,
                };
                // SAFETY: the level is available and the lengths fit.
                let found = unsafe { dispatch_at(level, sweep) };
                let wide = |at: usize| f64::from(weights[at]);
                let entropy: f64 =
                    (0..len).filter(|&at| wide(at) > 0.0).map(|at| -wide(at) * wide(at).ln()).sum();
                let sums = [(0..split).map(wide).sum::<f64>(), (split..len).map(wide).sum()];
                let place = |at: usize| (at as f64 - (split as f64 - 1.0)).abs();
                let moment = |at: usize| wide(at) * place(at);
                let moments = [(0..split).map(moment).sum::<f64>(), (split..len).map(moment).sum()];
                let near = |a: f32, b: f64| {
                    assert!((f64::from(a) - b).abs() <= 1e-6 * b.abs().max(1.0), "{level:?} {len}: {a}, {b}");
                };
                near(found.entropy, entropy);
                for side in 0..2 {
                    near(found.sums[side], sums[side]);
                    near(found.moments[side], moments[side]);
                }
                let mut sorted = weights.clone();
                sorted.sort_by(|a, b| b.total_cmp(a));
                sorted.resize(TOP.max(len), 0.0);
                assert_eq!(found.top, sorted[..TOP], "{level:?} {len}");
                for at in 0..len {
                    assert_eq!((received[at], largest[at]), (1.0 + weights[at], weights[at].max(0.25)));
                }
                let mut found = Vec::new();
                for_each_at_least(&weights, 0.01, |at| found.push(at));
                assert_eq!(found, (0..len).filter(|&at| weights[at] >= 0.01).collect::<Vec<_>>());
            }
        }
    }
}
