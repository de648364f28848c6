//! Specification of an encoder or a decoder.

use super::stages_spec::StagesSpec;
use super::tensor_names::{Projection, StackNames};
use crate::error::{Error, Result};
use crate::nn::{Activation, MoeRouting, PadPositions, Sinusoid};

/// Kind of normalisation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NormKind {
    /// Layer norm with a bias.
    Layer {
        /// Added to the variance.
        eps: f64,
    },
    /// Layer norm without a bias.
    LayerPlain {
        /// Added to the variance.
        eps: f64,
    },
    /// Root mean square norm without a bias.
    Rms {
        /// Added to the mean square.
        eps: f64,
    },
    /// Root mean square norm that multiplies by 1 plus the stored weight.
    RmsPlusOne {
        /// Added to the mean square.
        eps: f64,
    },
}

/// Place of a block's normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// `x + f(norm(x))`
    Pre,
    /// `norm(x + f(x))`
    Post,
    /// `x + output_norm(f(norm(x)))`, with the names of
    /// [`OutputNormNames`](super::tensor_names::OutputNormNames).
    Around,
}

/// Place of the normalisation of the embeddings, in stacks that have one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmbeddingNorm {
    /// On the sum of token and position embeddings.
    AfterPositions,
    /// On the token embeddings alone.
    BeforePositions,
}

/// Positions of tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Positions {
    /// No absolute positions: a relative position bias takes their place.
    None,
    /// A learned table that is added to the embeddings.
    Learned {
        /// Row of position 0.
        offset: usize,
        /// Number of positions.
        count: usize,
        /// Positions of padding.
        padding: PadPositions,
    },
    /// Rotary position embedding (Su et al. 2021) on the queries and keys of self-attention.
    Rotary {
        /// In layers with a window.
        local: Rope,
        /// In layers that see every key.
        global: Rope,
    },
    /// Sines and cosines that are added to the embeddings.
    Sinusoid {
        /// Order and frequencies.
        formula: Sinusoid,
        /// Number that stands for position 0.
        offset: usize,
        /// Number of positions in a stored table.
        count: usize,
        /// Positions of padding.
        padding: PadPositions,
    },
}

/// Parameters of a rotary position embedding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rope {
    /// Base of the frequencies.
    pub theta: f64,
    /// Positions are divided by it (linear scaling).
    pub scaling_factor: f64,
    /// Dimensions of a head that turn.
    pub turning: TurningDims,
}

/// Dimensions of a head that a rotary position embedding turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurningDims {
    /// All; each of the first half is paired with one of the second.
    Halves,
    /// The first ones, neighbours in pairs. Frequencies are those of this many dimensions; an odd number is completed
    /// by the next dimension.
    Neighbours(usize),
}

/// Keys around a query that it sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Number of positions before the query.
    pub before: usize,
    /// Number of positions after the query.
    pub after: usize,
}

impl Span {
    /// Every key.
    pub const ALL: Self = Self { before: usize::MAX, after: usize::MAX };

    /// `distance` positions on either side.
    pub fn around(distance: usize) -> Self {
        Self { before: distance, after: distance }
    }
}

/// Keys that a query of self-attention sees. The causal mask of a decoder comes on top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sparsity {
    /// Every key.
    Dense,
    /// A window around the query, one entry a layer.
    Windows(Vec<Span>),
    /// The keys in the query's group of positions.
    Groups {
        /// Positions in a group.
        size: usize,
        /// True if the groups of every other layer begin half a group earlier.
        staggered: bool,
    },
    /// Those of [`Visible::Blocks`](crate::nn::Visible::Blocks) in a long text, every key in a short one.
    Blocks {
        /// Positions in a block.
        size: usize,
        /// Random blocks that a block saw in training. The reference draws none at inference: each one is the
        /// first block again, whose keys count once more in the softmax.
        random: usize,
    },
}

/// T5's relative position bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelativeBiasSpec {
    /// Number of buckets.
    pub buckets: usize,
    /// Distance from which on all keys share the last bucket.
    pub max_distance: usize,
    /// True if each layer has a table of its own; otherwise the first layer's table serves all.
    pub per_layer: bool,
}

/// Transient global attention (Guo et al. 2022): every query of an encoder also sees one summary a block of
/// tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransientGlobalSpec {
    /// Tokens in a block.
    pub block: usize,
    /// Name of the normalisation of the summaries, within a layer.
    pub norm: &'static str,
    /// Name of the position bias between the block of a token and that of a summary, within the first layer.
    pub bias: &'static str,
}

/// Learned global tokens without positions in an encoder (Phang et al. 2022): they see every token, and every
/// token sees them.
#[derive(Clone, Copy, Debug)]
pub struct GlobalTokensSpec {
    /// Number of global tokens.
    pub count: usize,
    /// Name of their embeddings.
    pub embedding: &'static str,
    /// Name of their normalisation before self-attention, within a layer.
    pub norm: &'static str,
}

/// N-gram streams of a decoder (Qi et al. 2020): positions that see the tokens up to their own and
/// themselves, and predict the tokens that follow. The states of the tokens themselves predict nothing.
#[derive(Clone, Copy, Debug)]
pub struct NgramStreamsSpec {
    /// Number of streams; the first one predicts the next token and is the output.
    pub streams: usize,
    /// Name of their embeddings, the first stream's last.
    pub embedding: &'static str,
    /// Name of the map to the position bias of self-attention, within a layer.
    pub bias: &'static str,
    /// Number of buckets of the position bias.
    pub buckets: usize,
    /// Distance from which on all keys share the last bucket.
    pub max_distance: usize,
}

/// States that pass through the layers beside those of the tokens.
#[derive(Clone, Copy, Debug)]
pub enum ExtraStatesSpec {
    /// Global tokens of an encoder.
    GlobalTokens(GlobalTokensSpec),
    /// N-gram streams of a decoder.
    NgramStreams(NgramStreamsSpec),
}

/// Learned keys and values before those of the tokens, in every layer (prefix tuning, Li and Liang 2021).
#[derive(Clone, Copy, Debug)]
pub struct PromptSpec {
    /// Number of learned keys.
    pub length: usize,
    /// Inner width of the map that makes them.
    pub inner_dim: usize,
    /// Name of the prompts of self-attention.
    pub self_attn: &'static str,
    /// Name of the prompts of cross-attention.
    pub cross_attn: Option<&'static str>,
}

/// Mixtures of experts in place of feed-forward blocks.
#[derive(Clone, Debug)]
pub struct ExpertSpec {
    /// True for the layers that have experts, one entry a layer.
    pub layers: Vec<bool>,
    /// Number of experts.
    pub count: usize,
    /// Rule that assigns tokens to experts.
    pub routing: MoeRouting,
    /// Router, within a layer.
    pub router: Projection,
    /// First map of an expert, within a layer; `{}` stands for its number.
    pub up: Projection,
    /// Second map of an expert, named like the first.
    pub down: Projection,
}

/// Sizes that every stack has.
#[derive(Clone, Copy, Debug)]
pub struct StackSize {
    /// Width of the hidden states.
    pub d_model: usize,
    /// Number of layers.
    pub layers: usize,
    /// Heads in a layer.
    pub heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Width of the feed-forward block.
    pub ffn_dim: usize,
    /// Size of the vocabulary.
    pub vocabulary: usize,
}

/// An encoder or a decoder.
#[derive(Clone, Debug)]
pub struct StackSpec {
    /// Width of the hidden states.
    pub d_model: usize,
    /// Number of layers.
    pub layers: usize,
    /// Heads in a layer.
    pub heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Width of the feed-forward block.
    pub ffn_dim: usize,
    /// Size of the vocabulary.
    pub vocabulary: usize,
    /// Tensor names.
    pub names: StackNames,
    /// Width of the embeddings.
    pub embedding_width: usize,
    /// Width of the states that cross-attention reads.
    pub source_width: usize,
    /// Heads with keys and values of their own; fewer than `heads` in grouped-query attention.
    pub key_heads: usize,
    /// True if weights are stored `[in, out]`, as GPT-2's are. Projections of the same name then lie side by
    /// side in one tensor.
    pub transposed: bool,
    /// Number of segments that have embeddings; all tokens are in the first. 0 for none.
    pub segments: usize,
    /// Factor on the token embeddings.
    pub embedding_scale: f64,
    /// Positions.
    pub positions: Positions,
    /// Relative position bias of self-attention.
    pub relative_bias: Option<RelativeBiasSpec>,
    /// Keys that self-attention sees.
    pub sparsity: Sparsity,
    /// Stages of a stack that attends within windows of patches and merges them; widths and heads are those of
    /// the last stage.
    pub stages: Option<StagesSpec>,
    /// Summaries of blocks that self-attention sees besides.
    pub transient_global: Option<TransientGlobalSpec>,
    /// True if self- and cross-attention are one block with one softmax over the keys of both sequences.
    pub merged_attention: bool,
    /// States beside those of the tokens.
    pub extra_states: Option<ExtraStatesSpec>,
    /// Learned keys and values.
    pub prompts: Option<PromptSpec>,
    /// Mixtures of experts.
    pub experts: Option<ExpertSpec>,
    /// Factor on the attention scores.
    pub score_scale: f64,
    /// True if the scores of layer `n`, counted from 1, are also divided by `n`.
    pub scale_by_inverse_layer: bool,
    /// Soft cap on the attention scores: `softcap * tanh(score / softcap)`.
    pub score_cap: Option<f64>,
    /// Kind of normalisation.
    pub norm: NormKind,
    /// Place of the normalisation.
    pub placement: Placement,
    /// Place of the normalisation of the embeddings, if `names` has one.
    pub embedding_norm: EmbeddingNorm,
    /// Activation of the feed-forward block.
    pub activation: Activation,
}

impl StackSpec {
    /// Creates a stack of the original Transformer's design: full attention scaled by `head_dim^-0.5`, layer
    /// norms after each block, GELU, no positions. Families change what differs.
    pub fn new(size: StackSize, names: StackNames) -> Self {
        let StackSize { d_model, layers, heads, head_dim, ffn_dim, vocabulary } = size;
        Self {
            d_model,
            layers,
            heads,
            head_dim,
            ffn_dim,
            vocabulary,
            names,
            embedding_width: d_model,
            source_width: d_model,
            key_heads: heads,
            transposed: false,
            segments: 0,
            embedding_scale: 1.0,
            positions: Positions::None,
            relative_bias: None,
            sparsity: Sparsity::Dense,
            stages: None,
            transient_global: None,
            merged_attention: false,
            extra_states: None,
            prompts: None,
            experts: None,
            score_scale: (head_dim as f64).powf(-0.5),
            scale_by_inverse_layer: false,
            score_cap: None,
            norm: NormKind::Layer { eps: 1e-5 },
            placement: Placement::Post,
            embedding_norm: EmbeddingNorm::AfterPositions,
            activation: Activation::Gelu,
        }
    }

    /// Returns the rotary position embedding of a layer.
    pub fn rope(&self, layer: usize) -> Option<Rope> {
        let Positions::Rotary { local, global } = self.positions else { return None };
        let windowed = match &self.sparsity {
            Sparsity::Windows(spans) => spans.get(layer).is_some_and(|span| *span != Span::ALL),
            _ => false,
        };
        Some(if windowed { local } else { global })
    }

    /// Returns the largest number of heads in a layer.
    pub fn most_heads(&self) -> usize {
        let stages = self.stages.iter().flat_map(|stages| &stages.stages).map(|stage| stage.heads);
        stages.fold(self.heads, usize::max)
    }

    /// Returns the factor on the attention scores of a layer.
    pub fn scale(&self, layer: usize) -> f64 {
        if self.scale_by_inverse_layer { self.score_scale / (layer + 1) as f64 } else { self.score_scale }
    }
}

/// Returns the width of a head if the heads share the width of the states evenly.
///
/// # Errors
/// [`Error::Config`] if they do not.
pub fn head_dim(d_model: usize, heads: usize) -> Result<usize> {
    if heads == 0 || !d_model.is_multiple_of(heads) {
        return Err(Error::Config(format!("a width of {d_model} is no multiple of {heads} heads")));
    }
    Ok(d_model / heads)
}
