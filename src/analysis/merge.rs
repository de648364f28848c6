//! Aggregation of heads and layers into one map: mean, maximum, attention rollout.

use crate::error::{Error, Result};
use crate::matrix::Matrix;

/// Method of merging several maps into one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Merge {
    /// Mean of each cell. Rows sum to 1.
    #[default]
    Mean,
    /// Maximum of each cell. Rows sum to 1 or more.
    Max,
}

/// Merges several `[queries, keys]` maps into one of the same shape.
pub fn merge(maps: &[Matrix], how: Merge) -> Result<Matrix> {
    let (rows, cols) = common_shape(maps)?;
    let mut data = vec![0.0f32; rows * cols];
    for map in maps {
        for (cell, &weight) in data.iter_mut().zip(map.as_slice()) {
            *cell = match how {
                Merge::Mean => *cell + weight,
                Merge::Max => cell.max(weight),
            };
        }
    }
    if how == Merge::Mean {
        let count = maps.len() as f32;
        data.iter_mut().for_each(|cell| *cell /= count);
    }
    Ok(Matrix::new(rows, cols, data))
}

/// Attention rollout of a self-attention stack: `R_l = ((1 - residual) A_l + residual I) R_{l-1}`, `R_0 = I`
/// (Abnar and Zuidema 2020, "Quantifying Attention Flow in Transformers", whose `residual` is 0.5).
/// `layers` are head-averaged maps `[n, n]`, the first layer first; so is the result, whose cell (i, j) says
/// how much of position `i` above the last layer comes from input `j`. Rows sum to 1.
///
/// # Errors
/// [`Error::Usage`] when there is no layer, or the maps are not square and equal in size.
pub fn rollout(layers: &[Matrix], residual: f32) -> Result<Matrix> {
    let (rows, cols) = common_shape(layers)?;
    if rows != cols {
        return Err(Error::Usage(
            "rollout needs square self-attention maps: run a recording with --padding".into(),
        ));
    }
    Ok(layers.iter().fold(identity(rows), |below, layer| product(&mixed(layer, residual), &below)))
}

/// Shares of each target position that come from the source and from the target prefix.
#[derive(Clone, Debug, PartialEq)]
pub struct CrossRollout {
    /// Shares of the source, `[target, source]`.
    pub source: Matrix,
    /// Shares of the decoder input, `[target, target]`. Rows of both together sum to 1.
    pub prefix: Matrix,
}

impl CrossRollout {
    /// Total share of the source in each target position, `[target]`, 0 to 1; the rest comes from the
    /// prefix.
    pub fn source_shares(&self) -> Vec<f32> {
        (0..self.source.rows()).map(|t| self.source.row(t).iter().sum()).collect()
    }
}

/// Rollout through an encoder-decoder (Ferrando et al. 2022, "Towards Opening the Black Box of Neural
/// Machine Translation", section 3, here with attention weights as contributions): `S_l = residual * ((1 -
/// residual) self_l + residual I)`, `C_l = (1 - residual) cross_l`, `Rsrc_l = S_l Rsrc_{l-1} + C_l R_enc`,
/// `Rtgt_l = S_l Rtgt_{l-1}`, from `Rsrc_0 = 0`, `Rtgt_0 = I`. `encoder` is the encoder's rollout,
/// `[source, source]`; `own` and `cross` are the head-averaged maps of the decoder's layers, `[target,
/// target]` and `[target, source]`. With one residual share for all layers and rows, as here, every row
/// draws `1 - residual^layers` from the source: what differs between rows is from which tokens. That is no
/// mistake: weights alone say nothing of how much the residual stream counts beside them. Shares that
/// differ need contributions measured with the values: [`super::alti::alti_plus`].
///
/// # Errors
/// [`Error::Usage`] when the layers are none or unequal in number, or shapes do not fit.
pub fn cross_rollout(
    encoder: &Matrix,
    own: &[Matrix],
    cross: &[Matrix],
    residual: f32,
) -> Result<CrossRollout> {
    let self_parts: Vec<_> = own.iter().map(|map| scaled(&mixed(map, residual), residual)).collect();
    let cross_parts: Vec<_> = cross.iter().map(|cross| scaled(cross, 1.0 - residual)).collect();
    descend(encoder, &self_parts, &cross_parts)
}

/// Propagates through a decoder: layer `l` keeps `self_parts` `[target, target]` of its positions and draws
/// `cross_parts` `[target, source]` from the encoder's output; rows of both together sum to 1.
pub(super) fn descend(
    encoder: &Matrix,
    self_parts: &[Matrix],
    cross_parts: &[Matrix],
) -> Result<CrossRollout> {
    let (target, width) = common_shape(self_parts)?;
    let (rows, source) = common_shape(cross_parts)?;
    let fits = self_parts.len() == cross_parts.len()
        && target == width
        && rows == target
        && (encoder.rows(), encoder.cols()) == (source, source);
    if !fits {
        return Err(Error::Usage("rollout needs the maps of every decoder layer, of one run".into()));
    }
    let start = CrossRollout {
        source: Matrix::new(target, source, vec![0.0; target * source]),
        prefix: identity(target),
    };
    Ok(self_parts.iter().zip(cross_parts).fold(start, |below, (self_parts, cross_parts)| CrossRollout {
        source: sum(&product(self_parts, &below.source), &product(cross_parts, encoder)),
        prefix: product(self_parts, &below.prefix),
    }))
}

pub(super) fn common_shape(maps: &[Matrix]) -> Result<(usize, usize)> {
    let first = maps.first().ok_or_else(|| Error::Usage("there are no maps to merge".into()))?;
    let shape = (first.rows(), first.cols());
    if maps.iter().any(|map| (map.rows(), map.cols()) != shape) {
        return Err(Error::Usage("maps of different shapes cannot be merged".into()));
    }
    Ok(shape)
}

pub(super) fn identity(size: usize) -> Matrix {
    Matrix::from_fn(size, size, |i, j| if i == j { 1.0 } else { 0.0 })
}

fn scaled(a: &Matrix, factor: f32) -> Matrix {
    Matrix::new(a.rows(), a.cols(), a.as_slice().iter().map(|v| v * factor).collect())
}

pub(super) fn sum(a: &Matrix, b: &Matrix) -> Matrix {
    Matrix::new(a.rows(), a.cols(), a.as_slice().iter().zip(b.as_slice()).map(|(a, b)| a + b).collect())
}

/// `(1 - residual) a + residual I`.
fn mixed(a: &Matrix, residual: f32) -> Matrix {
    Matrix::from_fn(a.rows(), a.cols(), |i, j| {
        (1.0 - residual) * a.row(i)[j] + if i == j { residual } else { 0.0 }
    })
}

pub(super) fn product(a: &Matrix, b: &Matrix) -> Matrix {
    let cols = b.cols();
    let mut data = vec![0.0f32; a.rows() * cols];
    if cols > 0 {
        for (i, out) in data.chunks_exact_mut(cols).enumerate() {
            for (k, &factor) in a.row(i).iter().enumerate() {
                for (cell, &value) in out.iter_mut().zip(b.row(k)) {
                    *cell += factor * value;
                }
            }
        }
    }
    Matrix::new(a.rows(), cols, data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_needs_equal_shapes() {
        let (a, b) = (Matrix::new(1, 2, vec![0.2, 0.8]), Matrix::new(1, 2, vec![0.6, 0.4]));
        assert_eq!(merge(&[a.clone(), b.clone()], Merge::Mean).unwrap().as_slice(), &[0.4, 0.6]);
        assert_eq!(merge(&[a.clone(), b], Merge::Max).unwrap().as_slice(), &[0.6, 0.8]);
        assert!(merge(&[a, Matrix::new(2, 1, vec![1.0, 1.0])], Merge::Mean).is_err());
        assert!(merge(&[], Merge::Mean).is_err());
    }

    #[test]
    fn without_attention_a_position_is_itself() {
        let map = Matrix::new(2, 2, vec![0.5, 0.5, 0.1, 0.9]);
        assert_eq!(rollout(&[map.clone(), map.clone()], 1.0).unwrap(), identity(2));
        assert_eq!(rollout(std::slice::from_ref(&map), 0.0).unwrap(), map);
        assert!(rollout(&[Matrix::new(1, 2, vec![0.5, 0.5])], 0.5).is_err());
    }
}
