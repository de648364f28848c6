//! FSMT's tokenizer (WMT 2019's fairseq models): Moses' words in BPE, with a vocabulary for each language.

use std::sync::Arc;

use serde_json::Value;

use super::marian::Vocabulary;
use super::moses::{Detokenizer, Moses};
use super::scripted::{AddedTokens, Scripted, Words, is_space};
use super::settings::Settings;
use super::word_bpe::{END, WordBpe};
use crate::error::{Error, Result};
use crate::files::ModelFiles;

/// One language's side.
struct Side {
    moses: Moses,
    detokenizer: Detokenizer,
    lower: bool,
    bpe: Arc<WordBpe>,
    vocab: Vocabulary,
    unknown: String,
}

impl Words for Side {
    fn split(&self, text: &str) -> Vec<String> {
        let text = if self.lower { text.to_lowercase() } else { text.to_string() };
        self.moses.words(&text).iter().flat_map(|word| self.bpe.split(word)).collect()
    }

    fn id(&self, piece: &str) -> Option<u32> {
        self.vocab.id(piece).or_else(|| self.vocab.id(&self.unknown))
    }

    fn known(&self, token: &str) -> Option<u32> {
        self.vocab.id(token)
    }

    fn piece(&self, id: u32) -> Option<String> {
        self.vocab.piece(id).or_else(|| Some(self.unknown.clone()))
    }

    fn join(&self, pieces: &[String], _: &dyn Fn(&str) -> bool) -> String {
        let text: String = pieces.iter().map(|piece| piece.replace(' ', "").replace(END, " ")).collect();
        let words: Vec<&str> = text.split(is_space).filter(|word| !word.is_empty()).collect();
        self.detokenizer.join(&words)
    }

    fn size(&self) -> u32 {
        self.vocab.len()
    }
}

/// The two languages, from tokenizer_config.json or config.json.
fn languages(settings: &Settings) -> Option<[String; 2]> {
    let langs = settings.option("langs").or_else(|| settings.config.get("langs"))?.as_array()?;
    let names: Vec<String> = langs.iter().filter_map(Value::as_str).map(String::from).collect();
    names.try_into().ok()
}

/// Builds both sides, the source's and the target's: `text </s>`. The reference has no target side; ours
/// gives a target text the words of its own language and the ids of its own vocabulary, as the decoder has
/// them.
pub(crate) fn load(files: &ModelFiles, settings: &Settings) -> Result<(Scripted, Scripted)> {
    let none = || Error::Tokenizer("no 'langs' in tokenizer_config.json names the two languages".into());
    let [source, target] = languages(settings).ok_or_else(none)?;
    let bpe = Arc::new(WordBpe::load(files, 0)?);
    let defaults =
        [("unk_token", "<unk>"), ("bos_token", "<s>"), ("sep_token", "</s>"), ("pad_token", "<pad>")];
    let specials = settings.specials(&defaults, settings.additional.clone().unwrap_or_default());
    let side = |language: &str, vocab: &str| -> Result<Scripted> {
        let words = Side {
            moses: Moses::new(language)?,
            detokenizer: Detokenizer::new(language),
            lower: settings.flag("do_lower_case", false),
            bpe: bpe.clone(),
            vocab: Vocabulary::load(files, vocab)?,
            unknown: specials.role("unk_token").unwrap_or("<unk>").into(),
        };
        let added = AddedTokens::new(settings.added.clone(), &specials, &words);
        let end = specials.role("sep_token").and_then(|token| added.by_text.get(token)).copied();
        let scripted = Scripted::new(Box::new(words), added, &specials, settings);
        Ok(scripted.framed(Vec::new(), end.into_iter().collect()))
    };
    Ok((side(&source, "vocab-src.json")?, side(&target, "vocab-tgt.json")?))
}
