//! Front end of a speech model as data.

use crate::nn::Activation;

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
