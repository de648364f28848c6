//! Greedy search: the likeliest token at every step.

use super::processors::process;
use super::{DecodingStep, GenerationConfig, OnStep, check_scores};
use crate::error::Result;

pub(super) fn search(
    step: &mut DecodingStep,
    source: &[u32],
    config: &GenerationConfig,
    on_step: OnStep,
) -> Result<Vec<u32>> {
    let mut row = vec![config.start];
    while row.len() < config.max_length {
        let last = row[row.len() - 1];
        let scores = step.argmax_candidates(last, &|scores| process(scores, &row, source, config))?;
        check_scores(&scores)?;
        let best = best(&scores);
        row.push(best);
        on_step(&row[1..])?;
        if config.end.contains(&best) {
            break;
        }
    }
    row.remove(0);
    Ok(row)
}

/// Returns the token with the largest score, the first one if there are several.
fn best(scores: &[f32]) -> u32 {
    let mut best = 0;
    for (i, score) in scores.iter().enumerate() {
        if *score > scores[best] || scores[best].is_nan() {
            best = i;
        }
    }
    best as u32
}
