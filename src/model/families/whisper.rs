//! Whisper (Radford et al. 2022): two convolutions over log-mel features, then BART's blocks with norms before
//! them. Keys have no bias; both stacks store their positions, those of the encoder being sinusoids.

use super::bart::{BartOptions, build};
use crate::checkpoint::ModelConfig;
use crate::error::Result;
use crate::model::family::{ConfigReader, Family, TokenizerClass};
use crate::model::spec::{
    ConvSpec, ConvolutionsSpec, FrontEndSpec, LmHeadBias, LmHeadSpec, Positions, Projection, SignalKind,
    TransformerSpec,
};
use crate::nn::{Activation, ConvOutput, PadPositions};

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "whisper",
    examples: "openai/whisper-tiny, openai/whisper-large-v3, distil-whisper/distil-small.en",
    tokenizer: TokenizerClass::Named("WhisperTokenizer"),
    reader: ConfigReader::Transformer(spec),
};

/// Reads Whisper's config.json.
fn spec(config: &ModelConfig) -> Result<TransformerSpec> {
    let frames = config.count_or("max_source_positions", 1500)?;
    let target = config.count_or("max_target_positions", 448)?;
    let bins = config.count_or("num_mel_bins", 80)?;
    let options = BartOptions::pre_norm(Positions::Learned {
        offset: 0,
        count: target,
        padding: PadPositions::Counted,
    });
    let mut spec = build(config, &options)?;
    // The reference computes this scale and does not use it.
    spec.decoder.embedding_scale = 1.0;
    spec.encoder.positions = Positions::Learned { offset: 0, count: frames, padding: PadPositions::Counted };
    spec.encoder.names.embedding = &[];
    spec.decoder.names.embedding = &["model.decoder.embed_tokens.weight", "proj_out.weight"];
    for names in [&mut spec.encoder.names, &mut spec.decoder.names] {
        names.self_attn.key = Projection::unbiased(names.self_attn.key.name);
        names.cross_attn = names.cross_attn.map(|mut cross| {
            cross.key = Projection::unbiased(cross.key.name);
            cross
        });
    }
    let width = spec.encoder.d_model;
    let conv = |name, inputs, stride| ConvSpec {
        name,
        channels: [inputs, width],
        kernel: 3,
        stride,
        padding: 1,
        bias: true,
        output: ConvOutput::Activation(Activation::Gelu),
        norm: None,
    };
    let convolutions = vec![conv("model.encoder.conv1", bins, 1), conv("model.encoder.conv2", width, 2)];
    Ok(TransformerSpec {
        front_end: Some(FrontEndSpec::Convolutions(ConvolutionsSpec {
            bins,
            signal: SignalKind::LogMel,
            frames: Some(2 * frames),
            scale: 1.0,
            convolutions,
        })),
        lm_head: LmHeadSpec {
            bias: LmHeadBias::None,
            ..LmHeadSpec::new(&["proj_out.weight", "model.decoder.embed_tokens.weight"])
        },
        ignored: &["proj_out.weight", "*embed_tokens.weight"],
        ..spec
    })
}
