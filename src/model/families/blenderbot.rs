//! Blenderbot (Roller et al. 2020): BART with norms before each block and after the last, learned positions
//! from row 0 on.

use super::bart::{BartOptions, build, learned};
use crate::checkpoint::ModelConfig;
use crate::error::Result;
use crate::model::family::{ConfigReader, Family, TokenizerClass};
use crate::model::spec::TransformerSpec;

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "blenderbot",
    examples: "facebook/blenderbot-400M-distill",
    tokenizer: TokenizerClass::Named("BlenderbotTokenizer"),
    reader: ConfigReader::Transformer(spec),
};

/// Reads Blenderbot's config.json.
fn spec(config: &ModelConfig) -> Result<TransformerSpec> {
    build(config, &BartOptions::pre_norm(learned(config, 0, 128)?))
}
