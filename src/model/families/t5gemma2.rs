//! T5Gemma 2 (Zhang et al. 2025), its text side: Gemma 3's layers on both sides. A decoder's layer looks at the
//! target so far and at the source in one attention, whose rows sum to 1 over the two maps together.

use super::t5gemma::{ENCODER, Gemma, Side, cap, stack};
use crate::checkpoint::ModelConfig;
use crate::error::{Error, Result};
use crate::model::family::{Family, Reader, TokenizerClass};
use crate::model::spec::{HeadBias, HeadSpec, ModelSpec, StackNames};

const EMBEDDING: &[&str] = &[
    "model.encoder.text_model.embed_tokens.weight",
    "model.decoder.embed_tokens.weight",
    "lm_head.out_proj.weight",
];

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "t5gemma2",
    examples: "google/t5gemma-2-270m-270m",
    tokenizer: TokenizerClass::Unregistered,
    reader: Reader::Transformer(spec),
};

/// Reads T5Gemma 2's config.json.
fn spec(config: &ModelConfig) -> Result<ModelSpec> {
    let section =
        |side: &str| config.section(side).ok_or_else(|| Error::Config(format!("there is no {side} section")));
    let (reader, writer) = (section("encoder")?, section("decoder")?);
    let reader = reader.section("text_config").unwrap_or(reader);
    let names = StackNames {
        layer: "model.encoder.text_model.layers.{}",
        embedding: EMBEDDING,
        final_norm: Some("model.encoder.text_model.norm"),
        ..ENCODER
    };
    let encoder = stack(&reader, names.clone(), Gemma::Three(Side::Encoder))?;
    let names = StackNames {
        layer: "model.decoder.layers.{}",
        embedding: &[
            "model.decoder.embed_tokens.weight",
            "model.encoder.text_model.embed_tokens.weight",
            "lm_head.out_proj.weight",
        ],
        final_norm: Some("model.decoder.norm"),
        ..names
    };
    let mut decoder = stack(&writer, names, Gemma::Three(Side::Decoder))?;
    decoder.rare.merged = true;
    let token = |key: &str| config.token(key).or(writer.token(key));
    Ok(ModelSpec {
        model_type: config.model_type()?.into(),
        encoder,
        decoder,
        bridge: None,
        head: HeadSpec {
            weight: &[
                "lm_head.out_proj.weight",
                "model.decoder.embed_tokens.weight",
                "model.encoder.text_model.embed_tokens.weight",
            ],
            scale: 1.0,
            bias: HeadBias::Plain(&[]),
            transform: None,
            cap: cap(&writer, "final_logit_softcapping", None)?,
        },
        start: token("decoder_start_token_id").or(token("bos_token_id")).or(Some(2)),
        end: token("eos_token_id").or(Some(1)),
        wraps: false,
        harmless: &[
            "lm_head.out_proj.weight",
            "*embed_tokens.weight",
            // Stands for the end of an image.
            "*.eoi_embedding",
            "*vision_tower.*",
            "*multi_modal_projector.*",
        ],
    })
}
