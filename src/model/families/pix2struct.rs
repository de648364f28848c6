//! Pix2Struct (Lee et al. 2023): an encoder of patches whose number and grid follow the picture, and T5's decoder
//! under other names.

use crate::checkpoint::ModelConfig;
use crate::error::Result;
use crate::model::family::{ConfigReader, Family, TokenizerClass};
use crate::model::spec::{
    AttentionNames, FfnNames, FrontEndSpec, LmHeadSpec, NormKind, Placement, RelativeBiasSpec, StackNames,
    StackSize, StackSpec, TransformerSpec, VariablePatchesSpec,
};
use crate::nn::Activation;

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "pix2struct",
    examples: "google/pix2struct-textcaps-base, google/deplot, google/matcha-base",
    tokenizer: TokenizerClass::Named("T5Tokenizer"),
    reader: ConfigReader::Transformer(spec),
};

const ENCODER: StackNames = StackNames {
    final_norm: Some("encoder.layernorm"),
    ..StackNames::new(
        "encoder.encoder.layer.{}",
        AttentionNames::unbiased(
            ["attention.query", "attention.key", "attention.value", "attention.output"],
            "pre_attention_layer_norm",
        ),
        FfnNames::unbiased("mlp.wi_1", "mlp.wo", "pre_mlp_layer_norm").gated("mlp.wi_0"),
        &[],
    )
};
const DECODER: StackNames = StackNames {
    cross_attn: Some(AttentionNames::unbiased(
        [
            "encoder_decoder_attention.attention.query",
            "encoder_decoder_attention.attention.key",
            "encoder_decoder_attention.attention.value",
            "encoder_decoder_attention.attention.output",
        ],
        "encoder_decoder_attention.layer_norm",
    )),
    relative_bias: Some("self_attention.attention.relative_attention_bias"),
    final_norm: Some("decoder.final_layer_norm"),
    ..StackNames::new(
        "decoder.layer.{}",
        AttentionNames::unbiased(
            [
                "self_attention.attention.query",
                "self_attention.attention.key",
                "self_attention.attention.value",
                "self_attention.attention.output",
            ],
            "self_attention.layer_norm",
        ),
        FfnNames::unbiased("mlp.DenseReluDense.wi_1", "mlp.DenseReluDense.wo", "mlp.layer_norm")
            .gated("mlp.DenseReluDense.wi_0"),
        &["decoder.embed_tokens.weight", "decoder.lm_head.weight"],
    )
};

/// Reads config.json.
fn spec(config: &ModelConfig) -> Result<TransformerSpec> {
    let (vision, text) = (config.require_section("vision_config")?, config.require_section("text_config")?);
    let size = |part: &ModelConfig, layers: &str, heads: &str, vocabulary: usize| {
        Ok::<_, crate::error::Error>(StackSize {
            d_model: part.count_or("hidden_size", 768)?,
            layers: part.count_or(layers, 12)?,
            heads: part.count_or(heads, 12)?,
            head_dim: part.count_or("d_kv", 64)?,
            ffn_dim: part.count_or("d_ff", 2048)?,
            vocabulary,
        })
    };
    let activation = |part: &ModelConfig| Activation::parse(part.text_or("dense_act_fn", "gelu_new")?);
    let encoder = StackSpec {
        score_scale: 1.0,
        norm: NormKind::Rms { eps: vision.number_or("layer_norm_eps", 1e-6)? },
        placement: Placement::Pre,
        activation: activation(&vision)?,
        ..StackSpec::new(size(&vision, "num_hidden_layers", "num_attention_heads", 0)?, ENCODER)
    };
    let vocabulary = text.count_or("vocab_size", 50244)?;
    let decoder = StackSpec {
        relative_bias: Some(RelativeBiasSpec {
            buckets: text.count_or("relative_attention_num_buckets", 32)?,
            max_distance: text.count_or("relative_attention_max_distance", 128)?,
            per_layer: false,
        }),
        score_scale: 1.0,
        norm: NormKind::Rms { eps: text.number_or("layer_norm_epsilon", 1e-6)? },
        placement: Placement::Pre,
        activation: activation(&text)?,
        ..StackSpec::new(size(&text, "num_layers", "num_heads", vocabulary)?, DECODER)
    };
    let token = |key: &str| config.token(key).or_else(|| text.token(key));
    Ok(TransformerSpec {
        model_type: config.model_type()?.into(),
        encoder,
        decoder,
        encoder_projection: None,
        lm_head: LmHeadSpec::new(&["decoder.lm_head.weight", "decoder.embed_tokens.weight"]),
        start: token("decoder_start_token_id").or(Some(0)),
        end: token("eos_token_id").or(Some(1)),
        wraps: false,
        front_end: Some(FrontEndSpec::VariablePatches(VariablePatchesSpec {
            values: vision.count_or("patch_embed_hidden_size", 768)?,
            positions: vision.count_or("seq_len", 4096)?,
            projection: "encoder.embeddings.patch_projection",
            rows: "encoder.embeddings.row_embedder.weight",
            columns: "encoder.embeddings.column_embedder.weight",
        })),
        ignored: &["decoder.lm_head.weight"],
    })
}
