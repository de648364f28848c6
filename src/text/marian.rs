//! Marian (opus-mt): a SentencePiece model for each language, with the ids of the pieces in vocab.json.

use std::sync::Arc;

use super::config::TokenizerConfig;
use super::languages::split_tag;
use super::python::strip;
use super::sentencepiece::{SPACE, SentencePiece};
use super::slow::{AddedTokens, SlowModel, SlowTokenizer};
use super::vocabulary::Vocabulary;
use crate::error::{Error, Result};
use crate::files::ModelFiles;

/// Source or target side of a Marian tokenizer.
struct MarianSide {
    /// Splits text into pieces.
    splitter: Arc<SentencePiece>,
    /// Maps the pieces of a text to ids.
    encoder: Arc<Vocabulary>,
    /// Maps ids to pieces.
    decoder: Arc<Vocabulary>,
    /// Joins pieces to text, and spells ids that `decoder` lacks.
    joiner: Arc<SentencePiece>,
    unknown: String,
}

impl SlowModel for MarianSide {
    fn split(&self, text: &str) -> Vec<String> {
        let (tag, text) = split_tag(text);
        let mut pieces: Vec<String> = tag.map(String::from).into_iter().collect();
        pieces.extend(self.splitter.encode(text));
        pieces
    }

    fn id_or_unknown(&self, piece: &str) -> Option<u32> {
        self.encoder.id(piece).or_else(|| self.encoder.id(&self.unknown))
    }

    fn id(&self, token: &str) -> Option<u32> {
        self.encoder.id(token)
    }

    fn piece(&self, id: u32) -> Option<String> {
        self.decoder.piece(id).or_else(|| self.joiner.piece(id).map(String::from))
    }

    fn join(&self, pieces: &[String], special: &dyn Fn(&str) -> bool) -> String {
        let mut text = String::new();
        for (at, run) in pieces.split(|piece| special(piece)).enumerate() {
            if at > 0 {
                let before = pieces.split_inclusive(|piece| special(piece)).nth(at - 1);
                text.push_str(before.and_then(|run| run.last()).map_or("", String::as_str));
                text.push(' ');
            }
            text.push_str(&self.joiner.decode(run.iter().map(String::as_str)));
        }
        strip(&text.replace(SPACE, " ")).into()
    }

    fn size(&self) -> u32 {
        self.encoder.len()
    }
}

/// Builds the source and the target tokenizer, and lists the language tags of the vocabulary (`>>fra<<`).
pub(crate) fn load(
    files: &ModelFiles,
    config: &TokenizerConfig,
) -> Result<(SlowTokenizer, SlowTokenizer, Vec<String>)> {
    let model = |name: &str| Ok::<_, Error>(Arc::new(SentencePiece::load(name, &files.need(name)?)?));
    let (source, target) = (model("source.spm")?, model("target.spm")?);
    let separate = config.flag("separate_vocabs", false);
    let source_vocab = Arc::new(Vocabulary::load(files, "vocab.json")?);
    let target_vocab =
        if separate { Arc::new(Vocabulary::load(files, "target_vocab.json")?) } else { source_vocab.clone() };
    let defaults = [("unk_token", "<unk>"), ("eos_token", "</s>"), ("pad_token", "<pad>")];
    let specials = config.special_tokens(&defaults, Vec::new());
    let unknown = specials.role("unk_token").unwrap_or("<unk>").to_string();
    let joiner = if separate { target.clone() } else { source.clone() };
    let side = |splitter: Arc<SentencePiece>, encoder: &Arc<Vocabulary>, decoder, joiner| MarianSide {
        splitter,
        encoder: encoder.clone(),
        decoder,
        joiner,
        unknown: unknown.clone(),
    };
    let source_side = side(source.clone(), &source_vocab, source_vocab.clone(), source);
    let target_side = side(target, &target_vocab, target_vocab.clone(), joiner);
    let added = AddedTokens::new(config.added.clone(), &specials, &source_side);
    let end = specials.role("eos_token").and_then(|token| added.by_text.get(token)).copied();
    let tokenizer = |side: MarianSide| {
        SlowTokenizer::new(Box::new(side), added.clone(), &specials, config)
            .with_special_tokens(Vec::new(), end.into_iter().collect())
    };
    let tags = source_vocab.pieces().filter(|piece| piece.starts_with(">>") && piece.ends_with("<<"));
    let tags = tags.map(String::from).collect();
    Ok((tokenizer(source_side), tokenizer(target_side), tags))
}
