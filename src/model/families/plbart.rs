//! PLBart (Ahmad et al. 2021): BART with scaled embeddings.

use super::bart::{Kin, ONE_VOCABULARY, build};
use crate::checkpoint::ModelConfig;
use crate::error::Result;
use crate::model::family::{Family, Reader, TokenizerClass};
use crate::model::spec::{ModelSpec, Placement, Positions};

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "plbart",
    examples: "uclanlp/plbart-base",
    tokenizer: TokenizerClass::Named("PLBartTokenizer"),
    reader: Reader::Transformer(spec),
};

/// Reads PLBart's config.json.
fn spec(config: &ModelConfig) -> Result<ModelSpec> {
    let count = config.count_or("max_position_embeddings", 1024)?;
    let kin = Kin {
        placement: Placement::Post,
        embedding_norm: true,
        final_norm: false,
        positions: Positions::Learned { offset: 2, count },
        scale_embedding: true,
        activation: "gelu",
        vocabularies: ONE_VOCABULARY,
    };
    Ok(ModelSpec { wraps: true, ..build(config, &kin)? })
}
