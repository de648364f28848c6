//! M2M100 (Fan et al. 2021) and the dense NLLB-200: norms before each block and after the last, fairseq's sines
//! and cosines from the row after the padding's on.

use super::bart::{Kin, ONE_VOCABULARY, build};
use crate::checkpoint::ModelConfig;
use crate::error::Result;
use crate::model::family::{Family, Reader, TokenizerClass};
use crate::model::spec::{ModelSpec, Placement, Positions};
use crate::nn::Sinusoid;

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "m2m_100",
    examples: "facebook/m2m100_418M, facebook/nllb-200-distilled-600M",
    tokenizer: TokenizerClass::Named("M2M100Tokenizer"),
    reader: Reader::Transformer(spec),
};

/// Reads M2M100's config.json.
pub(super) fn spec(config: &ModelConfig) -> Result<ModelSpec> {
    let count = config.count_or("max_position_embeddings", 1024)?;
    let offset = config.token("pad_token_id").unwrap_or(1) as usize + 1;
    let kin = Kin {
        placement: Placement::Pre,
        embedding_norm: false,
        final_norm: true,
        positions: Positions::Sinusoid { formula: Sinusoid::Fairseq, offset, count },
        scale_embedding: true,
        activation: "relu",
        vocabularies: ONE_VOCABULARY,
    };
    build(config, &kin)
}
