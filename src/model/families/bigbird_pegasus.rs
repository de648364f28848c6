//! BigBirdPegasus (Zaheer et al. 2020): Pegasus with learned positions, whose encoder splits long texts into
//! blocks that see their neighbours, the first and the last block.

use super::bart::{BartOptions, build, learned};
use crate::checkpoint::ModelConfig;
use crate::error::{Error, Result};
use crate::model::family::{ConfigReader, Family, TokenizerClass};
use crate::model::spec::{AttentionNames, Sparsity, TransformerSpec};

const SELF_ATTN: AttentionNames = AttentionNames::biased(
    ["self_attn.self.query", "self_attn.self.key", "self_attn.self.value", "self_attn.output"],
    "self_attn_layer_norm",
);

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "bigbird_pegasus",
    examples: "google/bigbird-pegasus-large-arxiv",
    tokenizer: TokenizerClass::Named("TokenizersBackend"),
    reader: ConfigReader::Transformer(spec),
};

/// Reads BigBirdPegasus' config.json.
fn spec(config: &ModelConfig) -> Result<TransformerSpec> {
    let options = BartOptions {
        scale_embedding: true,
        activation: "gelu_new",
        ..BartOptions::pre_norm(learned(config, 0, 4096)?)
    };
    let mut spec = build(config, &options)?;
    let bias = config.flag_or("use_bias", false)?;
    let (encoder, decoder) = (&mut spec.encoder.names, &mut spec.decoder.names);
    encoder.self_attn = SELF_ATTN.with_bias(bias);
    decoder.self_attn = decoder.self_attn.with_bias(bias);
    decoder.cross_attn = decoder.cross_attn.map(|names| names.with_bias(bias));
    // The names are misleading: these norms stand after the last layer.
    encoder.final_norm = Some("model.encoder.layernorm_embedding");
    decoder.final_norm = Some("model.decoder.layernorm_embedding");
    spec.encoder.sparsity = match config.text_or("attention_type", "block_sparse")? {
        "original_full" => Sparsity::Dense,
        "block_sparse" => Sparsity::Blocks {
            size: config.count_or("block_size", 64)?.max(1),
            random: config.count_or("num_random_blocks", 3)?,
        },
        other => return Err(Error::Config(format!("attention_type '{other}' is not known"))),
    };
    Ok(spec)
}
