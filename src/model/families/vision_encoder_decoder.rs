//! Encoders of pictures and decoders that were models of their own: TrOCR (Li et al. 2023), captioning models
//! and others read a picture with ViT (Dosovitskiy et al. 2021) or DeiT (Touvron et al. 2021), Donut (Kim et al.
//! 2022) and Nougat (Blecher et al. 2023) with Swin.

use super::bart::{self, BartOptions, CROSS_ATTN, FFN, SELF_ATTN, learned};
use super::encoder_decoder::{self, PartReader, bert_size, composed, part};
use super::picture_config::{self, VisionEncoder, sides};
use super::swin::swin;
use crate::checkpoint::ModelConfig;
use crate::error::{Error, Result};
use crate::model::family::{ConfigReader, Family, TokenizerClass};
use crate::model::spec::{
    AttentionNames, ClassToken, FfnNames, FrontEndSpec, LmHeadSpec, NormKind, PatchEdge, PatchesSpec,
    Placement, Positions, StackNames, StackSpec, TransformerSpec,
};
use crate::nn::{Activation, PadPositions, Sinusoid};

const ENCODERS: &[PartReader<VisionEncoder>] = &[
    ("vit", |config| vit(config, &[CLASS])),
    ("deit", |config| vit(config, &[CLASS, DISTILLATION])),
    ("donut-swin", swin),
];

/// Decoders that the models of `encoder-decoder` do not have.
const DECODERS: &[PartReader<(StackSpec, LmHeadSpec)>] = &[("trocr", trocr), ("mbart", mbart)];

/// Encoders of pictures that are known and not supported, with what they need.
const OTHER_ENCODERS: &[(&str, &str)] = &[
    ("beit", "an encoder with relative positions in its scores (BEiT)"),
    ("data2vec-vision", "an encoder with relative positions in its scores (BEiT's)"),
    ("swin", "an encoder of windows with a norm after its last layer (Swin)"),
    ("swinv2", "an encoder of windows with scores of cosines (Swin v2)"),
    ("dinov2", "an encoder with scaled layers and interpolated positions (DINOv2)"),
    ("clip_vision_model", "an encoder with a norm on its patches (CLIP)"),
];

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "vision-encoder-decoder",
    examples: "microsoft/trocr-base-printed, nlpconnect/vit-gpt2-image-captioning, naver-clova-ix/donut-base, \
               facebook/nougat-small",
    tokenizer: TokenizerClass::Unregistered,
    reader: ConfigReader::Transformer(spec),
};

/// Reads a composed model's config.json.
///
/// # Errors
/// [`Error::UnsupportedVision`] or [`Error::UnsupportedModel`] for an encoder or decoder of another type;
/// [`Error::Config`].
fn spec(config: &ModelConfig) -> Result<TransformerSpec> {
    let encoder_type = config.require_section("encoder")?.model_type()?.to_string();
    if let Some((_, lacks)) = OTHER_ENCODERS.iter().find(|(known, _)| *known == encoder_type) {
        return Err(Error::UnsupportedVision { model_type: encoder_type, lacks });
    }
    let (encoder, patches) = part(config, "encoder", &[ENCODERS])?;
    let decoder = part(config, "decoder", &[encoder_decoder::DECODERS, DECODERS])?;
    let spec = composed(config, encoder, decoder)?;
    Ok(TransformerSpec { front_end: Some(FrontEndSpec::Patches(patches)), ..spec })
}

const CLASS: ClassToken = ClassToken { tensor: "encoder.embeddings.cls_token", label: "[CLS]" };
const DISTILLATION: ClassToken =
    ClassToken { tensor: "encoder.embeddings.distillation_token", label: "[DIST]" };
const VIT_ATTN: AttentionNames = AttentionNames::biased(
    [
        "attention.attention.query",
        "attention.attention.key",
        "attention.attention.value",
        "attention.output.dense",
    ],
    "layernorm_before",
);
const VIT: StackNames = StackNames {
    final_norm: Some("encoder.layernorm"),
    ..StackNames::new(
        "encoder.encoder.layer.{}",
        VIT_ATTN,
        FfnNames::biased("intermediate.dense", "output.dense", "layernorm_after"),
        &[],
    )
};

/// Reads ViT, or DeiT with its second class token.
fn vit(config: &ModelConfig, class_tokens: &'static [ClassToken]) -> Result<VisionEncoder> {
    picture_config::check_channels(config)?;
    let self_attn = VIT_ATTN.with_input_bias(config.flag_or("qkv_bias", true)?);
    let patches = PatchesSpec {
        picture: sides(config, "image_size", 224)?,
        patch: sides(config, "patch_size", 16)?,
        projection: "encoder.embeddings.patch_embeddings.projection",
        class_tokens,
        edge: PatchEdge::LeftOut,
        merges: 0,
        norm: None,
        positions: Some("encoder.embeddings.position_embeddings"),
    };
    picture_config::check_grid(&patches)?;
    let encoder = StackSpec {
        norm: NormKind::Layer { eps: config.number_or("layer_norm_eps", 1e-12)? },
        placement: Placement::Pre,
        activation: Activation::parse(config.text_or("hidden_act", "gelu")?)?,
        ..StackSpec::new(bert_size(config, 0)?, StackNames { self_attn, ..VIT })
    };
    Ok((encoder, patches))
}

const TROCR_HEAD: LmHeadSpec =
    LmHeadSpec::new(&["decoder.output_projection.weight", "decoder.model.decoder.embed_tokens.weight"]);
const BART_DECODER: StackNames = StackNames {
    cross_attn: Some(CROSS_ATTN),
    positions: Some("decoder.model.decoder.embed_positions.weight"),
    ..StackNames::new(
        "decoder.model.decoder.layers.{}",
        SELF_ATTN,
        FFN,
        &[
            "decoder.model.decoder.embed_tokens.weight",
            "decoder.output_projection.weight",
            "decoder.lm_head.weight",
        ],
    )
};
const EMBEDDING_NORM: &str = "decoder.model.decoder.layernorm_embedding";

/// Reads TrOCR's decoder: BART's, with learned positions or fairseq's sines and cosines.
fn trocr(config: &ModelConfig) -> Result<(StackSpec, LmHeadSpec)> {
    let positions = match config.flag_or("use_learned_position_embeddings", true)? {
        true => learned(config, 2, 512)?,
        false => Positions::Sinusoid {
            formula: Sinusoid::Fairseq,
            offset: config.token("pad_token_id").unwrap_or(1) as usize + 1,
            count: config.count_or("max_position_embeddings", 512)?,
            padding: PadPositions::Skipped { moved: false },
        },
    };
    let options = BartOptions {
        embedding_norm: config.flag_or("layernorm_embedding", true)?,
        ..BartOptions::new(positions)
    };
    Ok((bart_decoder(config, &options, [50265, 1024])?, TROCR_HEAD))
}

/// Reads mBART's decoder.
fn mbart(config: &ModelConfig) -> Result<(StackSpec, LmHeadSpec)> {
    let options = BartOptions { embedding_norm: true, ..BartOptions::pre_norm(learned(config, 2, 1024)?) };
    let head = LmHeadSpec::new(&["decoder.lm_head.weight", "decoder.model.decoder.embed_tokens.weight"]);
    Ok((bart_decoder(config, &options, [50265, 1024])?, head))
}

/// Reads a decoder with BART's config fields; `defaults` are those of vocabulary and width.
fn bart_decoder(
    config: &ModelConfig,
    options: &BartOptions,
    [vocabulary, width]: [usize; 2],
) -> Result<StackSpec> {
    let vocabulary = config.count_or("vocab_size", vocabulary)?;
    let d_model = match config.count_maybe("d_model")? {
        Some(width) => width,
        None => config.count_or("hidden_size", width)?,
    };
    let mut names = BART_DECODER;
    names.embedding_norm = options.embedding_norm.then_some(EMBEDDING_NORM);
    names.final_norm = options.final_norm.then_some("decoder.model.decoder.layer_norm");
    bart::stack(config, options, "decoder", (d_model, vocabulary), names)
}
