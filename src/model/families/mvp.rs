//! MVP (Tang et al. 2022): BART, with prompts learned in front of every layer's keys where it has them. The maps
//! show tokens alone: where there are prompts, their rows sum to less than 1.

use super::bart;
use crate::checkpoint::ModelConfig;
use crate::error::Result;
use crate::model::family::{Family, Reader, TokenizerClass};
use crate::model::spec::{ModelSpec, PromptSpec};

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "mvp",
    examples: "RUCAIBox/mvp",
    tokenizer: TokenizerClass::Named("MvpTokenizer"),
    reader: Reader::Transformer(spec),
};

/// Reads MVP's config.json.
fn spec(config: &ModelConfig) -> Result<ModelSpec> {
    let mut spec = bart::spec(config)?;
    if config.flag_or("use_prompt", false)? {
        let prompts = PromptSpec {
            length: config.count_or("prompt_length", 100)?,
            middle: config.count_or("prompt_mid_dim", 800)?,
            own: "model.encoder.self_attn_prompt",
            cross: None,
        };
        spec.encoder.rare.prompts = Some(prompts);
        spec.decoder.rare.prompts = Some(PromptSpec {
            own: "model.decoder.self_attn_prompt",
            cross: Some("model.decoder.cross_attn_prompt"),
            ..prompts
        });
    }
    Ok(spec)
}
