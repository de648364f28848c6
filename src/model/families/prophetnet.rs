//! ProphetNet (Qi et al. 2020) and XLM-ProphetNet: norms after each block, and a decoder whose tokens are
//! accompanied by n-gram streams, which predict the tokens one, two, ... places later. The first stream is
//! the output. The maps are those of the tokens.

use crate::checkpoint::ModelConfig;
use crate::error::Result;
use crate::model::family::{ConfigReader, Family, TokenizerClass};
use crate::model::spec::{
    AttentionNames, ExtraStatesSpec, FfnNames, LmHeadSpec, NgramStreamsSpec, Positions, StackNames,
    StackSize, StackSpec, TransformerSpec, head_dim,
};
use crate::nn::{Activation, PadPositions};

const ENCODER: StackNames = StackNames {
    positions: Some("prophetnet.encoder.position_embeddings.weight"),
    embedding_norm: Some("prophetnet.encoder.embeddings_layer_norm"),
    ..StackNames::new(
        "prophetnet.encoder.layers.{}",
        AttentionNames::biased(
            ["self_attn.query_proj", "self_attn.key_proj", "self_attn.value_proj", "self_attn.out_proj"],
            "self_attn_layer_norm",
        ),
        FfnNames::biased("feed_forward.intermediate", "feed_forward.output", "feed_forward_layer_norm"),
        &[
            "prophetnet.encoder.word_embeddings.weight",
            "prophetnet.word_embeddings.weight",
            "prophetnet.decoder.word_embeddings.weight",
            "lm_head.weight",
        ],
    )
};
const DECODER: StackNames = StackNames {
    layer: "prophetnet.decoder.layers.{}",
    cross_attn: Some(AttentionNames::biased(
        ["cross_attn.query_proj", "cross_attn.key_proj", "cross_attn.value_proj", "cross_attn.out_proj"],
        "cross_attn_layer_norm",
    )),
    embedding: &[
        "prophetnet.decoder.word_embeddings.weight",
        "prophetnet.word_embeddings.weight",
        "prophetnet.encoder.word_embeddings.weight",
        "lm_head.weight",
    ],
    positions: Some("prophetnet.decoder.position_embeddings.weight"),
    embedding_norm: Some("prophetnet.decoder.embeddings_layer_norm"),
    ..ENCODER
};

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "prophetnet",
    examples: "microsoft/prophetnet-large-uncased",
    tokenizer: TokenizerClass::Named("ProphetNetTokenizer"),
    reader: ConfigReader::Transformer(spec),
};

/// The multilingual family of the same architecture.
pub(crate) const XLM_FAMILY: Family = Family {
    model_type: "xlm-prophetnet",
    examples: "microsoft/xprophetnet-large-wiki100-cased",
    tokenizer: TokenizerClass::Named("XLMProphetNetTokenizer"),
    reader: ConfigReader::Transformer(spec),
};

/// Reads ProphetNet's config.json.
fn spec(config: &ModelConfig) -> Result<TransformerSpec> {
    let encoder = stack(config, "encoder", ENCODER)?;
    let mut decoder = stack(config, "decoder", DECODER)?;
    decoder.extra_states = Some(ExtraStatesSpec::NgramStreams(NgramStreamsSpec {
        streams: config.count_or("ngram", 2)?.max(1),
        embedding: "prophetnet.decoder.ngram_embeddings.weight",
        bias: "self_attn.relative_pos_embeddings",
        buckets: config.count_or("num_buckets", 32)?.max(1),
        max_distance: config.count_or("relative_max_distance", 128)?,
    }));
    Ok(TransformerSpec {
        model_type: config.model_type()?.into(),
        encoder,
        decoder,
        encoder_projection: None,
        lm_head: LmHeadSpec::new(&[
            "lm_head.weight",
            "prophetnet.word_embeddings.weight",
            "prophetnet.decoder.word_embeddings.weight",
        ]),
        start: config.token("decoder_start_token_id").or(Some(0)),
        end: config.token("eos_token_id").or(Some(2)),
        wraps: false,
        front_end: None,
        ignored: &["lm_head.weight", "*word_embeddings.weight", "*.position_ids"],
    })
}

fn stack(config: &ModelConfig, side: &str, names: StackNames) -> Result<StackSpec> {
    let d_model = config.count_or("hidden_size", 1024)?;
    let heads = config.count_or(&format!("num_{side}_attention_heads"), 16)?;
    let size = StackSize {
        d_model,
        layers: config.count_or(&format!("num_{side}_layers"), 12)?,
        heads,
        head_dim: head_dim(d_model, heads)?,
        ffn_dim: config.count_or(&format!("{side}_ffn_dim"), 4096)?,
        vocabulary: config.count_or("vocab_size", 30522)?,
    };
    // Position 0 is the row after the padding token's.
    let offset = config.token("pad_token_id").unwrap_or(0) as usize + 1;
    let rows = config.count_or("max_position_embeddings", 512)?;
    Ok(StackSpec {
        positions: Positions::Learned {
            offset,
            count: rows.saturating_sub(offset),
            padding: PadPositions::Counted,
        },
        activation: Activation::parse(config.text_or("activation_function", "gelu")?)?,
        ..StackSpec::new(size, names)
    })
}
