//! Two operands, value by value.

use super::threads::{self, Shared};

/// Values that one task takes.
const RUN: usize = 1 << 15;

/// `f` of each pair of values of `a` and `b`, which are equally long.
///
/// # Panics
/// When they are not.
pub fn pairs(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32 + Sync + Send) -> Vec<f32> {
    assert_eq!(a.len(), b.len());
    let fill = |out: Shared| {
        threads::each(a.len().div_ceil(RUN), a.len(), |task| {
            let run = task * RUN..a.len().min((task + 1) * RUN);
            for (at, (&a, &b)) in run.clone().zip(a[run.clone()].iter().zip(&b[run])) {
                // SAFETY: every task writes its own run.
                unsafe { out.at(at).write(f(a, b)) };
            }
        });
    };
    // SAFETY: the runs cover all values.
    unsafe { threads::filled(a.len(), fill) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_data::noise;

    #[test]
    fn each_value_meets_its_own() {
        for len in [0, 1, RUN, 3 * RUN + 5] {
            let (a, b) = (noise(len, 1), noise(len, 2));
            let expected: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a - b).collect();
            assert_eq!(pairs(&a, &b, |a, b| a - b), expected);
        }
    }
}
