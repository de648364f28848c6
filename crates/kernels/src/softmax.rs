//! Softmax of a row of scores.

use super::math::{exp, exp2};
use super::simd::{Simd, Task, dispatch};
use super::tile::CHUNK;

/// Scores below `-HUGE` are masked by a large negative bias.
const HUGE: f32 = 1e30;

/// Transformation of scores before the softmax: `softcap(score * scale) + plus + bias`.
#[derive(Clone, Copy)]
pub(super) struct ScoreTransform {
    /// Factor on the scores.
    pub scale: f32,
    /// Soft cap: `softcap * tanh(score / softcap)`.
    pub softcap: Option<f32>,
    /// Added to all scores.
    pub plus: f32,
    /// Added to the scores, one value per key; null for none.
    pub bias: *const f32,
}

/// Applies scale, soft cap and bias to `len` scores in place. Returns the largest result, or `f32::MIN` if
/// there is none above it.
///
/// # Safety
/// `row` and the bias are valid for `len` values; the processor has the instructions of `S`.
#[inline(always)]
pub(super) unsafe fn transform_scores<S: Simd>(row: *mut f32, len: usize, how: ScoreTransform) -> f32 {
    // SAFETY: every access is below `len`; the last, partial vector is loaded and stored by its length.
    unsafe {
        let whole = len - len % S::LANES;
        let mut largest = S::splat(f32::MIN);
        let mut at = 0;
        while at < whole {
            let x = transformed::<S>(row, at, S::LANES, how);
            S::store(row.add(at), x);
            largest = S::max(x, largest);
            at += S::LANES;
        }
        if at < len {
            let x = transformed::<S>(row, at, len - at, how);
            S::store_part(row.add(at), x, len - at);
            largest = S::max(S::load_part(row.add(at), len - at, f32::MIN), largest);
        }
        S::max_lane(largest)
    }
}

/// Computes `e^(score - largest)` of `len` scores and writes them in lines of [`CHUNK`] values, `step` values
/// apart. Returns their sum.
///
/// # Safety
/// `scores` is valid for `len` values and `lines` for as many lines as they fill, which may be the scores
/// themselves; the processor has the instructions of `S`.
#[inline(always)]
pub(super) unsafe fn exponentials<S: Simd>(
    scores: *const f32,
    len: usize,
    largest: f32,
    lines: *mut f32,
    step: usize,
) -> f32 {
    // SAFETY: scores are read below `len`, and a vector never crosses the end of a line, as `LANES` divides
    // `CHUNK`.
    unsafe {
        let whole = len - len % S::LANES;
        // `log2 e` times the difference is rounded once, by FMA. Where all scores are masked, the product
        // would overflow, so the difference is taken first.
        let factor = S::splat(std::f32::consts::LOG2_E);
        let (shift, first) = match largest > -HUGE {
            true => (S::splat(-largest * std::f32::consts::LOG2_E), S::splat(0.0)),
            false => (S::splat(0.0), S::splat(largest)),
        };
        let mut total = S::splat(0.0);
        let mut at = 0;
        while at < whole {
            let e = exp2::<S>(S::fma(S::sub(S::load(scores.add(at)), first), factor, shift));
            S::store(lines.add(at / CHUNK * step + at % CHUNK), e);
            total = S::add(total, e);
            at += S::LANES;
        }
        if at < len {
            let last = S::load_part(scores.add(at), len - at, f32::NEG_INFINITY);
            let e = exp2::<S>(S::fma(S::sub(last, first), factor, shift));
            S::store_part(lines.add(at / CHUNK * step + at % CHUNK), e, len - at);
            total = S::add(total, e);
        }
        S::sum(total)
    }
}

/// Multiplies `len` values in lines, as [`exponentials`] writes them, with `factor`, and stores them
/// contiguously.
///
/// # Safety
/// The lines are valid, and `to` for `len` values; the processor has the instructions of `S`.
#[inline(always)]
pub(super) unsafe fn scale_lines<S: Simd>(
    lines: *const f32,
    step: usize,
    len: usize,
    factor: f32,
    to: *mut f32,
) {
    // SAFETY: every access is below `len`, and a vector never crosses the end of a line.
    unsafe {
        let whole = len - len % S::LANES;
        let factor = S::splat(factor);
        let mut at = 0;
        while at < whole {
            S::store(to.add(at), S::mul(S::load(lines.add(at / CHUNK * step + at % CHUNK)), factor));
            at += S::LANES;
        }
        if at < len {
            let rest = S::load_part(lines.add(at / CHUNK * step + at % CHUNK), len - at, 0.0);
            S::store_part(to.add(at), S::mul(rest, factor), len - at);
        }
    }
}

/// Returns the factor that turns [`exponentials`] with this sum into weights: 0 if every score was minus
/// infinity.
#[inline(always)]
pub(super) fn normalising_factor(total: f32) -> f32 {
    if total == 0.0 { 0.0 } else { 1.0 / total }
}

/// Applies the softmax to `len` scores in place; `largest` is their maximum. The weights sum to 1, or are all
/// 0 if every score is minus infinity.
///
/// # Safety
/// `row` is valid for `len` values; the processor has the instructions of `S`.
#[inline(always)]
pub(super) unsafe fn softmax_in_place<S: Simd>(row: *mut f32, len: usize, largest: f32) {
    // SAFETY: lines that are `CHUNK` apart are contiguous: the row itself.
    unsafe {
        let total = exponentials::<S>(row, len, largest, row, CHUNK);
        scale_lines::<S>(row, CHUNK, len, normalising_factor(total), row);
    }
}

/// Returns the largest of `scores` and the sum of `e^(score - largest)`, which turn a score into a
/// probability.
pub fn normaliser(scores: &[f32]) -> (f32, f32) {
    // SAFETY: the task borrows the slice.
    unsafe { dispatch(Normaliser(scores)) }
}

/// Returns the logarithm of the sum of `e^score`, which turns a score into a log-probability; minus infinity if
/// every score is.
pub fn log_sum_exp(scores: &[f32]) -> f32 {
    let (largest, sum) = normaliser(scores);
    largest + sum.ln()
}

/// Task of [`normaliser`].
struct Normaliser<'a>(&'a [f32]);

impl Task for Normaliser<'_> {
    type Output = (f32, f32);

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> (f32, f32) {
        let (row, len) = (self.0.as_ptr(), self.0.len());
        let whole = len - len % S::LANES;
        // SAFETY: vectors are loaded below `whole`, and the rest by its length.
        unsafe {
            let mut largest = S::load_part(row.add(whole), len - whole, f32::MIN);
            let mut at = 0;
            while at < whole {
                largest = S::max(S::load(row.add(at)), largest);
                at += S::LANES;
            }
            let largest = S::max_lane(largest);
            let max = S::splat(largest);
            let rest = S::load_part(row.add(whole), len - whole, f32::NEG_INFINITY);
            let mut total = exp::<S>(S::sub(rest, max));
            at = 0;
            while at < whole {
                total = S::add(exp::<S>(S::sub(S::load(row.add(at)), max)), total);
                at += S::LANES;
            }
            (largest, S::sum(total))
        }
    }
}

/// Returns `len` transformed scores from index `at` on, at most a vector.
///
/// # Safety
/// `row` and the bias are valid up to `at + len`; the processor has the instructions of `S`.
#[inline(always)]
unsafe fn transformed<S: Simd>(row: *const f32, at: usize, len: usize, how: ScoreTransform) -> S::V {
    // SAFETY: the caller ensures that scores and bias are there.
    unsafe {
        let (x, plus) = (load::<S>(row.add(at), len), S::splat(how.plus));
        let mut x = match how.softcap {
            None => S::fma(x, S::splat(how.scale), plus),
            Some(softcap) => {
                let squashed =
                    super::math::tanh::<S>(S::mul(S::mul(x, S::splat(how.scale)), S::splat(1.0 / softcap)));
                S::fma(squashed, S::splat(softcap), plus)
            }
        };
        if !how.bias.is_null() {
            x = S::add(x, load::<S>(how.bias.add(at), len));
        }
        x
    }
}

/// Loads `len` values, at most a vector.
///
/// # Safety
/// `from` is valid for `len` values; the processor has the instructions of `S`.
#[inline(always)]
unsafe fn load<S: Simd>(from: *const f32, len: usize) -> S::V {
    // SAFETY: the caller ensures that the values are there.
    unsafe { if len == S::LANES { S::load(from) } else { S::load_part(from, len, 0.0) } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Level, dispatch_at};
    use crate::test_data::noise;

    struct One<'a>(&'a mut [f32], ScoreTransform);

    impl Task for One<'_> {
        type Output = ();

        #[inline(always)]
        unsafe fn run<S: Simd>(self) {
            // SAFETY: the slice has `len` values, and so has the bias of each test.
            unsafe {
                let (row, len) = (self.0.as_mut_ptr(), self.0.len());
                let largest = transform_scores::<S>(row, len, self.1);
                softmax_in_place::<S>(row, len, largest);
            }
        }
    }

    const PLAIN: ScoreTransform =
        ScoreTransform { scale: 1.0, softcap: None, plus: 0.0, bias: std::ptr::null() };

    #[test]
    fn every_level_matches_double_precision() {
        for len in [1, 2, 7, 16, 33, 200] {
            let scores: Vec<f32> = noise(len, 1).iter().map(|v| v * 30.0).collect();
            let mut bias = noise(len, 2);
            bias.iter_mut().skip(4).step_by(5).for_each(|bias| *bias = f32::NEG_INFINITY);
            for (level, softcap) in
                Level::available().into_iter().flat_map(|l| [(l, None), (l, Some(20.0f32))])
            {
                let how = ScoreTransform { scale: 0.5, softcap, plus: 0.75, bias: bias.as_ptr() };
                let mut row = scores.clone();
                // SAFETY: an available level, and slices of the right lengths.
                unsafe { dispatch_at(level, One(&mut row, how)) };
                let transformed = (0..len).map(|j| {
                    let x = f64::from(scores[j]) * 0.5;
                    let x = softcap.map_or(x, |softcap| f64::from(softcap) * (x / f64::from(softcap)).tanh());
                    x + 0.75 + f64::from(bias[j])
                });
                let e: Vec<f64> = transformed.map(f64::exp).collect();
                let total: f64 = e.iter().sum();
                for (j, y) in row.iter().enumerate() {
                    assert!((f64::from(*y) - e[j] / total).abs() < 2e-6, "{level:?} {len} {j}");
                    assert!(bias[j].is_finite() || *y == 0.0);
                }
            }
        }
    }

    #[test]
    fn the_sum_of_exponentials_is_taken_in_logarithms() {
        for len in [1, 7, 100] {
            let scores: Vec<f32> = (0..len).map(|at| 80.0 + at as f32 / 10.0).collect();
            let sum: f64 = scores.iter().map(|&score| f64::from(score).exp()).sum();
            assert!((f64::from(log_sum_exp(&scores)) - sum.ln()).abs() < 1e-4, "{len}");
        }
        assert_eq!(log_sum_exp(&[f32::NEG_INFINITY; 3]), f32::NEG_INFINITY);
    }

    #[test]
    fn the_normaliser_makes_probabilities() {
        let scores: Vec<f32> = noise(1003, 3).iter().map(|v| v * 20.0).collect();
        let largest = scores.iter().copied().fold(f32::MIN, f32::max);
        let total: f64 = scores.iter().map(|&s| f64::from(s - largest).exp()).sum();
        for level in Level::available() {
            // SAFETY: an available level.
            let (found, sum) = unsafe { dispatch_at(level, Normaliser(&scores)) };
            assert_eq!(found, largest);
            assert!((f64::from(sum) / total - 1.0).abs() < 1e-5, "{level:?}: {sum}, {total}");
        }
    }

    #[test]
    fn a_row_that_sees_nothing_is_zero_and_nonsense_shows() {
        for level in Level::available() {
            let mut hidden = vec![f32::NEG_INFINITY; 21];
            // SAFETY: an available level, and slices of the right lengths.
            unsafe { dispatch_at(level, One(&mut hidden, PLAIN)) };
            assert_eq!(hidden, [0.0; 21]);
            let mut broken = vec![0.0; 21];
            broken[3] = f32::NAN;
            // SAFETY: an available level, and slices of the right lengths.
            unsafe { dispatch_at(level, One(&mut broken, PLAIN)) };
            assert!(broken.iter().all(|v| v.is_nan()), "{level:?} {broken:?}");
        }
    }
}
