//! T5Gemma 2 (Zhang et al. 2025), its text side: Gemma 3's layers on both sides. A decoder's layer attends to
//! the target so far and to the source at once; its rows sum to 1 over the two maps together.

use super::t5gemma::{ENCODER, Gemma, StackSide, softcap, stack};
use crate::checkpoint::ModelConfig;
use crate::error::Result;
use crate::model::family::{ConfigReader, Family, TokenizerClass};
use crate::model::spec::{LmHeadSpec, StackNames, TransformerSpec};

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "t5gemma2",
    examples: "google/t5gemma-2-270m-270m",
    tokenizer: TokenizerClass::Unregistered,
    reader: ConfigReader::Transformer(spec),
};

/// Reads T5Gemma 2's config.json.
fn spec(config: &ModelConfig) -> Result<TransformerSpec> {
    let (encoder_config, decoder_config) =
        (config.require_section("encoder")?, config.require_section("decoder")?);
    let encoder_config = encoder_config.section("text_config").unwrap_or(encoder_config);
    let encoder_names = StackNames {
        layer: "model.encoder.text_model.layers.{}",
        embedding: &[
            "model.encoder.text_model.embed_tokens.weight",
            "model.decoder.embed_tokens.weight",
            "lm_head.out_proj.weight",
        ],
        final_norm: Some("model.encoder.text_model.norm"),
        ..ENCODER
    };
    let decoder_names = StackNames {
        layer: "model.decoder.layers.{}",
        embedding: &[
            "model.decoder.embed_tokens.weight",
            "model.encoder.text_model.embed_tokens.weight",
            "lm_head.out_proj.weight",
        ],
        final_norm: Some("model.decoder.norm"),
        ..ENCODER
    };
    let encoder = stack(&encoder_config, encoder_names, Gemma::V3(StackSide::Encoder))?;
    let mut decoder = stack(&decoder_config, decoder_names, Gemma::V3(StackSide::Decoder))?;
    decoder.merged_attention = true;
    let token = |key: &str| config.token(key).or(decoder_config.token(key));
    Ok(TransformerSpec {
        model_type: config.model_type()?.into(),
        encoder,
        decoder,
        encoder_projection: None,
        lm_head: LmHeadSpec {
            softcap: softcap(&decoder_config, "final_logit_softcapping", None)?,
            ..LmHeadSpec::new(&[
                "lm_head.out_proj.weight",
                "model.decoder.embed_tokens.weight",
                "model.encoder.text_model.embed_tokens.weight",
            ])
        },
        start: token("decoder_start_token_id").or(token("bos_token_id")).or(Some(2)),
        end: token("eos_token_id").or(Some(1)),
        wraps: false,
        front_end: None,
        ignored: &[
            "lm_head.out_proj.weight",
            "*embed_tokens.weight",
            // Embedding of the end of an image.
            "*.eoi_embedding",
            "*vision_tower.*",
            "*multi_modal_projector.*",
        ],
    })
}
