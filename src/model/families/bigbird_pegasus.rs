//! BigBirdPegasus (Zaheer et al. 2020): Pegasus with learned positions, whose encoder splits long texts into blocks
//! that see their neighbours, the first and the last block.

use super::bart::{Kin, ONE_VOCABULARY, build};
use crate::checkpoint::ModelConfig;
use crate::error::{Error, Result};
use crate::model::family::{Family, Reader, TokenizerClass};
use crate::model::spec::{AttentionNames, ModelSpec, Placement, Positions, Reach};

const OWN: AttentionNames = AttentionNames {
    query: "self_attn.self.query",
    key: "self_attn.self.key",
    value: "self_attn.self.value",
    output: "self_attn.output",
    norm: "self_attn_layer_norm",
};

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "bigbird_pegasus",
    examples: "google/bigbird-pegasus-large-arxiv",
    tokenizer: TokenizerClass::Named("TokenizersBackend"),
    reader: Reader::Transformer(spec),
};

/// Reads BigBirdPegasus' config.json.
fn spec(config: &ModelConfig) -> Result<ModelSpec> {
    let count = config.count_or("max_position_embeddings", 4096)?;
    let kin = Kin {
        placement: Placement::Pre,
        embedding_norm: false,
        final_norm: true,
        positions: Positions::Learned { offset: 0, count },
        scale_embedding: true,
        activation: "gelu_new",
        vocabularies: ONE_VOCABULARY,
    };
    let mut spec = build(config, &kin)?;
    let bias = config.flag_or("use_bias", false)?;
    spec.encoder.attention_bias = bias;
    spec.decoder.attention_bias = bias;
    spec.encoder.names.own = OWN;
    // Their name is a relic: they stand after the last layer.
    spec.encoder.names.final_norm = Some("model.encoder.layernorm_embedding");
    spec.decoder.names.final_norm = Some("model.decoder.layernorm_embedding");
    spec.encoder.reach = match config.text_or("attention_type", "block_sparse")? {
        "original_full" => Reach::All,
        "block_sparse" => Reach::Blocks {
            size: config.count_or("block_size", 64)?.max(1),
            random: config.count_or("num_random_blocks", 3)?,
        },
        other => return Err(Error::Config(format!("attention_type '{other}' is not known"))),
    };
    Ok(spec)
}
