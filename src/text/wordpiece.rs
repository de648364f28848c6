//! WordPiece (Devlin et al. 2019): BERT and its kin.

use std::collections::HashMap;

use tokenizers::decoders::DecoderWrapper;
use tokenizers::decoders::wordpiece::WordPiece as WordPieceDecoder;
use tokenizers::models::ModelWrapper;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::NormalizerWrapper;
use tokenizers::normalizers::bert::BertNormalizer;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;

use super::pipeline::{Pipeline, failed};
use super::settings::Settings;
use super::steps;
use crate::error::{Error, Result};
use crate::files::ModelFiles;

/// The lines of a vocab.txt and their numbers.
pub(crate) fn vocabulary(files: &ModelFiles, name: &str) -> Result<Vec<String>> {
    let bytes = files.need(name)?;
    let text = std::str::from_utf8(&bytes);
    let text = text.map_err(|_| Error::BadFile { file: name.into(), why: "not UTF-8".into() })?;
    Ok(text.lines().map(|line| line.trim_end().to_string()).collect())
}

/// BERT's: the text stands between `[CLS]` and `[SEP]`.
pub(crate) fn bert(files: &ModelFiles, settings: &Settings) -> Result<Pipeline> {
    let defaults = [
        ("unk_token", "[UNK]"),
        ("sep_token", "[SEP]"),
        ("pad_token", "[PAD]"),
        ("cls_token", "[CLS]"),
        ("mask_token", "[MASK]"),
    ];
    let specials = settings.specials(&defaults, settings.additional.clone().unwrap_or_default());
    let vocab: HashMap<String, u32> = match files.get("tokenizer.json")? {
        Some(bytes) => match Pipeline::from_json(&bytes)?.get_model() {
            ModelWrapper::WordPiece(model) => tokenizers::Model::get_vocab(model),
            _ => return Err(Error::Tokenizer("tokenizer.json holds no WordPiece vocabulary".into())),
        },
        None => vocabulary(files, "vocab.txt")?.into_iter().zip(0..).collect(),
    };
    let vocab: tokenizers::models::bpe::Vocab = vocab.into_iter().collect();
    let unknown = specials.role("unk_token").unwrap_or("[UNK]").to_string();
    let model = WordPiece::builder().vocab(vocab).unk_token(unknown).build().map_err(failed)?;
    let strip_accents = settings.option("strip_accents").and_then(serde_json::Value::as_bool);
    let chinese = settings.flag("tokenize_chinese_chars", true);
    let lower = settings.flag("do_lower_case", true);
    let normalizer =
        NormalizerWrapper::BertNormalizer(BertNormalizer::new(true, chinese, strip_accents, lower));
    let decoder = DecoderWrapper::WordPiece(WordPieceDecoder::new("##".into(), true));
    let cut = (PreTokenizerWrapper::BertPreTokenizer(BertPreTokenizer), decoder);
    let raw = steps::pipeline(model, Some(normalizer), cut)?;
    let (first, last) =
        (specials.role("cls_token").unwrap_or("[CLS]"), specials.role("sep_token").unwrap_or("[SEP]"));
    Pipeline::new(raw, settings, &specials)?.framed(&[first], &[last])
}
