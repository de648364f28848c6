//! Front ends as data: the layers between a signal and the encoder.

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
    /// The operation after it.
    pub output: ConvOutput,
    /// Name of the norm over all channels and positions together after that.
    pub norm: Option<&'static str>,
}

/// Features that a speech model computes from samples before its convolutions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalKind {
    /// Log-mel spectrograms of a fixed window.
    LogMel,
    /// Filter banks of Kaldi.
    FilterBanks,
    /// Nothing: it reads samples.
    Samples,
}

/// Layers that turn a signal into the input of the encoder's first layer.
#[derive(Clone, Debug)]
pub enum FrontEndSpec {
    /// Convolutions over the features of a recording.
    Convolutions(ConvolutionsSpec),
    /// Embedding of the patches of a picture.
    Patches(PatchesSpec),
    /// Embedding of patches in variable numbers.
    VariablePatches(VariablePatchesSpec),
}

/// Front end that turns the features of a recording into the encoder's input. The encoder adds positions.
#[derive(Clone, Debug)]
pub struct ConvolutionsSpec {
    /// Values of one frame of features.
    pub bins: usize,
    /// The kind of the features.
    pub signal: SignalKind,
    /// Number of frames if the encoder always runs on as many, however short the recording is.
    pub frames: Option<usize>,
    /// Factor on the results of the last convolution.
    pub scale: f64,
    /// The convolutions, the first one first.
    pub convolutions: Vec<ConvSpec>,
}

impl ConvolutionsSpec {
    /// Number of feature frames from one encoder position to the next.
    pub fn stride(&self) -> usize {
        self.convolutions.iter().map(|conv| conv.stride.max(1)).product()
    }
}

/// Front end that turns a picture into the encoder's input, positions included: one state for each patch, row
/// by row, after those of the class tokens.
#[derive(Clone, Debug)]
pub struct PatchesSpec {
    /// Height and width of the picture in pixels.
    pub picture: [usize; 2],
    /// Height and width of a patch in pixels.
    pub patch: [usize; 2],
    /// Treatment of pixels at the far edges that fill no patch.
    pub edge: PatchEdge,
    /// Number of times that the encoder merges 2 x 2 patches into one.
    pub merges: u32,
    /// Name of the map from the pixels of a patch, without `.weight` and `.bias`.
    pub projection: &'static str,
    /// Learned tokens before the patches.
    pub class_tokens: &'static [ClassToken],
    /// Name of the norm of the patches' states.
    pub norm: Option<&'static str>,
    /// Name of the positions of class tokens and patches, `[1, positions, d_model]`.
    pub positions: Option<&'static str>,
}

/// Treatment of pixels at the far edges of a picture that fill no patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchEdge {
    /// They are left out.
    LeftOut,
    /// Values of 0 fill their patches up.
    FilledUp,
}

/// Front end that turns patches in variable numbers into the encoder's input, positions by row and by column
/// included.
#[derive(Clone, Copy, Debug)]
pub struct VariablePatchesSpec {
    /// Number of values of a patch.
    pub values: usize,
    /// Number of positions along each side, that of padding, 0, included.
    pub positions: usize,
    /// Name of the map from the values of a patch, without `.weight` and `.bias`.
    pub projection: &'static str,
    /// Name of the positions of rows, `[positions, d_model]`.
    pub rows: &'static str,
    /// Name of the positions of columns, `[positions, d_model]`.
    pub columns: &'static str,
}

/// Learned token before the patches of a picture.
#[derive(Clone, Copy, Debug)]
pub struct ClassToken {
    /// Name of its tensor, `[1, 1, d_model]`.
    pub tensor: &'static str,
    /// Its spelling on axes.
    pub label: &'static str,
}

impl PatchesSpec {
    /// Numbers of rows and columns of patches.
    pub fn grid(&self) -> [usize; 2] {
        [0, 1].map(|axis| match self.edge {
            PatchEdge::LeftOut => self.picture[axis] / self.patch[axis].max(1),
            PatchEdge::FilledUp => self.picture[axis].div_ceil(self.patch[axis].max(1)),
        })
    }

    /// Number of class tokens and patches that enter the encoder.
    pub fn positions(&self) -> usize {
        let [rows, columns] = self.grid();
        self.class_tokens.len() + rows * columns
    }

    /// Height and width, in pixels, of the patches that leave the encoder.
    pub fn merged_patch(&self) -> [usize; 2] {
        self.patch.map(|side| side << self.merges)
    }

    /// Numbers of rows and columns of patches that leave the encoder.
    pub fn merged_grid(&self) -> [usize; 2] {
        self.grid().map(|side| side.div_ceil(1 << self.merges))
    }
}
