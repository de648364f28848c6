//! Element-wise functions of slices.

use super::threads::{self, SharedPtr};

/// Values per task.
const BLOCK: usize = 1 << 15;

/// Returns `f(a, b)` for every pair of values of `a` and `b`, computed on the current threads.
///
/// # Panics
/// If the lengths differ.
pub fn zip_map(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32 + Sync + Send) -> Vec<f32> {
    assert_eq!(a.len(), b.len());
    let fill = |out: SharedPtr| {
        threads::for_each(a.len().div_ceil(BLOCK), a.len(), |task| {
            let block = task * BLOCK..a.len().min((task + 1) * BLOCK);
            for (at, (&a, &b)) in block.clone().zip(a[block.clone()].iter().zip(&b[block])) {
                // SAFETY: the blocks are disjoint and lie within the output.
                unsafe { out.at(at).write(f(a, b)) };
            }
        });
    };
    // SAFETY: the blocks are all values.
    unsafe { threads::filled_vec(a.len(), fill) }
}

/// Returns a copy of `values`. Several threads write it, because the first write to each fresh page is slow.
pub fn copied(values: &[f32]) -> Vec<f32> {
    let fill = |out: SharedPtr| {
        threads::for_each(values.len().div_ceil(BLOCK), values.len(), |task| {
            let block = &values[task * BLOCK..values.len().min((task + 1) * BLOCK)];
            // SAFETY: the blocks are disjoint and lie within the output, which is fresh memory.
            unsafe { out.at(task * BLOCK).copy_from_nonoverlapping(block.as_ptr(), block.len()) };
        });
    };
    // SAFETY: the blocks are all values.
    unsafe { threads::filled_vec(values.len(), fill) }
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
            assert_eq!(copied(&a), a);
        }
    }
}
