//! Gemma's tokenizer (T5Gemma): BPE over text whose spaces are `▁`, with byte fallback.

use tokenizers::SplitDelimiterBehavior;
use tokenizers::decoders::DecoderWrapper;
use tokenizers::decoders::byte_fallback::ByteFallback;
use tokenizers::decoders::fuse::Fuse;
use tokenizers::decoders::sequence::Sequence;
use tokenizers::normalizers::NormalizerWrapper;
use tokenizers::normalizers::replace::{Replace, ReplacePattern};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};

use super::pipeline::{Pipeline, failed};
use super::settings::Settings;
use super::source::Pairs;
use super::steps;
use crate::error::Result;
use crate::files::ModelFiles;

/// Builds the tokenizer from tokenizer.json or tokenizer.model.
pub(crate) fn load(files: &ModelFiles, settings: &Settings) -> Result<Pipeline> {
    let mut source = Pairs::load_model(files, &["tokenizer.model"])?;
    let defaults = [
        ("unk_token", "<unk>"),
        ("bos_token", "<bos>"),
        ("eos_token", "<eos>"),
        ("pad_token", "<pad>"),
        ("mask_token", "<mask>"),
    ];
    let additional = source.extras.additional.take().or_else(|| settings.additional.clone());
    let specials = settings.specials(&defaults, additional.unwrap_or_default());
    let replace =
        |from: &str, to: &str| Replace::new(ReplacePattern::String(from.into()), to).map_err(failed);
    let pattern = SplitPattern::String(" ".into());
    let split = Split::new(pattern, SplitDelimiterBehavior::MergedWithPrevious, false).map_err(failed)?;
    let decoder = Sequence::new(vec![
        DecoderWrapper::Replace(replace("▁", " ")?),
        DecoderWrapper::ByteFallback(ByteFallback::new()),
        DecoderWrapper::Fuse(Fuse::new()),
    ]);
    let (from_json, post_processor) = (source.extras.from_json, source.extras.post_processor.take());
    let model = source.model(Some(specials.role("unk_token").unwrap_or("<unk>")), true)?;
    let normalizer = NormalizerWrapper::Replace(replace(" ", "▁")?);
    let cut = (PreTokenizerWrapper::Split(split), DecoderWrapper::Sequence(decoder));
    let mut raw = steps::pipeline(model, Some(normalizer), cut)?;
    raw.with_post_processor(post_processor);
    let pipeline = Pipeline::new(raw, settings, &specials)?;
    if from_json { Ok(pipeline) } else { pipeline.framed_as_told(settings, &specials) }
}
