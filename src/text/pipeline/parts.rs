//! Normalizers, pre-tokenizers and decoders from which pipelines are built.

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

use super::super::backend::{guarded, tokenizer_error};
use super::check;
use crate::error::{Error, Result};

/// A pre-tokenizer, which splits text before the model sees it, and the decoder that reverses it.
pub(crate) type PreTokenization = (PreTokenizerWrapper, DecoderWrapper);

/// Splits at whitespace and puts `▁` before every word.
pub(crate) fn whitespace_words() -> PreTokenization {
    let metaspace = Metaspace::new('▁', PrependScheme::Always, true);
    let steps = vec![
        PreTokenizerWrapper::WhitespaceSplit(WhitespaceSplit),
        PreTokenizerWrapper::Metaspace(metaspace.clone()),
    ];
    (PreTokenizerWrapper::Sequence(Sequence::new(steps)), DecoderWrapper::Metaspace(metaspace))
}

/// Replaces spaces by `▁` and puts another before the text. With `PrependScheme::Always` every part between
/// added tokens gets one, with `First` only the first part.
pub(crate) fn metaspace(scheme: PrependScheme) -> PreTokenization {
    let metaspace = Metaspace::new('▁', scheme, true);
    (PreTokenizerWrapper::Metaspace(metaspace.clone()), DecoderWrapper::Metaspace(metaspace))
}

/// Writes bytes as visible characters (GPT-2).
pub(crate) fn byte_level(add_prefix_space: bool) -> PreTokenization {
    let bytes = ByteLevel::default().add_prefix_space(add_prefix_space);
    (PreTokenizerWrapper::ByteLevel(bytes), DecoderWrapper::ByteLevel(ByteLevel::default()))
}

/// Replaces every match of a regular expression.
pub(crate) fn replace(pattern: &str, content: &str) -> Result<NormalizerWrapper> {
    let replace = Replace::new(ReplacePattern::Regex(pattern.into()), content).map_err(tokenizer_error)?;
    Ok(NormalizerWrapper::Replace(replace))
}

/// Applies normalizers in order.
pub(crate) fn sequence(steps: Vec<NormalizerWrapper>) -> NormalizerWrapper {
    NormalizerWrapper::Sequence(NormalizerSequence::new(steps))
}

/// Builds a pipeline around a unigram model; `unknown` is the id of the unknown token.
pub(crate) fn unigram(
    scores: Vec<(String, f64)>,
    unknown: usize,
    normalizer: Option<NormalizerWrapper>,
    pre_tokenization: PreTokenization,
) -> Result<Raw> {
    check::trie(scores.iter().map(|(piece, _)| piece.as_str()))
        .map_err(|why| Error::Tokenizer(format!("the vocabulary is too large: {why}")))?;
    let model = guarded(|| Unigram::from(scores, Some(unknown), false).map_err(tokenizer_error))?;
    pipeline(model, normalizer, pre_tokenization)
}

/// Builds a pipeline around any model.
pub(crate) fn pipeline(
    model: impl Into<ModelWrapper>,
    normalizer: Option<NormalizerWrapper>,
    (pre_tokenizer, decoder): PreTokenization,
) -> Result<Raw> {
    let mut raw = Raw::new(model);
    raw.with_normalizer(normalizer).map_err(tokenizer_error)?;
    raw.with_pre_tokenizer(Some(pre_tokenizer)).with_decoder(Some(decoder));
    Ok(raw)
}

/// Replaces characters by `charsmap`, if there is one, and runs of spaces by one space.
pub(crate) fn map_and_squeeze_spaces(charsmap: Option<Precompiled>) -> Result<NormalizerWrapper> {
    let mut steps: Vec<NormalizerWrapper> = charsmap.map(Into::into).into_iter().collect();
    steps.push(replace(" {2,}", " ")?);
    Ok(sequence(steps))
}
