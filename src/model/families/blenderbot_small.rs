//! BlenderbotSmall (Roller et al. 2020): BART with learned positions from row 0 on; the decoder normalises its
//! token embeddings before the positions are added.

use super::bart::{Kin, ONE_VOCABULARY, build};
use crate::checkpoint::ModelConfig;
use crate::error::Result;
use crate::model::family::{Family, Reader, TokenizerClass};
use crate::model::spec::{EmbeddingNorm, ModelSpec, Placement, Positions};

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "blenderbot-small",
    examples: "facebook/blenderbot_small-90M",
    tokenizer: TokenizerClass::Named("BlenderbotSmallTokenizer"),
    reader: Reader::Transformer(spec),
};

/// Reads BlenderbotSmall's config.json.
fn spec(config: &ModelConfig) -> Result<ModelSpec> {
    let count = config.count_or("max_position_embeddings", 512)?;
    let kin = Kin {
        placement: Placement::Post,
        embedding_norm: true,
        final_norm: false,
        positions: Positions::Learned { offset: 0, count },
        scale_embedding: false,
        activation: "gelu",
        vocabularies: ONE_VOCABULARY,
    };
    let mut spec = build(config, &kin)?;
    spec.decoder.embedding_norm = EmbeddingNorm::BeforePositions;
    // The reference scales the embeddings of the encoder alone, whatever `scale_embedding` says.
    spec.decoder.embedding_scale = 1.0;
    Ok(spec)
}
