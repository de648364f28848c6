//! MVP (Tang et al. 2022): BART, perhaps with prompts learned in front of every layer's keys. The maps show
//! tokens only: with prompts, their rows sum to less than 1.

use super::bart;
use crate::checkpoint::ModelConfig;
use crate::error::Result;
use crate::model::family::{ConfigReader, Family, TokenizerClass};
use crate::model::spec::{PromptSpec, TransformerSpec};

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "mvp",
    examples: "RUCAIBox/mvp",
    tokenizer: TokenizerClass::Named("MvpTokenizer"),
    reader: ConfigReader::Transformer(spec),
};

/// Reads MVP's config.json.
fn spec(config: &ModelConfig) -> Result<TransformerSpec> {
    let mut spec = bart::spec(config)?;
    if config.flag_or("use_prompt", false)? {
        let prompts = PromptSpec {
            length: config.count_or("prompt_length", 100)?,
            inner_dim: config.count_or("prompt_mid_dim", 800)?,
            self_attn: "model.encoder.self_attn_prompt",
            cross_attn: None,
        };
        spec.encoder.prompts = Some(prompts);
        spec.decoder.prompts = Some(PromptSpec {
            self_attn: "model.decoder.self_attn_prompt",
            cross_attn: Some("model.decoder.cross_attn_prompt"),
            ..prompts
        });
    }
    Ok(spec)
}
