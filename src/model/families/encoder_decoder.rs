//! Encoders and decoders that were models of their own (Rothe et al. 2020): BERT, RoBERTa and similar models
//! read, they or GPT-2 write.

use crate::checkpoint::ModelConfig;
use crate::error::{Error, Result};
use crate::model::family::{ConfigReader, Family, TokenizerClass};
use crate::model::spec::{
    AttentionNames, FfnNames, LmHeadBias, LmHeadSpec, LmHeadTransform, NormKind, Placement, Positions,
    StackNames, StackSize, StackSpec, TransformerSpec, head_dim,
};
use crate::nn::{Activation, PadPositions};

/// A `model_type` of an encoder or decoder, and the function that reads its section of config.json.
pub(super) type PartReader<T> = (&'static str, fn(&ModelConfig) -> Result<T>);

const ENCODERS: &[PartReader<StackSpec>] = &[
    ("bert", |config| bert(config, 0, BERT_ENCODER)),
    ("electra", |config| bert(config, 0, BERT_ENCODER)),
    ("roberta", |config| bert(config, after_padding(config), BERT_ENCODER)),
    ("xlm-roberta", |config| bert(config, after_padding(config), BERT_ENCODER)),
    ("camembert", |config| bert(config, after_padding(config), BERT_ENCODER)),
    ("bert-generation", |config| bert_generation(config, BERT_ENCODER)),
    ("distilbert", distilbert),
];
pub(super) const DECODERS: &[PartReader<(StackSpec, LmHeadSpec)>] = &[
    ("bert", |config| Ok((bert(config, 0, BERT_DECODER)?, bert_lm_head(config)?))),
    ("roberta", roberta_decoder),
    ("xlm-roberta", roberta_decoder),
    ("camembert", roberta_decoder),
    ("bert-generation", |config| Ok((bert_generation(config, BERT_DECODER)?, BERT_GENERATION_LM_HEAD))),
    ("gpt2", |config| Ok((gpt2(config)?, GPT2_LM_HEAD))),
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
    reader: ConfigReader::Transformer(spec),
};

/// Reads a composed model's config.json.
///
/// # Errors
/// [`Error::UnsupportedModel`] for an encoder or decoder of another type; [`Error::Config`].
fn spec(config: &ModelConfig) -> Result<TransformerSpec> {
    composed(config, part(config, "encoder", &[ENCODERS])?, part(config, "decoder", &[DECODERS])?)
}

/// Puts the specification of a composed model together from those of its parts.
pub(super) fn composed(
    config: &ModelConfig,
    encoder: StackSpec,
    (mut decoder, lm_head): (StackSpec, LmHeadSpec),
) -> Result<TransformerSpec> {
    let decoder_config = config.section("decoder");
    // Such a decoder's keys and values come straight from the encoder's width.
    let reads_encoder = match &decoder_config {
        Some(decoder) => decoder.count_maybe("cross_attention_hidden_size")?.is_some(),
        None => false,
    };
    decoder.source_width = if reads_encoder { encoder.d_model } else { decoder.d_model };
    let token =
        |key: &str| config.token(key).or_else(|| decoder_config.as_ref().and_then(|part| part.token(key)));
    Ok(TransformerSpec {
        model_type: config.model_type()?.into(),
        encoder_projection: (encoder.d_model != decoder.source_width).then_some("enc_to_dec_proj"),
        encoder,
        decoder,
        lm_head,
        start: token("decoder_start_token_id").or_else(|| token("bos_token_id")),
        end: token("eos_token_id"),
        wraps: false,
        front_end: None,
        ignored: &[
            "encoder.pooler.*",
            "encoder.embeddings.mask_token",
            "*.relative_position_index",
            "*.position_ids",
            "*.attn.bias",
            "*.attn.masked_bias",
            "*.crossattention.bias",
            "*.crossattention.masked_bias",
            "decoder.cls.predictions.*",
            "decoder.lm_head.*",
            "decoder.output_projection.weight",
            "*_float_tensor",
        ],
    })
}

/// Reads the encoder or the decoder of a composed model, which must be one of `known`.
pub(super) fn part<T>(config: &ModelConfig, side: &str, known: &[&[PartReader<T>]]) -> Result<T> {
    let section = config.require_section(side)?;
    let model_type = section.model_type()?;
    let known = || known.iter().copied().flatten();
    match known().find(|(name, _)| *name == model_type) {
        Some((_, read)) => read(&section),
        None => Err(Error::UnsupportedModel {
            model_type: format!("{} with a {model_type} {side}", config.model_type()?),
            supported: known().map(|(name, _)| (*name).to_string()).collect(),
        }),
    }
}

/// Returns RoBERTa's first position: the row after the padding token's.
fn after_padding(config: &ModelConfig) -> usize {
    config.token("pad_token_id").unwrap_or(1) as usize + 1
}

const BERT_ENCODER: StackNames = StackNames {
    projection: Some("encoder.embeddings_project"),
    segments: Some("encoder.embeddings.token_type_embeddings.weight"),
    positions: Some("encoder.embeddings.position_embeddings.weight"),
    embedding_norm: Some("encoder.embeddings.LayerNorm"),
    ..StackNames::new(
        "encoder.encoder.layer.{}",
        AttentionNames::biased(
            ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"],
            "attention.output.LayerNorm",
        ),
        FfnNames::biased("intermediate.dense", "output.dense", "output.LayerNorm"),
        &["encoder.embeddings.word_embeddings.weight"],
    )
};
const BERT_DECODER: StackNames = StackNames {
    layer: "decoder.bert.encoder.layer.{}",
    cross_attn: Some(AttentionNames::biased(
        [
            "crossattention.self.query",
            "crossattention.self.key",
            "crossattention.self.value",
            "crossattention.output.dense",
        ],
        "crossattention.output.LayerNorm",
    )),
    embedding: &["decoder.bert.embeddings.word_embeddings.weight", "decoder.cls.predictions.decoder.weight"],
    segments: Some("decoder.bert.embeddings.token_type_embeddings.weight"),
    positions: Some("decoder.bert.embeddings.position_embeddings.weight"),
    embedding_norm: Some("decoder.bert.embeddings.LayerNorm"),
    ..BERT_ENCODER
};
const ROBERTA_DECODER: StackNames = StackNames {
    layer: "decoder.roberta.encoder.layer.{}",
    embedding: &["decoder.roberta.embeddings.word_embeddings.weight", "decoder.lm_head.decoder.weight"],
    segments: Some("decoder.roberta.embeddings.token_type_embeddings.weight"),
    positions: Some("decoder.roberta.embeddings.position_embeddings.weight"),
    embedding_norm: Some("decoder.roberta.embeddings.LayerNorm"),
    ..BERT_DECODER
};

/// Reads the sizes of a stack with BERT's config fields.
pub(super) fn bert_size(config: &ModelConfig, vocabulary: usize) -> Result<StackSize> {
    let d_model = config.count_or("hidden_size", 768)?;
    let heads = config.count_or("num_attention_heads", 12)?;
    Ok(StackSize {
        d_model,
        layers: config.count_or("num_hidden_layers", 12)?,
        heads,
        head_dim: head_dim(d_model, heads)?,
        ffn_dim: config.count_or("intermediate_size", 3072)?,
        vocabulary,
    })
}

/// Reads a stack of BERT's kind, or of RoBERTa's, whose position 0 is row `offset` after the padding token's.
fn bert(config: &ModelConfig, offset: usize, names: StackNames) -> Result<StackSpec> {
    let size = bert_size(config, config.count("vocab_size")?)?;
    let rows = config.count_or("max_position_embeddings", 512)?;
    let padding = match offset {
        0 => PadPositions::Counted,
        _ => PadPositions::Skipped { moved: false },
    };
    Ok(StackSpec {
        embedding_width: config.count_or("embedding_size", size.d_model)?,
        segments: config.count_or("type_vocab_size", 2)?,
        positions: Positions::Learned { offset, count: rows.saturating_sub(offset), padding },
        norm: NormKind::Layer { eps: config.number_or("layer_norm_eps", 1e-12)? },
        activation: Activation::parse(config.text_or("hidden_act", "gelu")?)?,
        ..StackSpec::new(size, names)
    })
}

/// Reads BERT without segments (Rothe et al. 2020).
fn bert_generation(config: &ModelConfig, names: StackNames) -> Result<StackSpec> {
    Ok(StackSpec { segments: 0, ..bert(config, 0, names)? })
}

const BERT_GENERATION_LM_HEAD: LmHeadSpec = LmHeadSpec {
    bias: LmHeadBias::Plain(&["decoder.lm_head.decoder.bias", "decoder.lm_head.bias"]),
    ..LmHeadSpec::new(&["decoder.lm_head.decoder.weight", "decoder.bert.embeddings.word_embeddings.weight"])
};

const DISTILBERT: StackNames = StackNames {
    layer: "encoder.transformer.layer.{}",
    self_attn: AttentionNames::biased(
        ["attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin"],
        "sa_layer_norm",
    ),
    ffn: FfnNames::biased("ffn.lin1", "ffn.lin2", "output_layer_norm"),
    ..BERT_ENCODER
};

/// Reads DistilBERT (Sanh et al. 2019): BERT without segments, half as deep, with config fields of its own.
fn distilbert(config: &ModelConfig) -> Result<StackSpec> {
    let d_model = config.count_or("dim", 768)?;
    let heads = config.count_or("n_heads", 12)?;
    let size = StackSize {
        d_model,
        layers: config.count_or("n_layers", 6)?,
        heads,
        head_dim: head_dim(d_model, heads)?,
        ffn_dim: config.count_or("hidden_dim", 3072)?,
        vocabulary: config.count("vocab_size")?,
    };
    Ok(StackSpec {
        positions: Positions::Learned {
            offset: 0,
            count: config.count_or("max_position_embeddings", 512)?,
            padding: PadPositions::Counted,
        },
        norm: NormKind::Layer { eps: config.number_or("layer_norm_eps", 1e-12)? },
        activation: Activation::parse(config.text_or("activation", "gelu")?)?,
        ..StackSpec::new(size, DISTILBERT)
    })
}

fn bert_lm_head(config: &ModelConfig) -> Result<LmHeadSpec> {
    Ok(LmHeadSpec {
        bias: LmHeadBias::Plain(&["decoder.cls.predictions.decoder.bias", "decoder.cls.predictions.bias"]),
        transform: Some(LmHeadTransform {
            dense: "decoder.cls.predictions.transform.dense",
            activation: Activation::parse(config.text_or("hidden_act", "gelu")?)?,
            norm: "decoder.cls.predictions.transform.LayerNorm",
        }),
        ..LmHeadSpec::new(&[
            "decoder.cls.predictions.decoder.weight",
            "decoder.bert.embeddings.word_embeddings.weight",
        ])
    })
}

fn roberta_decoder(config: &ModelConfig) -> Result<(StackSpec, LmHeadSpec)> {
    let lm_head = LmHeadSpec {
        bias: LmHeadBias::Plain(&["decoder.lm_head.decoder.bias", "decoder.lm_head.bias"]),
        transform: Some(LmHeadTransform {
            dense: "decoder.lm_head.dense",
            activation: Activation::Gelu,
            norm: "decoder.lm_head.layer_norm",
        }),
        ..LmHeadSpec::new(&[
            "decoder.lm_head.decoder.weight",
            "decoder.roberta.embeddings.word_embeddings.weight",
        ])
    };
    Ok((bert(config, after_padding(config), ROBERTA_DECODER)?, lm_head))
}

const GPT2_LM_HEAD: LmHeadSpec =
    LmHeadSpec::new(&["decoder.lm_head.weight", "decoder.transformer.wte.weight"]);
const GPT2: StackNames = StackNames {
    cross_attn: Some(AttentionNames::biased(
        ["crossattention.q_attn", "crossattention.c_attn", "crossattention.c_attn", "crossattention.c_proj"],
        "ln_cross_attn",
    )),
    positions: Some("decoder.transformer.wpe.weight"),
    final_norm: Some("decoder.transformer.ln_f"),
    ..StackNames::new(
        "decoder.transformer.h.{}",
        AttentionNames::biased(["attn.c_attn", "attn.c_attn", "attn.c_attn", "attn.c_proj"], "ln_1"),
        FfnNames::biased("mlp.c_fc", "mlp.c_proj", "ln_2"),
        &["decoder.transformer.wte.weight", "decoder.lm_head.weight"],
    )
};

/// Reads GPT-2. Its `reorder_and_upcast_attn` concerns half precision and changes nothing in single
/// precision.
fn gpt2(config: &ModelConfig) -> Result<StackSpec> {
    let d_model = config.count_or("n_embd", 768)?;
    let heads = config.count_or("n_head", 12)?;
    let size = StackSize {
        d_model,
        layers: config.count_or("n_layer", 12)?,
        heads,
        head_dim: head_dim(d_model, heads)?,
        ffn_dim: config.count_or("n_inner", 4 * d_model)?,
        vocabulary: config.count_or("vocab_size", 50257)?,
    };
    let mut spec = StackSpec {
        transposed: true,
        positions: Positions::Learned {
            offset: 0,
            count: config.count_or("n_positions", 1024)?,
            padding: PadPositions::Counted,
        },
        scale_by_inverse_layer: config.flag_or("scale_attn_by_inverse_layer_idx", false)?,
        norm: NormKind::Layer { eps: config.number_or("layer_norm_epsilon", 1e-5)? },
        placement: Placement::Pre,
        activation: Activation::parse(config.text_or("activation_function", "gelu_new")?)?,
        ..StackSpec::new(size, GPT2)
    };
    if !config.flag_or("scale_attn_weights", true)? {
        spec.score_scale = 1.0;
    }
    Ok(spec)
}
