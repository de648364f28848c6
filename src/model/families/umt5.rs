//! UMT5 (Chung et al. 2023): T5 1.1 with a position bias in each layer.

use super::t5::{HeadScale, Kin, build};
use crate::error::Result;
use crate::model::config::Config;
use crate::model::spec::ModelSpec;

/// Reads UMT5's config.json.
pub fn spec(config: &Config) -> Result<ModelSpec> {
    // The reference scales the states although the head is UMT5's own.
    let kin = Kin { feed_forward: "gated-gelu", bias_per_layer: true, head_scale: HeadScale::Always };
    build(config, &kin)
}
