//! PegasusX (Phang et al. 2022): Pegasus without biases in attention, whose encoder splits its text into blocks
//! that see themselves alone, and a few learned tokens that see everything. Every other layer's blocks begin
//! half a block earlier.

use super::bart::{Kin, ONE_VOCABULARY, build};
use crate::checkpoint::ModelConfig;
use crate::error::Result;
use crate::model::family::{Family, Reader, TokenizerClass};
use crate::model::spec::{ModelSpec, Placement, Positions, Reach, SecondSpec};
use crate::nn::Sinusoid;

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "pegasus_x",
    examples: "google/pegasus-x-base",
    tokenizer: TokenizerClass::Named("TokenizersBackend"),
    reader: Reader::Transformer(spec),
};

/// Reads PegasusX's config.json.
fn spec(config: &ModelConfig) -> Result<ModelSpec> {
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
