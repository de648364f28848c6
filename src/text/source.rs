//! Where a pipeline's vocabulary comes from: tokenizer.json, or the model file that it was converted from.

use serde::Deserialize;
use tokenizers::normalizers::precompiled::Precompiled;

use super::pipeline::failed;
use super::sentencepiece::proto::{Piece, PieceKind, Proto};
use super::settings::{AddedToken, Special};
use crate::error::{Error, Result};
use crate::files::ModelFiles;

/// A unigram vocabulary and what comes with it.
pub(crate) struct Source {
    /// Pieces with their log probabilities, by id.
    pub scores: Vec<(String, f64)>,
    /// The replacement of characters, where there is one.
    pub charsmap: Option<Precompiled>,
    /// Special tokens that the vocabulary itself names.
    pub additional: Option<Vec<Special>>,
    /// Whether it was read from a SentencePiece model rather than from tokenizer.json.
    pub from_model: bool,
    /// The id of the unknown piece.
    pub unknown: usize,
}

/// The part of tokenizer.json that a vocabulary is read from.
#[derive(Deserialize)]
struct Json {
    model: JsonModel,
    #[serde(default)]
    normalizer: serde_json::Value,
}

#[derive(Deserialize)]
struct JsonModel {
    #[serde(default)]
    vocab: Vec<(String, f64)>,
    #[serde(default)]
    unk_id: Option<usize>,
}

impl Source {
    /// The vocabulary of tokenizer.json, or of the first of the SentencePiece models `names` that is there.
    pub fn unigram(files: &ModelFiles, names: &[&str]) -> Result<Self> {
        if let Some(bytes) = files.get("tokenizer.json")? {
            return Self::from_json(&bytes);
        }
        let name = names.iter().find(|name| files.has(name)).copied().unwrap_or(names[0]);
        let bad = |why: String| Error::BadFile { file: name.into(), why };
        Self::from_model(Proto::parse(&files.need(name)?).map_err(bad)?)
    }

    fn from_json(bytes: &[u8]) -> Result<Self> {
        let bad = |why: String| Error::BadFile { file: "tokenizer.json".into(), why };
        let json: Json = serde_json::from_slice(bytes).map_err(|e| bad(e.to_string()))?;
        let charsmap = precompiled(&json.normalizer).map_err(|e| bad(e.to_string()))?;
        let unknown = json.model.unk_id.unwrap_or(0);
        Ok(Self { scores: json.model.vocab, charsmap, additional: None, from_model: false, unknown })
    }

    fn from_model(proto: Proto) -> Result<Self> {
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
        Ok(Self {
            charsmap,
            additional: Some(additional),
            from_model: true,
            unknown: usize::try_from(proto.unk_id).unwrap_or(0),
            scores: proto.pieces.into_iter().map(|piece| (piece.text, f64::from(piece.score))).collect(),
        })
    }
}

/// The compiled character map within a normalizer of tokenizer.json.
fn precompiled(normalizer: &serde_json::Value) -> serde_json::Result<Option<Precompiled>> {
    let alone = std::slice::from_ref(normalizer);
    let steps = normalizer.get("normalizers").and_then(|steps| steps.as_array()).map_or(alone, Vec::as_slice);
    let is_map = |step: &&serde_json::Value| step.get("type").is_some_and(|kind| kind == "Precompiled");
    steps.iter().find(is_map).map(|step| serde_json::from_value(step.clone())).transpose()
}
