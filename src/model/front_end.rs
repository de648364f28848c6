//! Front end of a speech model: convolutions between features and the encoder's first layer.

use candle_core::Tensor;

use super::builder::Builder;
use crate::error::{Error, Result};
use crate::nn::{Activation, Conv1d};

/// Convolution over time.
#[derive(Clone, Copy, Debug)]
pub struct ConvSpec {
    /// Name of its tensors, without `.weight` and `.bias`.
    pub name: &'static str,
    /// Channels in and out.
    pub channels: [usize; 2],
    /// Positions under the kernel.
    pub kernel: usize,
    /// Positions from one result to the next.
    pub stride: usize,
    /// Zeros before and after.
    pub padding: usize,
    /// Activation after it.
    pub activation: Activation,
}

/// Front end that turns the features of a recording into the encoder's input. The encoder adds positions.
#[derive(Clone, Debug)]
pub struct FrontEndSpec {
    /// Values of one frame of features.
    pub bins: usize,
    /// Number of frames; the encoder runs on all of them, however short the recording is.
    pub frames: usize,
    /// The convolutions, the first one first.
    pub convolutions: Vec<ConvSpec>,
}

impl FrontEndSpec {
    /// Number of feature frames from one encoder position to the next.
    pub fn stride(&self) -> usize {
        self.convolutions.iter().map(|conv| conv.stride.max(1)).product()
    }
}

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
