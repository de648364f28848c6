//! Layers of a stack with stages: attention within windows, and the merging of patches after each stage (Liu et
//! al. 2021, Swin Transformer).

use candle_core::{DType, Tensor};

use super::builder::Builder;
use super::layer::Layer;
use super::spec::{NormKind, StackNames, StackSpec, StagesSpec};
use crate::error::{Error, Result};
use crate::nn::{Linear, Norm, Ragged, Windows};
use crate::site::Kind;

/// Added to the variance in norms outside the layers.
const EPS: f64 = 1e-5;

/// Merging of 2 x 2 patches into one. An odd grid is filled up with patches of zeros.
#[derive(Clone)]
pub(super) struct PatchMerging {
    /// Patch at each place, four for each merged one; the number of patches for one that fills.
    order: Vec<u32>,
    /// Norm of the joined states.
    norm: Norm,
    /// Map to the next stage's width.
    map: Linear,
}

impl PatchMerging {
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

impl Builder<'_> {
    /// Builds layer `index` of an encoder with stages.
    pub fn staged_layer(&self, spec: &StackSpec, stages: &StagesSpec, index: usize) -> Result<Layer> {
        let missing = || Error::Config(format!("there is no stage with layer {index}"));
        let place = stages.place(index).ok_or_else(missing)?;
        let stage = place.stage;
        let of_stage = StackSpec {
            d_model: stage.d_model,
            heads: stage.heads,
            key_heads: stage.heads,
            head_dim: stage.head_dim,
            ffn_dim: stage.ffn_dim,
            score_scale: (stage.head_dim as f64).powf(-0.5),
            names: StackNames { layer: stage.layer, ..spec.names },
            stages: None,
            ..spec.clone()
        };
        let mut layer = self.layer(&of_stage, Kind::Encoder, place.layer)?;
        let name = format!("{}.{}", stage.layer.replace("{}", &place.layer.to_string()), stages.bias);
        let offsets = (2 * stages.window).saturating_sub(1).pow(2);
        let bias = self.tensor(&[&name], &[offsets, stage.heads])?;
        if place.windows.side < stages.window {
            // The reference fails, too: its bias is that of whole windows.
            let [rows, columns] = place.windows.patches;
            return Err(Error::Config(format!(
                "a window of {} patches does not fit a picture of {columns} x {rows} patches",
                stages.window
            )));
        }
        layer.windows = Some(Windows::new(place.windows, &bias)?);
        if let Some(names) = stage.merging.filter(|_| place.layer + 1 == stage.layers) {
            let width = stage.d_model;
            layer.merging = Some(PatchMerging {
                order: merging_order(place.windows.patches),
                norm: self.norm(names.norm, NormKind::Layer { eps: EPS }, 4 * width)?,
                map: self.linear(names.map, 4 * width, 2 * width, false)?,
            });
        }
        Ok(layer)
    }
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
