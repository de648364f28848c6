//! M2M100 (Fan et al. 2021) and the dense NLLB-200: norms before each block and after the last, fairseq's
//! sines and cosines from the row after the padding token's on.

use super::bart::{BartOptions, build};
use crate::checkpoint::ModelConfig;
use crate::error::Result;
use crate::model::family::{ConfigReader, Family, TokenizerClass};
use crate::model::spec::{Positions, TransformerSpec};
use crate::nn::{PadPositions, Sinusoid};

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "m2m_100",
    examples: "facebook/m2m100_418M, facebook/nllb-200-distilled-600M",
    tokenizer: TokenizerClass::Named("M2M100Tokenizer"),
    reader: ConfigReader::Transformer(spec),
};

/// Reads M2M100's config.json.
pub(super) fn spec(config: &ModelConfig) -> Result<TransformerSpec> {
    build(config, &options(config, 1)?)
}

/// Returns the options of M2M100; `pad` is the default of `pad_token_id`.
pub(super) fn options(config: &ModelConfig, pad: u32) -> Result<BartOptions> {
    let count = config.count_or("max_position_embeddings", 1024)?;
    let offset = config.token("pad_token_id").unwrap_or(pad) as usize + 1;
    Ok(BartOptions {
        scale_embedding: true,
        activation: "relu",
        ..BartOptions::pre_norm(Positions::Sinusoid {
            formula: Sinusoid::Fairseq,
            offset,
            count,
            padding: PadPositions::Skipped { moved: false },
        })
    })
}
