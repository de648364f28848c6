//! The vocabulary of a SentencePiece model, found by text.

use super::proto::{Piece, PieceKind};

/// All pieces, by id and by text.
#[derive(Debug)]
pub(crate) struct Pieces {
    pieces: Vec<Piece>,
    /// Ids of the pieces that text can be cut into, ordered by their bytes.
    sorted: Vec<u32>,
    /// Ids of the others (control, unknown, bytes), ordered by their bytes.
    reserved: Vec<u32>,
    /// Whether any piece is user-defined.
    has_user_defined: bool,
    /// The id of the unknown piece.
    pub unknown: u32,
    /// The smallest and the largest score of the normal pieces.
    pub scores: (f32, f32),
}

/// The pieces that begin with a prefix: a range of the ordered ids.
#[derive(Clone, Copy)]
pub(crate) struct Matches {
    start: usize,
    end: usize,
    length: usize,
}

impl Pieces {
    /// Indexes the pieces; there must be an unknown piece.
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
        let unknown = unknown.ok_or("a SentencePiece model without an unknown piece")? as u32;
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

    /// Number of pieces.
    pub fn len(&self) -> usize {
        self.pieces.len()
    }

    /// The piece with that id.
    pub fn get(&self, id: u32) -> Option<&Piece> {
        self.pieces.get(id as usize)
    }

    /// The id of a piece.
    pub fn id(&self, text: &str) -> Option<u32> {
        [&self.reserved, &self.sorted].into_iter().find_map(|ids| self.search(ids, text))
    }

    /// The id of a piece that text can be cut into.
    pub fn text_id(&self, text: &str) -> Option<u32> {
        self.search(&self.sorted, text)
    }

    fn search(&self, ids: &[u32], text: &str) -> Option<u32> {
        let at = ids.binary_search_by(|&id| self.pieces[id as usize].text.as_str().cmp(text)).ok()?;
        ids.get(at).copied()
    }

    /// All pieces, as the ones that begin with the empty prefix.
    pub fn matches(&self) -> Matches {
        Matches { start: 0, end: self.sorted.len(), length: 0 }
    }

    /// Those of `matches` whose next byte is `byte`; `None` where there are none.
    pub fn narrow(&self, matches: Matches, byte: u8) -> Option<Matches> {
        let Matches { start, end, length } = matches;
        let range = self.sorted.get(start..end)?;
        let next = |id: &u32| self.pieces[*id as usize].text.as_bytes().get(length).copied();
        let from = range.partition_point(|id| next(id) < Some(byte));
        let to = from + range[from..].partition_point(|id| next(id) == Some(byte));
        (from < to).then_some(Matches { start: start + from, end: start + to, length: length + 1 })
    }

    /// The id of the piece that is exactly the prefix that `matches` stands for.
    pub fn exact(&self, matches: Matches) -> Option<u32> {
        let id = *self.sorted.get(matches.start)?;
        (self.pieces[id as usize].text.len() == matches.length).then_some(id)
    }

    /// The length in bytes of the longest user-defined symbol that `text` begins with, or 0.
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
