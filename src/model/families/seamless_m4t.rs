//! SeamlessM4T (Seamless communication 2023), its text side: M2M100's blocks under other names. The speech parts
//! of the checkpoint are left alone.

use super::bart::{self, Kin, ONE_VOCABULARY};
use super::nllb_moe::CROSS;
use crate::checkpoint::ModelConfig;
use crate::error::Result;
use crate::model::family::{Family, Reader, TokenizerClass};
use crate::model::spec::{FfnNames, ModelSpec, Placement, Positions, StackNames};
use crate::nn::Sinusoid;

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "seamless_m4t",
    examples: "facebook/hf-seamless-m4t-medium",
    tokenizer: TokenizerClass::Named("SeamlessM4TTokenizer"),
    reader: Reader::Transformer(spec),
};

/// Version 2 of the family.
pub(crate) const FAMILY_V2: Family = Family {
    model_type: "seamless_m4t_v2",
    examples: "facebook/seamless-m4t-v2-large",
    tokenizer: TokenizerClass::Named("SeamlessM4TTokenizer"),
    reader: Reader::Transformer(spec),
};

/// Reads SeamlessM4T's config.json, version 1 or 2.
fn spec(config: &ModelConfig) -> Result<ModelSpec> {
    let count = config.count_or("max_position_embeddings", 1024)?;
    let offset = config.token("pad_token_id").unwrap_or(0) as usize + 1;
    let kin = Kin {
        placement: Placement::Pre,
        embedding_norm: false,
        final_norm: true,
        positions: Positions::Sinusoid { formula: Sinusoid::Fairseq, offset, count },
        scale_embedding: true,
        activation: "relu",
        vocabularies: ONE_VOCABULARY,
    };
    let mut spec = bart::build(config, &kin)?;
    let ffn = FfnNames { up: "ffn.fc1", gate: None, down: "ffn.fc2", norm: "ffn_layer_norm" };
    spec.encoder.names = StackNames {
        layer: "text_encoder.layers.{}",
        ffn,
        embedding: &["text_encoder.embed_tokens.weight", "shared.weight", "text_decoder.embed_tokens.weight"],
        positions: "text_encoder.embed_positions.weights",
        final_norm: Some("text_encoder.layer_norm"),
        ..spec.encoder.names
    };
    spec.decoder.names = StackNames {
        layer: "text_decoder.layers.{}",
        cross: Some(CROSS),
        ffn,
        embedding: &["text_decoder.embed_tokens.weight", "shared.weight", "text_encoder.embed_tokens.weight"],
        positions: "text_decoder.embed_positions.weights",
        final_norm: Some("text_decoder.layer_norm"),
        ..spec.decoder.names
    };
    spec.head.weight = &["lm_head.weight", "shared.weight", "text_decoder.embed_tokens.weight"];
    spec.harmless = &[
        "lm_head.weight",
        "shared.weight",
        "*embed_tokens.weight",
        "*embed_positions.weights",
        "speech_encoder.*",
        "t2u_model.*",
        "vocoder.*",
    ];
    Ok(spec)
}
