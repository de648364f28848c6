//! Tokenizers of models that came from fairseq, and Pegasus.
//!
//! Their ids are those of a SentencePiece vocabulary, shifted up to make room for special tokens: by one for
//! mBART, mBART-50, NLLB, XLM-RoBERTa and SeamlessM4T, with language codes after the pieces, by 103 for
//! Pegasus.

use tokenizers::normalizers::NormalizerWrapper;
use tokenizers::normalizers::strip::Strip;
use tokenizers::normalizers::unicode::NFKC;
use tokenizers::pre_tokenizers::metaspace::PrependScheme;

use super::backend::tokenizer_error;
use super::config::{AddedToken, SpecialToken, SpecialTokens, TokenizerConfig};
use super::languages::codes;
use super::pipeline::vocab::{BpeVocab, Extras, UnigramVocab};
use super::pipeline::{Pipeline, parts};
use crate::error::{Error, Result};
use crate::files::ModelFiles;

/// Names of the SentencePiece model, by preference.
const MODEL: &[&str] = &["sentencepiece.bpe.model", "tokenizer.model"];

/// Default special tokens by role.
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

fn role<'a>(specials: &'a SpecialTokens, role: &str, default: &'a str) -> &'a str {
    specials.role(role).unwrap_or(default)
}

/// Returns `additional_special_tokens`, as the vocabulary or else the config files list them.
fn additional(extras: &mut Extras, config: &TokenizerConfig) -> Vec<SpecialToken> {
    extras.additional.take().or_else(|| config.additional.clone()).unwrap_or_default()
}

/// Orders a SentencePiece vocabulary as fairseq does: special tokens, pieces, `codes`, mask token.
fn reorder(vocab: &mut UnigramVocab, specials: &SpecialTokens, first: &str, codes: &[&str]) {
    if vocab.extras.from_model {
        let token = |name, default| role(specials, name, default);
        let first = token(first, "<s>");
        vocab.shift([
            first,
            token("pad_token", "<pad>"),
            token("eos_token", "</s>"),
            token("unk_token", "<unk>"),
        ]);
        vocab.scores.extend(codes.iter().map(|code| (code.to_string(), 0.0)));
        vocab.scores.push((token("mask_token", "<mask>").to_string(), 0.0));
    }
}

/// Builds XLM-RoBERTa's tokenizer, which encodes as `<s> text </s>`.
pub(crate) fn xlm_roberta(files: &ModelFiles, config: &TokenizerConfig) -> Result<Pipeline> {
    let mut vocab = UnigramVocab::load(files, MODEL)?;
    let specials = config.special_tokens(&defaults(true), additional(&mut vocab.extras, config));
    reorder(&mut vocab, &specials, "bos_token", &[]);
    let raw =
        parts::unigram(vocab.scores, 3, vocab.extras.charsmap.map(Into::into), parts::whitespace_words())?;
    let (first, last) = (role(&specials, "bos_token", "<s>"), role(&specials, "eos_token", "</s>"));
    Pipeline::new(raw, config, &specials)?.with_special_tokens(&[first], &[last])
}

/// Builds mBART's tokenizer; [`super::languages`] adds the language tags to a text.
pub(crate) fn mbart(files: &ModelFiles, config: &TokenizerConfig) -> Result<Pipeline> {
    let mut vocab = UnigramVocab::load(files, MODEL)?;
    let codes: Vec<&str> = codes::MBART.split_whitespace().collect();
    let mut extra: Vec<SpecialToken> = codes.iter().map(|code| SpecialToken::text(code)).collect();
    extra.extend(additional(&mut vocab.extras, config));
    let mut specials = config.special_tokens(&defaults(true), extra);
    specials.refine("mask_token", |token| AddedToken { lstrip: true, ..token });
    reorder(&mut vocab, &specials, "bos_token", &codes);
    let raw = parts::unigram(vocab.scores, 3, None, parts::whitespace_words())?;
    Pipeline::new(raw, config, &specials)
}

/// Builds mBART-50's tokenizer.
pub(crate) fn mbart50(files: &ModelFiles, config: &TokenizerConfig) -> Result<Pipeline> {
    let mut vocab = UnigramVocab::load(files, MODEL)?;
    let codes: Vec<&str> = codes::MBART.split_whitespace().chain(codes::MBART50.split_whitespace()).collect();
    let mut extra = additional(&mut vocab.extras, config);
    extra.extend(codes.iter().map(|code| SpecialToken::text(code)));
    let roles: Vec<_> = defaults(true).into_iter().filter(|(role, _)| *role != "bos_token").collect();
    let mut specials = config.special_tokens(&roles, extra);
    specials.refine("mask_token", |token| AddedToken { lstrip: true, ..token });
    reorder(&mut vocab, &specials, "cls_token", &codes);
    let normalizer = parts::map_and_squeeze_spaces(vocab.extras.charsmap)?;
    let raw = parts::unigram(vocab.scores, 3, Some(normalizer), parts::metaspace(PrependScheme::Always))?;
    Pipeline::new(raw, config, &specials)
}

/// Builds NLLB's tokenizer, a BPE.
pub(crate) fn nllb(files: &ModelFiles, config: &TokenizerConfig) -> Result<Pipeline> {
    let mut vocab = BpeVocab::load_sentencepiece(files, MODEL)?;
    let codes = codes::NLLB.split_whitespace().map(SpecialToken::text);
    let named = config.extra.clone().or_else(|| config.additional.clone());
    let mut specials = config.special_tokens(&defaults(true), named.unwrap_or_else(|| codes.collect()));
    specials.refine("mask_token", |token| AddedToken { lstrip: true, normalized: true, ..token });
    if vocab.extras.from_model {
        let token = |name, default| role(&specials, name, default).to_string();
        let first = [
            token("bos_token", "<s>"),
            token("pad_token", "<pad>"),
            token("eos_token", "</s>"),
            token("unk_token", "<unk>"),
        ];
        let mut rest: Vec<(String, u32)> =
            vocab.ids.drain().filter(|(piece, _)| !first.contains(piece)).collect();
        rest.sort_unstable_by_key(|(_, id)| *id);
        vocab.ids = first.into_iter().chain(rest.into_iter().map(|(piece, _)| piece)).zip(0..).collect();
    }
    let normalizer = match vocab.extras.charsmap.take() {
        Some(charsmap) => Some(parts::map_and_squeeze_spaces(Some(charsmap))?),
        None => None,
    };
    let codes_first = vocab.extras.from_model && config.added.is_empty();
    let model = vocab.model(Some(role(&specials, "unk_token", "<unk>")), false)?;
    let mut raw = parts::pipeline(model, normalizer, parts::metaspace(PrependScheme::Always))?;
    if codes_first {
        // the codes directly follow the pieces; the mask token, which has a role, would otherwise come first
        let codes =
            specials.extra.iter().map(|token| tokenizers::AddedToken::from(token.content.clone(), true));
        raw.add_tokens(codes).map_err(tokenizer_error)?;
    }
    Pipeline::new(raw, config, &specials)
}

/// Builds SeamlessM4T's tokenizer, a BPE.
pub(crate) fn seamless(files: &ModelFiles, config: &TokenizerConfig) -> Result<Pipeline> {
    let mut vocab = BpeVocab::load_sentencepiece(files, MODEL)?;
    let specials = config.special_tokens(&defaults(false), additional(&mut vocab.extras, config));
    if vocab.extras.from_model {
        for id in vocab.ids.values_mut() {
            *id += 1;
        }
        for (name, default, id) in [
            ("pad_token", "<pad>", 0),
            ("unk_token", "<unk>", 1),
            ("bos_token", "<s>", 2),
            ("eos_token", "</s>", 3),
        ] {
            vocab.ids.entry(role(&specials, name, default).to_string()).or_insert(id);
        }
    }
    let normalizer = parts::sequence(vec![
        parts::replace(r"[\n\r\t]", " ")?,
        NormalizerWrapper::NFKC(NFKC),
        NormalizerWrapper::StripNormalizer(Strip::new(false, true)),
        parts::replace(" +▁", "▁")?,
        parts::replace("^▁+$", "")?,
        parts::replace(" {2,}", "▁")?,
    ]);
    let model = vocab.model(Some(role(&specials, "unk_token", "<unk>")), false)?;
    let raw = parts::pipeline(model, Some(normalizer), parts::metaspace(PrependScheme::First))?;
    Pipeline::new(raw, config, &specials)
}

/// Builds Pegasus' tokenizer: two mask tokens and 101 placeholders precede the pieces.
pub(crate) fn pegasus(files: &ModelFiles, config: &TokenizerConfig) -> Result<Pipeline> {
    let mut vocab = UnigramVocab::load(files, &["spiece.model", "tokenizer.model"])?;
    let offset = config.option("offset").and_then(serde_json::Value::as_u64).unwrap_or(103).min(10_000);
    let sentence_mask = config.text("mask_token_sent").unwrap_or("<mask_1>").to_string();
    let placeholders: Vec<String> = (2..offset).map(|n| format!("<unk_{n}>")).collect();
    let named = vocab.extras.additional.take().or_else(|| config.additional.clone()).unwrap_or_default();
    let mut extra = Vec::new();
    if !named.iter().any(|token| token.content == sentence_mask) {
        extra.push(SpecialToken::text(&sentence_mask));
    }
    extra.extend(placeholders.iter().map(|token| SpecialToken::text(token)));
    let roles =
        [("pad_token", "<pad>"), ("eos_token", "</s>"), ("unk_token", "<unk>"), ("mask_token", "<mask_2>")];
    let specials = config.special_tokens(&roles, extra);
    if vocab.extras.from_model {
        // transformers' converter has the two mask tokens' defaults swapped
        let named = config.special_tokens(&[("mask_token", "<mask_1>")], Vec::new());
        let masks =
            [role(&named, "mask_token", "<mask_1>"), config.text("mask_token_sent").unwrap_or("<mask_2>")];
        let mut first = vec![role(&specials, "pad_token", "<pad>"), role(&specials, "eos_token", "</s>")];
        first.extend(masks);
        first.dedup();
        let first = first.into_iter().map(|token| (token.to_string(), 0.0));
        let placeholders = placeholders.into_iter().map(|token| (token, -100.0));
        vocab.scores.splice(..2.min(vocab.scores.len()), first.chain(placeholders));
    }
    let unknown = role(&specials, "unk_token", "<unk>");
    let lacks = || Error::Tokenizer(format!("the vocabulary lacks '{unknown}'"));
    let unknown = vocab.id(unknown).ok_or_else(lacks)?;
    let normalizer = match vocab.extras.charsmap.take() {
        Some(charsmap) => parts::map_and_squeeze_spaces(Some(charsmap))?,
        None => parts::sequence(vec![parts::replace(r"\n", " ")?, parts::replace(" {2,}", " ")?]),
    };
    let pre_tokenization = parts::metaspace(PrependScheme::Always);
    let raw = parts::unigram(vocab.scores, unknown, Some(normalizer), pre_tokenization)?;
    let end = role(&specials, "eos_token", "</s>");
    Pipeline::new(raw, config, &specials)?.with_special_tokens(&[], &[end])
}
