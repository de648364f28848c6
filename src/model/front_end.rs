//! Front end of a speech model: convolutions between features and the encoder's first layer.

use candle_core::Tensor;

use super::builder::Builder;
use super::spec::{ConvSpec, FrontEndSpec};
use crate::error::{Error, Result};
use crate::nn::Conv1d;

/// The convolutions of a speech model.
pub(super) struct FrontEnd {
    spec: FrontEndSpec,
    convolutions: Vec<Conv1d>,
}

impl FrontEnd {
    /// Builds the convolutions from a checkpoint's tensors.
    pub fn new(build: &Builder, spec: &FrontEndSpec) -> Result<Self> {
        let conv = |conv: &ConvSpec| {
            let [inputs, outputs] = conv.channels;
            let weight =
                build.tensor(&[&format!("{}.weight", conv.name)], &[outputs, inputs, conv.kernel])?;
            let bias = build.tensor(&[&format!("{}.bias", conv.name)], &[outputs])?;
            Conv1d::new(&weight, Some(bias), [conv.stride, conv.padding], conv.activation)
        };
        Ok(Self {
            spec: spec.clone(),
            convolutions: spec.convolutions.iter().map(conv).collect::<Result<_>>()?,
        })
    }

    /// Applies the convolutions to features `[1, frames, bins]`. Returns `[1, positions, d_model]`.
    ///
    /// # Errors
    /// [`Error::Text`] if there are more or fewer features than the model reads.
    pub fn forward(&self, features: &Tensor) -> Result<Tensor> {
        let FrontEndSpec { bins, frames, .. } = self.spec;
        if features.dims() != [1, frames, bins] {
            return Err(Error::Text(format!(
                "the model reads {frames} frames of {bins} bins, not features of shape {:?}",
                features.dims()
            )));
        }
        self.convolutions.iter().try_fold(features.clone(), |x, conv| conv.forward(&x))
    }
}
