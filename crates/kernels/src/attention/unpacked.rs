//! Attention of so few queries that packing keys and values does not pay.

use super::super::simd::{Simd, Task};
use super::super::softmax::{softmax_in_place, transform_scores};
use super::super::threads::SharedPtr;
use super::{AttentionKernel, HeadVectors, RowObserver};

/// Distance of the prefetch, in rows of keys or values.
const AHEAD: usize = 8;

thread_local! {
    static SCORES: std::cell::RefCell<Vec<f32>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Task that computes all queries of one head. Pointers must be valid for the sizes given.
pub(super) struct UnpackedQueries<'a> {
    pub kernel: &'a AttentionKernel<'a>,
    pub head: usize,
    pub query: HeadVectors<'a>,
    pub key: HeadVectors<'a>,
    pub value: HeadVectors<'a>,
    /// `[heads, queries, keys]`
    pub maps: Option<SharedPtr>,
    pub observer: Option<&'a dyn RowObserver>,
    /// `[queries, heads, width]`
    pub out: SharedPtr,
}

impl Task for UnpackedQueries<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let mut weights = SCORES.take();
        weights.clear();
        weights.resize(self.kernel.keys, 0.0);
        for query in 0..self.kernel.queries {
            // SAFETY: the contract of the task; `weights` has a value for each key.
            unsafe { self.row::<S>(query, weights.as_mut_ptr()) };
        }
        SCORES.set(weights);
    }
}

impl UnpackedQueries<'_> {
    /// Computes one query.
    ///
    /// # Safety
    /// The contract of the task holds, and `weights` is valid for all keys.
    #[inline(always)]
    unsafe fn row<S: Simd>(&self, query: usize, weights: *mut f32) {
        let AttentionKernel { heads, kv_heads, queries, keys, width, .. } = *self.kernel;
        let shared = self.head / (heads / kv_heads);
        let visible = self.kernel.key_range(query);
        // SAFETY: `visible` is within the keys, and all positions were checked against the slices.
        unsafe {
            let q = self.query.at(self.head, query);
            for j in visible.clone() {
                let key = self.key.at(shared, j);
                prefetch_row::<S>(key, self.key.position, width);
                *weights.add(j) = dot::<S>(q, key, width);
            }
            let transform = self.kernel.transform(self.head, query, visible.start);
            let scores = weights.add(visible.start);
            let largest = transform_scores::<S>(scores, visible.len(), transform);
            let largest = self.kernel.mask_pairs(self.head, query, scores, visible.clone(), largest);
            softmax_in_place::<S>(scores, visible.len(), largest);
            if let Some(maps) = self.maps {
                let map = maps.at((self.head * queries + query) * keys);
                std::ptr::write_bytes(map, 0, visible.start);
                std::ptr::copy_nonoverlapping(
                    weights.add(visible.start),
                    map.add(visible.start),
                    visible.len(),
                );
                std::ptr::write_bytes(map.add(visible.end), 0, keys - visible.end);
            }
            if let Some(observer) = self.observer {
                let weights = std::slice::from_raw_parts(weights.add(visible.start), visible.len());
                observer.rows(self.head, query, 1, visible.clone(), weights, visible.len());
            }
            let out = self.out.at((query * heads + self.head) * width);
            let mut first = 0;
            while first < width {
                let len = (4 * S::LANES).min(width - first);
                weighted_sum::<S>(
                    weights.add(visible.start),
                    visible.len(),
                    self.value.at(shared, visible.start.min(keys - 1)).add(first),
                    self.value.position,
                    len,
                    out.add(first),
                );
                first += len;
            }
        }
    }
}

/// Prefetches `len` values of the row that is [`AHEAD`] rows on: the processor does not foresee strided
/// reads.
///
/// # Safety
/// The processor has the instructions of `S`; the address need not be valid.
#[inline(always)]
unsafe fn prefetch_row<S: Simd>(row: *const f32, stride: usize, len: usize) {
    let mut at = 0;
    while at < len {
        // SAFETY: prefetching does not fault.
        unsafe { S::prefetch(row.wrapping_add(AHEAD * stride + at)) };
        at += 16;
    }
}

/// Returns the dot product of two vectors of `len` values.
///
/// # Safety
/// Both are valid for `len` values; the processor has the instructions of `S`.
#[inline(always)]
unsafe fn dot<S: Simd>(a: *const f32, b: *const f32, len: usize) -> f32 {
    // SAFETY: vectors are loaded below `len`, the last, partial one by its length.
    unsafe {
        let mut sums = [S::splat(0.0); 2];
        let mut at = 0;
        while at + 2 * S::LANES <= len {
            for (i, sum) in sums.iter_mut().enumerate() {
                let at = at + i * S::LANES;
                *sum = S::fma(S::load(a.add(at)), S::load(b.add(at)), *sum);
            }
            at += 2 * S::LANES;
        }
        let mut total = S::add(sums[0], sums[1]);
        while at < len {
            let part = S::LANES.min(len - at);
            total = S::fma(S::load_part(a.add(at), part, 0.0), S::load_part(b.add(at), part, 0.0), total);
            at += part;
        }
        S::sum(total)
    }
}

/// Computes `len` columns, at most four vectors, of the weighted sum of `count` rows.
///
/// # Safety
/// There are `count` weights and rows, `stride` values apart, with `len` columns, for which `out` has room;
/// the processor has the instructions of `S`.
#[inline(always)]
unsafe fn weighted_sum<S: Simd>(
    weights: *const f32,
    count: usize,
    from: *const f32,
    stride: usize,
    len: usize,
    out: *mut f32,
) {
    // SAFETY: the caller ensures that weights, rows and output are there; partial vectors are accessed by
    // their length.
    unsafe {
        if len == 4 * S::LANES {
            let mut sums = [S::splat(0.0); 4];
            for j in 0..count {
                prefetch_row::<S>(from.add(j * stride), stride, len);
                let w = S::splat(*weights.add(j));
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum = S::fma(w, S::load(from.add(j * stride + i * S::LANES)), *sum);
                }
            }
            for (i, &sum) in sums.iter().enumerate() {
                S::store(out.add(i * S::LANES), sum);
            }
            return;
        }
        let mut at = 0;
        while at < len {
            let part = S::LANES.min(len - at);
            let mut sum = S::splat(0.0);
            for j in 0..count {
                sum = S::fma(
                    S::splat(*weights.add(j)),
                    S::load_part(from.add(j * stride + at), part, 0.0),
                    sum,
                );
            }
            S::store_part(out.add(at), sum, part);
            at += part;
        }
    }
}
