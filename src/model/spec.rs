//! What a model is made of, as data.

use crate::nn::{Activation, Sinusoid};

/// Which normalisation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NormKind {
    /// Layer norm with a bias.
    Layer {
        /// Added to the variance.
        eps: f64,
    },
    /// Root mean square, no bias.
    Rms {
        /// Added to the mean square.
        eps: f64,
    },
}

/// Where a block's normalisation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// `x + f(norm(x))`
    Pre,
    /// `norm(x + f(x))`
    Post,
}

/// When the embeddings are normalised, where they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmbeddingNorm {
    /// Tokens and positions together.
    AfterPositions,
    /// Tokens alone.
    BeforePositions,
}

/// Absolute positions, added to the embeddings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Positions {
    /// None: the position bias does the work.
    None,
    /// A learned table whose row `offset` is position 0.
    Learned {
        /// Rows before position 0.
        offset: usize,
        /// Positions that the config promises.
        count: usize,
    },
    /// Sines and cosines.
    Sinusoid {
        /// Which frequencies.
        formula: Sinusoid,
        /// The number of position 0.
        offset: usize,
        /// Positions that a stored table has.
        count: usize,
    },
}

/// T5's relative position bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BiasSpec {
    /// Number of buckets.
    pub buckets: usize,
    /// Distance from which on all share the last bucket.
    pub max_distance: usize,
    /// Whether each layer has a table of its own; otherwise the first layer's serves all.
    pub per_layer: bool,
}

/// Names of an attention block's tensors, relative to the layer and without `.weight`/`.bias`.
#[derive(Clone, Copy, Debug)]
pub struct AttentionNames {
    /// Query projection.
    pub query: &'static str,
    /// Key projection.
    pub key: &'static str,
    /// Value projection.
    pub value: &'static str,
    /// Output projection.
    pub output: &'static str,
    /// Its normalisation.
    pub norm: &'static str,
}

/// Names of a feed-forward block's tensors, relative to the layer and without `.weight`/`.bias`.
#[derive(Clone, Copy, Debug)]
pub struct FfnNames {
    /// `d_model` to `ffn_dim`.
    pub up: &'static str,
    /// The same through the activation, where it is gated.
    pub gate: Option<&'static str>,
    /// `ffn_dim` to `d_model`.
    pub down: &'static str,
    /// Its normalisation.
    pub norm: &'static str,
}

/// Names of a stack's tensors. `{}` stands for the layer.
#[derive(Clone, Debug)]
pub struct StackNames {
    /// A layer's prefix, such as `model.encoder.layers.{}`.
    pub layer: &'static str,
    /// Self-attention.
    pub own: AttentionNames,
    /// Cross-attention; decoders only.
    pub cross: Option<AttentionNames>,
    /// Feed-forward.
    pub ffn: FfnNames,
    /// Token embedding: the first name that exists.
    pub embedding: &'static [&'static str],
    /// Position table.
    pub positions: &'static str,
    /// Normalisation of the embeddings, where there is one.
    pub embedding_norm: Option<&'static str>,
    /// Normalisation after the last layer, where there is one.
    pub final_norm: Option<&'static str>,
    /// Relative position bias within a layer.
    pub bias: &'static str,
}

/// One stack: encoder or decoder.
#[derive(Clone, Debug)]
pub struct StackSpec {
    /// Number of layers.
    pub layers: usize,
    /// Heads per layer.
    pub heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Width of the feed-forward block.
    pub ffn_dim: usize,
    /// Size of the vocabulary.
    pub vocabulary: usize,
    /// Factor on the token embeddings.
    pub embedding_scale: f64,
    /// Absolute positions.
    pub positions: Positions,
    /// Relative position bias on self-attention.
    pub bias: Option<BiasSpec>,
    /// Factor on the scores.
    pub score_scale: f64,
    /// Whether the linear maps of attention and feed-forward have biases.
    pub linear_bias: bool,
    /// Which normalisation.
    pub norm: NormKind,
    /// Where it stands.
    pub placement: Placement,
    /// When the embeddings are normalised, where `names` has a norm for them.
    pub embedding_norm: EmbeddingNorm,
    /// Between the feed-forward maps.
    pub activation: Activation,
    /// Tensor names.
    pub names: StackNames,
}

/// The map from the decoder's last states to the vocabulary.
#[derive(Clone, Debug)]
pub struct HeadSpec {
    /// Its weight: the first name that exists (an own head before a tied embedding).
    pub weight: &'static [&'static str],
    /// Factor on the states before the head.
    pub scale: f64,
    /// A bias `[1, vocabulary]` on the logits, where the checkpoint has one.
    pub bias: &'static str,
}

/// A whole model.
#[derive(Clone, Debug)]
pub struct ModelSpec {
    /// `model_type` of config.json.
    pub model_type: String,
    /// Width of the hidden states.
    pub d_model: usize,
    /// The encoder.
    pub encoder: StackSpec,
    /// The decoder.
    pub decoder: StackSpec,
    /// The output head.
    pub head: HeadSpec,
    /// The decoder's first token.
    pub start: u32,
    /// Ends a text.
    pub end: Option<u32>,
    /// Tensors that a checkpoint may hold though nobody needs them; `*` stands for anything.
    pub harmless: &'static [&'static str],
}
