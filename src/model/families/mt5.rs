//! mT5 (Xue et al. 2021): T5 1.1 whose states are never scaled before the head.

use super::t5::{T5Options, build};
use crate::checkpoint::ModelConfig;
use crate::error::Result;
use crate::model::family::{ConfigReader, Family, TokenizerClass};
use crate::model::spec::TransformerSpec;

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "mt5",
    examples: "google/mt5-small",
    tokenizer: TokenizerClass::Named("T5Tokenizer"),
    reader: ConfigReader::Transformer(spec),
};

/// Reads mT5's config.json.
fn spec(config: &ModelConfig) -> Result<TransformerSpec> {
    let options = T5Options { feed_forward: "gated-gelu", scale_states: false, ..T5Options::default() };
    build(config, &options)
}
