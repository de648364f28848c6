//! FSMT (Ng et al. 2019), fairseq's translation models for WMT 19: BART's blocks with fairseq's sines and cosines,
//! no norm on the embeddings, and a vocabulary on each side.

use super::bart::{Kin, build};
use crate::checkpoint::ModelConfig;
use crate::error::Result;
use crate::model::family::{Family, Reader, TokenizerClass};
use crate::model::spec::{ModelSpec, Placement, Positions};
use crate::nn::Sinusoid;

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "fsmt",
    examples: "facebook/wmt19-en-de",
    tokenizer: TokenizerClass::Named("FSMTTokenizer"),
    reader: Reader::Transformer(spec),
};

/// Reads FSMT's config.json.
fn spec(config: &ModelConfig) -> Result<ModelSpec> {
    let count = config.count_or("max_position_embeddings", 1024)?;
    let kin = Kin {
        placement: Placement::Post,
        embedding_norm: false,
        final_norm: false,
        positions: Positions::Sinusoid { formula: Sinusoid::Fairseq, offset: 2, count },
        scale_embedding: true,
        activation: "relu",
        vocabularies: ["src_vocab_size", "tgt_vocab_size"],
    };
    let mut spec = build(config, &kin)?;
    spec.head.weight = &["model.decoder.output_projection.weight", "model.decoder.embed_tokens.weight"];
    // The output projection is the decoder's embedding: some files have one name, some the other.
    spec.decoder.names.embedding =
        &["model.decoder.embed_tokens.weight", "model.decoder.output_projection.weight"];
    spec.wraps = true;
    Ok(spec)
}
