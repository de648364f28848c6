//! T5 (Raffel et al. 2020): v1.0, v1.1, Flan, ByT5. mT5 and others differ in a few fields. Root mean square norms before each block, no
//! biases, no factor on the scores, a relative position bias shared by all layers of a stack.

use crate::checkpoint::ModelConfig;
use crate::error::{Error, Result};
use crate::model::family::{Family, Reader, TokenizerClass};
use crate::model::spec::{
    AttentionNames, BiasSpec, EmbeddingNorm, FfnNames, HeadBias, HeadSpec, ModelSpec, NormKind, Placement,
    Positions, Rare, Reach, StackNames, StackSpec,
};
use crate::nn::Activation;

const OWN: AttentionNames = AttentionNames {
    query: "layer.0.SelfAttention.q",
    key: "layer.0.SelfAttention.k",
    value: "layer.0.SelfAttention.v",
    output: "layer.0.SelfAttention.o",
    norm: "layer.0.layer_norm",
};
const CROSS: AttentionNames = AttentionNames {
    query: "layer.1.EncDecAttention.q",
    key: "layer.1.EncDecAttention.k",
    value: "layer.1.EncDecAttention.v",
    output: "layer.1.EncDecAttention.o",
    norm: "layer.1.layer_norm",
};
const ENCODER_PLAIN: FfnNames = FfnNames {
    up: "layer.1.DenseReluDense.wi",
    gate: None,
    down: "layer.1.DenseReluDense.wo",
    norm: "layer.1.layer_norm",
};
const ENCODER_GATED: FfnNames = FfnNames {
    up: "layer.1.DenseReluDense.wi_1",
    gate: Some("layer.1.DenseReluDense.wi_0"),
    ..ENCODER_PLAIN
};
const DECODER_PLAIN: FfnNames = FfnNames {
    up: "layer.2.DenseReluDense.wi",
    gate: None,
    down: "layer.2.DenseReluDense.wo",
    norm: "layer.2.layer_norm",
};
const DECODER_GATED: FfnNames = FfnNames {
    up: "layer.2.DenseReluDense.wi_1",
    gate: Some("layer.2.DenseReluDense.wi_0"),
    ..DECODER_PLAIN
};

/// Whether the decoder's states are scaled before the head.
#[derive(Clone, Copy)]
pub(super) enum HeadScale {
    /// By `d_model^-0.5`, unless config.json unties the head: T5 1.1 was trained without the factor.
    UnlessUntied,
    /// Not.
    Never,
}

/// Where T5's kin differ from one another.
pub(super) struct Kin {
    /// `feed_forward_proj` where config.json does not say.
    pub feed_forward: &'static str,
    /// Whether each layer has a position bias of its own.
    pub bias_per_layer: bool,
    /// Whether states are scaled before the head.
    pub head_scale: HeadScale,
}

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "t5",
    examples: "t5-small, google/flan-t5-base, google/byt5-small",
    tokenizer: TokenizerClass::Named("T5Tokenizer"),
    reader: Reader::Transformer(spec),
};

/// Reads T5's config.json.
fn spec(config: &ModelConfig) -> Result<ModelSpec> {
    let kin = Kin { feed_forward: "relu", bias_per_layer: false, head_scale: HeadScale::UnlessUntied };
    build(config, &kin)
}

/// The specification of a model with T5's config fields and tensor names.
pub(super) fn build(config: &ModelConfig, kin: &Kin) -> Result<ModelSpec> {
    let d_model = config.count("d_model")?;
    let layers = config.count("num_layers")?;
    let (gated, activation) = feed_forward(config, kin.feed_forward)?;
    let scaled = match kin.head_scale {
        HeadScale::Never => false,
        HeadScale::UnlessUntied => {
            let tied = config.flag_or("tie_word_embeddings", true)?;
            config.flag_or("scale_decoder_outputs", tied)?
        }
    };
    let heads = config.count("num_heads")?;
    let stack = StackSpec {
        d_model,
        embedding_width: d_model,
        source_width: d_model,
        transposed: false,
        segments: 0,
        key_heads: heads,
        score_cap: None,
        layers,
        heads,
        head_dim: config.count("d_kv")?,
        ffn_dim: config.count("d_ff")?,
        vocabulary: config.count("vocab_size")?,
        embedding_scale: 1.0,
        positions: Positions::None,
        bias: Some(BiasSpec {
            buckets: config.count_or("relative_attention_num_buckets", 32)?,
            max_distance: config.count_or("relative_attention_max_distance", 128)?,
            per_layer: kin.bias_per_layer,
        }),
        reach: Reach::All,
        summaries: None,
        experts: None,
        score_scale: 1.0,
        attention_bias: false,
        linear_bias: false,
        norm: NormKind::Rms { eps: config.number_or("layer_norm_epsilon", 1e-6)? },
        placement: Placement::Pre,
        activation,
        embedding_norm: EmbeddingNorm::AfterPositions,
        rare: Rare::default(),
        names: StackNames {
            layer: "encoder.block.{}",
            own: OWN,
            cross: None,
            ffn: if gated { ENCODER_GATED } else { ENCODER_PLAIN },
            embedding: &[
                "encoder.embed_tokens.weight",
                "shared.weight",
                "decoder.embed_tokens.weight",
                "lm_head.weight",
            ],
            projection: "",
            segments: "",
            after: None,
            positions: "",
            embedding_norm: None,
            final_norm: Some("encoder.final_layer_norm"),
            bias: "layer.0.SelfAttention.relative_attention_bias",
        },
    };
    let decoder = StackSpec {
        layers: config.count_or("num_decoder_layers", layers)?,
        names: StackNames {
            layer: "decoder.block.{}",
            cross: Some(CROSS),
            ffn: if gated { DECODER_GATED } else { DECODER_PLAIN },
            embedding: &[
                "decoder.embed_tokens.weight",
                "shared.weight",
                "encoder.embed_tokens.weight",
                "lm_head.weight",
            ],
            final_norm: Some("decoder.final_layer_norm"),
            ..stack.names.clone()
        },
        ..stack.clone()
    };
    Ok(ModelSpec {
        model_type: config.model_type()?.into(),
        encoder: stack,
        decoder,
        bridge: None,
        head: HeadSpec {
            // A head that the checkpoint holds counts, whatever config.json says of tying.
            weight: &[
                "lm_head.weight",
                "shared.weight",
                "decoder.embed_tokens.weight",
                "encoder.embed_tokens.weight",
            ],
            scale: if scaled { (d_model as f64).powf(-0.5) } else { 1.0 },
            bias: HeadBias::Row("final_logits_bias"),
            transform: None,
            cap: None,
        },
        start: config.token("decoder_start_token_id").or(config.token("pad_token_id")).or(Some(0)),
        end: config.token("eos_token_id").or(Some(1)),
        wraps: false,
        // Old checkpoints hold a bias for cross-attention that no version ever used.
        harmless: &[
            "lm_head.weight",
            "shared.weight",
            "*embed_tokens.weight",
            "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight",
        ],
    })
}

/// Returns whether the feed-forward blocks have a gate, and their activation: what `feed_forward_proj` says ("relu",
/// "gated-gelu", "gated-silu", ...), unless `is_gated_act` and `dense_act_fn` say otherwise.
fn feed_forward(config: &ModelConfig, default: &str) -> Result<(bool, Activation)> {
    let name = config.text_or("feed_forward_proj", default)?;
    let (gated, activation) = match name.strip_prefix("gated-") {
        // "gated-gelu" has always meant the tanh form.
        Some("gelu") => (true, "gelu_new"),
        Some(activation) => (true, activation),
        None => (false, name),
    };
    let gated = config.flag_or("is_gated_act", gated)?;
    if config.get("dense_act_fn").is_some() {
        return Ok((gated, Activation::parse(config.text_or("dense_act_fn", activation)?)?));
    }
    Activation::parse(activation)
        .map(|activation| (gated, activation))
        .map_err(|_| Error::Config(format!("feed_forward_proj '{name}' is not known")))
}
