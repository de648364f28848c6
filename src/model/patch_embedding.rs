//! Front end of a vision model: the embedding of the patches of a picture.

use candle_core::Tensor;

use super::builder::Builder;
use super::spec::{NormKind, PatchEdge, PatchesSpec};
use crate::error::{Error, Result};
use crate::nn::{Linear, Norm};

/// Colours of a pixel.
const COLOURS: usize = 3;

/// Added to the variance in the norm of the patches.
const EPS: f64 = 1e-5;

/// Embedding of the patches of a picture (Dosovitskiy et al. 2021).
pub(super) struct PatchEmbedding {
    spec: PatchesSpec,
    /// Map from the pixels of a patch, `[3, height, width]` in a row, to its state.
    map: Linear,
    /// States of the class tokens, `[1, tokens, d_model]`, if there are any.
    class_tokens: Option<Tensor>,
    norm: Option<Norm>,
    /// `[1, positions, d_model]`
    positions: Option<Tensor>,
}

impl PatchEmbedding {
    /// Builds the embedding from a checkpoint's tensors; states are `width` wide.
    pub fn new(build: &Builder, spec: &PatchesSpec, width: usize) -> Result<Self> {
        let [height, wide] = spec.patch;
        let weight = format!("{}.weight", spec.projection);
        let weight = build.tensor(&[&weight], &[width, COLOURS, height, wide])?;
        let weight = weight.reshape((width, COLOURS * height * wide))?;
        let bias = build.tensor(&[&format!("{}.bias", spec.projection)], &[width])?;
        let tokens = spec.class_tokens.iter().map(|token| build.tensor(&[token.tensor], &[1, 1, width]));
        let tokens = tokens.collect::<Result<Vec<_>>>()?;
        Ok(Self {
            map: Linear::new(weight, Some(bias)),
            class_tokens: if tokens.is_empty() { None } else { Some(Tensor::cat(&tokens, 1)?) },
            norm: spec.norm.map(|name| build.norm(name, NormKind::Layer { eps: EPS }, width)).transpose()?,
            positions: spec
                .positions
                .map(|name| build.tensor(&[name], &[1, spec.positions(), width]))
                .transpose()?,
            spec: spec.clone(),
        })
    }

    /// Embeds pixels `[3, height, width]`. Returns `[1, positions, d_model]`, positions included.
    ///
    /// # Errors
    /// [`Error::Text`] for a picture of another size than the model reads.
    pub fn forward(&self, pixels: &Tensor) -> Result<Tensor> {
        let [height, width] = self.spec.picture;
        if pixels.dims() != [COLOURS, height, width] {
            return Err(Error::Text(format!(
                "the model reads pictures of {width} x {height} pixels, not pixels of shape {:?}",
                pixels.dims()
            )));
        }
        let [rows, columns] = self.spec.grid();
        let [high, wide] = self.spec.patch;
        let covered = match self.spec.edge {
            PatchEdge::LeftOut => pixels.narrow(1, 0, rows * high)?.narrow(2, 0, columns * wide)?,
            PatchEdge::FilledUp => pixels.pad_with_zeros(1, 0, rows * high - height)?.pad_with_zeros(
                2,
                0,
                columns * wide - width,
            )?,
        };
        let patches = covered
            .reshape(&[COLOURS, rows, high, columns, wide])?
            .permute(vec![1, 3, 0, 2, 4])?
            .reshape((1, rows * columns, COLOURS * high * wide))?;
        let states = self.map.forward(&patches.contiguous()?)?;
        let states = match &self.class_tokens {
            Some(tokens) => Tensor::cat(&[tokens, &states], 1)?,
            None => states,
        };
        let states = match &self.norm {
            Some(norm) => norm.forward(&states)?,
            None => states,
        };
        match &self.positions {
            Some(positions) => Ok((states + positions)?),
            None => Ok(states),
        }
    }
}
