//! Relevance of source and prefix tokens for one score, from attention weights times their gradients (Chefer,
//! Gur and Wolf 2021, "Generic Attention-model Explainability for Interpreting Bi-Modal and Encoder-Decoder
//! Transformers").

use super::merge::{identity, product, sum};
use crate::error::{Error, Result};
use crate::matrix::Matrix;

/// Means over heads of `(A dL/dA)+` in every layer, the first layer first (equation 5).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WeightedGradients {
    /// Encoder self-attention, `[source, source]`.
    pub encoder: Vec<Matrix>,
    /// Decoder self-attention, `[target, target]`.
    pub decoder: Vec<Matrix>,
    /// Cross-attention, `[target, source]`.
    pub cross: Vec<Matrix>,
}

/// Relevance of the source, `[target, source]`, and of the decoder input, `[target, target]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Relevance {
    /// Of the source.
    pub source: Matrix,
    /// Of the decoder input.
    pub prefix: Matrix,
}

impl WeightedGradients {
    /// Propagates relevance through the layers. Self-attention adds `A R` to `R` (equations 6 and 7), and
    /// cross-attention adds `norm(Rqq)ᵀ A norm(Rii)` to the relevance of the source (equation 10), where `norm`
    /// scales each row of `R - I` to sum to 1 (equations 8 and 9). A row that has no relevance but its own keeps
    /// it: rows after the one that is explained have none, where the paper would divide 0 by 0.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is no layer, or layers have different shapes.
    pub fn relevance(&self) -> Result<Relevance> {
        let shape = |maps: &[Matrix]| maps.first().map(|map| (map.rows(), map.cols()));
        let shapes = [shape(&self.encoder), shape(&self.decoder), shape(&self.cross)];
        let [Some((source, _)), Some((target, _)), Some(_)] = shapes else {
            return Err(Error::Usage("relevance needs encoder, decoder and cross-attention".into()));
        };
        let fits =
            |maps: &[Matrix], rows, cols| maps.iter().all(|map| (map.rows(), map.cols()) == (rows, cols));
        let fits = fits(&self.encoder, source, source)
            && fits(&self.decoder, target, target)
            && fits(&self.cross, target, source)
            && self.decoder.len() == self.cross.len();
        if !fits {
            return Err(Error::Usage("relevance needs the maps of every layer, of one run".into()));
        }
        let add = |map: &Matrix, below: &Matrix| sum(below, &product(map, below));
        let encoder = self.encoder.iter().fold(identity(source), |below, map| add(map, &below));
        let encoder = normalised(&encoder);
        let mut relevance = Relevance {
            source: Matrix::new(target, source, vec![0.0; target * source]),
            prefix: identity(target),
        };
        for (own, cross) in self.decoder.iter().zip(&self.cross) {
            relevance =
                Relevance { source: add(own, &relevance.source), prefix: add(own, &relevance.prefix) };
            let prefix = normalised(&relevance.prefix);
            let transposed = Matrix::from_fn(target, target, |i, j| prefix.row(j)[i]);
            let drawn = product(&transposed, &product(cross, &encoder));
            relevance.source = sum(&relevance.source, &drawn);
        }
        Ok(relevance)
    }
}

/// Scales each row of `a - I` to sum to 1, and adds `I` again.
fn normalised(a: &Matrix) -> Matrix {
    let rest = |i: usize, j: usize| a.row(i)[j] - if i == j { 1.0 } else { 0.0 };
    let sums: Vec<f32> = (0..a.rows()).map(|i| (0..a.cols()).map(|j| rest(i, j)).sum()).collect();
    Matrix::from_fn(a.rows(), a.cols(), |i, j| {
        let scaled = if sums[i] > 0.0 { rest(i, j) / sums[i] } else { 0.0 };
        scaled + if i == j { 1.0 } else { 0.0 }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relevance_follows_the_rules() {
        // Worked by hand for one encoder layer, two decoder layers, and the second of two rows.
        let map = |rows: usize, values: &[f32]| Matrix::new(rows, values.len() / rows, values.to_vec());
        let layers = WeightedGradients {
            encoder: vec![map(2, &[0.0, 0.5, 0.25, 0.25])],
            decoder: vec![map(2, &[0.0, 0.0, 0.5, 0.0]), map(2, &[0.0, 0.0, 1.0, 1.0])],
            cross: vec![map(2, &[0.0, 0.0, 1.0, 2.0]), map(2, &[0.0, 0.0, 0.0, 4.0])],
        };
        let found = layers.relevance().unwrap();
        // norm(Rii) = [[1, 1], [0.5, 1.5]]. First layer: norm(Rqq) = [[1, 0], [1, 1]], and [1, 2] of cross-attention
        // gives [2, 4] to both rows. Second: self-attention makes [6, 12] of the second row; norm(Rqq) has 4/3 at
        // its end, and [0, 4] of cross-attention gives 4/3 * [2, 6].
        let expected = [6.0 + 8.0 / 3.0, 12.0 + 8.0];
        assert!(found.source.row(1).iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{found:?}");
        // [0.5, 1] + 1 * [1, 0] + 1 * [0.5, 1]
        assert_eq!(found.prefix.row(1), [2.0, 2.0]);
    }
}
