//! Jensen-Shannon divergence of rows of weights.

use super::math::ln;
use super::simd::{Simd, Task, dispatch};

/// Writes `w ln w` of every weight to `to`.
///
/// # Panics
/// If the lengths differ.
pub fn weighted_logs(weights: &[f32], to: &mut [f32]) {
    assert_eq!(weights.len(), to.len());
    // SAFETY: the slices are equally long.
    unsafe { dispatch(WeightedLogs { weights, to }) }
}

/// Task of [`weighted_logs`].
struct WeightedLogs<'a> {
    weights: &'a [f32],
    to: &'a mut [f32],
}

impl Task for WeightedLogs<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let len = self.weights.len();
        let whole = len - len % S::LANES;
        // SAFETY: every access is below `len`, the length of both slices.
        unsafe {
            let (from, to) = (self.weights.as_ptr(), self.to.as_mut_ptr());
            let mut at = 0;
            while at < whole {
                let w = S::load(from.add(at));
                S::store(to.add(at), S::mul(w, ln::<S>(w)));
                at += S::LANES;
            }
            let w = S::load_part(from.add(whole), len - whole, 0.0);
            S::store_part(to.add(whole), S::mul(w, ln::<S>(w)), len - whole);
        }
    }
}

/// A row of weights, or a part of one, with its [`weighted_logs`].
#[derive(Clone, Copy)]
pub struct LogRow<'a> {
    /// The weights.
    pub weights: &'a [f32],
    /// `w ln w` of each weight.
    pub logs: &'a [f32],
}

/// Returns the Jensen-Shannon divergence of two rows in nats, `H((p + q) / 2) - (H(p) + H(q)) / 2` with `H`
/// the entropy. Exactly 0 for equal rows.
///
/// # Panics
/// If the lengths differ.
pub fn divergence(p: LogRow, q: LogRow) -> f32 {
    let len = p.weights.len();
    assert!([p.logs.len(), q.weights.len(), q.logs.len()] == [len; 3]);
    // SAFETY: the slices are equally long.
    unsafe { dispatch(Divergence { p, q }) }
}

/// Task of [`divergence`].
struct Divergence<'a> {
    p: LogRow<'a>,
    q: LogRow<'a>,
}

impl Task for Divergence<'_> {
    type Output = f32;

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> f32 {
        let Self { p, q } = self;
        let len = p.weights.len();
        // SAFETY: every access is below `len`, the length of all slices.
        unsafe {
            let [p, q, p_logs, q_logs] = [p.weights, q.weights, p.logs, q.logs].map(<[f32]>::as_ptr);
            let mut total = S::splat(0.0);
            let mut at = 0;
            while at < len {
                let [p, q, p_logs, q_logs] = [p.add(at), q.add(at), p_logs.add(at), q_logs.add(at)];
                let cells = if at + S::LANES <= len {
                    [S::load(p), S::load(q), S::load(p_logs), S::load(q_logs)]
                } else {
                    let rest = len - at;
                    [
                        S::load_part(p, rest, 0.0),
                        S::load_part(q, rest, 0.0),
                        S::load_part(p_logs, rest, 0.0),
                        S::load_part(q_logs, rest, 0.0),
                    ]
                };
                total = S::add(total, term::<S>(cells));
                at += S::LANES;
            }
            S::sum(total)
        }
    }
}

/// Returns `(p ln p + q ln q) / 2 - m ln m` with `m = (p + q) / 2`.
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
unsafe fn term<S: Simd>([p, q, p_logs, q_logs]: [S::V; 4]) -> S::V {
    // SAFETY: no memory is accessed; the caller ensures the rest.
    unsafe {
        let half = S::splat(0.5);
        let mean = S::mul(S::add(p, q), half);
        // The product is rounded before it is subtracted, as those of `weighted_logs` are.
        S::sub(S::mul(S::add(p_logs, q_logs), half), S::mul(mean, ln::<S>(mean)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Level, dispatch_at};
    use crate::test_data::noise;

    #[test]
    fn every_level_matches_double_precision() {
        for level in Level::available() {
            for len in [1, 7, 16, 90, 333] {
                let [p, q] = [3, 4].map(|seed| {
                    let mut row: Vec<f32> = noise(len, seed).iter().map(|x| x.abs().powi(6)).collect();
                    row[len / 2] = if seed == 3 { 0.0 } else { 1e-3 };
                    let sum: f32 = row.iter().sum::<f32>().max(1e-3);
                    row.iter_mut().for_each(|weight| *weight /= sum);
                    row
                });
                let logs = [&p, &q].map(|weights| {
                    let mut to = vec![0.0; len];
                    // SAFETY: the level is available, and the slices are equally long.
                    unsafe { dispatch_at(level, WeightedLogs { weights, to: &mut to }) };
                    to
                });
                let row = |weights, logs| LogRow { weights, logs };
                let of = |p, q| {
                    // SAFETY: as above.
                    unsafe { dispatch_at(level, Divergence { p, q }) }
                };
                let found = of(row(&p, &logs[0]), row(&q, &logs[1]));
                let term = |x: f64| if x > 0.0 { x * x.ln() } else { 0.0 };
                let cell = |(&p, &q): (&f32, &f32)| {
                    let (p, q) = (f64::from(p), f64::from(q));
                    (term(p) + term(q)) / 2.0 - term((p + q) / 2.0)
                };
                let expected: f64 = p.iter().zip(&q).map(cell).sum();
                assert!((f64::from(found) - expected).abs() < 2e-7, "{level:?} {len}: {found}, {expected}");
                assert_eq!(of(row(&p, &logs[0]), row(&p, &logs[0])), 0.0, "{level:?} {len}");
            }
        }
    }
}
