//! mBART (Liu et al. 2020) and mBART-50: BART with norms before each block and another after the last.

use super::bart::{BartOptions, build, learned};
use crate::checkpoint::ModelConfig;
use crate::error::Result;
use crate::model::family::{ConfigReader, Family, TokenizerClass};
use crate::model::spec::TransformerSpec;

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "mbart",
    examples: "facebook/mbart-large-50-many-to-many-mmt, facebook/mbart-large-en-ro",
    tokenizer: TokenizerClass::Named("MBartTokenizer"),
    reader: ConfigReader::Transformer(spec),
};

/// Reads mBART's config.json.
fn spec(config: &ModelConfig) -> Result<TransformerSpec> {
    let options = BartOptions { embedding_norm: true, ..BartOptions::pre_norm(learned(config, 2, 1024)?) };
    Ok(TransformerSpec { wraps: true, ..build(config, &options)? })
}
