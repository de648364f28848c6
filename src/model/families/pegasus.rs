//! Pegasus (Zhang et al. 2020): BART with norms before each block and after the last, none on the embeddings,
//! and sines and cosines for positions.

use super::bart::{Kin, ONE_VOCABULARY, build};
use crate::error::Result;
use crate::model::config::Config;
use crate::model::spec::{ModelSpec, Placement, Positions};
use crate::nn::Sinusoid;

/// Reads Pegasus's config.json.
pub fn spec(config: &Config) -> Result<ModelSpec> {
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
