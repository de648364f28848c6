//! Search with one text: the likeliest token at every step, or a sampled one.

use super::processors::process;
use super::sample::{LogProbabilities, Random, restrict};
use super::{GenerationConfig, check_scores};
use crate::error::Result;

/// A text that grows by one token at a time.
pub(super) struct GreedySearch {
    /// The ids so far, the start token included.
    row: Vec<u32>,
    random: Option<Random>,
    /// Sum of the log-probabilities of the tokens that were searched, and their number; if it is asked for.
    log_probabilities: (f64, usize),
}

impl GreedySearch {
    pub fn new(config: &GenerationConfig) -> Self {
        Self {
            row: config.begin(),
            random: config.sampling.map(|sampling| Random::new(sampling.seed)),
            log_probabilities: (0.0, 0),
        }
    }

    /// The ids so far, the start token included.
    pub fn row(&self) -> &[u32] {
        &self.row
    }

    /// Returns true if only the largest score counts, and the processors keep the order of any two scores of
    /// the same token.
    pub fn takes_candidates(&self, config: &GenerationConfig) -> bool {
        self.random.is_none() && config.end_decay.is_none() && config.timestamps.is_none() && !config.scored
    }

    /// Returns true once the text has ended.
    pub fn ended(&self, config: &GenerationConfig) -> bool {
        let ends = |last: &u32| self.row.len() > 1 + config.prompt.len() && config.end.contains(last);
        self.row.len() >= config.max_length || self.row.last().is_some_and(ends)
    }

    /// Applies the processors to the next token's logits.
    pub fn process(&self, scores: &mut [f32], source: &[u32], config: &GenerationConfig) {
        process(scores, &self.row, source, config);
    }

    /// Appends the next token, given its scores after [`GreedySearch::process`].
    pub fn extend(&mut self, mut scores: Vec<f32>, config: &GenerationConfig) -> Result<()> {
        check_scores(&scores)?;
        if let Some(sampling) = &config.sampling {
            restrict(&mut scores, sampling, 1);
        }
        let token = match &mut self.random {
            Some(random) => best(&scores.iter().map(|score| score + random.gumbel()).collect::<Vec<_>>()),
            None => best(&scores),
        };
        if config.scored {
            let probabilities = LogProbabilities::new(&scores, config.sampling.as_ref());
            let (total, count) = &mut self.log_probabilities;
            *total += f64::from(probabilities.of(scores[token as usize]));
            *count += 1;
        }
        self.row.push(token);
        Ok(())
    }

    /// Returns the mean log-probability of the tokens that were searched; `None` if it was not asked for.
    pub fn log_probability(&self, config: &GenerationConfig) -> Option<f64> {
        let (total, count) = self.log_probabilities;
        (config.scored && count > 0).then(|| total / count as f64)
    }
}

/// Returns the token with the largest score, the first one if there are several.
fn best(scores: &[f32]) -> u32 {
    // Several maxima side by side, without branches: there may be a quarter of a million scores.
    const LANES: usize = 32;
    let larger = |most: f32, score: f32| if score > most { score } else { most };
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = scores.as_chunks::<LANES>();
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(most, &score)| *most = larger(*most, score));
    }
    let most = lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, larger);
    scores.iter().position(|&score| score == most).unwrap_or(0) as u32
}
