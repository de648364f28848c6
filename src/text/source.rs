//! Where a pipeline's vocabulary comes from: tokenizer.json, or the files that it was converted from.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;
use tokenizers::PostProcessorWrapper;
use tokenizers::models::bpe::BPE;
use tokenizers::normalizers::precompiled::Precompiled;

use super::pipeline::{Pipeline, failed};
use super::sentencepiece::proto::{Piece, PieceKind, Proto};
use super::settings::{AddedToken, Special};
use crate::error::{Error, Result};
use crate::files::ModelFiles;

/// A unigram vocabulary and what comes with it.
pub(crate) struct Unigram {
    /// Pieces with their log probabilities, by id.
    pub scores: Vec<(String, f64)>,
    pub extras: Extras,
}

/// A byte-pair vocabulary and what comes with it.
pub(crate) struct Pairs {
    pub vocab: HashMap<String, u32>,
    /// The merges, first ones first.
    pub merges: Vec<(String, String)>,
    pub extras: Extras,
}

/// What a source holds beside its vocabulary.
#[derive(Default)]
pub(crate) struct Extras {
    /// The replacement of characters, where there is one.
    pub charsmap: Option<Precompiled>,
    /// Special tokens that the vocabulary itself names; `None` where it names none.
    pub additional: Option<Vec<Special>>,
    /// Whether it was read from a SentencePiece model.
    pub from_model: bool,
    /// Whether it was read from tokenizer.json.
    pub from_json: bool,
    /// What tokenizer.json puts around a text.
    pub post_processor: Option<PostProcessorWrapper>,
}

/// The parts of tokenizer.json that are read here.
#[derive(Deserialize)]
struct Json {
    model: JsonModel,
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    post_processor: Value,
}

#[derive(Deserialize)]
struct JsonModel {
    #[serde(default)]
    vocab: Vocab,
    #[serde(default)]
    merges: Vec<Merge>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Vocab {
    Scores(Vec<(String, f64)>),
    Ids(HashMap<String, u32>),
}

impl Default for Vocab {
    fn default() -> Self {
        Vocab::Scores(Vec::new())
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Line(String),
    Pair(String, String),
}

impl Json {
    fn read(files: &ModelFiles) -> Result<Option<Self>> {
        let Some(bytes) = files.get("tokenizer.json")? else { return Ok(None) };
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

/// The first of the files `names` that the model has; the first one where it has none, to be missed by name.
fn present<'a>(files: &ModelFiles, names: &[&'a str]) -> &'a str {
    let found = names.iter().find(|name| files.has(name));
    found.or(names.first()).copied().unwrap_or_default()
}

fn model(files: &ModelFiles, names: &[&str]) -> Result<(Proto, Extras)> {
    let name = present(files, names);
    let proto = Proto::parse(&files.need(name)?).map_err(|why| bad(name, why))?;
    let charsmap = match proto.charsmap.as_slice() {
        [] => None,
        map => Some(Precompiled::from(map).map_err(failed)?),
    };
    let added = |piece: &&Piece| matches!(piece.kind, PieceKind::Control | PieceKind::UserDefined);
    let special = |piece: &Piece| {
        let special = piece.kind == PieceKind::Control;
        Special::token(AddedToken { content: piece.text.clone(), special, ..AddedToken::default() })
    };
    let additional = proto.pieces.iter().filter(added).map(special).collect();
    let extras = Extras { charsmap, additional: Some(additional), from_model: true, ..Extras::default() };
    Ok((proto, extras))
}

impl Unigram {
    /// The vocabulary of tokenizer.json, or of the first of the SentencePiece models `names` that is there.
    pub fn load(files: &ModelFiles, names: &[&str]) -> Result<Self> {
        if let Some(json) = Json::read(files)? {
            let extras = json.extras()?;
            return match json.model.vocab {
                Vocab::Scores(scores) => Ok(Self { scores, extras }),
                Vocab::Ids(_) => {
                    Err(bad("tokenizer.json", "not the unigram vocabulary that is expected".into()))
                }
            };
        }
        let (proto, extras) = model(files, names)?;
        let scores = proto.pieces.into_iter().map(|piece| (piece.text, f64::from(piece.score)));
        Ok(Self { scores: scores.collect(), extras })
    }

    /// The pieces in fairseq's order: four special tokens in place of the model's first three.
    pub fn shift(&mut self, specials: [&str; 4]) {
        let specials = specials.into_iter().map(|token| (token.to_string(), 0.0));
        self.scores.splice(..3.min(self.scores.len()), specials);
    }

    /// The id of a piece.
    pub fn id(&self, piece: &str) -> Option<usize> {
        self.scores.iter().position(|(text, _)| text == piece)
    }
}

impl Pairs {
    /// The vocabulary of tokenizer.json, or of vocab.json with merges.txt.
    pub fn load(files: &ModelFiles) -> Result<Self> {
        if let Some(pairs) = Self::from_json(files)? {
            return Ok(pairs);
        }
        let vocab = serde_json::from_slice(&files.need("vocab.json")?);
        let vocab = vocab.map_err(|e| bad("vocab.json", e.to_string()))?;
        let text = files.need("merges.txt")?;
        let text = std::str::from_utf8(&text).map_err(|_| bad("merges.txt", "not UTF-8".into()))?;
        let lines = text.lines().filter(|line| !line.starts_with("#version") && !line.is_empty());
        let merges = lines.map(|line| split_merge(line).ok_or_else(|| bad_merge("merges.txt", line)));
        Ok(Self { vocab, merges: merges.collect::<Result<_>>()?, extras: Extras::default() })
    }

    /// The vocabulary of tokenizer.json, or of a SentencePiece model, whose merges are those of pieces that
    /// form a piece.
    pub fn load_model(files: &ModelFiles, names: &[&str]) -> Result<Self> {
        if let Some(pairs) = Self::from_json(files)? {
            return Ok(pairs);
        }
        let (proto, extras) = model(files, names)?;
        let vocab: HashMap<String, u32> =
            proto.pieces.into_iter().zip(0..).map(|(piece, id)| (piece.text, id)).collect();
        Ok(Self { merges: merges_of(&vocab), vocab, extras })
    }

    fn from_json(files: &ModelFiles) -> Result<Option<Self>> {
        let Some(json) = Json::read(files)? else { return Ok(None) };
        let extras = json.extras()?;
        let Vocab::Ids(vocab) = json.model.vocab else {
            return Err(bad("tokenizer.json", "not the byte-pair vocabulary that is expected".into()));
        };
        let pair = |merge| match merge {
            Merge::Pair(left, right) => Ok((left, right)),
            Merge::Line(line) => split_merge(&line).ok_or_else(|| bad_merge("tokenizer.json", &line)),
        };
        let merges = json.model.merges.into_iter().map(pair).collect::<Result<_>>()?;
        Ok(Some(Self { vocab, merges, extras }))
    }

    /// The crate's model of this vocabulary; text that it lacks becomes `unknown`, or nothing.
    pub fn model(self, unknown: Option<&str>, byte_fallback: bool) -> Result<BPE> {
        for (left, right) in &self.merges {
            // the crate trusts merges blindly
            let merged = format!("{left}{right}");
            if let Some(piece) =
                [left, right, &merged].into_iter().find(|piece| !self.vocab.contains_key(*piece))
            {
                return Err(Error::Tokenizer(format!(
                    "a merge wants the piece '{piece}', which the vocabulary lacks"
                )));
            }
        }
        let vocab: tokenizers::models::bpe::Vocab = self.vocab.into_iter().collect();
        let mut builder = BPE::builder().vocab_and_merges(vocab, self.merges).byte_fallback(byte_fallback);
        if let Some(unknown) = unknown {
            builder = builder.unk_token(unknown.into()).fuse_unk(true);
        }
        builder.build().map_err(failed)
    }
}

fn split_merge(line: &str) -> Option<(String, String)> {
    let (left, right) = line.split_once(' ')?;
    (!right.contains(' ')).then(|| (left.to_string(), right.to_string()))
}

fn bad_merge(file: &str, line: &str) -> Error {
    bad(file, format!("'{line}' is no merge of two pieces"))
}

/// All ways in which two pieces form a piece, ordered as transformers' `generate_merges` orders them: by the
/// formed piece's id, then by the lengths of the two.
fn merges_of(vocab: &HashMap<String, u32>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (piece, &id) in vocab {
        for (length, (at, _)) in piece.char_indices().enumerate().skip(1) {
            let (left, right) = piece.split_at(at);
            if let (Some(&a), Some(&b)) = (vocab.get(left), vocab.get(right)) {
                found.push(((id, length, a, b), (left.to_string(), right.to_string())));
            }
        }
    }
    found.sort_unstable_by_key(|(order, _)| *order);
    found.into_iter().map(|(_, merge)| merge).collect()
}

/// The compiled character map within a normalizer of tokenizer.json.
fn precompiled(normalizer: &Value) -> serde_json::Result<Option<Precompiled>> {
    let alone = std::slice::from_ref(normalizer);
    let steps = normalizer.get("normalizers").and_then(Value::as_array).map_or(alone, Vec::as_slice);
    let is_map = |step: &&Value| step.get("type").is_some_and(|kind| kind == "Precompiled");
    steps.iter().find(is_map).map(Precompiled::deserialize).transpose()
}
