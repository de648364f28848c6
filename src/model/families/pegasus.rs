//! Pegasus (Zhang et al. 2020): BART with norms before each block and after the last, none on the embeddings,
//! and sines and cosines for positions.

use super::bart::{BartOptions, build};
use crate::checkpoint::ModelConfig;
use crate::error::Result;
use crate::model::family::{ConfigReader, Family, TokenizerClass};
use crate::model::spec::{Positions, TransformerSpec};
use crate::nn::{PadPositions, Sinusoid};

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "pegasus",
    examples: "google/pegasus-xsum",
    tokenizer: TokenizerClass::Named("PegasusTokenizer"),
    reader: ConfigReader::Transformer(spec),
};

/// Reads Pegasus' config.json.
fn spec(config: &ModelConfig) -> Result<TransformerSpec> {
    let count = config.count_or("max_position_embeddings", 1024)?;
    let positions =
        Positions::Sinusoid { formula: Sinusoid::Even, offset: 0, count, padding: PadPositions::Counted };
    build(config, &BartOptions::pre_norm(positions))
}
