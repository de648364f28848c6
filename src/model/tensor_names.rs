//! Names of tensors in a checkpoint.

/// Name of a linear map's tensors, without `.weight` and `.bias`.
#[derive(Clone, Copy, Debug)]
pub struct Projection {
    /// Name relative to its layer, or to the checkpoint for maps outside the layers.
    pub name: &'static str,
    /// True if it has a bias.
    pub bias: bool,
}

impl Projection {
    /// A linear map with a bias.
    pub const fn biased(name: &'static str) -> Self {
        Self { name, bias: true }
    }

    /// A linear map without a bias.
    pub const fn unbiased(name: &'static str) -> Self {
        Self { name, bias: false }
    }
}

/// Tensor names of an attention block, relative to its layer. Projections of the same name share one tensor.
#[derive(Clone, Copy, Debug)]
pub struct AttentionNames {
    /// Query projection.
    pub query: Projection,
    /// Key projection.
    pub key: Projection,
    /// Value projection.
    pub value: Projection,
    /// Output projection.
    pub output: Projection,
    /// Normalisation before or after the block ([`Placement`](super::stack_spec::Placement)).
    pub norm: &'static str,
}

impl AttentionNames {
    /// Names of a block whose four projections all have a bias.
    pub const fn biased([query, key, value, output]: [&'static str; 4], norm: &'static str) -> Self {
        let [query, key, value, output] = [
            Projection::biased(query),
            Projection::biased(key),
            Projection::biased(value),
            Projection::biased(output),
        ];
        Self { query, key, value, output, norm }
    }

    /// Names of a block whose projections have no bias.
    pub const fn unbiased(names: [&'static str; 4], norm: &'static str) -> Self {
        Self::biased(names, norm).with_bias(false)
    }

    /// Returns the same names, with or without a bias in every projection.
    pub const fn with_bias(self, bias: bool) -> Self {
        let mut names = self.with_input_bias(bias);
        names.output.bias = bias;
        names
    }

    /// Returns the same names, with or without a bias in the projections to queries, keys and values.
    pub const fn with_input_bias(mut self, bias: bool) -> Self {
        self.query.bias = bias;
        self.key.bias = bias;
        self.value.bias = bias;
        self
    }
}

/// Tensor names of a feed-forward block, relative to its layer.
#[derive(Clone, Copy, Debug)]
pub struct FfnNames {
    /// `d_model` to `ffn_dim`.
    pub up: Projection,
    /// `d_model` to `ffn_dim`, through the activation, in gated blocks.
    pub gate: Option<Projection>,
    /// `ffn_dim` to `d_model`.
    pub down: Projection,
    /// Normalisation before or after the block.
    pub norm: &'static str,
}

impl FfnNames {
    /// Names of a block without a gate whose projections have biases.
    pub const fn biased(up: &'static str, down: &'static str, norm: &'static str) -> Self {
        Self { up: Projection::biased(up), gate: None, down: Projection::biased(down), norm }
    }

    /// Names of a block without a gate whose projections have no biases.
    pub const fn unbiased(up: &'static str, down: &'static str, norm: &'static str) -> Self {
        Self { up: Projection::unbiased(up), gate: None, down: Projection::unbiased(down), norm }
    }

    /// Returns the same names with a gate without a bias.
    pub const fn gated(self, gate: &'static str) -> Self {
        Self { gate: Some(Projection::unbiased(gate)), ..self }
    }
}

/// Names of the norms on the outputs of blocks, relative to the layer, for
/// [`Placement::Around`](super::stack_spec::Placement::Around).
#[derive(Clone, Copy, Debug)]
pub struct OutputNormNames {
    /// After self-attention.
    pub self_attn: &'static str,
    /// After cross-attention.
    pub cross_attn: &'static str,
    /// After the feed-forward block.
    pub ffn: &'static str,
}

/// Tensor names of a stack. Lists name one tensor: the first name that exists counts.
#[derive(Clone, Copy, Debug)]
pub struct StackNames {
    /// Prefix of a layer, such as `model.encoder.layers.{}`; `{}` stands for its number.
    pub layer: &'static str,
    /// Self-attention.
    pub self_attn: AttentionNames,
    /// Feed-forward block.
    pub ffn: FfnNames,
    /// Token embeddings; no name for a stack that takes ready states only.
    pub embedding: &'static [&'static str],
    /// Cross-attention of a decoder.
    pub cross_attn: Option<AttentionNames>,
    /// Map from the width of the embeddings to `d_model`, if they differ.
    pub projection: Option<&'static str>,
    /// Embeddings of segments.
    pub segments: Option<&'static str>,
    /// Position table.
    pub positions: Option<&'static str>,
    /// Relative position bias, within a layer.
    pub relative_bias: Option<&'static str>,
    /// Norms of each head's queries and keys, within a layer.
    pub qk_norms: Option<[&'static str; 2]>,
    /// Norms on the outputs of blocks.
    pub output_norms: Option<OutputNormNames>,
    /// Normalisation of the embeddings.
    pub embedding_norm: Option<&'static str>,
    /// Normalisation after the last layer.
    pub final_norm: Option<&'static str>,
}

impl StackNames {
    /// Creates the names of a stack that has the parts of every stack and no other.
    pub const fn new(
        layer: &'static str,
        self_attn: AttentionNames,
        ffn: FfnNames,
        embedding: &'static [&'static str],
    ) -> Self {
        Self {
            layer,
            self_attn,
            ffn,
            embedding,
            cross_attn: None,
            projection: None,
            segments: None,
            positions: None,
            relative_bias: None,
            qk_norms: None,
            output_norms: None,
            embedding_norm: None,
            final_norm: None,
        }
    }

    /// Returns the name of a tensor that every checkpoint of the model has.
    pub fn probe(&self) -> String {
        format!("{}.{}.weight", self.layer.replace("{}", "0"), self.self_attn.query.name)
    }
}
