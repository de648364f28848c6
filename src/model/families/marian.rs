//! Marian (Junczys-Dowmunt et al. 2018), as in the OPUS-MT models: BART without a norm on the embeddings,
//! with sines and cosines for positions; source and target vocabularies may differ.

use super::bart::{Kin, ONE_VOCABULARY, build};
use crate::error::Result;
use crate::model::config::Config;
use crate::model::spec::{ModelSpec, Placement, Positions};
use crate::nn::Sinusoid;

/// Reads Marian's config.json.
pub fn spec(config: &Config) -> Result<ModelSpec> {
    let count = config.count_or("max_position_embeddings", 1024)?;
    let kin = Kin {
        placement: Placement::Post,
        embedding_norm: false,
        final_norm: false,
        positions: Positions::Sinusoid { formula: Sinusoid::Even, offset: 0, count },
        scale_embedding: false,
        activation: "gelu",
        vocabularies: ONE_VOCABULARY,
    };
    let mut spec = build(config, &kin)?;
    if !config.flag_or("share_encoder_decoder_embeddings", true)? {
        spec.decoder.vocabulary = config.count_or("decoder_vocab_size", spec.encoder.vocabulary)?;
        spec.head.weight = &["lm_head.weight", "model.decoder.embed_tokens.weight"];
    }
    Ok(spec)
}
