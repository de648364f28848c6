//! Byte-level BPE (Radford et al. 2019): GPT-2, RoBERTa and their kin (BART, LED, MVP, CodeT5, Blenderbot).

use super::pipeline::Pipeline;
use super::settings::{AddedToken, Settings};
use super::source::Pairs;
use super::steps;
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

/// RoBERTa's: the text stands between the class and the separator token.
pub(crate) fn roberta(files: &ModelFiles, settings: &Settings) -> Result<Pipeline> {
    let specials = settings.specials(&ROBERTA, settings.additional.clone().unwrap_or_default());
    let cut = steps::bytes(settings.flag("add_prefix_space", false));
    let raw = steps::pipeline(Pairs::load(files)?.model(None, false)?, None, cut)?;
    let (first, last) =
        (specials.role("cls_token").unwrap_or("<s>"), specials.role("sep_token").unwrap_or("</s>"));
    Pipeline::new(raw, settings, &specials)?.framed(&[first], &[last])
}

/// GPT-2's: what stands around the text is up to tokenizer.json or the settings.
pub(crate) fn gpt2(files: &ModelFiles, settings: &Settings) -> Result<Pipeline> {
    let end = "<|endoftext|>";
    let defaults = [("unk_token", end), ("bos_token", end), ("eos_token", end)];
    let specials = settings.specials(&defaults, settings.additional.clone().unwrap_or_default());
    let source = Pairs::load(files)?;
    let cut = steps::bytes(settings.flag("add_prefix_space", false));
    own_frame(source, settings, &specials, cut)
}

/// Blenderbot's: as GPT-2's, with a space before the text.
pub(crate) fn blenderbot(files: &ModelFiles, settings: &Settings) -> Result<Pipeline> {
    let mut specials = settings.specials(&ROBERTA, settings.additional.clone().unwrap_or_default());
    specials.refine("mask_token", |token| AddedToken { lstrip: true, ..token });
    let source = Pairs::load(files)?;
    let cut = steps::bytes(settings.flag("add_prefix_space", true));
    own_frame(source, settings, &specials, cut)
}

fn own_frame(
    mut source: Pairs,
    settings: &Settings,
    specials: &super::settings::Specials,
    cut: steps::Cut,
) -> Result<Pipeline> {
    let (from_json, post_processor) = (source.extras.from_json, source.extras.post_processor.take());
    let mut raw = steps::pipeline(source.model(None, false)?, None, cut)?;
    raw.with_post_processor(post_processor);
    let pipeline = Pipeline::new(raw, settings, specials)?;
    if from_json { Ok(pipeline) } else { pipeline.framed_as_told(settings, specials) }
}
