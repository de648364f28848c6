//! Similarity of heads, and clusters of similar heads.

use std::ops::Range;

use attn_tui_kernels::divergence::{self as kernels, LogRow, weighted_logs};
use attn_tui_kernels::threads;

use crate::error::{Error, Result};
use crate::matrix::Matrix;

/// The mean Jensen-Shannon divergence of two maps' rows in nats, `mean_i (H((p_i + q_i) / 2) - (H(p_i) +
/// H(q_i)) / 2)`: 0 for equal rows, `ln 2` for rows without a common key (Clark et al. 2019, "What Does BERT
/// Look At?", section 6, whose distance between heads it is). 0 for maps without rows.
///
/// # Errors
/// [`Error::Usage`] when the shapes differ.
pub fn divergence(a: &Matrix, b: &Matrix) -> Result<f32> {
    let pair = divergences(&[a.clone(), b.clone()])?;
    Ok(pair.get(0, 1).unwrap_or(0.0))
}

/// The [`divergence`] of every pair of `n` maps, `[n, n]`, symmetric, 0 on the diagonal.
///
/// # Errors
/// [`Error::Usage`] when the shapes differ.
pub fn divergences(maps: &[Matrix]) -> Result<Matrix> {
    let mut sums = DivergenceSums::new(maps.len());
    sums.add(maps)?;
    Ok(sums.finish())
}

/// Divergences of every pair of maps that come some rows at a time.
pub struct DivergenceSums {
    count: usize,
    rows: usize,
    /// Sum of each pair's divergences, `[count, count]`; pairs of equal or smaller second number stay 0.
    sums: Vec<f64>,
}

impl DivergenceSums {
    /// Starts the divergences of `count` maps.
    pub fn new(count: usize) -> Self {
        Self { count, rows: 0, sums: vec![0.0; count * count] }
    }

    /// Adds the next rows of all maps, on several threads.
    ///
    /// # Errors
    /// [`Error::Usage`] when there are not as many maps as before, or their shapes differ.
    pub fn add(&mut self, maps: &[Matrix]) -> Result<()> {
        let shape = |map: &Matrix| (map.rows(), map.cols());
        let [rows, cols] = maps.first().map_or([0; 2], |map| [map.rows(), map.cols()]);
        if maps.len() != self.count || maps.iter().any(|map| shape(map) != (rows, cols)) {
            return Err(Error::Usage("heads of different shapes cannot be compared".into()));
        }
        let tasks = rows.min(2 * threads::count());
        let sums = threads::map(tasks, usize::MAX, |task| {
            rows_divergences(maps, task * rows / tasks..(task + 1) * rows / tasks)
        });
        for part in sums {
            self.sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
        self.rows += rows;
        Ok(())
    }

    /// Returns the mean divergence of every pair, `[count, count]`.
    pub fn finish(self) -> Matrix {
        let mean = |a: usize, b: usize| {
            let sum = self.sums[a.min(b) * self.count + a.max(b)];
            (sum / self.rows.max(1) as f64).max(0.0) as f32
        };
        Matrix::from_fn(self.count, self.count, mean)
    }
}

/// Sums of the divergences of every pair of maps over some rows.
fn rows_divergences(maps: &[Matrix], rows: Range<usize>) -> Vec<f64> {
    /// Number of columns that are compared at once, so that those of all heads stay in the cache.
    const TILE: usize = 256;
    let count = maps.len();
    let cols = maps.first().map_or(0, Matrix::cols);
    let mut sums = vec![0.0; count * count];
    let mut logs = vec![0.0; count * TILE];
    for row in rows {
        for first in (0..cols).step_by(TILE) {
            let columns = first..cols.min(first + TILE);
            let weights = |map: usize| &maps[map].row(row)[columns.clone()];
            for (map, logs) in logs.chunks_mut(TILE).enumerate() {
                weighted_logs(weights(map), &mut logs[..columns.len()]);
            }
            let parts: Vec<LogRow> = (0..count)
                .zip(logs.chunks(TILE))
                .map(|(map, logs)| LogRow { weights: weights(map), logs: &logs[..columns.len()] })
                .collect();
            for (a, first) in parts.iter().enumerate() {
                for (b, second) in parts.iter().enumerate().skip(a + 1) {
                    sums[a * count + b] += f64::from(kernels::divergence(*first, *second));
                }
            }
        }
    }
    sums
}

/// Clusters `n` objects by their distances, `[n, n]` (average linkage, UPGMA): starting from singletons,
/// merges the two clusters with the smallest mean distance until `groups` are left. Returns the cluster of
/// each object, `[n]`; clusters are numbered by their first member. Of equally near pairs the first is
/// merged, so that results are stable.
pub fn cluster(distances: &Matrix, groups: usize) -> Vec<usize> {
    let n = distances.rows().min(distances.cols());
    let mut members: Vec<Vec<usize>> = (0..n).map(|i| vec![i]).collect();
    while members.len() > groups.max(1) {
        let mut best = (f64::INFINITY, 0, 1);
        for a in 0..members.len() {
            for b in a + 1..members.len() {
                let distance = linkage(distances, &members[a], &members[b]);
                if distance < best.0 {
                    best = (distance, a, b);
                }
            }
        }
        let joined = members.remove(best.2);
        members[best.1].extend(joined);
    }
    let mut labels = vec![0; n];
    for (label, group) in members.iter().enumerate() {
        for &i in group {
            labels[i] = label;
        }
    }
    labels
}

fn linkage(distances: &Matrix, a: &[usize], b: &[usize]) -> f64 {
    let pairs = a.iter().flat_map(|&i| b.iter().map(move |&j| (i, j)));
    let sum: f64 = pairs.filter_map(|(i, j)| distances.get(i, j)).map(f64::from).sum();
    sum / (a.len() * b.len()) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn divergence_has_its_bounds() {
        let (a, b) = (Matrix::new(1, 2, vec![1.0, 0.0]), Matrix::new(1, 2, vec![0.0, 1.0]));
        assert_eq!(divergence(&a, &a).unwrap(), 0.0);
        assert!((divergence(&a, &b).unwrap() - std::f32::consts::LN_2).abs() < 1e-6);
        assert!(divergence(&a, &Matrix::new(2, 1, vec![1.0, 1.0])).is_err());
    }

    #[test]
    fn near_things_share_a_group() {
        let places = [0.0f32, 5.0, 0.1, 5.2, 0.3];
        let distances = Matrix::from_fn(5, 5, |i, j| (places[i] - places[j]).abs());
        assert_eq!(cluster(&distances, 2), [0, 1, 0, 1, 0]);
        assert_eq!(cluster(&distances, 9), [0, 1, 2, 3, 4]);
        assert_eq!(cluster(&distances, 0), [0; 5]);
        assert!(cluster(&Matrix::new(0, 0, Vec::new()), 2).is_empty());
    }
}
