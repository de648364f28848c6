//! T5Gemma (Zhang et al. 2025): Gemma 2's layers on both sides. Grouped queries, rotary positions, windows in
//! every other layer, scores and logits under a soft cap, norms before and after each block.

use crate::error::{Error, Result};
use crate::model::config::Config;
use crate::model::spec::{
    AfterNames, AttentionNames, EmbeddingNorm, FfnNames, HeadBias, HeadSpec, ModelSpec, NormKind, Placement,
    Positions, Reach, StackNames, StackSpec,
};
use crate::nn::Activation;

const ENCODER: StackNames = StackNames {
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

/// Reads T5Gemma's config.json.
pub fn spec(config: &Config) -> Result<ModelSpec> {
    let section =
        |side: &str| config.section(side).ok_or_else(|| Error::Config(format!("there is no {side} section")));
    let (reader, writer) = (section("encoder")?, section("decoder")?);
    let encoder = stack(&reader, ENCODER, Window::BothSides)?;
    let mut decoder = stack(&writer, DECODER, Window::Before)?;
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
            cap: cap(&writer, "final_logit_softcapping", 30.0)?,
        },
        start: token("decoder_start_token_id").or(token("bos_token_id")).unwrap_or(2),
        end: token("eos_token_id"),
        harmless: &["lm_head.out_proj.weight", "*embed_tokens.weight"],
    })
}

/// Which side of a query its window is on.
#[derive(Clone, Copy)]
enum Window {
    BothSides,
    Before,
}

fn stack(config: &Config, names: StackNames, window: Window) -> Result<StackSpec> {
    let d_model = config.count_or("hidden_size", 2304)?;
    let heads = config.count_or("num_attention_heads", 8)?;
    let key_heads = config.count_or("num_key_value_heads", 4)?;
    if key_heads == 0 || !heads.is_multiple_of(key_heads) {
        return Err(Error::Config(format!("{heads} heads are no multiple of {key_heads} key heads")));
    }
    let layers = config.count_or("num_hidden_layers", 26)?;
    Ok(StackSpec {
        d_model,
        embedding_width: d_model,
        source_width: d_model,
        transposed: false,
        segments: 0,
        layers,
        heads,
        key_heads,
        score_cap: cap(config, "attn_logit_softcapping", 50.0)?,
        head_dim: config.count_or("head_dim", 256)?,
        ffn_dim: config.count_or("intermediate_size", 9216)?,
        vocabulary: config.count_or("vocab_size", 256_000)?,
        embedding_scale: (d_model as f64).sqrt(),
        positions: Positions::Rotary { theta: theta(config)? },
        bias: None,
        reach: Reach::Near(distances(config, layers, window)?),
        summaries: None,
        experts: None,
        score_scale: config.number_or("query_pre_attn_scalar", 256.0)?.powf(-0.5),
        attention_bias: config.flag_or("attention_bias", false)?,
        linear_bias: false,
        norm: NormKind::RmsLessOne { eps: config.number_or("rms_norm_eps", 1e-6)? },
        placement: Placement::Around,
        embedding_norm: EmbeddingNorm::AfterPositions,
        activation: Activation::parse(config.text_or("hidden_activation", "gelu_pytorch_tanh")?)?,
        names,
    })
}

/// A soft cap: `null` says that there is none.
fn cap(config: &Config, key: &str, default: f64) -> Result<Option<f64>> {
    if config.value().get(key).is_some_and(serde_json::Value::is_null) {
        return Ok(None);
    }
    config.number_or(key, default).map(Some)
}

/// The rotary base, under its newer or its older name.
fn theta(config: &Config) -> Result<f64> {
    let Some(rope) = config.section("rope_parameters").or_else(|| config.section("rope_scaling")) else {
        return config.number_or("rope_theta", 10_000.0);
    };
    match rope.text_or("rope_type", "default")? {
        "default" => rope.number_or("rope_theta", config.number_or("rope_theta", 10_000.0)?),
        other => Err(Error::Config(format!("rope_type '{other}' is not supported"))),
    }
}

/// How far each layer sees. The reference counts a window with the query itself where it looks back, and
/// without it where it looks both ways.
fn distances(config: &Config, layers: usize, window: Window) -> Result<Vec<usize>> {
    let size = config.count_or("sliding_window", 4096)?;
    let near = match window {
        Window::BothSides => size,
        Window::Before => size.saturating_sub(1),
    };
    let types = config.get("layer_types").and_then(serde_json::Value::as_array);
    (0..layers)
        .map(|layer| match types {
            None if layer % 2 == 0 => Ok(near),
            None => Ok(usize::MAX),
            Some(types) => match types.get(layer).and_then(serde_json::Value::as_str) {
                Some("sliding_attention") => Ok(near),
                Some("full_attention") => Ok(usize::MAX),
                other => Err(Error::Config(format!("layer_types gives {other:?} for layer {layer}"))),
            },
        })
        .collect()
}
