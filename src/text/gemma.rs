//! T5Gemma: BPE with byte fallback over text whose spaces are written `▁`.

use tokenizers::SplitDelimiterBehavior;
use tokenizers::decoders::DecoderWrapper;
use tokenizers::decoders::byte_fallback::ByteFallback;
use tokenizers::decoders::fuse::Fuse;
use tokenizers::decoders::sequence::Sequence;
use tokenizers::normalizers::NormalizerWrapper;
use tokenizers::normalizers::replace::{Replace, ReplacePattern};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};

use super::backend::tokenizer_error;
use super::config::TokenizerConfig;
use super::pipeline::vocab::BpeVocab;
use super::pipeline::{Pipeline, parts};
use crate::error::Result;
use crate::files::ModelFiles;

/// Builds the tokenizer from tokenizer.json or tokenizer.model.
pub(crate) fn load(files: &ModelFiles, config: &TokenizerConfig) -> Result<Pipeline> {
    let mut vocab = BpeVocab::load_sentencepiece(files, &["tokenizer.model"])?;
    let defaults = [
        ("unk_token", "<unk>"),
        ("bos_token", "<bos>"),
        ("eos_token", "<eos>"),
        ("pad_token", "<pad>"),
        ("mask_token", "<mask>"),
    ];
    let additional = vocab.extras.additional.take().or_else(|| config.additional.clone());
    let specials = config.special_tokens(&defaults, additional.unwrap_or_default());
    let replace =
        |from: &str, to: &str| Replace::new(ReplacePattern::String(from.into()), to).map_err(tokenizer_error);
    let pattern = SplitPattern::String(" ".into());
    let split =
        Split::new(pattern, SplitDelimiterBehavior::MergedWithPrevious, false).map_err(tokenizer_error)?;
    let decoder = Sequence::new(vec![
        DecoderWrapper::Replace(replace("▁", " ")?),
        DecoderWrapper::ByteFallback(ByteFallback::new()),
        DecoderWrapper::Fuse(Fuse::new()),
    ]);
    let (from_json, post_processor) = (vocab.extras.from_json, vocab.extras.post_processor.take());
    let model = vocab.model(Some(specials.role("unk_token").unwrap_or("<unk>")), true)?;
    let normalizer = NormalizerWrapper::Replace(replace(" ", "▁")?);
    let pre_tokenization = (PreTokenizerWrapper::Split(split), DecoderWrapper::Sequence(decoder));
    let mut raw = parts::pipeline(model, Some(normalizer), pre_tokenization)?;
    raw.with_post_processor(post_processor);
    let pipeline = Pipeline::new(raw, config, &specials)?;
    if from_json { Ok(pipeline) } else { pipeline.with_bos_eos(config, &specials) }
}
