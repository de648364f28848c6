//! M2M100: a SentencePiece model with the ids of its pieces in vocab.json, followed by the ids of the
//! language tags (`__en__`).

use super::config::TokenizerConfig;
use super::languages::codes;
use super::python::strip;
use super::sentencepiece::SentencePiece;
use super::slow::{AddedTokens, SlowModel, SlowTokenizer};
use super::vocabulary::Vocabulary;
use crate::error::Result;
use crate::files::ModelFiles;

struct M2m100 {
    sentencepiece: SentencePiece,
    vocab: Vocabulary,
    /// Language tags; the first one's id is the size of `vocab`.
    tags: Vec<String>,
    unknown: String,
}

impl SlowModel for M2m100 {
    fn split(&self, text: &str) -> Vec<String> {
        self.sentencepiece.encode(text)
    }

    fn id_or_unknown(&self, piece: &str) -> Option<u32> {
        self.id(piece).or_else(|| self.vocab.id(&self.unknown))
    }

    fn id(&self, token: &str) -> Option<u32> {
        let tag = self.tags.iter().position(|tag| tag == token).map(|at| self.vocab.len() + at as u32);
        tag.or_else(|| self.vocab.id(token))
    }

    fn piece(&self, id: u32) -> Option<String> {
        let tag = id.checked_sub(self.vocab.len()).and_then(|at| self.tags.get(at as usize)).cloned();
        tag.or_else(|| self.vocab.piece(id)).or_else(|| Some(self.unknown.clone()))
    }

    fn join(&self, pieces: &[String], special: &dyn Fn(&str) -> bool) -> String {
        let mut text = String::new();
        for run in pieces.split_inclusive(|piece| special(piece)) {
            let (words, end) = match run.split_last() {
                Some((last, words)) if special(last) => (words, last.as_str()),
                _ => (run, ""),
            };
            text.push_str(&self.sentencepiece.decode(words.iter().map(String::as_str)));
            text.push_str(end);
        }
        strip(&text).into()
    }

    fn size(&self) -> u32 {
        self.vocab.len()
    }
}

/// The language tags of M2M100.
pub(crate) fn tags(config: &TokenizerConfig) -> Vec<String> {
    codes::m2m100(config).into_iter().map(|code| format!("__{code}__")).collect()
}

/// Builds the tokenizer, with language tags after the vocabulary; [`super::languages`] adds them to a text.
pub(crate) fn load(files: &ModelFiles, config: &TokenizerConfig, tags: Vec<String>) -> Result<SlowTokenizer> {
    let name = "sentencepiece.bpe.model";
    let defaults = [
        ("bos_token", "<s>"),
        ("eos_token", "</s>"),
        ("sep_token", "</s>"),
        ("pad_token", "<pad>"),
        ("unk_token", "<unk>"),
    ];
    let specials = config.special_tokens(&defaults, config.additional.clone().unwrap_or_default());
    let model = M2m100 {
        sentencepiece: SentencePiece::load(name, &files.need(name)?)?,
        vocab: Vocabulary::load(files, "vocab.json")?,
        tags,
        unknown: specials.role("unk_token").unwrap_or("<unk>").into(),
    };
    let added = AddedTokens::new(config.added.clone(), &specials, &model);
    Ok(SlowTokenizer::new(Box::new(model), added, &specials, config))
}
