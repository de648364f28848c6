//! FSMT (Ng et al. 2019), fairseq's translation models for WMT 19: BART's blocks with fairseq's sines and
//! cosines, no norm on the embeddings, and one vocabulary a side.

use super::bart::{BartOptions, build};
use crate::checkpoint::ModelConfig;
use crate::error::Result;
use crate::model::family::{ConfigReader, Family, TokenizerClass};
use crate::model::spec::{Positions, TransformerSpec};
use crate::nn::{PadPositions, Sinusoid};

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "fsmt",
    examples: "facebook/wmt19-en-de",
    tokenizer: TokenizerClass::Named("FSMTTokenizer"),
    reader: ConfigReader::Transformer(spec),
};

/// Reads FSMT's config.json.
fn spec(config: &ModelConfig) -> Result<TransformerSpec> {
    let count = config.count_or("max_position_embeddings", 1024)?;
    let offset = config.token("pad_token_id").unwrap_or(1) as usize + 1;
    let options = BartOptions {
        embedding_norm: false,
        scale_embedding: true,
        activation: "relu",
        vocabularies: ["src_vocab_size", "tgt_vocab_size"],
        ..BartOptions::new(Positions::Sinusoid {
            formula: Sinusoid::Fairseq,
            offset,
            count,
            padding: PadPositions::Skipped { moved: true },
        })
    };
    let mut spec = build(config, &options)?;
    spec.lm_head.weight = &["model.decoder.output_projection.weight", "model.decoder.embed_tokens.weight"];
    // The output projection is the decoder's embedding; a file has it under one name or the other.
    spec.decoder.names.embedding =
        &["model.decoder.embed_tokens.weight", "model.decoder.output_projection.weight"];
    spec.wraps = true;
    Ok(spec)
}
