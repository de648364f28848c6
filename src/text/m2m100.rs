//! M2M100's tokenizer: a SentencePiece model whose pieces get their ids from vocab.json, with the language
//! tags (`__en__`) right behind them.

use super::languages::codes;
use super::marian::Vocabulary;
use super::scripted::{AddedTokens, Scripted, Words, strip};
use super::sentencepiece::SentencePiece;
use super::settings::Settings;
use crate::error::Result;
use crate::files::ModelFiles;

struct M2m100 {
    model: SentencePiece,
    vocab: Vocabulary,
    /// The tags, the first of which has the id after the last piece.
    tags: Vec<String>,
    unknown: String,
}

impl Words for M2m100 {
    fn split(&self, text: &str) -> Vec<String> {
        self.model.encode(text)
    }

    fn id(&self, piece: &str) -> Option<u32> {
        self.known(piece).or_else(|| self.vocab.id(&self.unknown))
    }

    fn known(&self, token: &str) -> Option<u32> {
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
            text.push_str(&self.model.decode(words.iter().map(String::as_str)));
            text.push_str(end);
        }
        strip(&text).into()
    }

    fn size(&self) -> u32 {
        self.vocab.len()
    }
}

/// Builds the tokenizer; [`super::languages`] puts the tags in place.
pub(crate) fn load(files: &ModelFiles, settings: &Settings) -> Result<Scripted> {
    let name = "sentencepiece.bpe.model";
    let defaults = [
        ("bos_token", "<s>"),
        ("eos_token", "</s>"),
        ("sep_token", "</s>"),
        ("pad_token", "<pad>"),
        ("unk_token", "<unk>"),
    ];
    let specials = settings.specials(&defaults, settings.additional.clone().unwrap_or_default());
    let words = M2m100 {
        model: SentencePiece::load(name, &files.need(name)?)?,
        vocab: Vocabulary::load(files, "vocab.json")?,
        tags: codes::m2m100(settings).into_iter().map(|code| format!("__{code}__")).collect(),
        unknown: specials.role("unk_token").unwrap_or("<unk>").into(),
    };
    let added = AddedTokens::new(settings.added.clone(), &specials, &words);
    Ok(Scripted::new(Box::new(words), added, &specials, settings))
}
