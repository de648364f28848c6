//! Marian (Junczys-Dowmunt et al. 2018), as in the OPUS-MT models: BART without a norm on the embeddings,
//! with sines and cosines for positions; source and target vocabularies may differ.

use super::bart::{Kin, ONE_VOCABULARY, build};
use crate::checkpoint::ModelConfig;
use crate::error::Result;
use crate::model::family::{Family, Reader, TokenizerClass};
use crate::model::spec::{ModelSpec, Placement, Positions};
use crate::nn::Sinusoid;

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "marian",
    examples: "Helsinki-NLP/opus-mt-en-de",
    tokenizer: TokenizerClass::Named("MarianTokenizer"),
    reader: Reader::Transformer(spec),
};

/// Reads Marian's config.json.
fn spec(config: &ModelConfig) -> Result<ModelSpec> {
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
