//! BlenderbotSmall (Roller et al. 2020): BART with learned positions from row 0 on; the decoder normalises
//! its token embeddings before the positions are added.

use super::bart::{BartOptions, build, learned};
use crate::checkpoint::ModelConfig;
use crate::error::Result;
use crate::model::family::{ConfigReader, Family, TokenizerClass};
use crate::model::spec::{EmbeddingNorm, TransformerSpec};

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "blenderbot-small",
    examples: "facebook/blenderbot_small-90M",
    tokenizer: TokenizerClass::Named("BlenderbotSmallTokenizer"),
    reader: ConfigReader::Transformer(spec),
};

/// Reads BlenderbotSmall's config.json.
fn spec(config: &ModelConfig) -> Result<TransformerSpec> {
    let mut spec = build(config, &BartOptions::new(learned(config, 0, 512)?))?;
    spec.decoder.embedding_norm = EmbeddingNorm::BeforePositions;
    // The reference scales the embeddings of the encoder alone, whatever `scale_embedding` says.
    spec.decoder.embedding_scale = 1.0;
    Ok(spec)
}
