//! Best segmentation under a unigram language model (Kudo 2018, "Subword Regularization"), by the Viterbi
//! algorithm.

use super::pieces::Pieces;
use super::proto::PieceKind;

/// Subtracted from the lowest score of a piece to get that of an unknown character.
const UNKNOWN_PENALTY: f32 = 10.0;

/// Best segmentation of the text up to some byte.
#[derive(Clone, Copy)]
struct Best {
    /// Last piece.
    id: u32,
    /// Sum of the pieces' scores. `f32` as in SentencePiece, since rounding decides between equal
    /// segmentations.
    score: f32,
    /// Byte at which the last piece starts; `None` at the start of the text.
    start: Option<usize>,
}

/// Splits `text` into the pieces of the most likely segmentation, each with its id.
pub(super) fn split<'a>(pieces: &Pieces, text: &'a str) -> Vec<(&'a str, u32)> {
    let bytes = text.as_bytes();
    let mut best = vec![Best { id: pieces.unknown, score: 0.0, start: None }; bytes.len() + 1];
    let unknown_score = pieces.scores.0 - UNKNOWN_PENALTY;
    for (start, character) in text.char_indices() {
        let so_far = best[start].score;
        let next = start + character.len_utf8();
        let mut whole_character = false;
        let mut matches = pieces.matches();
        for (at, &byte) in bytes.iter().enumerate().skip(start) {
            let Some(narrower) = pieces.narrow(matches, byte) else { break };
            matches = narrower;
            let Some((id, piece)) = pieces.exact(matches).and_then(|id| Some((id, pieces.get(id)?))) else {
                continue;
            };
            if piece.kind == PieceKind::Unused {
                continue;
            }
            let end = at + 1;
            let score = match piece.kind {
                PieceKind::UserDefined => (f64::from((end - start) as f32 * pieces.scores.1) - 0.1) as f32,
                _ => piece.score,
            };
            improve(&mut best[end], id, score + so_far, start);
            whole_character |= end == next;
        }
        if !whole_character {
            improve(&mut best[next], pieces.unknown, unknown_score + so_far, start);
        }
    }
    let mut out = Vec::new();
    let mut end = bytes.len();
    while let Some(Best { id, start: Some(start), .. }) = best.get(end).copied() {
        out.push((&text[start..end], id));
        end = start;
    }
    out.reverse();
    out
}

fn improve(best: &mut Best, id: u32, score: f32, start: usize) {
    if best.start.is_none() || score > best.score {
        *best = Best { id, score, start: Some(start) };
    }
}
