//! Two operands, value by value.

use super::threads::{self, SharedPtr};

/// Values that one task takes.
const BLOCK: usize = 1 << 15;

/// `f` of each pair of values of `a` and `b`, which are equally long.
///
/// # Panics
/// When they are not.
pub fn zip_map(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32 + Sync + Send) -> Vec<f32> {
    assert_eq!(a.len(), b.len());
    let fill = |out: SharedPtr| {
        threads::for_each(a.len().div_ceil(BLOCK), a.len(), |task| {
            let block = task * BLOCK..a.len().min((task + 1) * BLOCK);
            for (at, (&a, &b)) in block.clone().zip(a[block.clone()].iter().zip(&b[block])) {
                // SAFETY: every task writes its own block.
                unsafe { out.at(at).write(f(a, b)) };
            }
        });
    };
    // SAFETY: the runs cover all values.
    unsafe { threads::filled_vec(a.len(), fill) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_data::noise;

    #[test]
    fn each_value_meets_its_own() {
        for len in [0, 1, BLOCK, 3 * BLOCK + 5] {
            let (a, b) = (noise(len, 1), noise(len, 2));
            let expected: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a - b).collect();
            assert_eq!(zip_map(&a, &b, |a, b| a - b), expected);
        }
    }
}
