//! What a model is made of, as data.

use crate::nn::{Activation, Routing, Sinusoid};

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

/// Which keys the queries of an encoder's self-attention see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// All.
    All,
    /// Those at most this many positions away, layer by layer.
    Near(Vec<usize>),
}

/// Summaries of blocks of tokens, which every query of an encoder sees besides the tokens near it
/// (transient global attention, Guo et al. 2022).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SummarySpec {
    /// Tokens that a summary stands for.
    pub block: usize,
    /// Normalisation of the summaries, within a layer.
    pub norm: &'static str,
    /// Position bias between a token's block and a summary's, within the first layer.
    pub bias: &'static str,
}

/// Feed-forward blocks that are mixtures of experts.
#[derive(Clone, Debug)]
pub struct ExpertSpec {
    /// Whether a layer has them, layer by layer.
    pub layers: Vec<bool>,
    /// Number of experts.
    pub count: usize,
    /// Who goes where.
    pub routing: Routing,
    /// Whether the router has a bias.
    pub router_bias: bool,
    /// The router within a layer.
    pub router: &'static str,
    /// An expert's maps within a layer; `{}` stands for its number.
    pub up: &'static str,
    /// An expert's second map.
    pub down: &'static str,
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
pub struct FfnNames<'a> {
    /// `d_model` to `ffn_dim`.
    pub up: &'a str,
    /// The same through the activation, where it is gated.
    pub gate: Option<&'a str>,
    /// `ffn_dim` to `d_model`.
    pub down: &'a str,
    /// Its normalisation.
    pub norm: &'a str,
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
    pub ffn: FfnNames<'static>,
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
    /// Which keys a query sees, in an encoder.
    pub reach: Reach,
    /// Summaries that it sees besides.
    pub summaries: Option<SummarySpec>,
    /// Layers whose feed-forward block is a mixture of experts.
    pub experts: Option<ExpertSpec>,
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
