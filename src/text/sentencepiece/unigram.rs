//! The unigram language model's best segmentation (Kudo 2018, "Subword Regularization"), by the Viterbi
//! algorithm.

use super::pieces::Pieces;
use super::proto::PieceKind;

/// How much less likely an unknown character is than the least likely piece.
const UNKNOWN_PENALTY: f32 = 10.0;

#[derive(Clone, Copy)]
struct Best {
    id: u32,
    /// Score of the best path that ends here; `f32`, as rounding decides between equally good paths.
    score: f32,
    start: Option<usize>,
}

/// Cuts `text` into the pieces of the most likely segmentation.
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
