//! Search with one text: the likeliest token at every step, or a sampled one.

use super::processors::process;
use super::sample::{Random, restrict};
use super::{DecodingStep, GenerationConfig, OnStep, check_scores};
use crate::error::Result;

pub(super) fn search(
    step: &mut DecodingStep,
    source: &[u32],
    config: &GenerationConfig,
    on_step: OnStep,
) -> Result<Vec<u32>> {
    let mut row = config.begin();
    let mut draws = config.sampling.map(|sampling| (sampling, Random::new(sampling.seed)));
    while row.len() < config.max_length {
        let change = |scores: &mut [f32]| process(scores, &row, source, config);
        // The shortcut to the largest score requires processors that keep the order of two scores of a token.
        let ordered = config.end_decay.is_none() && config.timestamps.is_none();
        let mut scores = if draws.is_none() && ordered {
            step.argmax_candidates(&row, &change)?
        } else {
            let mut scores = step.logits(&[&row])?.swap_remove(0);
            change(&mut scores);
            scores
        };
        check_scores(&scores)?;
        if let Some((sampling, random)) = &mut draws {
            restrict(&mut scores, sampling, 1);
            scores.iter_mut().for_each(|score| *score += random.gumbel());
        }
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
