//! FSMT (fairseq's WMT 2019 models): Moses tokenization, then BPE, with a vocabulary for each language.

use std::sync::Arc;

use serde_json::Value;

use super::config::TokenizerConfig;
use super::moses::{Detokenizer, Moses};
use super::python::is_space;
use super::slow::{AddedTokens, SlowModel, SlowTokenizer};
use super::vocabulary::Vocabulary;
use super::word_bpe::{END_OF_WORD, WordBpe};
use crate::error::{Error, Result};
use crate::files::ModelFiles;

/// Source or target side of an FSMT tokenizer.
struct FsmtSide {
    moses: Moses,
    detokenizer: Detokenizer,
    lower: bool,
    bpe: Arc<WordBpe>,
    vocab: Vocabulary,
    unknown: String,
}

impl SlowModel for FsmtSide {
    fn split(&self, text: &str) -> Vec<String> {
        let text = if self.lower { text.to_lowercase() } else { text.to_string() };
        self.moses.words(&text).iter().flat_map(|word| self.bpe.split(word)).collect()
    }

    fn id_or_unknown(&self, piece: &str) -> Option<u32> {
        self.vocab.id(piece).or_else(|| self.vocab.id(&self.unknown))
    }

    fn id(&self, token: &str) -> Option<u32> {
        self.vocab.id(token)
    }

    fn piece(&self, id: u32) -> Option<String> {
        self.vocab.piece(id).or_else(|| Some(self.unknown.clone()))
    }

    fn join(&self, pieces: &[String], _: &dyn Fn(&str) -> bool) -> String {
        let text: String =
            pieces.iter().map(|piece| piece.replace(' ', "").replace(END_OF_WORD, " ")).collect();
        let words: Vec<&str> = text.split(is_space).filter(|word| !word.is_empty()).collect();
        self.detokenizer.join(&words)
    }

    fn size(&self) -> u32 {
        self.vocab.len()
    }
}

/// Reads the source and the target language from tokenizer_config.json or config.json.
fn languages(config: &TokenizerConfig) -> Option<[String; 2]> {
    let langs = config.option("langs").or_else(|| config.model.get("langs"))?.as_array()?;
    let names: Vec<String> = langs.iter().filter_map(Value::as_str).map(String::from).collect();
    names.try_into().ok()
}

/// Builds the source and the target tokenizer, which encode as `text </s>`. transformers has no target
/// tokenizer for FSMT; here a target text is tokenized in its own language with the decoder's vocabulary.
pub(crate) fn load(files: &ModelFiles, config: &TokenizerConfig) -> Result<(SlowTokenizer, SlowTokenizer)> {
    let none = || Error::Tokenizer("tokenizer_config.json has no 'langs' with two languages".into());
    let [source, target] = languages(config).ok_or_else(none)?;
    let bpe = Arc::new(WordBpe::load(files, 0)?);
    let defaults =
        [("unk_token", "<unk>"), ("bos_token", "<s>"), ("sep_token", "</s>"), ("pad_token", "<pad>")];
    let specials = config.special_tokens(&defaults, config.additional.clone().unwrap_or_default());
    let side = |language: &str, vocab: &str| -> Result<SlowTokenizer> {
        let model = FsmtSide {
            moses: Moses::new(language)?,
            detokenizer: Detokenizer::new(language),
            lower: config.flag("do_lower_case", false),
            bpe: bpe.clone(),
            vocab: Vocabulary::load(files, vocab)?,
            unknown: specials.role("unk_token").unwrap_or("<unk>").into(),
        };
        let added = AddedTokens::new(config.added.clone(), &specials, &model);
        let end = specials.role("sep_token").and_then(|token| added.by_text.get(token)).copied();
        let tokenizer = SlowTokenizer::new(Box::new(model), added, &specials, config);
        Ok(tokenizer.with_special_tokens(Vec::new(), end.into_iter().collect()))
    };
    Ok((side(&source, "vocab-src.json")?, side(&target, "vocab-tgt.json")?))
}
