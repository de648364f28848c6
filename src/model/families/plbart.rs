//! PLBart (Ahmad et al. 2021): BART with scaled embeddings.

use super::bart::{Kin, ONE_VOCABULARY, build};
use crate::error::Result;
use crate::model::config::Config;
use crate::model::spec::{ModelSpec, Placement, Positions};

/// Reads PLBart's config.json.
pub fn spec(config: &Config) -> Result<ModelSpec> {
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
