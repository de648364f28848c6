//! Beam search with transformers' rules: which candidates may finish, how lengths are rewarded, when to
//! stop.

use std::cmp::Ordering;

use attn_tui_kernels::softmax::normaliser;

use super::processors::process;
use super::{EarlyStopping, OnStep, Settings, Step, check_scores};
use crate::error::Result;

/// A row that is not to be chosen; finite, so that sums and comparisons stay numbers.
const NEVER: f32 = -1.0e9;

/// A row of ids with its score: a sum of log-probabilities while it runs, a penalised one when finished.
#[derive(Clone)]
struct Beam {
    ids: Vec<u32>,
    score: f32,
    finished: bool,
}

/// A candidate: the running beam that it extends, its token, its summed log-probability.
#[derive(Clone, Copy)]
struct Candidate {
    beam: usize,
    token: u32,
    score: f32,
    stops: bool,
}

pub(super) fn search(
    step: &mut Step,
    source: &[u32],
    settings: &Settings,
    on_step: OnStep,
) -> Result<Vec<u32>> {
    let beams = settings.beams;
    // As many candidates as leave `beams` running ones even if every beam's best token ends it.
    let kept = (1 + settings.end.len()).max(2) * beams;
    let start = Beam { ids: vec![settings.start], score: NEVER, finished: false };
    let mut running = vec![start.clone(); beams];
    running[0].score = 0.0;
    let mut finished = vec![start; beams];
    let mut improvable = true;
    loop {
        let length = running[0].ids.len();
        let candidates = candidates(step, &running, source, settings, kept)?;
        let next = continuations(&candidates, beams);
        finished = finish(finished, &running, &candidates, length, improvable, settings);
        let rows: Vec<u32> = next.iter().map(|candidate| candidate.beam as u32).collect();
        running = next.iter().map(|candidate| extend(&running, candidate)).collect();
        let leader = if finished[0].finished { &finished[0] } else { &running[0] };
        on_step(&leader.ids[1..])?;
        improvable = improvable && can_improve(&running, &finished, length + 1, settings);
        let full = settings.early_stopping == EarlyStopping::Yes && finished.iter().all(|b| b.finished);
        if !improvable || full || candidates.iter().all(|candidate| candidate.stops) {
            break;
        }
        step.reorder(&rows)?;
    }
    let mut best = finished.swap_remove(0).ids;
    best.remove(0);
    Ok(best)
}

/// The best `kept` extensions over all running beams, best first.
fn candidates(
    step: &mut Step,
    running: &[Beam],
    source: &[u32],
    settings: &Settings,
    kept: usize,
) -> Result<Vec<Candidate>> {
    let length = running[0].ids.len();
    let last: Vec<u32> = running.iter().map(|beam| beam.ids[length - 1]).collect();
    let stops = |token| length + 1 >= settings.max_length || settings.end.contains(&token);
    let mut best: Vec<Candidate> = Vec::with_capacity(kept + 1);
    for (beam, mut scores) in step.logits(&last)?.into_iter().enumerate() {
        log_softmax(&mut scores);
        process(&mut scores, &running[beam].ids, source, settings);
        check_scores(&scores)?;
        let base = running[beam].score;
        for (token, score) in (0..).zip(&scores) {
            let score = score + base;
            // Equals keep their order of beam and token: only a better one goes before those there are.
            let better = |other: &Candidate| score.total_cmp(&other.score) == Ordering::Greater;
            if best.len() < kept || best.last().is_some_and(better) {
                let place = best.partition_point(|other| !better(other));
                best.insert(place, Candidate { beam, token, score, stops: stops(token) });
                best.truncate(kept);
            }
        }
    }
    Ok(best)
}

/// The best `beams` candidates that go on; ended ones only where too few do.
fn continuations(candidates: &[Candidate], beams: usize) -> Vec<Candidate> {
    let mut next: Vec<Candidate> = candidates
        .iter()
        .map(|c| Candidate { score: if c.stops { c.score + NEVER } else { c.score }, ..*c })
        .collect();
    next.sort_by(|a, b| b.score.total_cmp(&a.score));
    next.truncate(beams);
    next
}

fn extend(running: &[Beam], candidate: &Candidate) -> Beam {
    let mut ids = running[candidate.beam].ids.clone();
    ids.push(candidate.token);
    Beam { ids, score: candidate.score, finished: false }
}

/// The best `beams` of the texts finished before and those that the top candidates finish now.
fn finish(
    mut finished: Vec<Beam>,
    running: &[Beam],
    candidates: &[Candidate],
    length: usize,
    improvable: bool,
    settings: &Settings,
) -> Vec<Beam> {
    let beams = settings.beams;
    let full = settings.early_stopping == EarlyStopping::Yes && finished.iter().all(|b| b.finished);
    let reward = (length as f32).powf(settings.length_penalty);
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

/// Whether the best running beam could still beat the worst finished one.
fn can_improve(running: &[Beam], finished: &[Beam], length: usize, settings: &Settings) -> bool {
    let never = settings.early_stopping == EarlyStopping::Never && settings.length_penalty > 0.0;
    let length = if never { settings.max_length - 1 } else { length - 1 };
    let possible = running[0].score / (length as f32).powf(settings.length_penalty);
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
