//! SentencePiece models (`.model`, `.spm`; Kudo & Richardson 2018), of type unigram or BPE.

mod bpe;
mod normalizer;
mod pieces;
pub(crate) mod proto;
mod unigram;

use normalizer::{Charsmap, Normalizer};
use pieces::Pieces;
use proto::{Algorithm, PieceKind, Proto};

use crate::error::{Error, Result};

/// Stands for a space within pieces.
pub(crate) const SPACE: &str = "▁";

/// A SentencePiece model.
#[derive(Debug)]
pub(crate) struct SentencePiece {
    pieces: Pieces,
    normalizer: Normalizer,
    denormalizer: Option<Normalizer>,
    algorithm: Algorithm,
    byte_fallback: bool,
    /// Decoded text of the unknown piece.
    unk_surface: String,
}

impl SentencePiece {
    /// Loads a model; `file` is the name for errors, `bytes` the contents.
    pub fn load(file: &str, bytes: &[u8]) -> Result<Self> {
        let bad = |why: String| Error::BadFile { file: file.into(), why };
        Self::new(Proto::parse(bytes).map_err(bad)?).map_err(bad)
    }

    /// Builds a model from its parsed file.
    pub fn new(proto: Proto) -> std::result::Result<Self, String> {
        let denormalizer = if proto.denormalizer_charsmap.is_empty() {
            None
        } else {
            Some(Normalizer {
                charsmap: Charsmap::parse(&proto.denormalizer_charsmap)?,
                add_dummy_prefix: false,
                remove_extra_whitespaces: false,
                escape_whitespaces: false,
                space_as_suffix: false,
            })
        };
        Ok(Self {
            normalizer: Normalizer {
                charsmap: Charsmap::parse(&proto.charsmap)?,
                add_dummy_prefix: proto.add_dummy_prefix,
                remove_extra_whitespaces: proto.remove_extra_whitespaces,
                escape_whitespaces: proto.escape_whitespaces,
                space_as_suffix: proto.space_as_suffix,
            },
            denormalizer,
            algorithm: proto.algorithm,
            byte_fallback: proto.byte_fallback,
            unk_surface: proto.unk_surface,
            pieces: Pieces::new(proto.pieces)?,
        })
    }

    /// Returns the number of pieces.
    pub fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Returns the piece with that id.
    pub fn piece(&self, id: u32) -> Option<&str> {
        self.pieces.get(id).map(|piece| piece.text.as_str())
    }

    /// Returns the id of a piece; control pieces count, too.
    pub fn id(&self, piece: &str) -> Option<u32> {
        self.pieces.id(piece)
    }

    /// Splits a text into pieces. Without byte fallback, a run of unknown characters becomes one piece, as
    /// spelled.
    pub fn encode(&self, text: &str) -> Vec<String> {
        let normalized = self.normalizer.normalize(text, |rest| self.pieces.user_defined_at(rest));
        let spans = match self.algorithm {
            Algorithm::Unigram => unigram::split(&self.pieces, &normalized),
            Algorithm::Bpe => bpe::split(&self.pieces, &normalized),
        };
        let mut out: Vec<String> = Vec::with_capacity(spans.len());
        let mut after_unknown = false;
        for (span, id) in spans {
            let unknown = id == self.pieces.unknown;
            match out.last_mut() {
                _ if unknown && self.byte_fallback => {
                    out.extend(span.bytes().map(|byte| format!("<0x{byte:02X}>")));
                }
                Some(last) if unknown && after_unknown => last.push_str(span),
                _ => out.push(span.to_string()),
            }
            after_unknown = unknown;
        }
        out
    }

    /// Joins pieces to text.
    pub fn decode<'a>(&self, pieces: impl IntoIterator<Item = &'a str>) -> String {
        let mut text = String::new();
        let mut bytes = Vec::new();
        let mut at_start = true;
        let mut space_dropped = false;
        for piece in pieces {
            let id = self.pieces.id(piece).unwrap_or(self.pieces.unknown);
            let kind = self.pieces.get(id).map_or(PieceKind::Unknown, |piece| piece.kind);
            if kind == PieceKind::Byte {
                bytes.extend(byte_of(piece));
                continue;
            }
            push_bytes(&mut text, &mut bytes);
            at_start &= !space_dropped && text.is_empty();
            space_dropped = false;
            match kind {
                PieceKind::Control => {}
                PieceKind::Unknown if self.piece(id) == Some(piece) => text.push_str(&self.unk_surface),
                PieceKind::Unknown => text.push_str(piece),
                _ => {
                    let normalizer = &self.normalizer;
                    let strips = normalizer.add_dummy_prefix || normalizer.remove_extra_whitespaces;
                    let word = piece.strip_prefix(SPACE).filter(|_| at_start && strips);
                    space_dropped = word.is_some() && !normalizer.remove_extra_whitespaces;
                    text.push_str(&word.unwrap_or(piece).replace(SPACE, " "));
                }
            }
        }
        push_bytes(&mut text, &mut bytes);
        match &self.denormalizer {
            Some(denormalizer) => denormalizer.normalize(&text, |_| 0),
            None => text,
        }
    }
}

/// Returns the byte of a byte piece such as `<0x0A>`.
pub(crate) fn byte_of(piece: &str) -> Option<u8> {
    let digits = piece.strip_prefix("<0x")?.strip_suffix('>')?;
    if digits.len() == 2 { u8::from_str_radix(digits, 16).ok() } else { None }
}

/// Decodes `bytes` as UTF-8 to the end of `text` and clears them; every invalid byte becomes U+FFFD.
fn push_bytes(text: &mut String, bytes: &mut Vec<u8>) {
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    bytes.clear();
}
