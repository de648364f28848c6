//! PegasusX (Phang et al. 2022): Pegasus without biases in attention, whose encoder splits its text into blocks
//! that see themselves alone, and a few learned tokens that see everything. Every other layer's blocks begin
//! half a block earlier.

use super::bart::{Kin, ONE_VOCABULARY, build};
use crate::error::Result;
use crate::model::config::Config;
use crate::model::spec::{ModelSpec, Placement, Positions, Reach, SecondSpec};
use crate::nn::Sinusoid;

/// Reads PegasusX's config.json.
pub fn spec(config: &Config) -> Result<ModelSpec> {
    let count = config.count_or("max_position_embeddings", 16384)?;
    let kin = Kin {
        placement: Placement::Pre,
        embedding_norm: false,
        final_norm: true,
        positions: Positions::Sinusoid { formula: Sinusoid::Fairseq, offset: 0, count },
        scale_embedding: true,
        activation: "gelu",
        vocabularies: ONE_VOCABULARY,
    };
    let mut spec = build(config, &kin)?;
    spec.encoder.attention_bias = false;
    spec.decoder.attention_bias = false;
    spec.encoder.reach = Reach::Groups {
        size: config.count_or("block_size", 512)?.max(1),
        staggered: config.flag_or("stagger_local_blocks", true)?,
    };
    spec.encoder.rare.second = Some(SecondSpec::Globals {
        count: config.count_or("num_global_tokens", 32)?,
        embedding: "model.encoder.embed_global.weight",
        norm: "global_self_attn_layer_norm",
    });
    Ok(spec)
}
