//! Layer norm and RMS norm of rows.

use super::simd::{Simd, Task, dispatch};
use super::threads::{self, SharedPtr};

/// Rows per task.
const BLOCK: usize = 16;

/// Applies layer norm (Ba et al. 2016) to rows of `weight.len()` values:
/// `(x - mean) / sqrt(variance + eps) * weight + bias`.
///
/// # Panics
/// If `bias` has another length than `weight`, or `x` is no whole number of rows.
pub fn layer_norm(x: &[f32], weight: &[f32], bias: &[f32], eps: f32) -> Vec<f32> {
    assert_eq!(weight.len(), bias.len());
    rows(x, weight, Some(bias), eps)
}

/// Applies root mean square norm (Zhang & Sennrich 2019) to rows of `weight.len()` values:
/// `x / sqrt(mean(x²) + eps) * weight`.
///
/// # Panics
/// If `x` is no whole number of rows.
pub fn rms_norm(x: &[f32], weight: &[f32], eps: f32) -> Vec<f32> {
    rows(x, weight, None, eps)
}

fn rows(x: &[f32], weight: &[f32], bias: Option<&[f32]>, eps: f32) -> Vec<f32> {
    let width = weight.len();
    assert!(width > 0 && x.len().is_multiple_of(width), "rows of {width} do not make {}", x.len());
    let count = x.len() / width;
    let fill = |out: SharedPtr| {
        threads::for_each(count.div_ceil(BLOCK), 4 * x.len(), |block| {
            let from = block * BLOCK * width;
            let part = &x[from..x.len().min(from + BLOCK * width)];
            // SAFETY: the blocks are disjoint and lie within the output; `weight` and `bias` are one row
            // long.
            unsafe { dispatch(NormRows { x: part, weight, bias, eps, out: out.at(from) }) }
        });
    };
    // SAFETY: the blocks are all rows, and the task writes each value of a row.
    unsafe { threads::filled_vec(x.len(), fill) }
}

/// Task that normalises the rows `x` into `out`, with layer norm if there is a bias and RMS norm otherwise.
struct NormRows<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    bias: Option<&'a [f32]>,
    eps: f32,
    out: *mut f32,
}

impl Task for NormRows<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let width = self.weight.len();
        for (i, row) in self.x.chunks_exact(width).enumerate() {
            // SAFETY: `out` has room for as many values as `x`, and weights and bias are one row long.
            unsafe {
                let out = self.out.add(i * width);
                let mean = if self.bias.is_some() { sum::<S, false>(row, 0.0) / width as f32 } else { 0.0 };
                let square = sum::<S, true>(row, mean) / width as f32;
                let scale = S::splat(1.0 / (square + self.eps).sqrt());
                let mean = S::splat(mean);
                let mut at = 0;
                while at < width {
                    let len = (width - at).min(S::LANES);
                    let centred = S::sub(load::<S>(row, at, len), mean);
                    let mut y = S::mul(S::mul(centred, scale), load::<S>(self.weight, at, len));
                    if let Some(bias) = self.bias {
                        y = S::add(y, load::<S>(bias, at, len));
                    }
                    if len == S::LANES {
                        S::store(out.add(at), y);
                    } else {
                        S::store_part(out.add(at), y, len);
                    }
                    at += len;
                }
            }
        }
    }
}

/// Loads `len` values from index `at` on, at most a vector.
///
/// # Safety
/// They lie within `from`; the processor has the instructions of `S`.
#[inline(always)]
unsafe fn load<S: Simd>(from: &[f32], at: usize, len: usize) -> S::V {
    // SAFETY: the caller ensures that the values are there.
    unsafe {
        let from = from.as_ptr().add(at);
        if len == S::LANES { S::load(from) } else { S::load_part(from, len, 0.0) }
    }
}

/// Returns the sum of `x - mean` over a row, or of its squares.
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
unsafe fn sum<S: Simd, const SQUARES: bool>(row: &[f32], mean: f32) -> f32 {
    // SAFETY: vectors are loaded below `whole`, which is within the row.
    unsafe {
        let centre = S::splat(mean);
        let mut sums = [S::splat(0.0); 4];
        let whole = row.len() - row.len() % (4 * S::LANES);
        let mut at = 0;
        while at < whole {
            for (i, sum) in sums.iter_mut().enumerate() {
                let v = S::sub(S::load(row.as_ptr().add(at + i * S::LANES)), centre);
                *sum = if SQUARES { S::fma(v, v, *sum) } else { S::add(v, *sum) };
            }
            at += 4 * S::LANES;
        }
        let [a, b, c, d] = sums;
        let mut total = S::sum(S::add(S::add(a, b), S::add(c, d)));
        for &x in &row[at..] {
            let v = x - mean;
            total += if SQUARES { v * v } else { v };
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Level, dispatch_at};
    use crate::test_data::noise;

    #[test]
    fn both_norms_at_every_level_match_double_precision() {
        for width in [1, 7, 32, 100, 512] {
            let x: Vec<f32> = noise(3 * width, 1).iter().map(|v| v * 3.0 + 1.5).collect();
            let (weight, shift) = (noise(width, 2), noise(width, 3));
            for (level, bias) in
                Level::available().into_iter().flat_map(|l| [(l, None), (l, Some(&shift[..]))])
            {
                let mut out = vec![0f32; x.len()];
                let eps = 1e-5;
                // SAFETY: an available level, and slices of the right lengths.
                unsafe {
                    dispatch_at(level, NormRows { x: &x, weight: &weight, bias, eps, out: out.as_mut_ptr() });
                };
                for (row, out) in x.chunks(width).zip(out.chunks(width)) {
                    let n = width as f64;
                    let mean = bias.map_or(0.0, |_| row.iter().map(|&v| f64::from(v)).sum::<f64>() / n);
                    let var = row.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n;
                    for (j, (&v, &y)) in row.iter().zip(out).enumerate() {
                        let scale_lines =
                            (f64::from(v) - mean) / (var + f64::from(eps)).sqrt() * f64::from(weight[j]);
                        let expected = scale_lines + bias.map_or(0.0, |b| f64::from(b[j]));
                        assert!((f64::from(y) - expected).abs() < 3e-5, "{level:?} {width}: {y} {expected}");
                    }
                }
            }
        }
    }

    #[test]
    fn threads_share_the_rows() {
        let x = noise(100 * 640, 4);
        let weight = noise(640, 5);
        let whole = rms_norm(&x, &weight, 1e-6);
        let single = threads::run(1, || rms_norm(&x, &weight, 1e-6));
        assert_eq!(whole, single);
    }
}
