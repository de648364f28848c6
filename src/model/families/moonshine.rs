//! Moonshine (Jeffries et al. 2024): three convolutions over samples, then layers with norms before each block and
//! rotary positions in a part of each head. The feed-forward blocks of the decoder are gated.

use crate::checkpoint::ModelConfig;
use crate::error::{Error, Result};
use crate::model::family::{ConfigReader, Family, TokenizerClass};
use crate::model::spec::{
    AttentionNames, ConvSpec, ConvolutionsSpec, FfnNames, FrontEndSpec, LmHeadBias, LmHeadSpec, NormKind,
    Placement, Positions, Projection, Rope, SignalKind, StackNames, StackSize, StackSpec, TransformerSpec,
    TurningDims, head_dim,
};
use crate::nn::{Activation, ConvOutput};

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "moonshine",
    examples: "UsefulSensors/moonshine-tiny, UsefulSensors/moonshine-base",
    tokenizer: TokenizerClass::Named("PreTrainedTokenizerFast"),
    reader: ConfigReader::Transformer(spec),
};

const SELF_ATTN: AttentionNames = AttentionNames::unbiased(
    ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"],
    "input_layernorm",
);
const CROSS_ATTN: AttentionNames = AttentionNames::unbiased(
    ["encoder_attn.q_proj", "encoder_attn.k_proj", "encoder_attn.v_proj", "encoder_attn.o_proj"],
    "post_attention_layernorm",
);
const ENCODER: StackNames = StackNames {
    final_norm: Some("model.encoder.layer_norm"),
    ..StackNames::new(
        "model.encoder.layers.{}",
        SELF_ATTN,
        FfnNames::biased("mlp.fc1", "mlp.fc2", "post_attention_layernorm"),
        &[],
    )
};
const DECODER: StackNames = StackNames {
    cross_attn: Some(CROSS_ATTN),
    final_norm: Some("model.decoder.norm"),
    ..StackNames::new(
        "model.decoder.layers.{}",
        SELF_ATTN,
        FfnNames {
            gate: Some(Projection::biased("mlp.fc1")),
            ..FfnNames::biased("mlp.fc1", "mlp.fc2", "final_layernorm")
        },
        &["model.decoder.embed_tokens.weight", "proj_out.weight"],
    )
};

/// Reads Moonshine's config.json.
fn spec(config: &ModelConfig) -> Result<TransformerSpec> {
    let width = config.count("hidden_size")?;
    let conv = |name, [inputs, outputs]: [usize; 2], kernel, stride, activation| ConvSpec {
        name,
        channels: [inputs, outputs],
        kernel,
        stride,
        padding: 0,
        bias: true,
        output: ConvOutput::Activation(activation),
        norm: None,
    };
    let convolutions = vec![
        ConvSpec {
            bias: false,
            norm: Some("model.encoder.groupnorm"),
            ..conv("model.encoder.conv1", [1, width], 127, 64, Activation::Tanh)
        },
        conv("model.encoder.conv2", [width, 2 * width], 7, 3, Activation::Gelu),
        conv("model.encoder.conv3", [2 * width, width], 3, 2, Activation::Gelu),
    ];
    Ok(TransformerSpec {
        model_type: config.model_type()?.into(),
        encoder: stack(config, "encoder", width, ENCODER, "gelu")?,
        decoder: stack(config, "decoder", width, DECODER, "silu")?,
        encoder_projection: None,
        lm_head: LmHeadSpec {
            bias: LmHeadBias::None,
            ..LmHeadSpec::new(&["proj_out.weight", "model.decoder.embed_tokens.weight"])
        },
        start: config.token("decoder_start_token_id").or(Some(1)),
        end: config.token("eos_token_id").or(Some(2)),
        wraps: false,
        front_end: Some(FrontEndSpec::Convolutions(ConvolutionsSpec {
            bins: 1,
            signal: SignalKind::Samples,
            frames: None,
            scale: 1.0,
            convolutions,
        })),
        ignored: &["proj_out.weight", "*embed_tokens.weight", "*rotary_emb.inv_freq"],
    })
}

fn stack(
    config: &ModelConfig,
    side: &str,
    d_model: usize,
    mut names: StackNames,
    activation: &str,
) -> Result<StackSpec> {
    let heads = config.count_or(&format!("{side}_num_attention_heads"), 8)?;
    let key_heads = config.count_or(&format!("{side}_num_key_value_heads"), heads)?;
    if key_heads != heads {
        return Err(Error::Config(format!(
            "{side}_num_key_value_heads is {key_heads} for {heads} heads: the reference runs as many"
        )));
    }
    let head_dim = config.count_or("head_dim", head_dim(d_model, heads)?)?;
    let size = StackSize {
        d_model,
        layers: config.count_or(&format!("{side}_num_hidden_layers"), 6)?,
        heads,
        head_dim,
        ffn_dim: config.count("intermediate_size")?,
        vocabulary: config.count("vocab_size")?,
    };
    // The output projection never has a bias.
    let bias = config.flag_or("attention_bias", false)?;
    for attention in [Some(&mut names.self_attn), names.cross_attn.as_mut()].into_iter().flatten() {
        let output = attention.output;
        *attention = AttentionNames { output, ..attention.with_bias(bias) };
    }
    let rope = rope(config, head_dim)?;
    let activation = config.text_or(&format!("{side}_hidden_act"), activation)?;
    Ok(StackSpec {
        positions: Positions::Rotary { local: rope, global: rope },
        norm: NormKind::LayerPlain { eps: 1e-5 },
        placement: Placement::Pre,
        activation: Activation::parse(activation)?,
        ..StackSpec::new(size, names)
    })
}

/// Reads the rotary positions from `rope_parameters` or older fields.
fn rope(config: &ModelConfig, head_dim: usize) -> Result<Rope> {
    let section = config.section("rope_parameters").or_else(|| config.section("rope_scaling"));
    let section = section.as_ref().unwrap_or(config);
    let kind = section.text_or("rope_type", "default")?;
    if kind != "default" {
        return Err(Error::Config(format!("rope_type '{kind}' is not supported")));
    }
    let factor =
        section.number_or("partial_rotary_factor", config.number_or("partial_rotary_factor", 0.9)?)?;
    let turning = (head_dim as f64 * factor) as usize;
    if turning == 0 || turning.next_multiple_of(2) > head_dim {
        return Err(Error::Config(format!(
            "{turning} of {head_dim} dimensions of a head cannot turn in pairs"
        )));
    }
    Ok(Rope {
        theta: section.number_or("rope_theta", config.number_or("rope_theta", 10_000.0)?)?,
        scaling_factor: 1.0,
        turning: TurningDims::Neighbours(turning),
    })
}
