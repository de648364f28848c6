//! PLBart (Ahmad et al. 2021): BART with scaled embeddings.

use super::bart::{BartOptions, build, learned};
use crate::checkpoint::ModelConfig;
use crate::error::Result;
use crate::model::family::{ConfigReader, Family, TokenizerClass};
use crate::model::spec::TransformerSpec;

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "plbart",
    examples: "uclanlp/plbart-base",
    tokenizer: TokenizerClass::Named("PLBartTokenizer"),
    reader: ConfigReader::Transformer(spec),
};

/// Reads PLBart's config.json.
fn spec(config: &ModelConfig) -> Result<TransformerSpec> {
    let options = BartOptions { scale_embedding: true, ..BartOptions::new(learned(config, 2, 1024)?) };
    Ok(TransformerSpec { wraps: true, ..build(config, &options)? })
}
