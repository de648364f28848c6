//! T5, mT5, Flan-T5, Switch, LongT5: a unigram vocabulary followed by sentinels (`<extra_id_0>`, ...).

use super::config::{SpecialToken, TokenizerConfig};
use super::pipeline::vocab::UnigramVocab;
use super::pipeline::{Pipeline, parts};
use crate::error::Result;
use crate::files::ModelFiles;

/// Builds the tokenizer from tokenizer.json or spiece.model.
pub(crate) fn load(files: &ModelFiles, config: &TokenizerConfig) -> Result<Pipeline> {
    let mut vocab = UnigramVocab::load(files, &["spiece.model", "tokenizer.model"])?;
    let sentinels = sentinels(config, 100);
    if vocab.extras.from_model {
        vocab.scores.extend(sentinels.iter().rev().map(|sentinel| (sentinel.clone(), 0.0)));
    }
    let additional = vocab.extras.additional.take().or_else(|| config.additional.clone());
    let mut additional = additional.unwrap_or_default();
    if !additional.iter().any(|token| token.content.contains("<extra_id_")) {
        additional.extend(sentinels.iter().map(|sentinel| SpecialToken::text(sentinel)));
    }
    let defaults = [("eos_token", "</s>"), ("unk_token", "<unk>"), ("pad_token", "<pad>")];
    let specials = config.special_tokens(&defaults, additional);
    let normalizer = vocab.extras.charsmap.map(Into::into);
    let raw = parts::unigram(vocab.scores, 2, normalizer, parts::whitespace_words())?;
    Pipeline::new(raw, config, &specials)?.with_special_tokens(&[], &["</s>"])
}

/// Returns the sentinels: `extra_ids` of tokenizer_config.json, at most 10,000, or `default` many.
pub(crate) fn sentinels(config: &TokenizerConfig, default: u64) -> Vec<String> {
    let count = config.option("extra_ids").and_then(serde_json::Value::as_u64).unwrap_or(default);
    (0..count.min(10_000)).map(|n| format!("<extra_id_{n}>")).collect()
}
