//! T5 (Raffel et al. 2020): v1.0, v1.1, Flan, ByT5. Root mean square norms before each block, no biases, no
//! factor on the scores, a relative position bias shared by all layers of a stack. mT5 and others are built
//! here, too, with other options.

use crate::checkpoint::ModelConfig;
use crate::error::{Error, Result};
use crate::model::family::{ConfigReader, Family, TokenizerClass};
use crate::model::spec::{
    AttentionNames, FfnNames, LmHeadBias, LmHeadSpec, NormKind, Placement, RelativeBiasSpec, StackNames,
    StackSize, StackSpec, TransformerSpec,
};
use crate::nn::Activation;

const SELF_ATTN: AttentionNames = AttentionNames::unbiased(
    [
        "layer.0.SelfAttention.q",
        "layer.0.SelfAttention.k",
        "layer.0.SelfAttention.v",
        "layer.0.SelfAttention.o",
    ],
    "layer.0.layer_norm",
);
const CROSS_ATTN: AttentionNames = AttentionNames::unbiased(
    [
        "layer.1.EncDecAttention.q",
        "layer.1.EncDecAttention.k",
        "layer.1.EncDecAttention.v",
        "layer.1.EncDecAttention.o",
    ],
    "layer.1.layer_norm",
);
const ENCODER_FFN: FfnNames =
    FfnNames::unbiased("layer.1.DenseReluDense.wi", "layer.1.DenseReluDense.wo", "layer.1.layer_norm");
const ENCODER_GATED_FFN: FfnNames =
    FfnNames::unbiased("layer.1.DenseReluDense.wi_1", "layer.1.DenseReluDense.wo", "layer.1.layer_norm")
        .gated("layer.1.DenseReluDense.wi_0");
const DECODER_FFN: FfnNames =
    FfnNames::unbiased("layer.2.DenseReluDense.wi", "layer.2.DenseReluDense.wo", "layer.2.layer_norm");
const DECODER_GATED_FFN: FfnNames =
    FfnNames::unbiased("layer.2.DenseReluDense.wi_1", "layer.2.DenseReluDense.wo", "layer.2.layer_norm")
        .gated("layer.2.DenseReluDense.wi_0");
const ENCODER: StackNames = StackNames {
    final_norm: Some("encoder.final_layer_norm"),
    relative_bias: Some("layer.0.SelfAttention.relative_attention_bias"),
    ..StackNames::new(
        "encoder.block.{}",
        SELF_ATTN,
        ENCODER_FFN,
        &["encoder.embed_tokens.weight", "shared.weight", "decoder.embed_tokens.weight", "lm_head.weight"],
    )
};
const DECODER: StackNames = StackNames {
    layer: "decoder.block.{}",
    cross_attn: Some(CROSS_ATTN),
    ffn: DECODER_FFN,
    embedding: &[
        "decoder.embed_tokens.weight",
        "shared.weight",
        "encoder.embed_tokens.weight",
        "lm_head.weight",
    ],
    final_norm: Some("decoder.final_layer_norm"),
    ..ENCODER
};

/// Differences between the families with T5's config fields and tensor names.
pub(super) struct T5Options {
    /// Default of `feed_forward_proj`.
    pub feed_forward: &'static str,
    /// True if each layer has a position bias of its own.
    pub bias_per_layer: bool,
    /// True if the decoder's states are multiplied by `d_model^-0.5` before the head, unless config.json
    /// unties the head: T5 1.1 was trained without the factor.
    pub scale_states: bool,
}

impl Default for T5Options {
    /// T5's own options.
    fn default() -> Self {
        Self { feed_forward: "relu", bias_per_layer: false, scale_states: true }
    }
}

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "t5",
    examples: "t5-small, google/flan-t5-base, google/byt5-small",
    tokenizer: TokenizerClass::Named("T5Tokenizer"),
    reader: ConfigReader::Transformer(spec),
};

/// Reads T5's config.json.
fn spec(config: &ModelConfig) -> Result<TransformerSpec> {
    build(config, &T5Options::default())
}

/// Builds the specification of a model with T5's config fields and tensor names.
pub(super) fn build(config: &ModelConfig, options: &T5Options) -> Result<TransformerSpec> {
    let layers = config.count("num_layers")?;
    let size = StackSize {
        d_model: config.count("d_model")?,
        layers,
        heads: config.count("num_heads")?,
        head_dim: config.count("d_kv")?,
        ffn_dim: config.count("d_ff")?,
        vocabulary: config.count("vocab_size")?,
    };
    let (gated, activation) = feed_forward(config, options.feed_forward)?;
    let tied = config.flag_or("tie_word_embeddings", true)?;
    let scaled = options.scale_states && config.flag_or("scale_decoder_outputs", tied)?;
    let mut encoder = StackSpec {
        relative_bias: Some(RelativeBiasSpec {
            buckets: config.count_or("relative_attention_num_buckets", 32)?,
            max_distance: config.count_or("relative_attention_max_distance", 128)?,
            per_layer: options.bias_per_layer,
        }),
        score_scale: 1.0,
        norm: NormKind::Rms { eps: config.number_or("layer_norm_epsilon", 1e-6)? },
        placement: Placement::Pre,
        activation,
        ..StackSpec::new(size, ENCODER)
    };
    let mut decoder = StackSpec {
        layers: config.count_or("num_decoder_layers", layers)?,
        names: DECODER,
        ..encoder.clone()
    };
    if gated {
        encoder.names.ffn = ENCODER_GATED_FFN;
        decoder.names.ffn = DECODER_GATED_FFN;
    }
    Ok(TransformerSpec {
        model_type: config.model_type()?.into(),
        lm_head: LmHeadSpec {
            scale: if scaled { (encoder.d_model as f64).powf(-0.5) } else { 1.0 },
            bias: LmHeadBias::Row("final_logits_bias"),
            // A head in the checkpoint counts, whatever config.json says about tying.
            ..LmHeadSpec::new(&[
                "lm_head.weight",
                "shared.weight",
                "decoder.embed_tokens.weight",
                "encoder.embed_tokens.weight",
            ])
        },
        encoder,
        decoder,
        encoder_projection: None,
        start: config.token("decoder_start_token_id").or(config.token("pad_token_id")).or(Some(0)),
        end: config.token("eos_token_id").or(Some(1)),
        wraps: false,
        front_end: None,
        ignored: &[
            "lm_head.weight",
            "shared.weight",
            "*embed_tokens.weight",
            // In old checkpoints; no version has used it.
            "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight",
        ],
    })
}

/// Returns whether the feed-forward blocks have a gate, and their activation: what `feed_forward_proj` says
/// ("relu", "gated-gelu", "gated-silu", ...), unless `is_gated_act` and `dense_act_fn` say otherwise.
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
