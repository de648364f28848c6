//! LED (Beltagy et al. 2020): BART whose encoder sees a window around each token. As in the reference's
//! default, no token has global attention.

use super::bart::{BartOptions, build};
use crate::checkpoint::ModelConfig;
use crate::error::{Error, Result};
use crate::model::family::{ConfigReader, Family, TokenizerClass};
use crate::model::spec::{AttentionNames, Positions, Span, Sparsity, StackNames, TransformerSpec};
use crate::nn::PadPositions;

const WINDOW_ATTN: AttentionNames = AttentionNames::biased(
    [
        "self_attn.longformer_self_attn.query",
        "self_attn.longformer_self_attn.key",
        "self_attn.longformer_self_attn.value",
        "self_attn.output",
    ],
    "self_attn_layer_norm",
);

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "led",
    examples: "allenai/led-base-16384",
    tokenizer: TokenizerClass::Named("LEDTokenizer"),
    reader: ConfigReader::Transformer(spec),
};

/// Reads LED's config.json.
fn spec(config: &ModelConfig) -> Result<TransformerSpec> {
    let learned = |key, default| {
        Ok::<_, Error>(Positions::Learned {
            offset: 0,
            count: config.count_or(key, default)?,
            padding: PadPositions::Counted,
        })
    };
    let positions = learned("max_encoder_position_embeddings", 16384)?;
    let mut spec = build(config, &BartOptions::new(positions))?;
    // The reference does not scale LED's embeddings, whatever config.json says.
    spec.encoder.embedding_scale = 1.0;
    spec.decoder.embedding_scale = 1.0;
    spec.decoder.positions = learned("max_decoder_position_embeddings", 1024)?;
    spec.encoder.names = StackNames {
        layer: "led.encoder.layers.{}",
        self_attn: WINDOW_ATTN,
        embedding: &[
            "led.encoder.embed_tokens.weight",
            "led.shared.weight",
            "led.decoder.embed_tokens.weight",
        ],
        positions: Some("led.encoder.embed_positions.weight"),
        embedding_norm: Some("led.encoder.layernorm_embedding"),
        ..spec.encoder.names
    };
    spec.decoder.names = StackNames {
        layer: "led.decoder.layers.{}",
        embedding: &[
            "led.decoder.embed_tokens.weight",
            "led.shared.weight",
            "led.encoder.embed_tokens.weight",
        ],
        positions: Some("led.decoder.embed_positions.weight"),
        embedding_norm: Some("led.decoder.layernorm_embedding"),
        ..spec.decoder.names
    };
    spec.lm_head.weight = &["lm_head.weight", "led.decoder.embed_tokens.weight", "led.shared.weight"];
    spec.encoder.sparsity = Sparsity::Windows(windows(config, spec.encoder.layers)?);
    spec.ignored = &[
        "lm_head.weight",
        "*shared.weight",
        "*embed_tokens.weight",
        "final_logits_bias",
        // Projections of tokens with global attention.
        "*.query_global.*",
        "*.key_global.*",
        "*.value_global.*",
    ];
    Ok(spec)
}

/// Reads half of `attention_window` for each layer; the field is one number for all layers or a list.
fn windows(config: &ModelConfig, layers: usize) -> Result<Vec<Span>> {
    let wrong = || Error::Config("attention_window is neither an even number nor a list of them".into());
    let half = |value: &serde_json::Value| match value.as_u64() {
        Some(window) if window > 0 && window.is_multiple_of(2) => Ok(Span::around(window as usize / 2)),
        _ => Err(wrong()),
    };
    match config.get("attention_window") {
        None => Ok(vec![Span::around(256); layers]),
        Some(serde_json::Value::Array(list)) if list.len() == layers => list.iter().map(half).collect(),
        Some(serde_json::Value::Array(_)) => Err(wrong()),
        Some(one) => Ok(vec![half(one)?; layers]),
    }
}
