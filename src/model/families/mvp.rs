//! MVP (Tang et al. 2022): BART, as long as no prompts are learned in front of the keys.

use super::bart;
use crate::error::{Error, Result};
use crate::model::config::Config;
use crate::model::spec::ModelSpec;

/// Reads MVP's config.json.
///
/// # Errors
/// [`Error::Config`] for a model with learned prompts: its maps have keys that are no tokens.
pub fn spec(config: &Config) -> Result<ModelSpec> {
    if config.flag_or("use_prompt", false)? {
        let why = "use_prompt is true: learned prompts before the keys are not supported";
        return Err(Error::Config(why.into()));
    }
    bart::spec(config)
}
