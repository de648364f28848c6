//! SentencePiece's BPE (Sennrich et al. 2016): the adjacent pair with the best score is merged until no pair
//! forms a piece.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

use super::pieces::Pieces;
use super::proto::PieceKind;

/// A span of text that is one symbol so far, linked to its neighbours. Empty once merged into the left one.
struct Symbol {
    start: usize,
    end: usize,
    previous: Option<usize>,
    next: Option<usize>,
    /// True for a user-defined piece, which is never merged.
    frozen: bool,
}

/// Two adjacent symbols that form a piece.
struct SymbolPair {
    left: usize,
    right: usize,
    score: f32,
    length: usize,
}

impl PartialEq for SymbolPair {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for SymbolPair {}
impl PartialOrd for SymbolPair {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for SymbolPair {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(other.left.cmp(&self.left))
    }
}

struct Merger<'p, 't> {
    pieces: &'p Pieces,
    text: &'t str,
    symbols: Vec<Symbol>,
    agenda: BinaryHeap<SymbolPair>,
    /// The two parts of pieces of type unused, which serve only as intermediate steps.
    unused: HashMap<&'t str, (&'t str, &'t str)>,
}

/// Splits `text` into pieces, each with its id.
pub(super) fn split<'t>(pieces: &Pieces, text: &'t str) -> Vec<(&'t str, u32)> {
    let mut merger = Merger {
        pieces,
        text,
        symbols: symbols(pieces, text),
        agenda: BinaryHeap::new(),
        unused: HashMap::new(),
    };
    for right in 1..merger.symbols.len() {
        merger.consider(Some(right - 1), Some(right));
    }
    while let Some(pair) = merger.agenda.pop() {
        merger.merge(&pair);
    }
    let mut out = Vec::new();
    let mut at = (!merger.symbols.is_empty()).then_some(0);
    while let Some(symbol) = at.and_then(|at| merger.symbols.get(at)) {
        merger.emit(&text[symbol.start..symbol.end], &mut out);
        at = symbol.next;
    }
    out
}

/// Splits `text` into characters and user-defined pieces.
fn symbols(pieces: &Pieces, text: &str) -> Vec<Symbol> {
    let mut symbols: Vec<Symbol> = Vec::new();
    let mut start = 0;
    while let Some(first) = text[start..].chars().next() {
        let whole = pieces.user_defined_at(&text[start..]);
        let end = start + if whole > 0 { whole } else { first.len_utf8() };
        let at = symbols.len();
        symbols.push(Symbol {
            start,
            end,
            previous: at.checked_sub(1),
            next: (end < text.len()).then_some(at + 1),
            frozen: whole > 0,
        });
        start = end;
    }
    symbols
}

impl<'t> Merger<'_, 't> {
    /// Queues the merge of two symbols if they form a piece.
    fn consider(&mut self, left: Option<usize>, right: Option<usize>) {
        let (Some(left), Some(right)) = (left, right) else { return };
        let (a, b) = (&self.symbols[left], &self.symbols[right]);
        if a.frozen || b.frozen {
            return;
        }
        let merged = &self.text[a.start..b.end];
        let Some(id) = self.pieces.text_id(merged) else { return };
        let Some(piece) = self.pieces.get(id) else { return };
        self.agenda.push(SymbolPair { left, right, score: piece.score, length: merged.len() });
        if piece.kind == PieceKind::Unused {
            self.unused.insert(merged, (&self.text[a.start..a.end], &self.text[b.start..b.end]));
        }
    }

    /// Applies a queued merge, unless one of its symbols has changed since.
    fn merge(&mut self, pair: &SymbolPair) {
        let (a, b) = (&self.symbols[pair.left], &self.symbols[pair.right]);
        let stale = a.start == a.end || b.start == b.end || b.end - a.start != pair.length;
        if stale {
            return;
        }
        let (end, next) = (b.end, b.next);
        self.symbols[pair.left].end = end;
        self.symbols[pair.left].next = next;
        if let Some(next) = next {
            self.symbols[next].previous = Some(pair.left);
        }
        let right = &mut self.symbols[pair.right];
        right.start = right.end;
        self.consider(self.symbols[pair.left].previous, Some(pair.left));
        self.consider(Some(pair.left), next);
    }

    /// Appends a symbol to the result; a piece of type unused is split again into its parts.
    fn emit(&self, symbol: &'t str, out: &mut Vec<(&'t str, u32)>) {
        let id = self.pieces.id(symbol).unwrap_or(self.pieces.unknown);
        let unused = self.pieces.get(id).is_some_and(|piece| piece.kind == PieceKind::Unused);
        match self.unused.get(symbol) {
            Some((left, right)) if unused => {
                self.emit(left, out);
                self.emit(right, out);
            }
            _ => out.push((symbol, id)),
        }
    }
}
