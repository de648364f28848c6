//! Byte-level BPE (Radford et al. 2019): GPT-2, Whisper, RoBERTa (also BART, LED, MVP and CodeT5), Blenderbot.

use super::config::{AddedToken, SpecialToken, SpecialTokens, TokenizerConfig};
use super::pipeline::vocab::BpeVocab;
use super::pipeline::{Pipeline, parts};
use crate::error::Result;
use crate::files::ModelFiles;

const ROBERTA: [(&str, &str); 7] = [
    ("bos_token", "<s>"),
    ("eos_token", "</s>"),
    ("sep_token", "</s>"),
    ("cls_token", "<s>"),
    ("unk_token", "<unk>"),
    ("pad_token", "<pad>"),
    ("mask_token", "<mask>"),
];

/// Builds RoBERTa's tokenizer, which encodes as `<s> text </s>`.
pub(crate) fn roberta(files: &ModelFiles, config: &TokenizerConfig) -> Result<Pipeline> {
    let specials = config.special_tokens(&ROBERTA, config.additional.clone().unwrap_or_default());
    let pre_tokenization = parts::byte_level(config.flag("add_prefix_space", false));
    let raw = parts::pipeline(BpeVocab::load(files)?.model(None, false)?, None, pre_tokenization)?;
    let (first, last) =
        (specials.role("cls_token").unwrap_or("<s>"), specials.role("sep_token").unwrap_or("</s>"));
    Pipeline::new(raw, config, &specials)?.with_special_tokens(&[first], &[last])
}

/// Builds GPT-2's tokenizer. Its special tokens around a text follow tokenizer.json, or else the config
/// files.
pub(crate) fn gpt2(files: &ModelFiles, config: &TokenizerConfig) -> Result<Pipeline> {
    let end = "<|endoftext|>";
    let defaults = [("unk_token", end), ("bos_token", end), ("eos_token", end)];
    let specials = config.special_tokens(&defaults, config.additional.clone().unwrap_or_default());
    let pre_tokenization = parts::byte_level(config.flag("add_prefix_space", false));
    with_own_post_processor(BpeVocab::load(files)?, config, &specials, pre_tokenization)
}

/// Builds Whisper's tokenizer: GPT-2's with the tokens of its prompts, which are special.
pub(crate) fn whisper(files: &ModelFiles, config: &TokenizerConfig) -> Result<Pipeline> {
    let end = "<|endoftext|>";
    let defaults = [("unk_token", end), ("bos_token", end), ("eos_token", end)];
    let mut extra = config.additional.clone().unwrap_or_default();
    for token in config.added.values().filter(|token| token.special) {
        if extra.iter().all(|known| known.content != token.content) {
            extra.push(SpecialToken::token(token.clone()));
        }
    }
    let mut specials = config.special_tokens(&defaults, Vec::new());
    specials.extra.extend(extra);
    let pre_tokenization = parts::byte_level(config.flag("add_prefix_space", false));
    with_own_post_processor(BpeVocab::load(files)?, config, &specials, pre_tokenization)
}

/// Builds Blenderbot's tokenizer: GPT-2's with a space before the text.
pub(crate) fn blenderbot(files: &ModelFiles, config: &TokenizerConfig) -> Result<Pipeline> {
    let mut specials = config.special_tokens(&ROBERTA, config.additional.clone().unwrap_or_default());
    specials.refine("mask_token", |token| AddedToken { lstrip: true, ..token });
    let pre_tokenization = parts::byte_level(config.flag("add_prefix_space", true));
    with_own_post_processor(BpeVocab::load(files)?, config, &specials, pre_tokenization)
}

/// Builds a pipeline that keeps the post-processor of tokenizer.json, if there is one.
fn with_own_post_processor(
    mut vocab: BpeVocab,
    config: &TokenizerConfig,
    specials: &SpecialTokens,
    pre_tokenization: parts::PreTokenization,
) -> Result<Pipeline> {
    let (from_json, post_processor) = (vocab.extras.from_json, vocab.extras.post_processor.take());
    let mut raw = parts::pipeline(vocab.model(None, false)?, None, pre_tokenization)?;
    raw.with_post_processor(post_processor);
    let pipeline = Pipeline::new(raw, config, specials)?;
    if from_json { Ok(pipeline) } else { pipeline.with_bos_eos(config, specials) }
}
