//! So unpacked queries that keys and values are read where they lie.

use super::super::simd::{Simd, Task};
use super::super::softmax::{softmax_in_place, transform_scores};
use super::super::threads::SharedPtr;
use super::{AttentionKernel, HeadVectors, RowObserver};

/// Rows of keys or values between asking for one and using it.
const AHEAD: usize = 8;

thread_local! {
    static SCORES: std::cell::RefCell<Vec<f32>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// All queries of one head.
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
            unsafe { self.row::<S>(query, weights.as_mut_ptr()) };
        }
        SCORES.set(weights);
    }
}

impl UnpackedQueries<'_> {
    #[inline(always)]
    unsafe fn row<S: Simd>(&self, query: usize, weights: *mut f32) {
        let AttentionKernel { heads, kv_heads, queries, keys, width, .. } = *self.kernel;
        let shared = self.head / (heads / kv_heads);
        let seen = self.kernel.key_range(query);
        unsafe {
            let q = self.query.at(self.head, query);
            for j in seen.clone() {
                let key = self.key.at(shared, j);
                soon::<S>(key, self.key.position, width);
                *weights.add(j) = dot::<S>(q, key, width);
            }
            let how = self.kernel.row(self.head, query, seen.start);
            let scores = weights.add(seen.start);
            let largest = transform_scores::<S>(scores, seen.len(), how);
            let largest = self.kernel.hide(self.head, query, scores, seen.clone(), largest);
            softmax_in_place::<S>(scores, seen.len(), largest);
            if let Some(maps) = self.maps {
                let map = maps.at((self.head * queries + query) * keys);
                std::ptr::write_bytes(map, 0, seen.start);
                std::ptr::copy_nonoverlapping(weights.add(seen.start), map.add(seen.start), seen.len());
                std::ptr::write_bytes(map.add(seen.end), 0, keys - seen.end);
            }
            if let Some(observer) = self.observer {
                let weights = std::slice::from_raw_parts(weights.add(seen.start), seen.len());
                observer.rows(self.head, query, 1, seen.clone(), weights, seen.len());
            }
            let out = self.out.at((query * heads + self.head) * width);
            let mut first = 0;
            while first < width {
                let len = (4 * S::LANES).min(width - first);
                mix::<S>(
                    weights.add(seen.start),
                    seen.len(),
                    self.value.at(shared, seen.start.min(keys - 1)).add(first),
                    self.value.position,
                    len,
                    out.add(first),
                );
                first += len;
            }
        }
    }
}

/// Asks for the `len` values of a row some rows on: rows lie apart, which the machine does not foresee.
#[inline(always)]
unsafe fn soon<S: Simd>(row: *const f32, stride: usize, len: usize) {
    let mut at = 0;
    while at < len {
        unsafe { S::prefetch(row.wrapping_add(AHEAD * stride + at)) };
        at += 16;
    }
}

#[inline(always)]
unsafe fn dot<S: Simd>(a: *const f32, b: *const f32, len: usize) -> f32 {
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

/// `len` (at most four vectors) columns of the sum of `count` rows, each times its weight.
#[inline(always)]
unsafe fn mix<S: Simd>(
    weights: *const f32,
    count: usize,
    from: *const f32,
    stride: usize,
    len: usize,
    out: *mut f32,
) {
    unsafe {
        if len == 4 * S::LANES {
            let mut sums = [S::splat(0.0); 4];
            for j in 0..count {
                soon::<S>(from.add(j * stride), stride, len);
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
