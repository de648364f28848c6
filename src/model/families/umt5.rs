//! UMT5 (Chung et al. 2023): T5 1.1 with a position bias in each layer.

use super::t5::{HeadScale, Kin, build};
use crate::checkpoint::ModelConfig;
use crate::error::Result;
use crate::model::family::{Family, Reader, TokenizerClass};
use crate::model::spec::ModelSpec;

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "umt5",
    examples: "google/umt5-small",
    tokenizer: TokenizerClass::Named("TokenizersBackend"),
    reader: Reader::Transformer(spec),
};

/// Reads UMT5's config.json.
fn spec(config: &ModelConfig) -> Result<ModelSpec> {
    let kin = Kin { feed_forward: "gated-gelu", bias_per_layer: true, head_scale: HeadScale::UnlessUntied };
    build(config, &kin)
}
