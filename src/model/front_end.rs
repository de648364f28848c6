//! Front ends: the layers between a signal and the encoder's first layer.

use candle_core::Tensor;

use super::builder::Builder;
use super::convolutions::Convolutions;
use super::patch_embedding::PatchEmbedding;
use super::spec::FrontEndSpec;
use super::variable_patches::VariablePatches;
use crate::error::Result;

/// The front end of a model whose source is no text.
pub(super) enum FrontEnd {
    /// That of a speech model.
    Convolutions(Convolutions),
    /// That of a vision model that reads pictures of one size.
    Patches(PatchEmbedding),
    /// That of a vision model that reads patches in variable numbers.
    VariablePatches(VariablePatches),
}

impl FrontEnd {
    /// Builds the layers from a checkpoint's tensors; states are `width` wide.
    pub fn new(build: &Builder, spec: &FrontEndSpec, width: usize) -> Result<Self> {
        Ok(match spec {
            FrontEndSpec::Convolutions(spec) => Self::Convolutions(Convolutions::new(build, spec)?),
            FrontEndSpec::Patches(spec) => Self::Patches(PatchEmbedding::new(build, spec, width)?),
            FrontEndSpec::VariablePatches(spec) => {
                Self::VariablePatches(VariablePatches::new(build, spec, width)?)
            }
        })
    }

    /// Returns true if the states have their positions already.
    pub fn has_positions(&self) -> bool {
        matches!(self, Self::Patches(_) | Self::VariablePatches(_))
    }

    /// Applies the layers to features `[1, frames, bins]`, pixels `[3, height, width]` or patches `[rows, columns,
    /// values]`. Returns `[1, positions, d_model]`.
    ///
    /// # Errors
    /// [`crate::error::Error::Text`] if there are more or fewer of them than the model reads.
    pub fn forward(&self, features: &Tensor) -> Result<Tensor> {
        match self {
            Self::Convolutions(convolutions) => convolutions.forward(features),
            Self::Patches(embedding) => embedding.forward(features),
            Self::VariablePatches(embedding) => embedding.forward(features),
        }
    }
}
