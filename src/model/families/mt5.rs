//! mT5 (Xue et al. 2021): T5 1.1, its states never scaled before the head.

use super::t5::{HeadScale, Kin, build};
use crate::error::Result;
use crate::model::config::Config;
use crate::model::spec::ModelSpec;

/// Reads mT5's config.json.
pub fn spec(config: &Config) -> Result<ModelSpec> {
    let kin = Kin { feed_forward: "gated-gelu", bias_per_layer: false, head_scale: HeadScale::Never };
    build(config, &kin)
}
