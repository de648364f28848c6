//! Beam search with transformers' rules for finished texts, length penalty and the end of the search.

use std::cmp::Ordering;

use attn_tui_kernels::softmax::normaliser;

use super::processors::process;
use super::sample::{Random, restrict};
use super::{DecodingStep, EarlyStopping, GenerationConfig, OnStep, check_scores};
use crate::error::Result;

/// Score of a row that must not be chosen; finite, so that sums and comparisons stay numbers.
const NEVER: f32 = -1.0e9;

/// A row of ids with its score: the sum of its log-probabilities, divided by the length penalty once it is
/// finished.
#[derive(Clone)]
struct Beam {
    ids: Vec<u32>,
    score: f32,
    finished: bool,
}

/// An extension of a running beam by one token, with its summed log-probability.
#[derive(Clone, Copy)]
struct Candidate {
    beam: usize,
    token: u32,
    score: f32,
    /// The score, plus noise if tokens are sampled: the largest ranks are samples without replacement.
    rank: f32,
    stops: bool,
}

pub(super) fn search(
    step: &mut DecodingStep,
    source: &[u32],
    config: &GenerationConfig,
    on_step: OnStep,
) -> Result<Vec<u32>> {
    let beams = config.beams;
    // Enough candidates to leave `beams` running ones even if the best token of every beam ends it.
    let kept = (1 + config.end.len()).max(2) * beams;
    let start = Beam { ids: config.begin(), score: NEVER, finished: false };
    let mut running = vec![start.clone(); beams];
    running[0].score = 0.0;
    let mut finished = vec![start; beams];
    let mut improvable = true;
    let mut random = Random::new(config.sampling.map_or(0, |sampling| sampling.seed));
    loop {
        let length = running[0].ids.len();
        let candidates = candidates(step, &running, source, config, (kept, &mut random))?;
        let next = continuations(&candidates, beams);
        finished = finish(finished, &running, &candidates, length, improvable, config);
        let rows: Vec<u32> = next.iter().map(|candidate| candidate.beam as u32).collect();
        running = next.iter().map(|candidate| extend(&running, candidate)).collect();
        let leader = if finished[0].finished { &finished[0] } else { &running[0] };
        on_step(&leader.ids[1..])?;
        improvable = improvable && can_improve(&running, &finished, length + 1, config);
        let full = config.early_stopping == EarlyStopping::Yes && finished.iter().all(|b| b.finished);
        if !improvable || full || candidates.iter().all(|candidate| candidate.stops) {
            break;
        }
        step.reorder(&rows)?;
    }
    let mut best = finished.swap_remove(0).ids;
    best.remove(0);
    Ok(best)
}

/// Returns the best `kept` extensions of all running beams, or as many sampled ones, best first.
fn candidates(
    step: &mut DecodingStep,
    running: &[Beam],
    source: &[u32],
    config: &GenerationConfig,
    (kept, random): (usize, &mut Random),
) -> Result<Vec<Candidate>> {
    let length = running[0].ids.len();
    let rows: Vec<&[u32]> = running.iter().map(|beam| beam.ids.as_slice()).collect();
    let stops = |token| length + 1 >= config.max_length || config.end.contains(&token);
    let mut best: Vec<Candidate> = Vec::with_capacity(kept + 1);
    for (beam, mut scores) in step.logits(&rows)?.into_iter().enumerate() {
        log_softmax(&mut scores);
        process(&mut scores, &running[beam].ids, source, config);
        check_scores(&scores)?;
        if let Some(sampling) = &config.sampling {
            restrict(&mut scores, sampling, config.end.len() + 1);
        }
        if config.renormalise {
            log_softmax(&mut scores);
        }
        let base = running[beam].score;
        for (token, score) in (0..).zip(&scores) {
            let score = score + base;
            let rank = if config.sampling.is_some() { score + random.gumbel() } else { score };
            // Equal scores keep the order of beams and tokens.
            let better = |other: &Candidate| rank.total_cmp(&other.rank) == Ordering::Greater;
            if best.len() < kept || best.last().is_some_and(better) {
                let place = best.partition_point(|other| !better(other));
                best.insert(place, Candidate { beam, token, score, rank, stops: stops(token) });
                best.truncate(kept);
            }
        }
    }
    best.sort_by(|a, b| b.score.total_cmp(&a.score));
    Ok(best)
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
    let mut ids = running[candidate.beam].ids.clone();
    ids.push(candidate.token);
    Beam { ids, score: candidate.score, finished: false }
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
    let (max, sum) = normaliser(scores);
    let shift = max + sum.ln();
    for score in scores {
        *score -= shift;
    }
}
