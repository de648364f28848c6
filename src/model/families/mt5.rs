//! mT5 (Xue et al. 2021): T5 1.1, its states never scaled before the head.

use super::t5::{HeadScale, Kin, build};
use crate::checkpoint::ModelConfig;
use crate::error::Result;
use crate::model::family::{Family, Reader, TokenizerClass};
use crate::model::spec::ModelSpec;

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "mt5",
    examples: "google/mt5-small",
    tokenizer: TokenizerClass::Named("T5Tokenizer"),
    reader: Reader::Transformer(spec),
};

/// Reads mT5's config.json.
fn spec(config: &ModelConfig) -> Result<ModelSpec> {
    let kin = Kin { feed_forward: "gated-gelu", bias_per_layer: false, head_scale: HeadScale::Never };
    build(config, &kin)
}
