//! LED (Beltagy et al. 2020): BART whose encoder sees a window around each token. No token is global unless
//! a caller says so, and none does here; the reference's default is the same.

use super::bart::{Kin, ONE_VOCABULARY, build};
use crate::checkpoint::ModelConfig;
use crate::error::{Error, Result};
use crate::model::family::{Family, Reader, TokenizerClass};
use crate::model::spec::{AttentionNames, ModelSpec, Placement, Positions, Reach, Span, StackNames};

const WINDOW: AttentionNames = AttentionNames {
    query: "self_attn.longformer_self_attn.query",
    key: "self_attn.longformer_self_attn.key",
    value: "self_attn.longformer_self_attn.value",
    output: "self_attn.output",
    norm: "self_attn_layer_norm",
};

const READ: &[&str] =
    &["led.encoder.embed_tokens.weight", "led.shared.weight", "led.decoder.embed_tokens.weight"];
const WRITTEN: &[&str] =
    &["led.decoder.embed_tokens.weight", "led.shared.weight", "led.encoder.embed_tokens.weight"];
const HEAD: &[&str] = &["lm_head.weight", "led.decoder.embed_tokens.weight", "led.shared.weight"];

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "led",
    examples: "allenai/led-base-16384",
    tokenizer: TokenizerClass::Named("LEDTokenizer"),
    reader: Reader::Transformer(spec),
};

/// Reads LED's config.json.
fn spec(config: &ModelConfig) -> Result<ModelSpec> {
    let count = config.count_or("max_encoder_position_embeddings", 16384)?;
    let kin = Kin {
        placement: Placement::Post,
        embedding_norm: true,
        final_norm: false,
        positions: Positions::Learned { offset: 0, count },
        scale_embedding: false,
        activation: "gelu",
        vocabularies: ONE_VOCABULARY,
    };
    let mut spec = build(config, &kin)?;
    // The reference does not scale LED's embeddings whatever the file says.
    spec.encoder.embedding_scale = 1.0;
    spec.decoder.embedding_scale = 1.0;
    let count = config.count_or("max_decoder_position_embeddings", 1024)?;
    spec.decoder.positions = Positions::Learned { offset: 0, count };
    spec.encoder.names = StackNames {
        layer: "led.encoder.layers.{}",
        own: WINDOW,
        embedding: READ,
        positions: "led.encoder.embed_positions.weight",
        embedding_norm: Some("led.encoder.layernorm_embedding"),
        ..spec.encoder.names
    };
    spec.decoder.names = StackNames {
        layer: "led.decoder.layers.{}",
        embedding: WRITTEN,
        positions: "led.decoder.embed_positions.weight",
        embedding_norm: Some("led.decoder.layernorm_embedding"),
        ..spec.decoder.names
    };
    spec.head.weight = HEAD;
    spec.encoder.reach = Reach::Near(windows(config, spec.encoder.layers)?);
    spec.harmless = HARMLESS;
    Ok(spec)
}

/// Besides BART's, the projections of global tokens.
const HARMLESS: &[&str] = &[
    "lm_head.weight",
    "*shared.weight",
    "*embed_tokens.weight",
    "final_logits_bias",
    "*.query_global.*",
    "*.key_global.*",
    "*.value_global.*",
];

/// Half of `attention_window` of each layer: one number for all, or a list.
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
