//! Vocabularies of pipelines, read from tokenizer.json or from the files that it is converted from: a
//! SentencePiece model, or vocab.json with merges.txt.

use std::collections::HashMap;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use tokenizers::PostProcessorWrapper;
use tokenizers::models::bpe::BPE;
use tokenizers::normalizers::precompiled::Precompiled;

use super::super::backend::{guarded, tokenizer_error};
use super::super::config::{AddedToken, SpecialToken};
use super::super::sentencepiece::proto::{Algorithm, Piece, PieceKind, Proto};
use super::{Pipeline, check};
use crate::error::{Error, Result};
use crate::files::ModelFiles;

/// Kind of a vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VocabKind {
    /// Pieces with log probabilities.
    Unigram,
    /// Pieces with merges.
    Bpe,
}

impl VocabKind {
    fn name(self) -> &'static str {
        match self {
            Self::Unigram => "unigram",
            Self::Bpe => "BPE",
        }
    }
}

/// Type of the model in a tokenizer.json, such as `BPE`, and whether it can serve as a unigram vocabulary.
pub(crate) struct JsonKind {
    /// The type; empty in files that do not name it.
    pub name: String,
    /// True for pieces with scores, false for pieces with ids.
    pub scored: bool,
}

impl JsonKind {
    /// Reads the type from tokenizer.json, if the model has one.
    ///
    /// # Errors
    /// [`Error::BadFile`].
    pub fn read(files: &ModelFiles) -> Result<Option<Self>> {
        #[derive(Deserialize)]
        struct Outer {
            model: Inner,
        }
        #[derive(Deserialize)]
        struct Inner {
            #[serde(default, rename = "type")]
            name: String,
            vocab: Option<VocabForm>,
        }
        let Some(bytes) = files.get("tokenizer.json")? else { return Ok(None) };
        let Outer { model } =
            serde_json::from_slice(&bytes).map_err(|e| bad("tokenizer.json", e.to_string()))?;
        Ok(Some(Self { name: model.name, scored: model.vocab.is_none_or(|vocab| vocab.is_list) }))
    }
}

/// Form of a vocabulary in JSON, read without keeping its pieces.
struct VocabForm {
    /// True for a list, false for an object.
    is_list: bool,
}

impl<'de> Deserialize<'de> for VocabForm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Form;
        impl<'de> Visitor<'de> for Form {
            type Value = VocabForm;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list or an object of pieces")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<VocabForm, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(VocabForm { is_list: true })
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<VocabForm, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(VocabForm { is_list: false })
            }
        }
        deserializer.deserialize_any(Form)
    }
}

/// Returns a note if the SentencePiece model of a tokenizer is of another kind than its class builds on:
/// transformers then takes the pieces as that kind, which cuts unlike SentencePiece.
///
/// # Errors
/// [`Error::BadFile`].
pub(crate) fn foreign_model_note(files: &ModelFiles, class: VocabKind) -> Result<Option<String>> {
    if files.has("tokenizer.json") {
        return Ok(None);
    }
    let Some(name) = files.files.keys().find(|name| name.ends_with(".model")) else { return Ok(None) };
    let proto = Proto::parse(&files.need(name)?).map_err(|why| bad(name, why))?;
    let stored = match proto.algorithm {
        Algorithm::Unigram => VocabKind::Unigram,
        Algorithm::Bpe => VocabKind::Bpe,
    };
    Ok((stored != class).then(|| {
        format!(
            "{name} is a {} model, which the tokenizer's class reads as {}: ids are those of transformers, \
             SentencePiece itself cuts some words differently",
            stored.name(),
            class.name()
        )
    }))
}

/// Vocabulary of a unigram model.
pub(crate) struct UnigramVocab {
    /// Pieces with their log probabilities, by id.
    pub scores: Vec<(String, f64)>,
    pub extras: Extras,
}

/// Vocabulary of a BPE model.
pub(crate) struct BpeVocab {
    /// Ids by piece.
    pub ids: HashMap<String, u32>,
    /// Merges, in order of application.
    pub merges: Vec<(String, String)>,
    pub extras: Extras,
}

/// Further contents of the file that a vocabulary was read from.
#[derive(Default)]
pub(crate) struct Extras {
    /// Character replacements of the normalizer.
    pub charsmap: Option<Precompiled>,
    /// Special tokens listed in the vocabulary; `None` if the file does not mark any.
    pub additional: Option<Vec<SpecialToken>>,
    /// True if the vocabulary comes from a SentencePiece model.
    pub from_model: bool,
    /// True if the vocabulary comes from tokenizer.json.
    pub from_json: bool,
    /// Post-processor of tokenizer.json, which adds special tokens around a text.
    pub post_processor: Option<PostProcessorWrapper>,
}

/// The fields of tokenizer.json that are read here.
#[derive(Deserialize)]
struct TokenizerJson {
    model: JsonModel,
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    post_processor: Value,
}

#[derive(Deserialize)]
struct JsonModel {
    #[serde(default)]
    vocab: JsonVocab,
    #[serde(default)]
    merges: Vec<JsonMerge>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum JsonVocab {
    Scores(Vec<(String, f64)>),
    Ids(HashMap<String, u32>),
}

impl Default for JsonVocab {
    fn default() -> Self {
        JsonVocab::Scores(Vec::new())
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum JsonMerge {
    Line(String),
    Pair(String, String),
}

impl TokenizerJson {
    fn read(files: &ModelFiles) -> Result<Option<Self>> {
        let Some(bytes) = files.get("tokenizer.json")? else { return Ok(None) };
        check::json(&bytes).map_err(|why| bad("tokenizer.json", why))?;
        serde_json::from_slice(&bytes).map(Some).map_err(|e| bad("tokenizer.json", e.to_string()))
    }

    fn extras(&self) -> Result<Extras> {
        let charsmap = precompiled(&self.normalizer).map_err(|e| bad("tokenizer.json", e.to_string()))?;
        let post_processor = Pipeline::post_processor(&self.post_processor)?;
        Ok(Extras { charsmap, post_processor, from_json: true, ..Extras::default() })
    }
}

fn bad(file: &str, why: String) -> Error {
    Error::BadFile { file: file.into(), why }
}

/// Returns the first of `names` that the model has, or `names[0]` if it has none, for the error to name it.
fn first_present<'a>(files: &ModelFiles, names: &[&'a str]) -> &'a str {
    let found = names.iter().find(|name| files.has(name));
    found.or(names.first()).copied().unwrap_or_default()
}

/// Reads the first of the SentencePiece models `names` that the model has.
fn read_sentencepiece(files: &ModelFiles, names: &[&str]) -> Result<(Proto, Extras)> {
    let name = first_present(files, names);
    let proto = Proto::parse(&files.need(name)?).map_err(|why| bad(name, why))?;
    let charsmap = match proto.charsmap.as_slice() {
        [] => None,
        map => {
            check::charsmap(map).map_err(|why| bad(name, why))?;
            Some(guarded(|| Precompiled::from(map).map_err(tokenizer_error))?)
        }
    };
    let added = |piece: &&Piece| matches!(piece.kind, PieceKind::Control | PieceKind::UserDefined);
    let special = |piece: &Piece| {
        let special = piece.kind == PieceKind::Control;
        SpecialToken::token(AddedToken { content: piece.text.clone(), special, ..AddedToken::default() })
    };
    let additional = proto.pieces.iter().filter(added).map(special).collect();
    let extras = Extras { charsmap, additional: Some(additional), from_model: true, ..Extras::default() };
    Ok((proto, extras))
}

impl UnigramVocab {
    /// Reads tokenizer.json, or else the first of the SentencePiece models `names` that the model has.
    pub fn load(files: &ModelFiles, names: &[&str]) -> Result<Self> {
        if let Some(json) = TokenizerJson::read(files)? {
            let extras = json.extras()?;
            return match json.model.vocab {
                JsonVocab::Scores(scores) => Ok(Self { scores, extras }),
                JsonVocab::Ids(_) => Err(bad("tokenizer.json", "expected a unigram vocabulary".into())),
            };
        }
        let (proto, extras) = read_sentencepiece(files, names)?;
        let scores = proto.pieces.into_iter().map(|piece| (piece.text, f64::from(piece.score)));
        Ok(Self { scores: scores.collect(), extras })
    }

    /// Replaces the first three pieces by four special tokens, fairseq's order.
    pub fn shift(&mut self, specials: [&str; 4]) {
        let specials = specials.into_iter().map(|token| (token.to_string(), 0.0));
        self.scores.splice(..3.min(self.scores.len()), specials);
    }

    /// Returns the id of a piece.
    pub fn id(&self, piece: &str) -> Option<usize> {
        self.scores.iter().position(|(text, _)| text == piece)
    }
}

impl BpeVocab {
    /// Reads tokenizer.json, or else vocab.json and merges.txt.
    pub fn load(files: &ModelFiles) -> Result<Self> {
        if let Some(vocab) = Self::from_json(files)? {
            return Ok(vocab);
        }
        let ids = serde_json::from_slice(&files.need("vocab.json")?);
        let ids = ids.map_err(|e| bad("vocab.json", e.to_string()))?;
        let text = files.need("merges.txt")?;
        let text = std::str::from_utf8(&text).map_err(|_| bad("merges.txt", "not UTF-8".into()))?;
        let lines = text.lines().filter(|line| !line.starts_with("#version") && !line.is_empty());
        let merges = lines.map(|line| split_merge(line).ok_or_else(|| bad_merge("merges.txt", line)));
        Ok(Self { ids, merges: merges.collect::<Result<_>>()?, extras: Extras::default() })
    }

    /// Reads tokenizer.json, or else the first of the SentencePiece models `names` that the model has. Merges
    /// of a SentencePiece model are all pairs of pieces that form a piece.
    pub fn load_sentencepiece(files: &ModelFiles, names: &[&str]) -> Result<Self> {
        if let Some(vocab) = Self::from_json(files)? {
            return Ok(vocab);
        }
        let (proto, extras) = read_sentencepiece(files, names)?;
        let ids: HashMap<String, u32> =
            proto.pieces.into_iter().zip(0..).map(|(piece, id)| (piece.text, id)).collect();
        Ok(Self { merges: merges_of(&ids), ids, extras })
    }

    fn from_json(files: &ModelFiles) -> Result<Option<Self>> {
        let Some(json) = TokenizerJson::read(files)? else { return Ok(None) };
        let extras = json.extras()?;
        let ids = match json.model.vocab {
            JsonVocab::Ids(ids) => ids,
            // like transformers: the pieces without their scores, and no merges
            JsonVocab::Scores(scores) => scores.into_iter().map(|(piece, _)| piece).zip(0..).collect(),
        };
        let pair = |merge| match merge {
            JsonMerge::Pair(left, right) => Ok((left, right)),
            JsonMerge::Line(line) => split_merge(&line).ok_or_else(|| bad_merge("tokenizer.json", &line)),
        };
        let merges = json.model.merges.into_iter().map(pair).collect::<Result<_>>()?;
        Ok(Some(Self { ids, merges, extras }))
    }

    /// Builds the model of the `tokenizers` crate. Unknown text becomes `unknown`, or is dropped if that is
    /// `None`.
    pub fn model(self, unknown: Option<&str>, byte_fallback: bool) -> Result<BPE> {
        for (left, right) in &self.merges {
            // checked here, as the crate takes merges on trust
            let merged = format!("{left}{right}");
            if let Some(piece) =
                [left, right, &merged].into_iter().find(|piece| !self.ids.contains_key(*piece))
            {
                return Err(Error::Tokenizer(format!("the vocabulary lacks '{piece}', a piece of a merge")));
            }
        }
        let vocab: tokenizers::models::bpe::Vocab = self.ids.into_iter().collect();
        let mut builder = BPE::builder().vocab_and_merges(vocab, self.merges).byte_fallback(byte_fallback);
        if let Some(unknown) = unknown {
            builder = builder.unk_token(unknown.into()).fuse_unk(true);
        }
        guarded(|| builder.build().map_err(tokenizer_error))
    }
}

fn split_merge(line: &str) -> Option<(String, String)> {
    let (left, right) = line.split_once(' ')?;
    (!right.contains(' ')).then(|| (left.to_string(), right.to_string()))
}

fn bad_merge(file: &str, line: &str) -> Error {
    bad(file, format!("'{line}' is not a merge of two pieces"))
}

/// Returns all pairs of pieces that form a piece, ordered as transformers' `generate_merges` does: by the id
/// of the formed piece, then by the length of the left one.
fn merges_of(ids: &HashMap<String, u32>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (piece, &id) in ids {
        for (length, (at, _)) in piece.char_indices().enumerate().skip(1) {
            let (left, right) = piece.split_at(at);
            if let (Some(&a), Some(&b)) = (ids.get(left), ids.get(right)) {
                found.push(((id, length, a, b), (left.to_string(), right.to_string())));
            }
        }
    }
    found.sort_unstable_by_key(|(order, _)| *order);
    found.into_iter().map(|(_, merge)| merge).collect()
}

/// Finds the precompiled character map in the normalizer of a tokenizer.json.
fn precompiled(normalizer: &Value) -> serde_json::Result<Option<Precompiled>> {
    let alone = std::slice::from_ref(normalizer);
    let steps = normalizer.get("normalizers").and_then(Value::as_array).map_or(alone, Vec::as_slice);
    let is_map = |step: &&Value| step.get("type").is_some_and(|kind| kind == "Precompiled");
    steps.iter().find(is_map).map(Precompiled::deserialize).transpose()
}
