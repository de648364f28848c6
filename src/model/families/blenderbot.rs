//! Blenderbot (Roller et al. 2020): BART with norms before each block and after the last, learned positions
//! from row 0 on.

use super::bart::{Kin, ONE_VOCABULARY, build};
use crate::checkpoint::ModelConfig;
use crate::error::Result;
use crate::model::family::{Family, Reader, TokenizerClass};
use crate::model::spec::{ModelSpec, Placement, Positions};

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "blenderbot",
    examples: "facebook/blenderbot-400M-distill",
    tokenizer: TokenizerClass::Named("BlenderbotTokenizer"),
    reader: Reader::Transformer(spec),
};

/// Reads Blenderbot's config.json.
fn spec(config: &ModelConfig) -> Result<ModelSpec> {
    let count = config.count_or("max_position_embeddings", 128)?;
    let kin = Kin {
        placement: Placement::Pre,
        embedding_norm: false,
        final_norm: true,
        positions: Positions::Learned { offset: 0, count },
        scale_embedding: false,
        activation: "gelu",
        vocabularies: ONE_VOCABULARY,
    };
    build(config, &kin)
}
