//! Marian's tokenizer (opus-mt): two SentencePiece models, one for each language, whose pieces get their
//! ids from vocab.json.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::scripted::{AddedTokens, Scripted, Words, strip};
use super::sentencepiece::{SPACE, SentencePiece};
use super::settings::Settings;
use crate::error::{Error, Result};
use crate::files::ModelFiles;

/// A vocabulary file: pieces and their ids.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    ids: HashMap<Arc<str>, u32>,
    pieces: HashMap<u32, Arc<str>>,
}

impl Vocabulary {
    /// Reads a JSON object of pieces and ids.
    pub fn load(files: &ModelFiles, name: &str) -> Result<Self> {
        let parsed: HashMap<String, u32> = serde_json::from_slice(&files.need(name)?)
            .map_err(|e| Error::BadFile { file: name.into(), why: e.to_string() })?;
        Ok(Self::new(parsed.into_iter().collect()))
    }

    /// A vocabulary of pieces with their ids.
    pub fn new(entries: Vec<(String, u32)>) -> Self {
        let entries = entries.into_iter().map(|(piece, id)| (Arc::<str>::from(piece), id));
        let ids: HashMap<Arc<str>, u32> = entries.collect();
        let pieces = ids.iter().map(|(piece, id)| (*id, piece.clone())).collect();
        Self { ids, pieces }
    }

    /// The id of a piece.
    pub fn id(&self, piece: &str) -> Option<u32> {
        self.ids.get(piece).copied()
    }

    /// The piece with that id.
    pub fn piece(&self, id: u32) -> Option<String> {
        self.pieces.get(&id).map(|piece| piece.to_string())
    }

    /// Number of pieces.
    pub fn len(&self) -> u32 {
        self.ids.len() as u32
    }

    /// All pieces.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        self.ids.keys().map(|piece| &**piece)
    }
}

/// One language's side.
struct Side {
    /// Cuts the text of this side.
    model: Arc<SentencePiece>,
    /// Ids of the pieces that the model gives.
    encoder: Arc<Vocabulary>,
    /// Pieces of the ids that the network gives: the target's, where the vocabularies are separate.
    decoder: Arc<Vocabulary>,
    /// Joins pieces, and names ids that the vocabulary lacks.
    joiner: Arc<SentencePiece>,
    unknown: String,
}

/// A language tag such as `>>fra<<` at the start of a text, and the rest.
pub(crate) fn language_tag(text: &str) -> (Option<&str>, &str) {
    match text.starts_with(">>").then(|| text.find("<<")).flatten() {
        Some(end) => (Some(&text[..end + 2]), &text[end + 2..]),
        None => (None, text),
    }
}

impl Words for Side {
    fn split(&self, text: &str) -> Vec<String> {
        let (tag, text) = language_tag(text);
        let mut pieces: Vec<String> = tag.map(String::from).into_iter().collect();
        pieces.extend(self.model.encode(text));
        pieces
    }

    fn id(&self, piece: &str) -> Option<u32> {
        self.encoder.id(piece).or_else(|| self.encoder.id(&self.unknown))
    }

    fn known(&self, token: &str) -> Option<u32> {
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

/// Builds both sides, the source's and the target's, and lists the language tags of the vocabulary.
pub(crate) fn load(files: &ModelFiles, settings: &Settings) -> Result<(Scripted, Scripted, Vec<String>)> {
    let model = |name: &str| Ok::<_, Error>(Arc::new(SentencePiece::load(name, &files.need(name)?)?));
    let (source, target) = (model("source.spm")?, model("target.spm")?);
    let separate = settings.flag("separate_vocabs", false);
    let source_vocab = Arc::new(Vocabulary::load(files, "vocab.json")?);
    let target_vocab =
        if separate { Arc::new(Vocabulary::load(files, "target_vocab.json")?) } else { source_vocab.clone() };
    let defaults = [("unk_token", "<unk>"), ("eos_token", "</s>"), ("pad_token", "<pad>")];
    let specials = settings.specials(&defaults, Vec::new());
    let unknown = specials.role("unk_token").unwrap_or("<unk>").to_string();
    let joiner = if separate { target.clone() } else { source.clone() };
    let side = |model: Arc<SentencePiece>, encoder: &Arc<Vocabulary>, decoder, joiner| Side {
        model,
        encoder: encoder.clone(),
        decoder,
        joiner,
        unknown: unknown.clone(),
    };
    let from: BTreeMap<_, _> = settings.added.clone();
    let source_side = side(source.clone(), &source_vocab, source_vocab.clone(), source);
    let target_side = side(target, &target_vocab, target_vocab.clone(), joiner);
    let added = AddedTokens::new(from, &specials, &source_side);
    let end = specials.role("eos_token").and_then(|token| added.by_text.get(token)).copied();
    let scripted = |side: Side| {
        Scripted::new(Box::new(side), added.clone(), &specials, settings)
            .framed(Vec::new(), end.into_iter().collect())
    };
    let tags = source_vocab.all().filter(|piece| piece.starts_with(">>") && piece.ends_with("<<"));
    let tags = tags.map(String::from).collect();
    Ok((scripted(source_side), scripted(target_side), tags))
}
