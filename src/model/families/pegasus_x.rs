//! PegasusX (Phang et al. 2022): Pegasus without biases in attention, whose encoder splits its text into
//! groups that see themselves alone, and a few learned global tokens that see everything. The groups of every
//! other layer begin half a group earlier.

use super::bart::{BartOptions, build};
use crate::checkpoint::ModelConfig;
use crate::error::Result;
use crate::model::family::{ConfigReader, Family, TokenizerClass};
use crate::model::spec::{ExtraStatesSpec, GlobalTokensSpec, Positions, Sparsity, TransformerSpec};
use crate::nn::{PadPositions, Sinusoid};

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "pegasus_x",
    examples: "google/pegasus-x-base",
    tokenizer: TokenizerClass::Named("TokenizersBackend"),
    reader: ConfigReader::Transformer(spec),
};

/// Reads PegasusX's config.json.
fn spec(config: &ModelConfig) -> Result<TransformerSpec> {
    let count = config.count_or("max_position_embeddings", 16384)?;
    let options = BartOptions {
        scale_embedding: true,
        ..BartOptions::pre_norm(Positions::Sinusoid {
            formula: Sinusoid::Fairseq,
            offset: 0,
            count,
            padding: PadPositions::Counted,
        })
    };
    let mut spec = build(config, &options)?;
    for names in [&mut spec.encoder.names, &mut spec.decoder.names] {
        names.self_attn = names.self_attn.with_bias(false);
        names.cross_attn = names.cross_attn.map(|cross_attn| cross_attn.with_bias(false));
    }
    spec.encoder.sparsity = Sparsity::Groups {
        size: config.count_or("block_size", 512)?.max(1),
        staggered: config.flag_or("stagger_local_blocks", true)?,
    };
    spec.encoder.extra_states = Some(ExtraStatesSpec::GlobalTokens(GlobalTokensSpec {
        count: config.count_or("num_global_tokens", 32)?,
        embedding: "model.encoder.embed_global.weight",
        norm: "global_self_attn_layer_norm",
    }));
    Ok(spec)
}
