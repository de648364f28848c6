//! What a model is made of, as data.

use super::recurrent::{RecurrentSpec, Scoring};
use crate::checkpoint::Architecture;
use crate::nn::{Activation, MoeRouting, Sinusoid};

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
    /// Root mean square whose stored weight is the factor less 1.
    RmsLessOne {
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
    /// `x + norm'(f(norm(x)))`, with the names of [`AfterNames`].
    Around,
}

/// When the embeddings are normalised, where they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmbeddingNorm {
    /// Tokens and positions together.
    AfterPositions,
    /// Tokens alone.
    BeforePositions,
}

/// Where positions come in: added to the embeddings, but for the last.
#[derive(Clone, Copy, Debug, PartialEq)]
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
    /// Queries and keys of self-attention are turned.
    Rotary {
        /// In layers that see some keys only.
        near: Wave,
        /// In layers that see all.
        far: Wave,
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

/// How fast rotary positions turn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wave {
    /// The longest period over 2 pi.
    pub theta: f64,
    /// Positions count as if they were so many times closer together.
    pub stretch: f64,
}

/// How far a query sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Positions before it.
    pub before: usize,
    /// Positions after it.
    pub after: usize,
}

impl Span {
    /// Everything.
    pub const ALL: Self = Self { before: usize::MAX, after: usize::MAX };

    /// As far before as after.
    pub fn around(distance: usize) -> Self {
        Self { before: distance, after: distance }
    }
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

/// Which keys the queries of self-attention see; a decoder's see none after themselves anyway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// All.
    All,
    /// Those near enough, layer by layer.
    Near(Vec<Span>),
    /// Those in the same group of positions.
    Groups {
        /// Positions in a group.
        size: usize,
        /// Whether every other layer's groups begin half a group earlier.
        staggered: bool,
    },
    /// Those of [`Visible::Blocks`](crate::nn::Visible::Blocks) in a long text, all in a short one.
    Blocks {
        /// Positions in a block.
        size: usize,
        /// Random blocks a block saw in training. The reference does not draw any when it only runs: each is
        /// the first block once more, whose keys then count so many times more in the softmax.
        random: usize,
    },
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

/// A second sequence of states that goes through the layers beside the tokens'.
#[derive(Clone, Copy, Debug)]
pub enum SecondSpec {
    /// Learned tokens without positions, in an encoder: they see all tokens, and every token sees them (Phang
    /// et al. 2022).
    Globals {
        /// How many.
        count: usize,
        /// Their embeddings.
        embedding: &'static str,
        /// Their normalisation before self-attention, within a layer.
        norm: &'static str,
    },
    /// Predicting positions, in a decoder: each sees the tokens up to its own and itself, and predicts what
    /// comes next. The tokens' own states predict nothing (Qi et al. 2020).
    Ahead {
        /// How many streams: the first predicts the next token and gives the output.
        streams: usize,
        /// Their embeddings, the first stream's last.
        embedding: &'static str,
        /// Map to the position bias of self-attention, within a layer.
        bias: &'static str,
        /// Its buckets.
        buckets: usize,
        /// Distance from which on all share the last bucket.
        max_distance: usize,
    },
}

/// Learned keys and values that stand before the tokens' in every layer (Li & Liang 2021).
#[derive(Clone, Copy, Debug)]
pub struct PromptSpec {
    /// How many.
    pub length: usize,
    /// Width in the middle of the map that makes them.
    pub middle: usize,
    /// The prompts of self-attention.
    pub own: &'static str,
    /// Those of cross-attention.
    pub cross: Option<&'static str>,
}

/// What few stacks have; by default nothing of it.
#[derive(Clone, Debug, Default)]
pub struct Rare {
    /// Self- and cross-attention are one block with one softmax over both sequences' keys.
    pub merged: bool,
    /// Norms of each head's queries and of its keys, within a layer.
    pub head_norms: Option<[&'static str; 2]>,
    /// States beside the tokens'.
    pub second: Option<SecondSpec>,
    /// Learned keys and values.
    pub prompts: Option<PromptSpec>,
    /// Whether the scores of the n-th layer are divided by n.
    pub fading: bool,
}

/// Feed-forward blocks that are mixtures of experts.
#[derive(Clone, Debug)]
pub struct ExpertSpec {
    /// Whether a layer has them, layer by layer.
    pub layers: Vec<bool>,
    /// Number of experts.
    pub count: usize,
    /// Who goes where.
    pub routing: MoeRouting,
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

/// Names of the norms on what a block gives, relative to the layer, for [`Placement::Around`].
#[derive(Clone, Copy, Debug)]
pub struct AfterNames {
    /// After self-attention.
    pub own: &'static str,
    /// After cross-attention.
    pub cross: &'static str,
    /// After the feed-forward block.
    pub ffn: &'static str,
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
    /// Map from the embeddings' width to `d_model`, where they differ.
    pub projection: &'static str,
    /// Embeddings of segments, where there are any.
    pub segments: &'static str,
    /// Norms on what the blocks give.
    pub after: Option<AfterNames>,
    /// Position table.
    pub positions: &'static str,
    /// Normalisation of the embeddings, where there is one.
    pub embedding_norm: Option<&'static str>,
    /// Normalisation after the last layer, where there is one.
    pub final_norm: Option<&'static str>,
    /// Relative position bias within a layer.
    pub bias: &'static str,
}

impl StackNames {
    /// The name of a tensor that every checkpoint of the model has.
    pub fn probe(&self) -> String {
        format!("{}.{}.weight", self.layer.replace("{}", "0"), self.own.query)
    }
}

/// One stack: encoder or decoder.
#[derive(Clone, Debug)]
pub struct StackSpec {
    /// Width of the hidden states.
    pub d_model: usize,
    /// Width of the embeddings.
    pub embedding_width: usize,
    /// Width of the states that cross-attention looks at.
    pub source_width: usize,
    /// Whether weights are stored `[in, out]`, as GPT-2's are. Projections of the same name then share a
    /// tensor, side by side.
    pub transposed: bool,
    /// Number of segments that the embeddings tell apart; all tokens are in the first.
    pub segments: usize,
    /// Number of layers.
    pub layers: usize,
    /// Heads per layer.
    pub heads: usize,
    /// Heads with keys and values of their own.
    pub key_heads: usize,
    /// Bound on the scores, approached by a tanh.
    pub score_cap: Option<f64>,
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
    /// Which keys a query sees.
    pub reach: Reach,
    /// Summaries that it sees besides.
    pub summaries: Option<SummarySpec>,
    /// Layers whose feed-forward block is a mixture of experts.
    pub experts: Option<ExpertSpec>,
    /// Factor on the scores.
    pub score_scale: f64,
    /// Whether the linear maps of attention have biases.
    pub attention_bias: bool,
    /// Whether those of the feed-forward block have.
    pub linear_bias: bool,
    /// Which normalisation.
    pub norm: NormKind,
    /// Where it stands.
    pub placement: Placement,
    /// When the embeddings are normalised, where `names` has a norm for them.
    pub embedding_norm: EmbeddingNorm,
    /// Between the feed-forward maps.
    pub activation: Activation,
    /// What few families have.
    pub rare: Rare,
    /// Tensor names.
    pub names: StackNames,
}

impl StackSpec {
    /// How fast the rotary positions of a layer turn.
    pub fn wave(&self, layer: usize) -> Option<Wave> {
        let Positions::Rotary { near, far } = self.positions else { return None };
        let limited = match &self.reach {
            Reach::Near(spans) => spans.get(layer).is_some_and(|span| *span != Span::ALL),
            _ => false,
        };
        Some(if limited { near } else { far })
    }

    /// Factor on the scores of a layer.
    pub fn scale(&self, layer: usize) -> f64 {
        if self.rare.fading { self.score_scale / (layer + 1) as f64 } else { self.score_scale }
    }
}

/// The map from the decoder's last states to the vocabulary.
#[derive(Clone, Debug)]
pub struct HeadSpec {
    /// Its weight: the first name that exists (an own head before a tied embedding).
    pub weight: &'static [&'static str],
    /// Factor on the states before the head.
    pub scale: f64,
    /// A bias on the logits, where the checkpoint has one.
    pub bias: HeadBias,
    /// What happens to the states first.
    pub transform: Option<HeadTransform>,
    /// Bound on the logits, approached by a tanh.
    pub cap: Option<f64>,
}

/// The bias on the logits.
#[derive(Clone, Copy, Debug)]
pub enum HeadBias {
    /// `[1, vocabulary]`, or absent.
    Row(&'static str),
    /// `[vocabulary]` under one of these names, or absent.
    Plain(&'static [&'static str]),
}

/// `norm(act(dense(x)))` before the head, as BERT has it.
#[derive(Clone, Copy, Debug)]
pub struct HeadTransform {
    /// `d_model` to `d_model`.
    pub dense: &'static str,
    /// After it.
    pub activation: Activation,
    /// And last.
    pub norm: &'static str,
}

/// What config.json says of a model.
#[derive(Clone, Debug)]
pub enum Spec {
    /// An encoder and a decoder of attention layers.
    Transformer(Box<ModelSpec>),
    /// Gated recurrent units.
    Recurrent(RecurrentSpec),
}

impl Spec {
    /// `model_type` of config.json.
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

    /// Layers of encoder and decoder.
    pub fn layers(&self) -> (usize, usize) {
        match self {
            Self::Transformer(spec) => (spec.encoder.layers, spec.decoder.layers),
            Self::Recurrent(_) => (1, 1),
        }
    }

    /// Heads in a layer of encoder and decoder.
    pub fn heads(&self) -> (usize, usize) {
        match self {
            Self::Transformer(spec) => (spec.encoder.heads, spec.decoder.heads),
            Self::Recurrent(spec) => (0, usize::from(spec.attention != Scoring::None)),
        }
    }

    /// Width of the hidden states of encoder (both directions) and decoder.
    pub fn widths(&self) -> (usize, usize) {
        match self {
            Self::Transformer(spec) => (spec.encoder.d_model, spec.decoder.d_model),
            Self::Recurrent(spec) => (2 * spec.encoder, spec.decoder),
        }
    }

    /// Number of tokens that the decoder chooses from.
    pub fn vocabulary(&self) -> usize {
        match self {
            Self::Transformer(spec) => spec.decoder.vocabulary,
            Self::Recurrent(spec) => spec.vocabulary,
        }
    }

    /// The decoder's first token.
    pub fn start(&self) -> Option<u32> {
        match self {
            Self::Transformer(spec) => spec.start,
            Self::Recurrent(spec) => spec.start,
        }
    }

    /// Whether the last token of a given target goes round to its front in place of the start token.
    pub fn wraps(&self) -> bool {
        match self {
            Self::Transformer(spec) => spec.wraps,
            Self::Recurrent(_) => false,
        }
    }

    /// Ends a text.
    pub fn end(&self) -> Option<u32> {
        match self {
            Self::Transformer(spec) => spec.end,
            Self::Recurrent(spec) => spec.end,
        }
    }
}

/// A whole Transformer.
#[derive(Clone, Debug)]
pub struct ModelSpec {
    /// `model_type` of config.json.
    pub model_type: String,
    /// The encoder.
    pub encoder: StackSpec,
    /// The decoder.
    pub decoder: StackSpec,
    /// Map from the encoder's width to the decoder's, where there is one.
    pub bridge: Option<&'static str>,
    /// The output head.
    pub head: HeadSpec,
    /// The decoder's first token, where config.json says.
    pub start: Option<u32>,
    /// Ends a text.
    pub end: Option<u32>,
    /// Whether the last token of a given target goes round to its front in place of the start token.
    pub wraps: bool,
    /// Tensors that a checkpoint may hold though nobody needs them; `*` stands for anything.
    pub harmless: &'static [&'static str],
}
