//! T5Gemma (Zhang et al. 2025): Gemma 2's layers on both sides. Grouped queries, rotary positions, windows in
//! every other layer, soft caps on scores and logits, norms before and after each block.

use crate::checkpoint::ModelConfig;
use crate::error::{Error, Result};
use crate::model::family::{ConfigReader, Family, TokenizerClass};
use crate::model::spec::{
    AttentionNames, FfnNames, LmHeadSpec, NormKind, OutputNormNames, Placement, Positions, Rope, Span,
    Sparsity, StackNames, StackSize, StackSpec, TransformerSpec, TurningDims,
};
use crate::nn::Activation;

pub(super) const ENCODER: StackNames = StackNames {
    output_norms: Some(OutputNormNames {
        self_attn: "post_self_attn_layernorm",
        cross_attn: "post_cross_attn_layernorm",
        ffn: "post_feedforward_layernorm",
    }),
    final_norm: Some("model.encoder.norm"),
    ..StackNames::new(
        "model.encoder.layers.{}",
        AttentionNames::unbiased(
            ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"],
            "pre_self_attn_layernorm",
        ),
        FfnNames::unbiased("mlp.up_proj", "mlp.down_proj", "pre_feedforward_layernorm")
            .gated("mlp.gate_proj"),
        &["model.encoder.embed_tokens.weight"],
    )
};
const DECODER: StackNames = StackNames {
    layer: "model.decoder.layers.{}",
    cross_attn: Some(AttentionNames::unbiased(
        ["cross_attn.q_proj", "cross_attn.k_proj", "cross_attn.v_proj", "cross_attn.o_proj"],
        "pre_cross_attn_layernorm",
    )),
    embedding: &["model.decoder.embed_tokens.weight", "lm_head.out_proj.weight"],
    final_norm: Some("model.decoder.norm"),
    ..ENCODER
};

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "t5gemma",
    examples: "google/t5gemma-2b-2b-ul2",
    tokenizer: TokenizerClass::Named("GemmaTokenizer"),
    reader: ConfigReader::Transformer(spec),
};

/// Reads T5Gemma's config.json.
fn spec(config: &ModelConfig) -> Result<TransformerSpec> {
    let (encoder_config, decoder_config) =
        (config.require_section("encoder")?, config.require_section("decoder")?);
    let encoder = stack(&encoder_config, ENCODER, Gemma::V2(StackSide::Encoder))?;
    let mut decoder = stack(&decoder_config, DECODER, Gemma::V2(StackSide::Decoder))?;
    decoder.source_width = encoder.d_model;
    let token = |key: &str| config.token(key).or(decoder_config.token(key));
    Ok(TransformerSpec {
        model_type: config.model_type()?.into(),
        encoder,
        decoder,
        encoder_projection: None,
        lm_head: LmHeadSpec {
            softcap: softcap(&decoder_config, "final_logit_softcapping", Some(30.0))?,
            ..LmHeadSpec::new(&["lm_head.out_proj.weight", "model.decoder.embed_tokens.weight"])
        },
        start: token("decoder_start_token_id").or(token("bos_token_id")).or(Some(2)),
        end: token("eos_token_id"),
        wraps: false,
        front_end: None,
        ignored: &["lm_head.out_proj.weight", "*embed_tokens.weight"],
    })
}

/// One of the two stacks.
#[derive(Clone, Copy)]
pub(super) enum StackSide {
    Encoder,
    Decoder,
}

/// Version of Gemma whose layers a stack has.
#[derive(Clone, Copy)]
pub(super) enum Gemma {
    /// Gemma 2.
    V2(StackSide),
    /// Gemma 3: longer periods in layers that see every key, no soft cap on the scores, norms of queries and
    /// keys.
    V3(StackSide),
}

impl Gemma {
    /// Returns the keys that a layer with a window of `size` sees. The reference counts the query itself in
    /// windows that look back, but not in Gemma 2's windows in both directions.
    fn span(self, size: usize) -> Span {
        match self {
            Gemma::V2(StackSide::Encoder) => Span::around(size),
            Gemma::V3(StackSide::Encoder) => {
                Span { before: size.div_ceil(2).saturating_sub(1), after: size / 2 }
            }
            Gemma::V2(StackSide::Decoder) | Gemma::V3(StackSide::Decoder) => {
                Span { before: size.saturating_sub(1), after: 0 }
            }
        }
    }

    /// Returns `n` where every n-th layer sees every key, unless config.json lists the layers.
    fn pattern(self, config: &ModelConfig) -> Result<usize> {
        match self {
            Gemma::V2(_) => Ok(2),
            Gemma::V3(_) => Ok(config.count_or("sliding_window_pattern", 6)?.max(1)),
        }
    }
}

/// Reads the specification of one stack.
pub(super) fn stack(config: &ModelConfig, mut names: StackNames, gemma: Gemma) -> Result<StackSpec> {
    let d_model = config.count_or("hidden_size", 2304)?;
    let heads = config.count_or("num_attention_heads", 8)?;
    let key_heads = config.count_or("num_key_value_heads", 4)?;
    if key_heads == 0 || !heads.is_multiple_of(key_heads) {
        return Err(Error::Config(format!("{heads} heads are no multiple of {key_heads} key heads")));
    }
    let layers = config.count_or("num_hidden_layers", 26)?;
    let (local, global, score_cap) = match gemma {
        Gemma::V2(_) => {
            let rope = rope(config, None, &["rope_theta"], 10_000.0)?;
            (rope, rope, softcap(config, "attn_logit_softcapping", Some(50.0))?)
        }
        Gemma::V3(_) => {
            names.qk_norms = Some(["self_attn.q_norm", "self_attn.k_norm"]);
            (
                rope(config, Some("sliding_attention"), &["rope_local_base_freq"], 10_000.0)?,
                rope(config, Some("full_attention"), &["rope_theta"], 1_000_000.0)?,
                None,
            )
        }
    };
    let bias = config.flag_or("attention_bias", false)?;
    names.self_attn = names.self_attn.with_bias(bias);
    names.cross_attn = names.cross_attn.map(|cross_attn| cross_attn.with_bias(bias));
    let size = StackSize {
        d_model,
        layers,
        heads,
        head_dim: config.count_or("head_dim", 256)?,
        ffn_dim: config.count_or("intermediate_size", 9216)?,
        vocabulary: config.count_or("vocab_size", 256_000)?,
    };
    Ok(StackSpec {
        key_heads,
        score_cap,
        embedding_scale: (d_model as f64).sqrt(),
        positions: Positions::Rotary { local, global },
        sparsity: Sparsity::Windows(spans(config, layers, gemma)?),
        score_scale: config.number_or("query_pre_attn_scalar", 256.0)?.powf(-0.5),
        norm: NormKind::RmsPlusOne { eps: config.number_or("rms_norm_eps", 1e-6)? },
        placement: Placement::Around,
        activation: Activation::parse(config.text_or("hidden_activation", "gelu_pytorch_tanh")?)?,
        ..StackSpec::new(size, names)
    })
}

/// Reads a soft cap; `null` means that there is none, an absent field means `default`.
pub(super) fn softcap(config: &ModelConfig, key: &str, default: Option<f64>) -> Result<Option<f64>> {
    match (config.value().get(key), default) {
        (Some(serde_json::Value::Null), _) | (None, None) => Ok(None),
        (_, default) => config.number_or(key, default.unwrap_or_default()).map(Some),
    }
}

/// Reads the rotary positions of all layers, or of those of one type, from `rope_parameters` or the fields
/// `older`.
fn rope(config: &ModelConfig, layers: Option<&str>, older: &[&str], default: f64) -> Result<Rope> {
    let mut theta = default;
    for name in older {
        theta = config.number_or(name, theta)?;
    }
    let newer = config.section("rope_parameters");
    let section = match (newer, layers) {
        (Some(newer), Some(layers)) => newer.section(layers),
        (None, Some("sliding_attention")) => None,
        (newer, _) => newer.or_else(|| config.section("rope_scaling")),
    };
    let Some(section) = section else {
        return Ok(Rope { theta, scaling_factor: 1.0, turning: TurningDims::Halves });
    };
    let theta = section.number_or("rope_theta", theta)?;
    match section.text_or("rope_type", section.text_or("type", "default")?)? {
        "default" => Ok(Rope { theta, scaling_factor: 1.0, turning: TurningDims::Halves }),
        "linear" => Ok(Rope {
            theta,
            scaling_factor: section.number_or("factor", 1.0)?,
            turning: TurningDims::Halves,
        }),
        other => Err(Error::Config(format!("rope_type '{other}' is not supported"))),
    }
}

/// Reads the keys that each layer sees.
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
                Some(other) => Err(Error::Config(format!(
                    "layer_types gives '{other}' for layer {layer}, not 'sliding_attention' or 'full_attention'"
                ))),
                None => Err(Error::Config(format!("layer_types has no name for layer {layer}"))),
            },
        })
        .collect()
}
