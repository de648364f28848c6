//! Front end of a vision model: the embedding of the patches of a picture.

use candle_core::Tensor;

use super::builder::Builder;
use super::spec::PatchesSpec;
use crate::error::{Error, Result};
use crate::nn::Linear;

/// Colours of a pixel.
const COLOURS: usize = 3;

/// Embedding of the patches of a picture (Dosovitskiy et al. 2021).
pub(super) struct PatchEmbedding {
    spec: PatchesSpec,
    /// Map from the pixels of a patch, `[3, height, width]` in a row, to its state.
    map: Linear,
    /// States of the class tokens, `[1, tokens, d_model]`, if there are any.
    class_tokens: Option<Tensor>,
    /// `[1, positions, d_model]`
    positions: Tensor,
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
            positions: build.tensor(&[spec.positions], &[1, spec.positions(), width])?,
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
        let patches = pixels
            .narrow(1, 0, rows * high)?
            .narrow(2, 0, columns * wide)?
            .reshape(&[COLOURS, rows, high, columns, wide])?
            .permute(vec![1, 3, 0, 2, 4])?
            .reshape((1, rows * columns, COLOURS * high * wide))?;
        let states = self.map.forward(&patches.contiguous()?)?;
        let states = match &self.class_tokens {
            Some(tokens) => Tensor::cat(&[tokens, &states], 1)?,
            None => states,
        };
        Ok((states + &self.positions)?)
    }
}
