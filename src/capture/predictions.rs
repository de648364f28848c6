//! Next-token predictions of the decoder rows: the top candidates and the target's probability.

use attn_tui_kernels::softmax::normaliser;
use attn_tui_kernels::threads;

use crate::axis::Token;

/// Number of candidates kept for each decoder row.
pub const CANDIDATES: usize = 5;

/// The prediction of one decoder row.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// Probability of the target token in this row.
    pub probability: f32,
    /// The most probable tokens with their probabilities, best first.
    pub candidates: Vec<(Token, f32)>,
}

/// Computes the prediction of each row of `logits` `[target, vocabulary]`, given row-major: the
/// [`CANDIDATES`] most probable tokens and the probability of the target's token, whose ids are `target`.
/// `piece` turns an id into a token.
pub fn predictions(
    logits: &[f32],
    vocabulary: usize,
    target: &[u32],
    piece: impl Fn(u32) -> Token,
) -> Vec<Prediction> {
    // All threads read the rows of logits; one looks up the few tokens.
    let count = target.len().min(logits.len() / vocabulary.max(1));
    let rows = threads::map(count, logits.len(), |row| {
        let scores = &logits[row * vocabulary..][..vocabulary];
        let (max, sum) = normaliser(scores);
        let probability = |id: usize| scores.get(id).map_or(0.0, |s| (s - max).exp() / sum);
        let best: Vec<_> = top_candidates(scores).into_iter().map(|id| (id, probability(id))).collect();
        (probability(target[row] as usize), best)
    });
    rows.into_iter()
        .map(|(probability, best)| Prediction {
            probability,
            candidates: best.into_iter().map(|(id, probability)| (piece(id as u32), probability)).collect(),
        })
        .collect()
}

/// Number of scores that are compared with the worst candidate at once.
const RUN: usize = 64;

/// Returns the indices of the [`CANDIDATES`] largest scores, largest first; of equal scores the first one
/// comes first.
fn top_candidates(scores: &[f32]) -> Vec<usize> {
    let mut best: Vec<usize> = Vec::with_capacity(CANDIDATES + 1);
    let mut worst = f32::NEG_INFINITY;
    for (run, part) in scores.chunks(RUN).enumerate() {
        // Branch-free, since almost no run holds a candidate.
        if best.len() == CANDIDATES && part.iter().fold(true, |none, &score| none & (score <= worst)) {
            continue;
        }
        for (id, &score) in part.iter().enumerate() {
            if best.len() == CANDIDATES && score <= worst {
                continue;
            }
            let at = best.partition_point(|&other| scores[other].total_cmp(&score).is_ge());
            best.insert(at, run * RUN + id);
            best.truncate(CANDIDATES);
            worst = best.last().map_or(worst, |&last| scores[last]);
        }
    }
    best
}
