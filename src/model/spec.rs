//! Models as data: the blocks that they are made of, and the names of their tensors.

pub use super::front_end_spec::{
    ClassToken, ConvSpec, ConvolutionsSpec, FrontEndSpec, PatchEdge, PatchesSpec, SignalKind,
    VariablePatchesSpec,
};
pub use super::recurrent_spec::{RecurrentAttention, RecurrentSpec};
pub use super::stack_spec::{
    EmbeddingNorm, ExpertSpec, ExtraStatesSpec, GlobalTokensSpec, NgramStreamsSpec, NormKind, Placement,
    Positions, PromptSpec, RelativeBiasSpec, Rope, Span, Sparsity, StackSize, StackSpec, TransientGlobalSpec,
    TurningDims, head_dim,
};
pub use super::stages_spec::{MergingNames, StageSpec, StagesSpec};
pub use super::tensor_names::{AttentionNames, FfnNames, OutputNormNames, Projection, StackNames};

use crate::checkpoint::Architecture;
use crate::nn::Activation;

/// Map from the decoder's last states to scores over the vocabulary.
#[derive(Clone, Debug)]
pub struct LmHeadSpec {
    /// Names of its weight: one of its own before a tied embedding. The first one that exists counts.
    pub weight: &'static [&'static str],
    /// Factor on the states.
    pub scale: f64,
    /// Bias on the logits.
    pub bias: LmHeadBias,
    /// Layer before the map.
    pub transform: Option<LmHeadTransform>,
    /// Soft cap on the logits: `softcap * tanh(logit / softcap)`.
    pub softcap: Option<f64>,
}

impl LmHeadSpec {
    /// Creates a map without scale, bias, transform and soft cap.
    pub const fn new(weight: &'static [&'static str]) -> Self {
        Self { weight, scale: 1.0, bias: LmHeadBias::None, transform: None, softcap: None }
    }
}

/// Bias on the logits; a checkpoint may lack it.
#[derive(Clone, Copy, Debug)]
pub enum LmHeadBias {
    /// No bias.
    None,
    /// A tensor `[1, vocabulary]`.
    Row(&'static str),
    /// A tensor `[vocabulary]` under the first of these names that exists.
    Plain(&'static [&'static str]),
}

/// BERT's `norm(activation(dense(x)))` before the map to the vocabulary.
#[derive(Clone, Copy, Debug)]
pub struct LmHeadTransform {
    /// Name of the linear map, `d_model` to `d_model`.
    pub dense: &'static str,
    /// Activation after it.
    pub activation: Activation,
    /// Name of the normalisation.
    pub norm: &'static str,
}

/// An encoder-decoder Transformer.
#[derive(Clone, Debug)]
pub struct TransformerSpec {
    /// `model_type` of config.json.
    pub model_type: String,
    /// Encoder.
    pub encoder: StackSpec,
    /// Decoder.
    pub decoder: StackSpec,
    /// Name of the map from the encoder's width to the decoder's, if they differ.
    pub encoder_projection: Option<&'static str>,
    /// Map to the vocabulary.
    pub lm_head: LmHeadSpec,
    /// First decoder token, if config.json states it.
    pub start: Option<u32>,
    /// Token that ends a text.
    pub end: Option<u32>,
    /// True if the decoder input of a given target begins with the target's last token instead of the start
    /// token.
    pub wraps: bool,
    /// Front end of a model that hears or sees; `None` if the source is a text.
    pub front_end: Option<FrontEndSpec>,
    /// Tensors that a checkpoint may hold although the model does not use them; `*` stands for any
    /// characters.
    pub ignored: &'static [&'static str],
}

/// A model, as config.json describes it.
#[derive(Clone, Debug)]
pub enum ModelSpec {
    /// An encoder-decoder Transformer.
    Transformer(Box<TransformerSpec>),
    /// A recurrent encoder-decoder.
    Recurrent(RecurrentSpec),
}

impl ModelSpec {
    /// Returns `model_type` of config.json.
    pub fn model_type(&self) -> &str {
        match self {
            Self::Transformer(spec) => &spec.model_type,
            Self::Recurrent(spec) => &spec.model_type,
        }
    }

    /// Returns the kind of network.
    pub fn architecture(&self) -> Architecture {
        match self {
            Self::Transformer(_) => Architecture::Transformer,
            Self::Recurrent(_) => Architecture::Recurrent,
        }
    }

    /// Returns the numbers of encoder and decoder layers.
    pub fn layers(&self) -> (usize, usize) {
        match self {
            Self::Transformer(spec) => (spec.encoder.layers, spec.decoder.layers),
            Self::Recurrent(_) => (1, 1),
        }
    }

    /// Returns the largest numbers of heads in an encoder and a decoder layer.
    pub fn heads(&self) -> (usize, usize) {
        match self {
            Self::Transformer(spec) => (spec.encoder.most_heads(), spec.decoder.heads),
            Self::Recurrent(spec) => (0, usize::from(spec.attention != RecurrentAttention::None)),
        }
    }

    /// Returns the widths of the hidden states of encoder (both directions) and decoder.
    pub fn widths(&self) -> (usize, usize) {
        match self {
            Self::Transformer(spec) => (spec.encoder.d_model, spec.decoder.d_model),
            Self::Recurrent(spec) => (2 * spec.encoder, spec.decoder),
        }
    }

    /// Returns the number of tokens that the decoder chooses from.
    pub fn vocabulary(&self) -> usize {
        match self {
            Self::Transformer(spec) => spec.decoder.vocabulary,
            Self::Recurrent(spec) => spec.vocabulary,
        }
    }

    /// Returns the first decoder token, if config.json states it.
    pub fn start(&self) -> Option<u32> {
        match self {
            Self::Transformer(spec) => spec.start,
            Self::Recurrent(spec) => spec.start,
        }
    }

    /// Returns the number of the decoder's positions, if it has a learned table of them.
    pub fn target_positions(&self) -> Option<usize> {
        match self {
            Self::Transformer(spec) => match spec.decoder.positions {
                Positions::Learned { count, .. } => Some(count),
                _ => None,
            },
            Self::Recurrent(_) => None,
        }
    }

    /// Returns true if the decoder input of a given target begins with the target's last token instead of the
    /// start token.
    pub fn wraps(&self) -> bool {
        match self {
            Self::Transformer(spec) => spec.wraps,
            Self::Recurrent(_) => false,
        }
    }

    /// Returns the front end of a model that hears or sees.
    pub fn front_end(&self) -> Option<&FrontEndSpec> {
        match self {
            Self::Transformer(spec) => spec.front_end.as_ref(),
            Self::Recurrent(_) => None,
        }
    }

    /// Returns true if positions of the source merge from layer to layer of the encoder.
    pub fn merges_positions(&self) -> bool {
        matches!(self, Self::Transformer(spec) if spec.encoder.stages.is_some())
    }

    /// Returns the token that ends a text.
    pub fn end(&self) -> Option<u32> {
        match self {
            Self::Transformer(spec) => spec.end,
            Self::Recurrent(spec) => spec.end,
        }
    }
}
