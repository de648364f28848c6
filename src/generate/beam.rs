//! Beam search with transformers' rules for finished texts, length penalty and the end of the search.

use std::cmp::Ordering;

use attn_tui_kernels::softmax::log_sum_exp;

use super::generated::FinishedBeam;
use super::processors::process;
use super::sample::{LogProbabilities, Random, restrict};
use super::{EarlyStopping, GenerationConfig, check_scores};
use crate::error::Result;

/// Score of a row that must not be chosen; finite, so that sums and comparisons stay numbers.
const NEVER: f32 = -1.0e9;

/// A row of ids with its score: the sum of its log-probabilities, divided by the length penalty once it is
/// finished.
#[derive(Clone)]
struct Beam {
    ids: Vec<u32>,
    score: f32,
    /// Sum of the log-probabilities among the allowed tokens, if it is asked for.
    log_probability: f64,
    finished: bool,
}

/// An extension of a running beam by one token, with its summed log-probability.
#[derive(Clone, Copy)]
struct Candidate {
    beam: usize,
    token: u32,
    score: f32,
    /// Log-probability of the token among the allowed ones, if it is asked for.
    log_probability: f32,
    /// The score, plus noise if tokens are sampled: the largest ranks are samples without replacement.
    rank: f32,
    stops: bool,
}

/// A beam search, which grows by one token a row at a time.
pub(super) struct BeamSearch {
    running: Vec<Beam>,
    /// The best finished texts so far; those at the end may be unfinished placeholders.
    finished: Vec<Beam>,
    /// True while a running beam may still beat a finished one.
    improvable: bool,
    ended: bool,
    random: Random,
}

impl BeamSearch {
    pub fn new(config: &GenerationConfig) -> Self {
        let beams = config.beams;
        let start = Beam { ids: config.begin(), score: NEVER, log_probability: 0.0, finished: false };
        let mut running = vec![start.clone(); beams];
        running[0].score = 0.0;
        Self {
            running,
            finished: vec![start; beams],
            improvable: true,
            ended: false,
            random: Random::new(config.sampling.map_or(0, |sampling| sampling.seed)),
        }
    }

    /// The ids of the running beams, the start token included.
    pub fn rows(&self) -> impl Iterator<Item = &[u32]> + Clone {
        self.running.iter().map(|beam| beam.ids.as_slice())
    }

    /// Returns true once no running beam can be better than the finished ones.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// The ids of the best text so far, the start token included.
    pub fn leader(&self) -> &[u32] {
        if self.finished[0].finished || self.ended { &self.finished[0].ids } else { &self.running[0].ids }
    }

    /// Returns the finished texts, best first.
    pub fn finished(&self) -> Vec<FinishedBeam> {
        let finished = self.finished.iter().filter(|beam| beam.finished);
        finished.map(|beam| FinishedBeam { ids: beam.ids[1..].to_vec(), score: beam.score }).collect()
    }

    /// Returns the mean log-probability of the tokens of the best text; `None` if it was not asked for.
    pub fn log_probability(&self, config: &GenerationConfig) -> Option<f64> {
        let best = self.finished.first().filter(|beam| beam.finished && config.scored)?;
        let count = best.ids.len() - 1 - config.prompt.len();
        Some(best.log_probability / count as f64)
    }

    /// Extends the beams, given the logits of their next tokens, `[beams][vocabulary]`. Returns the beam
    /// that each new one continues.
    pub fn extend(
        &mut self,
        logits: Vec<Vec<f32>>,
        source: &[u32],
        config: &GenerationConfig,
    ) -> Result<Vec<u32>> {
        let length = self.running[0].ids.len();
        let candidates = self.candidates(logits, source, config)?;
        let next = continuations(&candidates, config.beams);
        let finished = std::mem::take(&mut self.finished);
        self.finished = finish(finished, &self.running, &candidates, length, self.improvable, config);
        self.running = next.iter().map(|candidate| extend(&self.running, candidate)).collect();
        self.improvable = self.improvable && can_improve(&self.running, &self.finished, length + 1, config);
        let full = config.early_stopping == EarlyStopping::Yes && self.finished.iter().all(|b| b.finished);
        self.ended = !self.improvable || full || candidates.iter().all(|candidate| candidate.stops);
        Ok(next.iter().map(|candidate| candidate.beam as u32).collect())
    }

    /// Returns the best extensions of all running beams, or as many sampled ones, best first.
    fn candidates(
        &mut self,
        logits: Vec<Vec<f32>>,
        source: &[u32],
        config: &GenerationConfig,
    ) -> Result<Vec<Candidate>> {
        // Enough candidates to leave `beams` running ones even if the best token of every beam ends it.
        let kept = (1 + config.end.len()).max(2) * config.beams;
        let length = self.running[0].ids.len();
        let stops = |token| length + 1 >= config.max_length || config.end.contains(&token);
        let mut best: Vec<Candidate> = Vec::with_capacity(kept + 1);
        for (beam, (running, mut scores)) in self.running.iter().zip(logits).enumerate() {
            log_softmax(&mut scores);
            process(&mut scores, &running.ids, source, config);
            check_scores(&scores)?;
            if let Some(sampling) = &config.sampling {
                restrict(&mut scores, sampling, config.end.len() + 1);
            }
            if config.renormalise {
                log_softmax(&mut scores);
            }
            let probabilities =
                config.scored.then(|| LogProbabilities::new(&scores, config.sampling.as_ref()));
            for (token, &of_token) in (0..).zip(&scores) {
                let score = of_token + running.score;
                let rank = if config.sampling.is_some() { score + self.random.gumbel() } else { score };
                // Equal scores keep the order of beams and tokens.
                let better = |other: &Candidate| rank.total_cmp(&other.rank) == Ordering::Greater;
                if best.len() < kept || best.last().is_some_and(better) {
                    let place = best.partition_point(|other| !better(other));
                    let log_probability = probabilities.as_ref().map_or(0.0, |all| all.of(of_token));
                    let stops = stops(token);
                    best.insert(place, Candidate { beam, token, score, log_probability, rank, stops });
                    best.truncate(kept);
                }
            }
        }
        best.sort_by(|a, b| b.score.total_cmp(&a.score));
        Ok(best)
    }
}

/// Returns the best `beams` candidates that continue, and ended ones if too few do.
fn continuations(candidates: &[Candidate], beams: usize) -> Vec<Candidate> {
    let mut next: Vec<Candidate> = candidates
        .iter()
        .map(|c| Candidate { score: if c.stops { c.score + NEVER } else { c.score }, ..*c })
        .collect();
    next.sort_by(|a, b| b.score.total_cmp(&a.score));
    next.truncate(beams);
    next
}

/// Appends a candidate's token to its beam.
fn extend(running: &[Beam], candidate: &Candidate) -> Beam {
    let beam = &running[candidate.beam];
    let mut ids = beam.ids.clone();
    ids.push(candidate.token);
    let log_probability = beam.log_probability + f64::from(candidate.log_probability);
    Beam { ids, score: candidate.score, log_probability, finished: false }
}

/// Returns the best `beams` of the texts that were finished before and those that the top candidates finish
/// now.
fn finish(
    mut finished: Vec<Beam>,
    running: &[Beam],
    candidates: &[Candidate],
    length: usize,
    improvable: bool,
    config: &GenerationConfig,
) -> Vec<Beam> {
    let beams = config.beams;
    let full = config.early_stopping == EarlyStopping::Yes && finished.iter().all(|b| b.finished);
    let reward = ((length - config.prompt.len()) as f32).powf(config.length_penalty);
    for (rank, candidate) in candidates.iter().enumerate() {
        let ends = candidate.stops && rank < beams;
        let mut beam = extend(running, candidate);
        beam.score = candidate.score / reward;
        beam.score += if full { NEVER } else { 0.0 };
        beam.score += if improvable { 0.0 } else { NEVER };
        beam.score += if ends { 0.0 } else { NEVER };
        beam.finished = ends;
        finished.push(beam);
    }
    finished.sort_by(|a, b| b.score.total_cmp(&a.score));
    finished.truncate(beams);
    finished
}

/// Returns true if the best running beam can still beat the worst finished one.
fn can_improve(running: &[Beam], finished: &[Beam], length: usize, config: &GenerationConfig) -> bool {
    let never = config.early_stopping == EarlyStopping::Never && config.length_penalty > 0.0;
    let length = if never { config.max_length - 1 } else { length - 1 } - config.prompt.len();
    let possible = running[0].score / (length as f32).powf(config.length_penalty);
    let worst = finished.iter().map(|beam| beam.score).fold(f32::INFINITY, f32::min);
    finished.iter().any(|beam| possible > if beam.finished { worst } else { NEVER })
}

fn log_softmax(scores: &mut [f32]) {
    let shift = log_sum_exp(scores);
    for score in scores {
        *score -= shift;
    }
}
