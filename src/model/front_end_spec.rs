//! Front end of a speech model as data.

use crate::nn::ConvOutput;

/// Convolution over time.
#[derive(Clone, Copy, Debug)]
pub struct ConvSpec {
    /// Name of its tensors, without `.weight` and `.bias`.
    pub name: &'static str,
    /// Channels in and out; a gate has twice as many out before it.
    pub channels: [usize; 2],
    /// Positions under the kernel.
    pub kernel: usize,
    /// Positions from one result to the next.
    pub stride: usize,
    /// Zeros before and after.
    pub padding: usize,
    /// True if it has a bias.
    pub bias: bool,
    /// What follows it.
    pub output: ConvOutput,
    /// Name of the norm over all channels and positions together after that.
    pub norm: Option<&'static str>,
}

/// What a speech model makes of samples before its convolutions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalKind {
    /// Log-mel spectrograms of a fixed window.
    LogMel,
    /// Filter banks of Kaldi.
    FilterBanks,
    /// Nothing: it reads samples.
    Samples,
}

/// Front end that turns the features of a recording into the encoder's input. The encoder adds positions.
#[derive(Clone, Debug)]
pub struct FrontEndSpec {
    /// Values of one frame of features.
    pub bins: usize,
    /// What the features are.
    pub signal: SignalKind,
    /// Number of frames if the encoder always runs on as many, however short the recording is.
    pub frames: Option<usize>,
    /// Factor on the results of the last convolution.
    pub scale: f64,
    /// The convolutions, the first one first.
    pub convolutions: Vec<ConvSpec>,
}

impl FrontEndSpec {
    /// Number of feature frames from one encoder position to the next.
    pub fn stride(&self) -> usize {
        self.convolutions.iter().map(|conv| conv.stride.max(1)).product()
    }
}
