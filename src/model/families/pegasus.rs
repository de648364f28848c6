//! Pegasus (Zhang et al. 2020): BART with norms before each block and after the last, none on the embeddings,
//! and sines and cosines for positions.

use super::bart::{Kin, ONE_VOCABULARY, build};
use crate::checkpoint::ModelConfig;
use crate::error::Result;
use crate::model::family::{Family, Reader, TokenizerClass};
use crate::model::spec::{ModelSpec, Placement, Positions};
use crate::nn::Sinusoid;

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "pegasus",
    examples: "google/pegasus-xsum",
    tokenizer: TokenizerClass::Named("PegasusTokenizer"),
    reader: Reader::Transformer(spec),
};

/// Reads Pegasus's config.json.
fn spec(config: &ModelConfig) -> Result<ModelSpec> {
    let count = config.count_or("max_position_embeddings", 1024)?;
    let kin = Kin {
        placement: Placement::Pre,
        embedding_norm: false,
        final_norm: true,
        positions: Positions::Sinusoid { formula: Sinusoid::Even, offset: 0, count },
        scale_embedding: false,
        activation: "gelu",
        vocabularies: ONE_VOCABULARY,
    };
    build(config, &kin)
}
