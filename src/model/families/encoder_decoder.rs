//! Encoders and decoders that were models of their own (Rothe et al. 2020): BERT and its kin that read, they or
//! GPT-2 that write.

use super::bart::head_dim;
use crate::checkpoint::ModelConfig;
use crate::error::{Error, Result};
use crate::model::family::{Family, Reader, TokenizerClass};
use crate::model::spec::{
    AttentionNames, EmbeddingNorm, FfnNames, HeadBias, HeadSpec, HeadTransform, ModelSpec, NormKind,
    Placement, Positions, Rare, Reach, StackNames, StackSpec,
};
use crate::nn::Activation;

/// What a part of a composed model is read with.
type Part<T> = (&'static str, fn(&ModelConfig) -> Result<T>);

const ENCODERS: &[Part<StackSpec>] = &[
    ("bert", |config| bert(config, 0, BERT_ENCODER)),
    ("electra", |config| bert(config, 0, BERT_ENCODER)),
    ("roberta", |config| bert(config, padding(config), BERT_ENCODER)),
    ("xlm-roberta", |config| bert(config, padding(config), BERT_ENCODER)),
    ("camembert", |config| bert(config, padding(config), BERT_ENCODER)),
    ("bert-generation", |config| bert_generation(config, BERT_ENCODER)),
    ("distilbert", distilbert),
];
const DECODERS: &[Part<(StackSpec, HeadSpec)>] = &[
    ("bert", |config| Ok((bert(config, 0, BERT_DECODER)?, bert_head(config)?))),
    ("roberta", roberta_decoder),
    ("xlm-roberta", roberta_decoder),
    ("camembert", roberta_decoder),
    ("bert-generation", |config| Ok((bert_generation(config, BERT_DECODER)?, BERT_GENERATION_HEAD))),
    ("gpt2", |config| Ok((gpt2(config)?, GPT2_HEAD))),
];

/// Tokenizer classes by the encoder's type.
const TOKENIZERS: &[(&str, &str)] = &[
    ("bert", "BertTokenizer"),
    ("electra", "BertTokenizer"),
    ("roberta", "RobertaTokenizer"),
    ("longformer", "RobertaTokenizer"),
    ("xlm-roberta", "XLMRobertaTokenizer"),
    ("gpt2", "GPT2Tokenizer"),
];

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "encoder-decoder",
    examples: "patrickvonplaten/bert2bert_cnn_daily_mail, google/roberta2roberta_L-24_bbc",
    tokenizer: TokenizerClass::ByEncoder(TOKENIZERS),
    reader: Reader::Transformer(spec),
};

/// Reads a composed model's config.json.
///
/// # Errors
/// [`Error::UnsupportedModel`] for parts that are none of the above, and what they find wrong.
fn spec(config: &ModelConfig) -> Result<ModelSpec> {
    let encoder = part(config, "encoder", ENCODERS)?;
    let (mut decoder, head) = part(config, "decoder", DECODERS)?;
    let bridge = (encoder.d_model != decoder.d_model).then_some("enc_to_dec_proj");
    decoder.source_width = decoder.d_model;
    let writer = config.section("decoder");
    let token = |key: &str| config.token(key).or_else(|| writer.as_ref().and_then(|part| part.token(key)));
    Ok(ModelSpec {
        model_type: config.model_type()?.into(),
        encoder,
        decoder,
        bridge,
        head,
        start: token("decoder_start_token_id").or_else(|| token("bos_token_id")),
        end: token("eos_token_id"),
        wraps: false,
        harmless: &[
            "encoder.pooler.*",
            "*.position_ids",
            "*.attn.bias",
            "*.attn.masked_bias",
            "*.crossattention.bias",
            "*.crossattention.masked_bias",
            "decoder.cls.predictions.*",
            "decoder.lm_head.*",
        ],
    })
}

fn part<T>(config: &ModelConfig, side: &str, known: &[Part<T>]) -> Result<T> {
    let section = config.section(side).ok_or_else(|| Error::Config(format!("there is no {side} section")))?;
    let model_type = section.model_type()?;
    match known.iter().find(|(name, _)| *name == model_type) {
        Some((_, read)) => read(&section),
        None => Err(Error::UnsupportedModel {
            model_type: format!("encoder-decoder with a {model_type} {side}"),
            supported: known.iter().map(|(name, _)| (*name).to_string()).collect(),
        }),
    }
}

/// RoBERTa's first position is the row after the padding's.
fn padding(config: &ModelConfig) -> usize {
    config.token("pad_token_id").unwrap_or(1) as usize + 1
}

const BERT_ENCODER: StackNames = StackNames {
    layer: "encoder.encoder.layer.{}",
    own: AttentionNames {
        query: "attention.self.query",
        key: "attention.self.key",
        value: "attention.self.value",
        output: "attention.output.dense",
        norm: "attention.output.LayerNorm",
    },
    cross: None,
    ffn: FfnNames { up: "intermediate.dense", gate: None, down: "output.dense", norm: "output.LayerNorm" },
    embedding: &["encoder.embeddings.word_embeddings.weight"],
    projection: "encoder.embeddings_project",
    segments: "encoder.embeddings.token_type_embeddings.weight",
    after: None,
    positions: "encoder.embeddings.position_embeddings.weight",
    embedding_norm: Some("encoder.embeddings.LayerNorm"),
    final_norm: None,
    bias: "",
};
const BERT_DECODER: StackNames = StackNames {
    layer: "decoder.bert.encoder.layer.{}",
    cross: Some(BERT_CROSS),
    embedding: &["decoder.bert.embeddings.word_embeddings.weight", "decoder.cls.predictions.decoder.weight"],
    segments: "decoder.bert.embeddings.token_type_embeddings.weight",
    positions: "decoder.bert.embeddings.position_embeddings.weight",
    embedding_norm: Some("decoder.bert.embeddings.LayerNorm"),
    ..BERT_ENCODER
};
const ROBERTA_DECODER: StackNames = StackNames {
    layer: "decoder.roberta.encoder.layer.{}",
    embedding: &["decoder.roberta.embeddings.word_embeddings.weight", "decoder.lm_head.decoder.weight"],
    segments: "decoder.roberta.embeddings.token_type_embeddings.weight",
    positions: "decoder.roberta.embeddings.position_embeddings.weight",
    embedding_norm: Some("decoder.roberta.embeddings.LayerNorm"),
    ..BERT_DECODER
};
const BERT_CROSS: AttentionNames = AttentionNames {
    query: "crossattention.self.query",
    key: "crossattention.self.key",
    value: "crossattention.self.value",
    output: "crossattention.output.dense",
    norm: "crossattention.output.LayerNorm",
};

fn bert(config: &ModelConfig, offset: usize, names: StackNames) -> Result<StackSpec> {
    let d_model = config.count_or("hidden_size", 768)?;
    let heads = config.count_or("num_attention_heads", 12)?;
    let head_dim = head_dim(d_model, heads)?;
    let rows = config.count_or("max_position_embeddings", 512)?;
    Ok(StackSpec {
        d_model,
        embedding_width: config.count_or("embedding_size", d_model)?,
        source_width: d_model,
        transposed: false,
        segments: config.count_or("type_vocab_size", 2)?,
        layers: config.count_or("num_hidden_layers", 12)?,
        heads,
        key_heads: heads,
        score_cap: None,
        head_dim,
        ffn_dim: config.count_or("intermediate_size", 3072)?,
        vocabulary: config.count("vocab_size")?,
        embedding_scale: 1.0,
        positions: Positions::Learned { offset, count: rows.saturating_sub(offset) },
        bias: None,
        reach: Reach::All,
        summaries: None,
        experts: None,
        score_scale: (head_dim as f64).powf(-0.5),
        attention_bias: true,
        linear_bias: true,
        norm: NormKind::Layer { eps: config.number_or("layer_norm_eps", 1e-12)? },
        placement: Placement::Post,
        embedding_norm: EmbeddingNorm::AfterPositions,
        activation: Activation::parse(config.text_or("hidden_act", "gelu")?)?,
        rare: Rare::default(),
        names,
    })
}

/// BERT without segments (Rothe et al. 2020).
fn bert_generation(config: &ModelConfig, names: StackNames) -> Result<StackSpec> {
    Ok(StackSpec { segments: 0, ..bert(config, 0, names)? })
}

const BERT_GENERATION_HEAD: HeadSpec = HeadSpec {
    weight: &["decoder.lm_head.decoder.weight", "decoder.bert.embeddings.word_embeddings.weight"],
    scale: 1.0,
    bias: HeadBias::Plain(&["decoder.lm_head.decoder.bias", "decoder.lm_head.bias"]),
    transform: None,
    cap: None,
};

const DISTILBERT: StackNames = StackNames {
    layer: "encoder.transformer.layer.{}",
    own: AttentionNames {
        query: "attention.q_lin",
        key: "attention.k_lin",
        value: "attention.v_lin",
        output: "attention.out_lin",
        norm: "sa_layer_norm",
    },
    ffn: FfnNames { up: "ffn.lin1", gate: None, down: "ffn.lin2", norm: "output_layer_norm" },
    ..BERT_ENCODER
};

/// BERT without segments, half as deep (Sanh et al. 2019), its config fields under names of their own.
fn distilbert(config: &ModelConfig) -> Result<StackSpec> {
    let d_model = config.count_or("dim", 768)?;
    let heads = config.count_or("n_heads", 12)?;
    let head_dim = head_dim(d_model, heads)?;
    Ok(StackSpec {
        d_model,
        embedding_width: d_model,
        source_width: d_model,
        segments: 0,
        layers: config.count_or("n_layers", 6)?,
        heads,
        key_heads: heads,
        head_dim,
        ffn_dim: config.count_or("hidden_dim", 3072)?,
        score_scale: (head_dim as f64).powf(-0.5),
        activation: Activation::parse(config.text_or("activation", "gelu")?)?,
        ..bert(config, 0, DISTILBERT)?
    })
}

fn bert_head(config: &ModelConfig) -> Result<HeadSpec> {
    Ok(HeadSpec {
        weight: &["decoder.cls.predictions.decoder.weight", "decoder.bert.embeddings.word_embeddings.weight"],
        scale: 1.0,
        bias: HeadBias::Plain(&["decoder.cls.predictions.decoder.bias", "decoder.cls.predictions.bias"]),
        transform: Some(HeadTransform {
            dense: "decoder.cls.predictions.transform.dense",
            activation: Activation::parse(config.text_or("hidden_act", "gelu")?)?,
            norm: "decoder.cls.predictions.transform.LayerNorm",
        }),
        cap: None,
    })
}

fn roberta_decoder(config: &ModelConfig) -> Result<(StackSpec, HeadSpec)> {
    let head = HeadSpec {
        weight: &["decoder.lm_head.decoder.weight", "decoder.roberta.embeddings.word_embeddings.weight"],
        scale: 1.0,
        bias: HeadBias::Plain(&["decoder.lm_head.decoder.bias", "decoder.lm_head.bias"]),
        transform: Some(HeadTransform {
            dense: "decoder.lm_head.dense",
            activation: Activation::Gelu,
            norm: "decoder.lm_head.layer_norm",
        }),
        cap: None,
    };
    Ok((bert(config, padding(config), ROBERTA_DECODER)?, head))
}

const GPT2_HEAD: HeadSpec = HeadSpec {
    weight: &["decoder.lm_head.weight", "decoder.transformer.wte.weight"],
    scale: 1.0,
    bias: HeadBias::Plain(&[]),
    transform: None,
    cap: None,
};
const GPT2: StackNames = StackNames {
    layer: "decoder.transformer.h.{}",
    own: AttentionNames {
        query: "attn.c_attn",
        key: "attn.c_attn",
        value: "attn.c_attn",
        output: "attn.c_proj",
        norm: "ln_1",
    },
    cross: Some(AttentionNames {
        query: "crossattention.q_attn",
        key: "crossattention.c_attn",
        value: "crossattention.c_attn",
        output: "crossattention.c_proj",
        norm: "ln_cross_attn",
    }),
    ffn: FfnNames { up: "mlp.c_fc", gate: None, down: "mlp.c_proj", norm: "ln_2" },
    embedding: &["decoder.transformer.wte.weight", "decoder.lm_head.weight"],
    projection: "",
    segments: "",
    after: None,
    positions: "decoder.transformer.wpe.weight",
    embedding_norm: None,
    final_norm: Some("decoder.transformer.ln_f"),
    bias: "",
};

fn gpt2(config: &ModelConfig) -> Result<StackSpec> {
    let d_model = config.count_or("n_embd", 768)?;
    let heads = config.count_or("n_head", 12)?;
    let head_dim = head_dim(d_model, heads)?;
    let scaled = config.flag_or("scale_attn_weights", true)?;
    Ok(StackSpec {
        d_model,
        embedding_width: d_model,
        source_width: d_model,
        transposed: true,
        segments: 0,
        layers: config.count_or("n_layer", 12)?,
        heads,
        key_heads: heads,
        score_cap: None,
        head_dim,
        ffn_dim: config.count_or("n_inner", 4 * d_model)?,
        vocabulary: config.count_or("vocab_size", 50257)?,
        embedding_scale: 1.0,
        positions: Positions::Learned { offset: 0, count: config.count_or("n_positions", 1024)? },
        bias: None,
        reach: Reach::All,
        summaries: None,
        experts: None,
        score_scale: if scaled { (head_dim as f64).powf(-0.5) } else { 1.0 },
        attention_bias: true,
        linear_bias: true,
        norm: NormKind::Layer { eps: config.number_or("layer_norm_epsilon", 1e-5)? },
        placement: Placement::Pre,
        embedding_norm: EmbeddingNorm::AfterPositions,
        activation: Activation::parse(config.text_or("activation_function", "gelu_new")?)?,
        // `reorder_and_upcast_attn` is about half precision: in single precision it changes nothing.
        rare: Rare { fading: config.flag_or("scale_attn_by_inverse_layer_idx", false)?, ..Rare::default() },
        names: GPT2,
    })
}
