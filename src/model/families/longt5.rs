//! LongT5 (Guo et al. 2022): T5 1.1 whose encoder sees neighbours only, or neighbours and summaries of blocks.

use super::t5::{self, HeadScale, Kin};
use crate::checkpoint::ModelConfig;
use crate::error::{Error, Result};
use crate::model::family::{Family, Reader, TokenizerClass};
use crate::model::spec::{AttentionNames, ModelSpec, Reach, Span, SummarySpec};

const LOCAL: AttentionNames = AttentionNames {
    query: "layer.0.LocalSelfAttention.q",
    key: "layer.0.LocalSelfAttention.k",
    value: "layer.0.LocalSelfAttention.v",
    output: "layer.0.LocalSelfAttention.o",
    norm: "layer.0.layer_norm",
};
const GLOBAL: AttentionNames = AttentionNames {
    query: "layer.0.TransientGlobalSelfAttention.q",
    key: "layer.0.TransientGlobalSelfAttention.k",
    value: "layer.0.TransientGlobalSelfAttention.v",
    output: "layer.0.TransientGlobalSelfAttention.o",
    norm: "layer.0.layer_norm",
};

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "longt5",
    examples: "google/long-t5-local-base, google/long-t5-tglobal-base",
    tokenizer: TokenizerClass::Unregistered,
    reader: Reader::Transformer(spec),
};

/// Reads LongT5's config.json.
fn spec(config: &ModelConfig) -> Result<ModelSpec> {
    let kin = Kin { feed_forward: "relu", bias_per_layer: false, head_scale: HeadScale::UnlessUntied };
    let mut spec = t5::build(config, &kin)?;
    let encoder = &mut spec.encoder;
    encoder.reach = Reach::Near(vec![Span::around(config.count_or("local_radius", 127)?); encoder.layers]);
    match config.text_or("encoder_attention_type", "local")? {
        "local" => {
            encoder.names.own = LOCAL;
            encoder.names.bias = "layer.0.LocalSelfAttention.relative_attention_bias";
        }
        "transient-global" => {
            encoder.names.own = GLOBAL;
            encoder.names.bias = "layer.0.TransientGlobalSelfAttention.relative_attention_bias";
            encoder.summaries = Some(SummarySpec {
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
