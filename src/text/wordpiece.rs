//! WordPiece (Devlin et al. 2019): BERT, ELECTRA, DistilBERT.

use std::collections::HashMap;

use tokenizers::decoders::DecoderWrapper;
use tokenizers::decoders::wordpiece::WordPiece as WordPieceDecoder;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::NormalizerWrapper;
use tokenizers::normalizers::bert::BertNormalizer;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;

use super::backend::tokenizer_error;
use super::config::TokenizerConfig;
use super::pipeline::{Pipeline, parts};
use super::vocabulary::read_lines;
use crate::error::Result;
use crate::files::ModelFiles;

/// Builds BERT's tokenizer, which encodes as `[CLS] text [SEP]`.
pub(crate) fn bert(files: &ModelFiles, config: &TokenizerConfig) -> Result<Pipeline> {
    let defaults = [
        ("unk_token", "[UNK]"),
        ("sep_token", "[SEP]"),
        ("pad_token", "[PAD]"),
        ("cls_token", "[CLS]"),
        ("mask_token", "[MASK]"),
    ];
    let specials = config.special_tokens(&defaults, config.additional.clone().unwrap_or_default());
    let vocab: HashMap<String, u32> = match files.get("tokenizer.json")? {
        // of any kind, like transformers
        Some(bytes) => tokenizers::Model::get_vocab(Pipeline::from_json(&bytes)?.get_model()),
        None => read_lines(files, "vocab.txt")?.into_iter().zip(0..).collect(),
    };
    let vocab: tokenizers::models::bpe::Vocab = vocab.into_iter().collect();
    let unknown = specials.role("unk_token").unwrap_or("[UNK]").to_string();
    let model = WordPiece::builder().vocab(vocab).unk_token(unknown).build().map_err(tokenizer_error)?;
    let strip_accents = config.option("strip_accents").and_then(serde_json::Value::as_bool);
    let chinese = config.flag("tokenize_chinese_chars", true);
    let lower = config.flag("do_lower_case", true);
    let normalizer =
        NormalizerWrapper::BertNormalizer(BertNormalizer::new(true, chinese, strip_accents, lower));
    let decoder = DecoderWrapper::WordPiece(WordPieceDecoder::new("##".into(), true));
    let pre_tokenization = (PreTokenizerWrapper::BertPreTokenizer(BertPreTokenizer), decoder);
    let raw = parts::pipeline(model, Some(normalizer), pre_tokenization)?;
    let (first, last) =
        (specials.role("cls_token").unwrap_or("[CLS]"), specials.role("sep_token").unwrap_or("[SEP]"));
    Pipeline::new(raw, config, &specials)?.with_special_tokens(&[first], &[last])
}
