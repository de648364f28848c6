//! Greedy search: the likeliest token at every step.

use super::processors::process;
use super::{OnStep, Settings, Step, check_scores};
use crate::error::Result;

pub(super) fn search(
    step: &mut Step,
    source: &[u32],
    settings: &Settings,
    on_step: OnStep,
) -> Result<Vec<u32>> {
    let mut row = vec![settings.start];
    while row.len() < settings.max_length {
        let last = row[row.len() - 1];
        let scores = step.argmax_candidates(last, &|scores| process(scores, &row, source, settings))?;
        check_scores(&scores)?;
        let best = best(&scores);
        row.push(best);
        on_step(&row[1..])?;
        if settings.end.contains(&best) {
            break;
        }
    }
    row.remove(0);
    Ok(row)
}

/// The first of the largest scores.
fn best(scores: &[f32]) -> u32 {
    let mut best = 0;
    for (i, score) in scores.iter().enumerate() {
        if *score > scores[best] || scores[best].is_nan() {
            best = i;
        }
    }
    best as u32
}
