//! Merging of the patches of a picture (Liu et al. 2021, Swin Transformer).

use candle_core::{DType, Tensor};

use super::{Linear, Norm, Ragged};
use crate::error::Result;

/// Merging of 2 x 2 patches into one. An odd grid is filled up with patches of zeros.
#[derive(Clone, Debug)]
pub struct PatchMerging {
    /// Patch at each place, four for each merged one; the number of patches for one that fills.
    order: Vec<u32>,
    /// Norm of the joined states.
    norm: Norm,
    /// Map to the next stage's width.
    map: Linear,
}

impl PatchMerging {
    /// Creates the merging of rows and columns of patches. The norm is that of four joined states; the map leads from
    /// there to the next stage's width.
    pub fn new(grid: [usize; 2], norm: Norm, map: Linear) -> Self {
        Self { order: merging_order(grid), norm, map }
    }

    /// Merges the patches of each sequence, `[1, patches, d_model]`.
    pub fn forward(&self, x: &Ragged) -> Result<Ragged> {
        let merged = x.parts()?.into_iter().map(|part| {
            let (_, _, width) = part.dims3()?;
            let filling = Tensor::zeros((1, 1, width), DType::F32, part.device())?;
            let order = Tensor::from_slice(&self.order, self.order.len(), part.device())?;
            let joined = Tensor::cat(&[&part, &filling], 1)?.index_select(&order, 1)?;
            let joined = joined.reshape((1, self.order.len() / 4, 4 * width))?;
            self.map.forward(&self.norm.forward(&joined)?)
        });
        Ragged::join(&merged.collect::<Result<Vec<_>>>()?)
    }
}

/// Patches that merge, four for each merged one: upper left, lower left, upper right, lower right.
fn merging_order([rows, columns]: [usize; 2]) -> Vec<u32> {
    let corners =
        (0..rows).step_by(2).flat_map(|row| (0..columns).step_by(2).map(move |column| [row, column]));
    let four = corners.flat_map(|[row, column]| {
        [[row, column], [row + 1, column], [row, column + 1], [row + 1, column + 1]]
    });
    let filling = rows * columns;
    let patch = |[row, column]: [usize; 2]| {
        if row < rows && column < columns { row * columns + column } else { filling }
    };
    four.map(|place| patch(place) as u32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_neighbours_merge_and_an_odd_edge_is_filled_up() {
        assert_eq!(merging_order([2, 3]), [0, 3, 1, 4, 2, 5, 6, 6]);
        assert_eq!(merging_order([1, 2]), [0, 2, 1, 2]);
    }
}
