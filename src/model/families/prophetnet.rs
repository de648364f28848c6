//! ProphetNet (Qi et al. 2020) and XLM-ProphetNet: norms after each block, and a decoder whose tokens are accompanied
//! by streams of positions that predict what comes one, two, ... tokens later. The first stream gives the
//! output. The maps are those of the tokens.

use super::bart::head_dim;
use crate::checkpoint::ModelConfig;
use crate::error::Result;
use crate::model::family::{Family, Reader, TokenizerClass};
use crate::model::spec::{
    AttentionNames, EmbeddingNorm, FfnNames, HeadBias, HeadSpec, ModelSpec, NormKind, Placement, Positions,
    Rare, Reach, SecondSpec, StackNames, StackSpec,
};
use crate::nn::Activation;

const ENCODER: StackNames = StackNames {
    layer: "prophetnet.encoder.layers.{}",
    own: AttentionNames {
        query: "self_attn.query_proj",
        key: "self_attn.key_proj",
        value: "self_attn.value_proj",
        output: "self_attn.out_proj",
        norm: "self_attn_layer_norm",
    },
    cross: None,
    ffn: FfnNames {
        up: "feed_forward.intermediate",
        gate: None,
        down: "feed_forward.output",
        norm: "feed_forward_layer_norm",
    },
    embedding: &[
        "prophetnet.encoder.word_embeddings.weight",
        "prophetnet.word_embeddings.weight",
        "prophetnet.decoder.word_embeddings.weight",
        "lm_head.weight",
    ],
    projection: "",
    segments: "",
    after: None,
    positions: "prophetnet.encoder.position_embeddings.weight",
    embedding_norm: Some("prophetnet.encoder.embeddings_layer_norm"),
    final_norm: None,
    bias: "",
};
const DECODER: StackNames = StackNames {
    layer: "prophetnet.decoder.layers.{}",
    cross: Some(AttentionNames {
        query: "cross_attn.query_proj",
        key: "cross_attn.key_proj",
        value: "cross_attn.value_proj",
        output: "cross_attn.out_proj",
        norm: "cross_attn_layer_norm",
    }),
    embedding: &[
        "prophetnet.decoder.word_embeddings.weight",
        "prophetnet.word_embeddings.weight",
        "prophetnet.encoder.word_embeddings.weight",
        "lm_head.weight",
    ],
    positions: "prophetnet.decoder.position_embeddings.weight",
    embedding_norm: Some("prophetnet.decoder.embeddings_layer_norm"),
    ..ENCODER
};

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "prophetnet",
    examples: "microsoft/prophetnet-large-uncased",
    tokenizer: TokenizerClass::Named("ProphetNetTokenizer"),
    reader: Reader::Transformer(spec),
};

/// The multilingual family of the same architecture.
pub(crate) const XLM_FAMILY: Family = Family {
    model_type: "xlm-prophetnet",
    examples: "microsoft/xprophetnet-large-wiki100-cased",
    tokenizer: TokenizerClass::Named("XLMProphetNetTokenizer"),
    reader: Reader::Transformer(spec),
};

/// Reads ProphetNet's config.json.
fn spec(config: &ModelConfig) -> Result<ModelSpec> {
    let encoder = stack(config, "encoder", ENCODER)?;
    let mut decoder = stack(config, "decoder", DECODER)?;
    decoder.rare.second = Some(SecondSpec::Ahead {
        streams: config.count_or("ngram", 2)?.max(1),
        embedding: "prophetnet.decoder.ngram_embeddings.weight",
        bias: "self_attn.relative_pos_embeddings",
        buckets: config.count_or("num_buckets", 32)?.max(1),
        max_distance: config.count_or("relative_max_distance", 128)?,
    });
    Ok(ModelSpec {
        model_type: config.model_type()?.into(),
        encoder,
        decoder,
        bridge: None,
        head: HeadSpec {
            weight: &[
                "lm_head.weight",
                "prophetnet.word_embeddings.weight",
                "prophetnet.decoder.word_embeddings.weight",
            ],
            scale: 1.0,
            bias: HeadBias::Plain(&[]),
            transform: None,
            cap: None,
        },
        start: config.token("decoder_start_token_id").or(Some(0)),
        end: config.token("eos_token_id").or(Some(2)),
        wraps: false,
        harmless: &["lm_head.weight", "*word_embeddings.weight", "*.position_ids"],
    })
}

fn stack(config: &ModelConfig, side: &str, names: StackNames) -> Result<StackSpec> {
    let d_model = config.count_or("hidden_size", 1024)?;
    let heads = config.count_or(&format!("num_{side}_attention_heads"), 16)?;
    let head_dim = head_dim(d_model, heads)?;
    // The first position is the row after the padding's.
    let offset = config.token("pad_token_id").unwrap_or(0) as usize + 1;
    let rows = config.count_or("max_position_embeddings", 512)?;
    Ok(StackSpec {
        d_model,
        embedding_width: d_model,
        source_width: d_model,
        transposed: false,
        segments: 0,
        key_heads: heads,
        score_cap: None,
        layers: config.count_or(&format!("num_{side}_layers"), 12)?,
        heads,
        head_dim,
        ffn_dim: config.count_or(&format!("{side}_ffn_dim"), 4096)?,
        vocabulary: config.count_or("vocab_size", 30522)?,
        embedding_scale: 1.0,
        positions: Positions::Learned { offset, count: rows.saturating_sub(offset) },
        bias: None,
        reach: Reach::All,
        summaries: None,
        experts: None,
        score_scale: (head_dim as f64).powf(-0.5),
        attention_bias: true,
        linear_bias: true,
        norm: NormKind::Layer { eps: 1e-5 },
        placement: Placement::Post,
        activation: Activation::parse(config.text_or("activation_function", "gelu")?)?,
        embedding_norm: EmbeddingNorm::AfterPositions,
        rare: Rare::default(),
        names,
    })
}
