//! Marian (Junczys-Dowmunt et al. 2018), as in the OPUS-MT models: BART with sines and cosines for positions
//! and without a norm on the embeddings. Source and target vocabularies may differ.

use super::bart::{BartOptions, build};
use crate::checkpoint::ModelConfig;
use crate::error::Result;
use crate::model::family::{ConfigReader, Family, TokenizerClass};
use crate::model::spec::{Positions, TransformerSpec};
use crate::nn::{PadPositions, Sinusoid};

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "marian",
    examples: "Helsinki-NLP/opus-mt-en-de",
    tokenizer: TokenizerClass::Named("MarianTokenizer"),
    reader: ConfigReader::Transformer(spec),
};

/// Reads Marian's config.json.
fn spec(config: &ModelConfig) -> Result<TransformerSpec> {
    let count = config.count_or("max_position_embeddings", 1024)?;
    let options = BartOptions {
        embedding_norm: false,
        ..BartOptions::new(Positions::Sinusoid {
            formula: Sinusoid::Even,
            offset: 0,
            count,
            padding: PadPositions::Counted,
        })
    };
    let mut spec = build(config, &options)?;
    if !config.flag_or("share_encoder_decoder_embeddings", true)? {
        spec.decoder.vocabulary = config.count_or("decoder_vocab_size", spec.encoder.vocabulary)?;
        spec.lm_head.weight = &["lm_head.weight", "model.decoder.embed_tokens.weight"];
    }
    Ok(spec)
}
