//! T5Gemma (Zhang et al. 2025): Gemma 2's layers on both sides. Grouped queries, rotary positions, windows in
//! every other layer, scores and logits under a soft cap, norms before and after each block.

use crate::checkpoint::ModelConfig;
use crate::error::{Error, Result};
use crate::model::family::{Family, Reader, TokenizerClass};
use crate::model::spec::{
    AfterNames, AttentionNames, EmbeddingNorm, FfnNames, HeadBias, HeadSpec, ModelSpec, NormKind, Placement,
    Positions, Rare, Reach, Span, StackNames, StackSpec, Wave,
};
use crate::nn::Activation;

pub(super) const ENCODER: StackNames = StackNames {
    layer: "model.encoder.layers.{}",
    own: AttentionNames {
        query: "self_attn.q_proj",
        key: "self_attn.k_proj",
        value: "self_attn.v_proj",
        output: "self_attn.o_proj",
        norm: "pre_self_attn_layernorm",
    },
    cross: None,
    ffn: FfnNames {
        up: "mlp.up_proj",
        gate: Some("mlp.gate_proj"),
        down: "mlp.down_proj",
        norm: "pre_feedforward_layernorm",
    },
    embedding: &["model.encoder.embed_tokens.weight"],
    projection: "",
    segments: "",
    after: Some(AfterNames {
        own: "post_self_attn_layernorm",
        cross: "post_cross_attn_layernorm",
        ffn: "post_feedforward_layernorm",
    }),
    positions: "",
    embedding_norm: None,
    final_norm: Some("model.encoder.norm"),
    bias: "",
};
const DECODER: StackNames = StackNames {
    layer: "model.decoder.layers.{}",
    cross: Some(AttentionNames {
        query: "cross_attn.q_proj",
        key: "cross_attn.k_proj",
        value: "cross_attn.v_proj",
        output: "cross_attn.o_proj",
        norm: "pre_cross_attn_layernorm",
    }),
    embedding: &["model.decoder.embed_tokens.weight", "lm_head.out_proj.weight"],
    final_norm: Some("model.decoder.norm"),
    ..ENCODER
};

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "t5gemma",
    examples: "google/t5gemma-2b-2b-ul2",
    tokenizer: TokenizerClass::Named("GemmaTokenizer"),
    reader: Reader::Transformer(spec),
};

/// Reads T5Gemma's config.json.
fn spec(config: &ModelConfig) -> Result<ModelSpec> {
    let section =
        |side: &str| config.section(side).ok_or_else(|| Error::Config(format!("there is no {side} section")));
    let (reader, writer) = (section("encoder")?, section("decoder")?);
    let encoder = stack(&reader, ENCODER, Gemma::Two(Side::Encoder))?;
    let mut decoder = stack(&writer, DECODER, Gemma::Two(Side::Decoder))?;
    decoder.source_width = encoder.d_model;
    let token = |key: &str| config.token(key).or(writer.token(key));
    Ok(ModelSpec {
        model_type: config.model_type()?.into(),
        encoder,
        decoder,
        bridge: None,
        head: HeadSpec {
            weight: &["lm_head.out_proj.weight", "model.decoder.embed_tokens.weight"],
            scale: 1.0,
            bias: HeadBias::Plain(&[]),
            transform: None,
            cap: cap(&writer, "final_logit_softcapping", Some(30.0))?,
        },
        start: token("decoder_start_token_id").or(token("bos_token_id")).or(Some(2)),
        end: token("eos_token_id"),
        wraps: false,
        harmless: &["lm_head.out_proj.weight", "*embed_tokens.weight"],
    })
}

/// Which of the two stacks.
#[derive(Clone, Copy)]
pub(super) enum Side {
    Encoder,
    Decoder,
}

/// Whose layers a stack has.
#[derive(Clone, Copy)]
pub(super) enum Gemma {
    /// Gemma 2's.
    Two(Side),
    /// Gemma 3's: longer periods in layers that see all, no cap on the scores, norms of queries and keys.
    Three(Side),
}

impl Gemma {
    /// How far a layer with a window of `size` sees. Where it looks back, the reference counts the query
    /// itself; where Gemma 2 looks both ways, it does not.
    fn span(self, size: usize) -> Span {
        match self {
            Gemma::Two(Side::Encoder) => Span::around(size),
            Gemma::Three(Side::Encoder) => {
                Span { before: size.div_ceil(2).saturating_sub(1), after: size / 2 }
            }
            Gemma::Two(Side::Decoder) | Gemma::Three(Side::Decoder) => {
                Span { before: size.saturating_sub(1), after: 0 }
            }
        }
    }

    /// Of how many layers the last sees all, where config.json does not list them.
    fn pattern(self, config: &ModelConfig) -> Result<usize> {
        match self {
            Gemma::Two(_) => Ok(2),
            Gemma::Three(_) => Ok(config.count_or("sliding_window_pattern", 6)?.max(1)),
        }
    }
}

/// The specification of one stack.
pub(super) fn stack(config: &ModelConfig, names: StackNames, gemma: Gemma) -> Result<StackSpec> {
    let d_model = config.count_or("hidden_size", 2304)?;
    let heads = config.count_or("num_attention_heads", 8)?;
    let key_heads = config.count_or("num_key_value_heads", 4)?;
    if key_heads == 0 || !heads.is_multiple_of(key_heads) {
        return Err(Error::Config(format!("{heads} heads are no multiple of {key_heads} key heads")));
    }
    let layers = config.count_or("num_hidden_layers", 26)?;
    let (near, far, score_cap, head_norms) = match gemma {
        Gemma::Two(_) => {
            let wave = wave(config, None, &["rope_theta"], 10_000.0)?;
            (wave, wave, cap(config, "attn_logit_softcapping", Some(50.0))?, None)
        }
        Gemma::Three(_) => (
            wave(config, Some("sliding_attention"), &["rope_local_base_freq"], 10_000.0)?,
            wave(config, Some("full_attention"), &["rope_theta"], 1_000_000.0)?,
            None,
            Some(["self_attn.q_norm", "self_attn.k_norm"]),
        ),
    };
    Ok(StackSpec {
        d_model,
        embedding_width: d_model,
        source_width: d_model,
        transposed: false,
        segments: 0,
        layers,
        heads,
        key_heads,
        score_cap,
        head_dim: config.count_or("head_dim", 256)?,
        ffn_dim: config.count_or("intermediate_size", 9216)?,
        vocabulary: config.count_or("vocab_size", 256_000)?,
        embedding_scale: (d_model as f64).sqrt(),
        positions: Positions::Rotary { near, far },
        bias: None,
        reach: Reach::Near(spans(config, layers, gemma)?),
        summaries: None,
        experts: None,
        score_scale: config.number_or("query_pre_attn_scalar", 256.0)?.powf(-0.5),
        attention_bias: config.flag_or("attention_bias", false)?,
        linear_bias: false,
        norm: NormKind::RmsLessOne { eps: config.number_or("rms_norm_eps", 1e-6)? },
        placement: Placement::Around,
        embedding_norm: EmbeddingNorm::AfterPositions,
        activation: Activation::parse(config.text_or("hidden_activation", "gelu_pytorch_tanh")?)?,
        rare: Rare { head_norms, ..Rare::default() },
        names,
    })
}

/// A soft cap: `null` says that there is none.
pub(super) fn cap(config: &ModelConfig, key: &str, default: Option<f64>) -> Result<Option<f64>> {
    match (config.value().get(key), default) {
        (Some(serde_json::Value::Null), _) | (None, None) => Ok(None),
        (_, default) => config.number_or(key, default.unwrap_or_default()).map(Some),
    }
}

/// The rotary positions of all layers, or of those of one type, under newer names or `older` ones.
fn wave(config: &ModelConfig, layers: Option<&str>, older: &[&str], default: f64) -> Result<Wave> {
    let mut theta = default;
    for name in older {
        theta = config.number_or(name, theta)?;
    }
    let newer = config.section("rope_parameters");
    let rope = match (newer, layers) {
        (Some(newer), Some(layers)) => newer.section(layers),
        (None, Some("sliding_attention")) => None,
        (newer, _) => newer.or_else(|| config.section("rope_scaling")),
    };
    let Some(rope) = rope else { return Ok(Wave { theta, stretch: 1.0 }) };
    let theta = rope.number_or("rope_theta", theta)?;
    match rope.text_or("rope_type", rope.text_or("type", "default")?)? {
        "default" => Ok(Wave { theta, stretch: 1.0 }),
        "linear" => Ok(Wave { theta, stretch: rope.number_or("factor", 1.0)? }),
        other => Err(Error::Config(format!("rope_type '{other}' is not supported"))),
    }
}

/// How far each layer sees.
fn spans(config: &ModelConfig, layers: usize, gemma: Gemma) -> Result<Vec<Span>> {
    let near = gemma.span(config.count_or("sliding_window", 4096)?);
    let pattern = gemma.pattern(config)?;
    let types = config.get("layer_types").and_then(serde_json::Value::as_array);
    (0..layers)
        .map(|layer| match types {
            None if (layer + 1) % pattern == 0 => Ok(Span::ALL),
            None => Ok(near),
            Some(types) => match types.get(layer).and_then(serde_json::Value::as_str) {
                Some("sliding_attention") => Ok(near),
                Some("full_attention") => Ok(Span::ALL),
                other => Err(Error::Config(format!("layer_types gives {other:?} for layer {layer}"))),
            },
        })
        .collect()
}
