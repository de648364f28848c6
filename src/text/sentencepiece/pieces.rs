//! Vocabulary of a SentencePiece model, with lookup by text and by prefix.

use super::proto::{Piece, PieceKind};

/// All pieces, by id and by text.
#[derive(Debug)]
pub(crate) struct Pieces {
    pieces: Vec<Piece>,
    /// Ids of the pieces into which text is split, sorted by their bytes.
    sorted: Vec<u32>,
    /// Ids of the other pieces (control, unknown, byte), sorted by their bytes.
    reserved: Vec<u32>,
    /// True if any piece is user-defined.
    has_user_defined: bool,
    /// Id of the unknown piece.
    pub unknown: u32,
    /// Smallest and largest score of the normal pieces.
    pub scores: (f32, f32),
}

/// Pieces that start with a common prefix: a range of the sorted ids, and the prefix's length in bytes.
#[derive(Clone, Copy)]
pub(crate) struct Matches {
    start: usize,
    end: usize,
    length: usize,
}

impl Pieces {
    /// Builds the index. Fails if there is no unknown piece.
    pub fn new(pieces: Vec<Piece>) -> Result<Self, String> {
        let is_text = |piece: &Piece| {
            matches!(piece.kind, PieceKind::Normal | PieceKind::UserDefined | PieceKind::Unused)
        };
        let ids = 0..u32::try_from(pieces.len()).map_err(|_| "too many pieces")?;
        let (mut sorted, mut reserved): (Vec<u32>, Vec<u32>) =
            ids.partition(|&id| is_text(&pieces[id as usize]));
        sorted.sort_unstable_by(|&a, &b| pieces[a as usize].text.cmp(&pieces[b as usize].text));
        reserved.sort_unstable_by(|&a, &b| pieces[a as usize].text.cmp(&pieces[b as usize].text));
        let unknown = pieces.iter().position(|piece| piece.kind == PieceKind::Unknown);
        let unknown = unknown.ok_or("the SentencePiece model has no unknown piece")? as u32;
        let normal =
            || pieces.iter().filter(|piece| piece.kind == PieceKind::Normal).map(|piece| piece.score);
        Ok(Self {
            sorted,
            reserved,
            has_user_defined: pieces.iter().any(|piece| piece.kind == PieceKind::UserDefined),
            unknown,
            scores: (normal().fold(f32::MAX, f32::min), normal().fold(f32::MIN_POSITIVE, f32::max)),
            pieces,
        })
    }

    /// Returns the number of pieces.
    pub fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Returns the piece with that id.
    pub fn get(&self, id: u32) -> Option<&Piece> {
        self.pieces.get(id as usize)
    }

    /// Returns the id of a piece of any kind.
    pub fn id(&self, text: &str) -> Option<u32> {
        [&self.reserved, &self.sorted].into_iter().find_map(|ids| self.search(ids, text))
    }

    /// Returns the id of a piece into which text is split.
    pub fn text_id(&self, text: &str) -> Option<u32> {
        self.search(&self.sorted, text)
    }

    fn search(&self, ids: &[u32], text: &str) -> Option<u32> {
        let at = ids.binary_search_by(|&id| self.pieces[id as usize].text.as_str().cmp(text)).ok()?;
        ids.get(at).copied()
    }

    /// Returns the matches of the empty prefix.
    pub fn matches(&self) -> Matches {
        Matches { start: 0, end: self.sorted.len(), length: 0 }
    }

    /// Extends the prefix by a byte; `None` if no piece matches.
    pub fn narrow(&self, matches: Matches, byte: u8) -> Option<Matches> {
        let Matches { start, end, length } = matches;
        let range = self.sorted.get(start..end)?;
        let next = |id: &u32| self.pieces[*id as usize].text.as_bytes().get(length).copied();
        let from = range.partition_point(|id| next(id) < Some(byte));
        let to = from + range[from..].partition_point(|id| next(id) == Some(byte));
        (from < to).then_some(Matches { start: start + from, end: start + to, length: length + 1 })
    }

    /// Returns the id of the piece that equals the prefix.
    pub fn exact(&self, matches: Matches) -> Option<u32> {
        let id = *self.sorted.get(matches.start)?;
        (self.pieces[id as usize].text.len() == matches.length).then_some(id)
    }

    /// Returns the length in bytes of the longest user-defined piece that `text` starts with, or 0.
    pub fn user_defined_at(&self, text: &str) -> usize {
        let mut longest = 0;
        if self.has_user_defined {
            let mut matches = self.matches();
            for &byte in text.as_bytes() {
                let Some(narrower) = self.narrow(matches, byte) else { break };
                matches = narrower;
                let kind = self.exact(matches).and_then(|id| self.get(id)).map(|piece| piece.kind);
                if kind == Some(PieceKind::UserDefined) {
                    longest = matches.length;
                }
            }
        }
        longest
    }
}
