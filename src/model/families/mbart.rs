//! mBART (Liu et al. 2020) and mBART-50: BART with norms before each block and one more after the last.

use super::bart::{Kin, ONE_VOCABULARY, build};
use crate::checkpoint::ModelConfig;
use crate::error::Result;
use crate::model::family::{Family, Reader, TokenizerClass};
use crate::model::spec::{ModelSpec, Placement, Positions};

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "mbart",
    examples: "facebook/mbart-large-50-many-to-many-mmt, facebook/mbart-large-en-ro",
    tokenizer: TokenizerClass::Named("MBartTokenizer"),
    reader: Reader::Transformer(spec),
};

/// Reads mBART's config.json.
fn spec(config: &ModelConfig) -> Result<ModelSpec> {
    let count = config.count_or("max_position_embeddings", 1024)?;
    let kin = Kin {
        placement: Placement::Pre,
        embedding_norm: true,
        final_norm: true,
        positions: Positions::Learned { offset: 2, count },
        scale_embedding: false,
        activation: "gelu",
        vocabularies: ONE_VOCABULARY,
    };
    Ok(ModelSpec { wraps: true, ..build(config, &kin)? })
}
