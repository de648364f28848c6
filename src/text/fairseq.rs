//! Tokenizers of models that came from fairseq: a SentencePiece vocabulary moved up by one, with four special
//! tokens before it and language codes behind it (mBART, mBART-50, NLLB, XLM-RoBERTa, SeamlessM4T), and
//! Pegasus, whose vocabulary is moved up by 103.

use tokenizers::normalizers::NormalizerWrapper;
use tokenizers::normalizers::strip::Strip;
use tokenizers::normalizers::unicode::NFKC;
use tokenizers::pre_tokenizers::metaspace::PrependScheme;

use super::languages::codes;
use super::pipeline::Pipeline;
use super::settings::{AddedToken, Settings, Special, Specials};
use super::source::{Extras, Pairs, Unigram};
use super::steps;
use crate::error::{Error, Result};
use crate::files::ModelFiles;

const MODEL: &[&str] = &["sentencepiece.bpe.model", "tokenizer.model"];

/// The roles that all of them fill.
const ROLES: [(&str, &str); 6] = [
    ("bos_token", "<s>"),
    ("eos_token", "</s>"),
    ("sep_token", "</s>"),
    ("cls_token", "<s>"),
    ("unk_token", "<unk>"),
    ("pad_token", "<pad>"),
];

fn defaults(mask: bool) -> Vec<(&'static str, &'static str)> {
    ROLES.into_iter().chain(mask.then_some(("mask_token", "<mask>"))).collect()
}

fn role<'a>(specials: &'a Specials, role: &str, default: &'a str) -> &'a str {
    specials.role(role).unwrap_or(default)
}

/// Special tokens that the vocabulary or the settings name, under the old name of the list.
fn additional(extras: &mut Extras, settings: &Settings) -> Vec<Special> {
    extras.additional.take().or_else(|| settings.additional.clone()).unwrap_or_default()
}

/// A unigram vocabulary in fairseq's order, with `codes` and the mask behind it.
fn shifted(source: &mut Unigram, specials: &Specials, first: &str, codes: &[&str]) {
    if source.extras.from_model {
        let token = |name, default| role(specials, name, default);
        let first = token(first, "<s>");
        source.shift([
            first,
            token("pad_token", "<pad>"),
            token("eos_token", "</s>"),
            token("unk_token", "<unk>"),
        ]);
        source.scores.extend(codes.iter().map(|code| (code.to_string(), 0.0)));
        source.scores.push((token("mask_token", "<mask>").to_string(), 0.0));
    }
}

/// XLM-RoBERTa's: `<s> text </s>`.
pub(crate) fn xlm_roberta(files: &ModelFiles, settings: &Settings) -> Result<Pipeline> {
    let mut source = Unigram::load(files, MODEL)?;
    let specials = settings.specials(&defaults(true), additional(&mut source.extras, settings));
    shifted(&mut source, &specials, "bos_token", &[]);
    let raw = steps::unigram(source.scores, 3, source.extras.charsmap.map(Into::into), steps::words())?;
    let (first, last) = (role(&specials, "bos_token", "<s>"), role(&specials, "eos_token", "</s>"));
    Pipeline::new(raw, settings, &specials)?.framed(&[first], &[last])
}

/// mBART's; its language codes are put in place by [`super::languages`].
pub(crate) fn mbart(files: &ModelFiles, settings: &Settings) -> Result<Pipeline> {
    let mut source = Unigram::load(files, MODEL)?;
    let codes: Vec<&str> = codes::MBART.split_whitespace().collect();
    let mut extra: Vec<Special> = codes.iter().map(|code| Special::text(code)).collect();
    extra.extend(additional(&mut source.extras, settings));
    let mut specials = settings.specials(&defaults(true), extra);
    specials.refine("mask_token", |token| AddedToken { lstrip: true, ..token });
    shifted(&mut source, &specials, "bos_token", &codes);
    let raw = steps::unigram(source.scores, 3, None, steps::words())?;
    Pipeline::new(raw, settings, &specials)
}

/// mBART-50's.
pub(crate) fn mbart50(files: &ModelFiles, settings: &Settings) -> Result<Pipeline> {
    let mut source = Unigram::load(files, MODEL)?;
    let codes: Vec<&str> = codes::MBART.split_whitespace().chain(codes::MBART50.split_whitespace()).collect();
    let mut extra = additional(&mut source.extras, settings);
    extra.extend(codes.iter().map(|code| Special::text(code)));
    let roles: Vec<_> = defaults(true).into_iter().filter(|(role, _)| *role != "bos_token").collect();
    let mut specials = settings.specials(&roles, extra);
    specials.refine("mask_token", |token| AddedToken { lstrip: true, ..token });
    shifted(&mut source, &specials, "cls_token", &codes);
    let normalizer = steps::squeeze(source.extras.charsmap)?;
    let raw = steps::unigram(source.scores, 3, Some(normalizer), steps::spaces(PrependScheme::Always))?;
    Pipeline::new(raw, settings, &specials)
}

/// NLLB's, a BPE vocabulary.
pub(crate) fn nllb(files: &ModelFiles, settings: &Settings) -> Result<Pipeline> {
    let mut source = Pairs::load_model(files, MODEL)?;
    let codes = codes::NLLB.split_whitespace().map(Special::text);
    let named = settings.extra.clone().or_else(|| settings.additional.clone());
    let mut specials = settings.specials(&defaults(true), named.unwrap_or_else(|| codes.collect()));
    specials.refine("mask_token", |token| AddedToken { lstrip: true, normalized: true, ..token });
    if source.extras.from_model {
        let token = |name, default| role(&specials, name, default).to_string();
        let first = [
            token("bos_token", "<s>"),
            token("pad_token", "<pad>"),
            token("eos_token", "</s>"),
            token("unk_token", "<unk>"),
        ];
        let mut rest: Vec<(String, u32)> =
            source.vocab.drain().filter(|(piece, _)| !first.contains(piece)).collect();
        rest.sort_unstable_by_key(|(_, id)| *id);
        source.vocab = first.into_iter().chain(rest.into_iter().map(|(piece, _)| piece)).zip(0..).collect();
    }
    let normalizer = match source.extras.charsmap.take() {
        Some(charsmap) => Some(steps::squeeze(Some(charsmap))?),
        None => None,
    };
    let codes_first = source.extras.from_model && settings.added.is_empty();
    let model = source.model(Some(role(&specials, "unk_token", "<unk>")), false)?;
    let mut raw = steps::pipeline(model, normalizer, steps::spaces(PrependScheme::Always))?;
    if codes_first {
        // the codes come right behind the pieces; the mask, which has a role, would come before them
        let codes =
            specials.extra.iter().map(|token| tokenizers::AddedToken::from(token.content.clone(), true));
        raw.add_tokens(codes).map_err(super::pipeline::failed)?;
    }
    Pipeline::new(raw, settings, &specials)
}

/// SeamlessM4T's, a BPE vocabulary.
pub(crate) fn seamless(files: &ModelFiles, settings: &Settings) -> Result<Pipeline> {
    let mut source = Pairs::load_model(files, MODEL)?;
    let specials = settings.specials(&defaults(false), additional(&mut source.extras, settings));
    if source.extras.from_model {
        for id in source.vocab.values_mut() {
            *id += 1;
        }
        for (name, default, id) in [
            ("pad_token", "<pad>", 0),
            ("unk_token", "<unk>", 1),
            ("bos_token", "<s>", 2),
            ("eos_token", "</s>", 3),
        ] {
            source.vocab.entry(role(&specials, name, default).to_string()).or_insert(id);
        }
    }
    let normalizer = steps::sequence(vec![
        steps::replace(r"[\n\r\t]", " ")?,
        NormalizerWrapper::NFKC(NFKC),
        NormalizerWrapper::StripNormalizer(Strip::new(false, true)),
        steps::replace(" +▁", "▁")?,
        steps::replace("^▁+$", "")?,
        steps::replace(" {2,}", "▁")?,
    ]);
    let model = source.model(Some(role(&specials, "unk_token", "<unk>")), false)?;
    let raw = steps::pipeline(model, Some(normalizer), steps::spaces(PrependScheme::First))?;
    Pipeline::new(raw, settings, &specials)
}

/// Pegasus': two masks and 101 placeholders stand before the pieces.
pub(crate) fn pegasus(files: &ModelFiles, settings: &Settings) -> Result<Pipeline> {
    let mut source = Unigram::load(files, &["spiece.model", "tokenizer.model"])?;
    let offset = settings.option("offset").and_then(serde_json::Value::as_u64).unwrap_or(103).min(10_000);
    let sentence_mask = settings.text("mask_token_sent").unwrap_or("<mask_1>").to_string();
    let placeholders: Vec<String> = (2..offset).map(|n| format!("<unk_{n}>")).collect();
    let named = source.extras.additional.take().or_else(|| settings.additional.clone()).unwrap_or_default();
    let mut extra = Vec::new();
    if !named.iter().any(|token| token.content == sentence_mask) {
        extra.push(Special::text(&sentence_mask));
    }
    extra.extend(placeholders.iter().map(|token| Special::text(token)));
    let roles =
        [("pad_token", "<pad>"), ("eos_token", "</s>"), ("unk_token", "<unk>"), ("mask_token", "<mask_2>")];
    let specials = settings.specials(&roles, extra);
    if source.extras.from_model {
        // the converter's own defaults name the masks the other way round
        let named = settings.specials(&[("mask_token", "<mask_1>")], Vec::new());
        let masks =
            [role(&named, "mask_token", "<mask_1>"), settings.text("mask_token_sent").unwrap_or("<mask_2>")];
        let mut first = vec![role(&specials, "pad_token", "<pad>"), role(&specials, "eos_token", "</s>")];
        first.extend(masks);
        first.dedup();
        let first = first.into_iter().map(|token| (token.to_string(), 0.0));
        let placeholders = placeholders.into_iter().map(|token| (token, -100.0));
        source.scores.splice(..2.min(source.scores.len()), first.chain(placeholders));
    }
    let unknown = role(&specials, "unk_token", "<unk>");
    let lacks = || Error::Tokenizer(format!("the vocabulary lacks '{unknown}'"));
    let unknown = source.id(unknown).ok_or_else(lacks)?;
    let normalizer = match source.extras.charsmap.take() {
        Some(charsmap) => steps::squeeze(Some(charsmap))?,
        None => steps::sequence(vec![steps::replace(r"\n", " ")?, steps::replace(" {2,}", " ")?]),
    };
    let cut = steps::spaces(PrependScheme::Always);
    let raw = steps::unigram(source.scores, unknown, Some(normalizer), cut)?;
    let end = role(&specials, "eos_token", "</s>");
    Pipeline::new(raw, settings, &specials)?.framed(&[], &[end])
}
