//! Speech2Text (Wang et al. 2020, fairseq S2T): gated convolutions over filter banks, then M2M100's layers.

use serde_json::Value;

use super::bart::{BartOptions, build};
use crate::checkpoint::ModelConfig;
use crate::error::{Error, Result};
use crate::model::family::{ConfigReader, Family, TokenizerClass};
use crate::model::spec::{ConvSpec, ConvolutionsSpec, FrontEndSpec, Positions, SignalKind, TransformerSpec};
use crate::nn::{ConvOutput, PadPositions, Sinusoid};

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "speech_to_text",
    examples: "facebook/s2t-small-librispeech-asr",
    tokenizer: TokenizerClass::Named("Speech2TextTokenizer"),
    reader: ConfigReader::Transformer(spec),
};

/// Names of the convolutions.
const CONVOLUTIONS: [&str; 6] = [
    "model.encoder.conv.conv_layers.0",
    "model.encoder.conv.conv_layers.1",
    "model.encoder.conv.conv_layers.2",
    "model.encoder.conv.conv_layers.3",
    "model.encoder.conv.conv_layers.4",
    "model.encoder.conv.conv_layers.5",
];

/// Widest kernel of a convolution.
const MAX_KERNEL: usize = 1 << 10;

/// Reads Speech2Text's config.json.
fn spec(config: &ModelConfig) -> Result<TransformerSpec> {
    let offset = config.token("pad_token_id").unwrap_or(1) as usize + 1;
    let positions = |count| Positions::Sinusoid {
        formula: Sinusoid::Fairseq,
        offset,
        count,
        padding: PadPositions::Skipped { moved: false },
    };
    let target = positions(config.count_or("max_target_positions", 1024)?);
    let options = BartOptions { scale_embedding: true, activation: "relu", ..BartOptions::pre_norm(target) };
    let mut spec = build(config, &options)?;
    spec.encoder.positions = positions(config.count_or("max_source_positions", 6000)?);
    spec.encoder.names.embedding = &[];
    let width = spec.encoder.d_model;
    let channels = config.count_or("conv_channels", 1024)?;
    let bins = config.count_or("input_feat_per_channel", 80)? * config.count_or("input_channels", 1)?;
    let kernels = kernels(config)?;
    let conv = |(at, (&kernel, name)): (usize, (&usize, &'static str))| ConvSpec {
        name,
        channels: [
            if at == 0 { bins } else { channels / 2 },
            if at + 1 == kernels.len() { width } else { channels / 2 },
        ],
        kernel,
        stride: 2,
        padding: kernel / 2,
        bias: true,
        output: ConvOutput::Gated,
        norm: None,
    };
    let convolutions = kernels.iter().zip(CONVOLUTIONS).enumerate().map(conv).collect();
    let scale = spec.encoder.embedding_scale;
    let front_end =
        ConvolutionsSpec { bins, signal: SignalKind::FilterBanks, frames: None, scale, convolutions };
    Ok(TransformerSpec { front_end: Some(FrontEndSpec::Convolutions(front_end)), ..spec })
}

/// Reads the widths of the convolutions' kernels.
fn kernels(config: &ModelConfig) -> Result<Vec<usize>> {
    let Some(value) = config.get("conv_kernel_sizes") else { return Ok(vec![5, 5]) };
    let wrong = || {
        let most = CONVOLUTIONS.len();
        Error::Config(format!("conv_kernel_sizes is no list of 1 to {most} odd widths up to {MAX_KERNEL}"))
    };
    let width = |value: &Value| value.as_u64().map(|n| n as usize).filter(|n| *n < MAX_KERNEL && n % 2 == 1);
    let widths: Option<Vec<usize>> = value.as_array().ok_or_else(wrong)?.iter().map(width).collect();
    widths.filter(|widths| (1..=CONVOLUTIONS.len()).contains(&widths.len())).ok_or_else(wrong)
}
