//! SeamlessM4T (Seamless communication 2023), its text side: M2M100's blocks under other names. The speech
//! parts of the checkpoint are ignored.

use super::nllb_moe::CROSS_ATTN;
use super::{bart, m2m_100};
use crate::checkpoint::ModelConfig;
use crate::error::Result;
use crate::model::family::{ConfigReader, Family, TokenizerClass};
use crate::model::spec::{FfnNames, StackNames, TransformerSpec};

const FFN: FfnNames = FfnNames::biased("ffn.fc1", "ffn.fc2", "ffn_layer_norm");

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "seamless_m4t",
    examples: "facebook/hf-seamless-m4t-medium",
    tokenizer: TokenizerClass::Named("SeamlessM4TTokenizer"),
    reader: ConfigReader::Transformer(spec),
};

/// Version 2 of the family.
pub(crate) const FAMILY_V2: Family = Family {
    model_type: "seamless_m4t_v2",
    examples: "facebook/seamless-m4t-v2-large",
    tokenizer: TokenizerClass::Named("SeamlessM4TTokenizer"),
    reader: ConfigReader::Transformer(spec),
};

/// Reads SeamlessM4T's config.json, version 1 or 2.
fn spec(config: &ModelConfig) -> Result<TransformerSpec> {
    let mut spec = bart::build(config, &m2m_100::options(config, 0)?)?;
    spec.encoder.names = StackNames {
        layer: "text_encoder.layers.{}",
        ffn: FFN,
        embedding: &["text_encoder.embed_tokens.weight", "shared.weight", "text_decoder.embed_tokens.weight"],
        positions: Some("text_encoder.embed_positions.weights"),
        final_norm: Some("text_encoder.layer_norm"),
        ..spec.encoder.names
    };
    spec.decoder.names = StackNames {
        layer: "text_decoder.layers.{}",
        cross_attn: Some(CROSS_ATTN),
        ffn: FFN,
        embedding: &["text_decoder.embed_tokens.weight", "shared.weight", "text_encoder.embed_tokens.weight"],
        positions: Some("text_decoder.embed_positions.weights"),
        final_norm: Some("text_decoder.layer_norm"),
        ..spec.decoder.names
    };
    spec.lm_head.weight = &["lm_head.weight", "shared.weight", "text_decoder.embed_tokens.weight"];
    spec.ignored = &[
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
