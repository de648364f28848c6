//! The steps that pipelines are put together from.

use tokenizers::decoders::DecoderWrapper;
use tokenizers::models::unigram::Unigram;
use tokenizers::normalizers::NormalizerWrapper;
use tokenizers::normalizers::precompiled::Precompiled;
use tokenizers::normalizers::replace::{Replace, ReplacePattern};
use tokenizers::normalizers::utils::Sequence as NormalizerSequence;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::whitespace::WhitespaceSplit;
use tokenizers::{ModelWrapper, Tokenizer as Raw};

use super::pipeline::failed;
use crate::error::Result;

/// How text is cut before the model sees it, and how pieces become text again.
pub(crate) type Cut = (PreTokenizerWrapper, DecoderWrapper);

/// Cuts at whitespace and puts `▁` before every word.
pub(crate) fn words() -> Cut {
    let metaspace = Metaspace::new('▁', PrependScheme::Always, true);
    let steps = vec![
        PreTokenizerWrapper::WhitespaceSplit(WhitespaceSplit),
        PreTokenizerWrapper::Metaspace(metaspace.clone()),
    ];
    (PreTokenizerWrapper::Sequence(Sequence::new(steps)), DecoderWrapper::Metaspace(metaspace))
}

/// Writes `▁` for spaces and before the text: before each part between added tokens, or before the first
/// alone.
pub(crate) fn spaces(scheme: PrependScheme) -> Cut {
    let metaspace = Metaspace::new('▁', scheme, true);
    (PreTokenizerWrapper::Metaspace(metaspace.clone()), DecoderWrapper::Metaspace(metaspace))
}

/// Bytes written as visible characters (GPT-2).
pub(crate) fn bytes(add_prefix_space: bool) -> Cut {
    let bytes = ByteLevel::default().add_prefix_space(add_prefix_space);
    (PreTokenizerWrapper::ByteLevel(bytes), DecoderWrapper::ByteLevel(ByteLevel::default()))
}

/// A normalizer that replaces what the regular expression finds.
pub(crate) fn replace(pattern: &str, content: &str) -> Result<NormalizerWrapper> {
    let replace = Replace::new(ReplacePattern::Regex(pattern.into()), content).map_err(failed)?;
    Ok(NormalizerWrapper::Replace(replace))
}

/// Normalizers one after another.
pub(crate) fn sequence(steps: Vec<NormalizerWrapper>) -> NormalizerWrapper {
    NormalizerWrapper::Sequence(NormalizerSequence::new(steps))
}

/// A pipeline of a unigram model.
pub(crate) fn unigram(
    scores: Vec<(String, f64)>,
    unknown: usize,
    normalizer: Option<NormalizerWrapper>,
    cut: Cut,
) -> Result<Raw> {
    pipeline(Unigram::from(scores, Some(unknown), false).map_err(failed)?, normalizer, cut)
}

/// A pipeline of any model.
pub(crate) fn pipeline(
    model: impl Into<ModelWrapper>,
    normalizer: Option<NormalizerWrapper>,
    (cut, decoder): Cut,
) -> Result<Raw> {
    let mut raw = Raw::new(model);
    raw.with_normalizer(normalizer).map_err(failed)?;
    raw.with_pre_tokenizer(Some(cut)).with_decoder(Some(decoder));
    Ok(raw)
}

/// Replaces characters, where there is a map for it, and squeezes runs of spaces.
pub(crate) fn squeeze(charsmap: Option<Precompiled>) -> Result<NormalizerWrapper> {
    let mut steps: Vec<NormalizerWrapper> = charsmap.map(Into::into).into_iter().collect();
    steps.push(replace(" {2,}", " ")?);
    Ok(sequence(steps))
}
