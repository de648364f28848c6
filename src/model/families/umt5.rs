//! UMT5 (Chung et al. 2023): T5 1.1 with a position bias in each layer.

use super::t5::{T5Options, build};
use crate::checkpoint::ModelConfig;
use crate::error::Result;
use crate::model::family::{ConfigReader, Family, TokenizerClass};
use crate::model::spec::TransformerSpec;

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "umt5",
    examples: "google/umt5-small",
    tokenizer: TokenizerClass::Named("TokenizersBackend"),
    reader: ConfigReader::Transformer(spec),
};

/// Reads UMT5's config.json.
fn spec(config: &ModelConfig) -> Result<TransformerSpec> {
    let options = T5Options { feed_forward: "gated-gelu", bias_per_layer: true, ..T5Options::default() };
    build(config, &options)
}
