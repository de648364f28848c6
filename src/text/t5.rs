//! T5's tokenizer (T5, mT5, Flan-T5, Switch, LongT5): a unigram vocabulary with sentinels
//! (`<extra_id_0>`, ...) above it.

use tokenizers::Tokenizer as Raw;
use tokenizers::decoders::DecoderWrapper;
use tokenizers::models::unigram::Unigram;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::whitespace::WhitespaceSplit;

use super::pipeline::{Pipeline, failed};
use super::settings::{Settings, Special};
use super::source::Source;
use crate::error::Result;
use crate::files::ModelFiles;

/// Builds the tokenizer from tokenizer.json or spiece.model.
pub(crate) fn load(files: &ModelFiles, settings: &Settings) -> Result<Pipeline> {
    let count = settings.option("extra_ids").and_then(serde_json::Value::as_u64).unwrap_or(100);
    let mut source = Source::unigram(files, &["spiece.model", "tokenizer.model"])?;
    let sentinels: Vec<String> = (0..count).map(|n| format!("<extra_id_{n}>")).collect();
    if source.from_model {
        source.scores.extend(sentinels.iter().rev().map(|sentinel| (sentinel.clone(), 0.0)));
    }
    let mut additional = source.additional.take().or_else(|| settings.additional.clone()).unwrap_or_default();
    if !additional.iter().any(|token| token.content.contains("<extra_id_")) {
        additional.extend(sentinels.iter().map(|sentinel| Special::text(sentinel)));
    }
    let defaults = [("eos_token", "</s>"), ("unk_token", "<unk>"), ("pad_token", "<pad>")];
    let specials = settings.specials(&defaults, additional);

    let mut raw = Raw::new(Unigram::from(source.scores, Some(2), false).map_err(failed)?);
    raw.with_normalizer(source.charsmap).map_err(failed)?;
    let (words, decoder) = metaspace_words();
    raw.with_pre_tokenizer(Some(words)).with_decoder(Some(decoder));
    Pipeline::new(raw, settings, &specials)?.framed(&[], &["</s>"])
}

/// Cuts at whitespace and puts `▁` before every word; its decoder undoes that.
pub(crate) fn metaspace_words() -> (PreTokenizerWrapper, DecoderWrapper) {
    let metaspace = Metaspace::new('▁', PrependScheme::Always, true);
    let steps = vec![
        PreTokenizerWrapper::WhitespaceSplit(WhitespaceSplit),
        PreTokenizerWrapper::Metaspace(metaspace.clone()),
    ];
    (PreTokenizerWrapper::Sequence(Sequence::new(steps)), DecoderWrapper::Metaspace(metaspace))
}
