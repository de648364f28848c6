//! Similarity of heads, and clusters of similar heads.

use crate::error::{Error, Result};
use crate::matrix::Matrix;

/// The mean Jensen-Shannon divergence of two maps' rows in nats, `mean_i (H((p_i + q_i) / 2) - (H(p_i) +
/// H(q_i)) / 2)`: 0 for equal rows, `ln 2` for rows without a common key (Clark et al. 2019, "What Does BERT
/// Look At?", section 6, whose distance between heads it is). 0 for maps without rows.
///
/// # Errors
/// [`Error::Usage`] when the shapes differ.
pub fn divergence(a: &Matrix, b: &Matrix) -> Result<f32> {
    if (a.rows(), a.cols()) != (b.rows(), b.cols()) {
        return Err(Error::Usage("heads of different shapes cannot be compared".into()));
    }
    let cells = a.as_slice().iter().zip(b.as_slice());
    let total: f64 = cells.map(|(&p, &q)| cell(f64::from(p), f64::from(q))).sum();
    Ok((total / a.rows().max(1) as f64).max(0.0) as f32)
}

/// Contribution of one key to the divergence of two rows.
fn cell(p: f64, q: f64) -> f64 {
    let term = |x: f64, mean: f64| if x > 0.0 { x * (x / mean).ln() } else { 0.0 };
    let mean = (p + q) / 2.0;
    (term(p, mean) + term(q, mean)) / 2.0
}

/// The [`divergence`] of every pair of `n` maps, `[n, n]`, symmetric, 0 on the diagonal.
///
/// # Errors
/// [`Error::Usage`] when the shapes differ.
pub fn divergences(maps: &[Matrix]) -> Result<Matrix> {
    let n = maps.len();
    let mut data = vec![0.0; n * n];
    for (a, first) in maps.iter().enumerate() {
        for (b, second) in maps.iter().enumerate().skip(a + 1) {
            let value = divergence(first, second)?;
            data[a * n + b] = value;
            data[b * n + a] = value;
        }
    }
    Ok(Matrix::new(n, n, data))
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
