//! mBART (Liu et al. 2020) and mBART-50: BART with norms before each block and one more after the last.

use super::bart::{Kin, ONE_VOCABULARY, build};
use crate::error::Result;
use crate::model::config::Config;
use crate::model::spec::{ModelSpec, Placement, Positions};

/// Reads mBART's config.json.
pub fn spec(config: &Config) -> Result<ModelSpec> {
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
