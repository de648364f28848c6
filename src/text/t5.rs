//! T5's tokenizer (T5, mT5, Flan-T5, Switch, LongT5): a unigram vocabulary with sentinels
//! (`<extra_id_0>`, ...) above it.

use super::pipeline::Pipeline;
use super::settings::{Settings, Special};
use super::source::Unigram;
use super::steps;
use crate::error::Result;
use crate::files::ModelFiles;

/// Builds the tokenizer from tokenizer.json or spiece.model.
pub(crate) fn load(files: &ModelFiles, settings: &Settings) -> Result<Pipeline> {
    let mut source = Unigram::load(files, &["spiece.model", "tokenizer.model"])?;
    let sentinels = sentinels(settings, 100);
    if source.extras.from_model {
        source.scores.extend(sentinels.iter().rev().map(|sentinel| (sentinel.clone(), 0.0)));
    }
    let additional = source.extras.additional.take().or_else(|| settings.additional.clone());
    let mut additional = additional.unwrap_or_default();
    if !additional.iter().any(|token| token.content.contains("<extra_id_")) {
        additional.extend(sentinels.iter().map(|sentinel| Special::text(sentinel)));
    }
    let defaults = [("eos_token", "</s>"), ("unk_token", "<unk>"), ("pad_token", "<pad>")];
    let specials = settings.specials(&defaults, additional);
    let normalizer = source.extras.charsmap.map(Into::into);
    let raw = steps::unigram(source.scores, 2, normalizer, steps::words())?;
    Pipeline::new(raw, settings, &specials)?.framed(&[], &["</s>"])
}

/// The sentinels, as many as the settings say.
pub(crate) fn sentinels(settings: &Settings, default: u64) -> Vec<String> {
    let count = settings.option("extra_ids").and_then(serde_json::Value::as_u64).unwrap_or(default);
    (0..count.min(10_000)).map(|n| format!("<extra_id_{n}>")).collect()
}
