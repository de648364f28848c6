//! Layers of a stack with stages: attention within windows, and the merging of patches after each stage (Liu et
//! al. 2021, Swin Transformer).

use super::builder::Builder;
use super::layer::Layer;
use super::spec::{NormKind, StackNames, StackSpec, StagesSpec};
use crate::error::{Error, Result};
use crate::nn::{PatchMerging, Windows};
use crate::site::Kind;

/// Added to the variance in norms outside the layers.
const EPS: f64 = 1e-5;

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
            let norm = self.norm(names.norm, NormKind::Layer { eps: EPS }, 4 * width)?;
            let map = self.linear(names.map, 4 * width, 2 * width, false)?;
            layer.merging = Some(PatchMerging::new(place.windows.patches, norm, map));
        }
        Ok(layer)
    }
}
