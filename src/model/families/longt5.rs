//! LongT5 (Guo et al. 2022): T5 1.1 whose encoder sees a window, or a window and summaries of blocks.

use super::t5::{T5Options, build};
use crate::checkpoint::ModelConfig;
use crate::error::{Error, Result};
use crate::model::family::{ConfigReader, Family, TokenizerClass};
use crate::model::spec::{AttentionNames, Span, Sparsity, TransformerSpec, TransientGlobalSpec};

const LOCAL_ATTN: AttentionNames = AttentionNames::unbiased(
    [
        "layer.0.LocalSelfAttention.q",
        "layer.0.LocalSelfAttention.k",
        "layer.0.LocalSelfAttention.v",
        "layer.0.LocalSelfAttention.o",
    ],
    "layer.0.layer_norm",
);
const TRANSIENT_GLOBAL_ATTN: AttentionNames = AttentionNames::unbiased(
    [
        "layer.0.TransientGlobalSelfAttention.q",
        "layer.0.TransientGlobalSelfAttention.k",
        "layer.0.TransientGlobalSelfAttention.v",
        "layer.0.TransientGlobalSelfAttention.o",
    ],
    "layer.0.layer_norm",
);

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "longt5",
    examples: "google/long-t5-local-base, google/long-t5-tglobal-base",
    tokenizer: TokenizerClass::Unregistered,
    reader: ConfigReader::Transformer(spec),
};

/// Reads LongT5's config.json.
fn spec(config: &ModelConfig) -> Result<TransformerSpec> {
    let mut spec = build(config, &T5Options::default())?;
    let encoder = &mut spec.encoder;
    let window = Span::around(config.count_or("local_radius", 127)?);
    encoder.sparsity = Sparsity::Windows(vec![window; encoder.layers]);
    match config.text_or("encoder_attention_type", "local")? {
        "local" => {
            encoder.names.self_attn = LOCAL_ATTN;
            encoder.names.relative_bias = Some("layer.0.LocalSelfAttention.relative_attention_bias");
        }
        "transient-global" => {
            encoder.names.self_attn = TRANSIENT_GLOBAL_ATTN;
            encoder.names.relative_bias =
                Some("layer.0.TransientGlobalSelfAttention.relative_attention_bias");
            encoder.transient_global = Some(TransientGlobalSpec {
                block: config.count_or("global_block_size", 16)?,
                norm: "layer.0.TransientGlobalSelfAttention.global_input_layer_norm",
                bias: "layer.0.TransientGlobalSelfAttention.global_relative_attention_bias",
            });
        }
        other => {
            return Err(Error::Config(format!("encoder_attention_type '{other}' is not known")));
        }
    }
    Ok(spec)
}
