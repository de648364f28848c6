//! Mixture of experts: feed-forward blocks of which each token uses a few.

use candle_core::{D, Tensor};

use super::{FeedForward, Linear, Ragged};
use crate::error::{Error, Result};

/// Assignment of tokens to experts by the router's probabilities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MoeRouting {
    /// The most probable expert, weighted by its probability. An expert takes the first `capacity` tokens
    /// of a sequence; later ones get nothing (Fedus et al. 2021, Switch).
    Top1 {
        /// Number of tokens of each sequence that an expert takes.
        capacity: usize,
    },
    /// The two most probable experts with their probabilities.
    Top2(Top2Routing),
}

/// Details of [`MoeRouting::Top2`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Top2Routing {
    /// Share of all tokens that an expert takes; if not positive, `capacity` applies.
    pub fraction: f64,
    /// Number of tokens that an expert takes if there is no share.
    pub capacity: usize,
    /// True if the two probabilities are scaled to sum to 1 before full experts reject tokens.
    pub normalise_first: bool,
    /// True if the tokens with the highest probabilities are served first.
    pub prioritised: bool,
    /// Factor on the output of the experts: 1 minus the dropout of training.
    pub scale: f64,
}

/// Experts and their router.
#[derive(Clone, Debug)]
pub struct Experts {
    /// `d_model` to the number of experts.
    pub router: Linear,
    /// The experts.
    pub experts: Vec<FeedForward>,
    /// Assignment of tokens to experts.
    pub routing: MoeRouting,
}

/// Assignment of one token: expert, row of the token, weight of the output.
struct Assignment {
    expert: usize,
    row: u32,
    weight: f32,
}

impl Experts {
    /// Applies the experts to the rows of all sequences, which compete for places with those of their own
    /// sequence only. Returns `[1, rows, d_model]`.
    pub fn forward(&self, x: &Ragged) -> Result<Tensor> {
        let rows = x.rows().squeeze(0)?;
        let device = rows.device();
        let logits = self.router.forward(&rows)?;
        let exp = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?)?.exp()?;
        let probabilities = exp.broadcast_div(&exp.sum_keepdim(D::Minus1)?)?.to_vec2::<f32>()?;
        let mut assignments = Vec::new();
        let mut first = 0;
        for &[batch, positions] in x.shapes() {
            let tokens = &probabilities[first..first + batch * positions];
            let assigned = match self.routing {
                MoeRouting::Top1 { capacity } => top1(tokens, positions, capacity),
                MoeRouting::Top2(routing) => top2(tokens, &routing),
            };
            let in_all =
                |assignment: Assignment| Assignment { row: assignment.row + first as u32, ..assignment };
            assignments.extend(assigned.into_iter().map(in_all));
            first += batch * positions;
        }
        let mut sum = rows.zeros_like()?;
        for (number, expert) in self.experts.iter().enumerate() {
            let assigned: Vec<&Assignment> =
                assignments.iter().filter(|assignment| assignment.expert == number).collect();
            if assigned.is_empty() {
                continue;
            }
            let index =
                Tensor::new(assigned.iter().map(|assignment| assignment.row).collect::<Vec<_>>(), device)?;
            let weights: Vec<f32> = assigned.iter().map(|assignment| assignment.weight).collect();
            let weights = Tensor::from_vec(weights, (assigned.len(), 1), device)?;
            let output = expert.forward(&rows.index_select(&index, 0)?)?.broadcast_mul(&weights)?;
            sum = sum.index_add(&index, &output, 0)?;
        }
        Ok(sum.unsqueeze(0)?)
    }
}

/// Index of the largest value; the first one of equal values.
fn argmax(values: impl Iterator<Item = f32>) -> usize {
    let mut found = (0, f32::NEG_INFINITY);
    for (i, value) in values.enumerate() {
        if value > found.1 {
            found = (i, value);
        }
    }
    found.0
}

fn top1(probabilities: &[Vec<f32>], positions: usize, capacity: usize) -> Vec<Assignment> {
    let mut assignments = Vec::new();
    for (sequence, tokens) in probabilities.chunks(positions.max(1)).enumerate() {
        let mut taken = vec![0; tokens.first().map_or(0, Vec::len)];
        for (i, token) in tokens.iter().enumerate() {
            let expert = argmax(token.iter().copied());
            let (Some(taken), Some(&weight)) = (taken.get_mut(expert), token.get(expert)) else { continue };
            *taken += 1;
            if *taken <= capacity {
                assignments.push(Assignment { expert, row: (sequence * positions + i) as u32, weight });
            }
        }
    }
    assignments
}

fn top2(probabilities: &[Vec<f32>], routing: &Top2Routing) -> Vec<Assignment> {
    let tokens = probabilities.len();
    let capacity = if routing.fraction > 0.0 {
        (routing.fraction * tokens as f64).ceil() as usize
    } else {
        routing.capacity
    };
    let choices: Vec<[(usize, f32); 2]> = probabilities.iter().map(|token| top_two(token)).collect();
    let mut order: Vec<usize> = (0..tokens).collect();
    if routing.prioritised {
        order.sort_by(|&a, &b| choices[b][0].1.total_cmp(&choices[a][0].1));
    }
    let count = probabilities.first().map_or(0, Vec::len);
    let mut firsts = vec![0; count];
    for choice in &choices {
        firsts[choice[0].0] += 1;
    }
    // Second choices queue behind all first choices.
    let mut queues = [vec![0; count], firsts];
    let mut kept = vec![[false; 2]; tokens];
    for &token in &order {
        for rank in 0..2 {
            let place = &mut queues[rank][choices[token][rank].0];
            kept[token][rank] = *place < capacity;
            *place += 1;
        }
    }
    let mut assignments = Vec::new();
    for (row, (choice, kept)) in choices.iter().zip(&kept).enumerate() {
        let counted = |rank: usize| routing.normalise_first || kept[rank];
        let sum: f32 = (0..2).filter(|&rank| counted(rank)).map(|rank| choice[rank].1).sum();
        for rank in (0..2).filter(|&rank| kept[rank]) {
            let weight = choice[rank].1 / sum.max(f32::EPSILON) * routing.scale as f32;
            assignments.push(Assignment { expert: 1 - rank, row: row as u32, weight });
        }
    }
    assignments
}

/// The two most probable experts with their probabilities.
fn top_two(token: &[f32]) -> [(usize, f32); 2] {
    let first = argmax(token.iter().copied());
    let rest = |(i, &p): (usize, &f32)| if i == first { f32::NEG_INFINITY } else { p };
    let second = argmax(token.iter().enumerate().map(rest));
    [first, second].map(|i| (i, token.get(i).copied().unwrap_or(0.0)))
}

impl Top2Routing {
    /// # Errors
    /// [`Error::Config`] for policies that draw lots.
    pub fn check_policy(policy: &str) -> Result<()> {
        if policy == "all" {
            return Ok(());
        }
        Err(Error::Config(format!("second_expert_policy '{policy}' draws lots: no two runs would agree")))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use candle_core::Device;

    use super::*;
    use crate::nn::{Activation, LazyTensor};

    fn summary(assignments: &[Assignment]) -> Vec<(usize, u32, f32)> {
        assignments.iter().map(|assignment| (assignment.expert, assignment.row, assignment.weight)).collect()
    }

    #[test]
    fn a_full_expert_takes_no_more_of_a_sequence() {
        let tokens: Vec<Vec<f32>> = [0.9, 0.2, 0.8, 0.7].iter().map(|&p| vec![p, 1.0 - p]).collect();
        assert_eq!(summary(&top1(&tokens, 4, 2)), [(0, 0, 0.9), (1, 1, 0.8), (0, 2, 0.8)]);
        let one_each = [(0, 0, 0.9), (1, 1, 0.8), (0, 2, 0.8)];
        assert_eq!(summary(&top1(&tokens, 2, 1)), one_each, "each sequence has its own places");
    }

    #[test]
    fn second_choices_wait_for_first_ones() {
        let routing =
            Top2Routing { fraction: 0.0, capacity: 1, normalise_first: true, prioritised: false, scale: 0.5 };
        let tokens = [vec![0.5, 0.25, 0.25], vec![0.25, 0.5, 0.25]];
        // Expert 1 is full with token 1's first choice when token 0 asks, and the other way round.
        let third = 1.0 / 3.0;
        assert_eq!(summary(&top2(&tokens, &routing)), [(1, 0, third), (1, 1, third)]);
        let roomy = Top2Routing { capacity: 2, ..routing };
        assert_eq!(summary(&top2(&tokens, &roomy)).len(), 4);
    }

    #[test]
    fn an_expert_without_tokens_is_never_read() {
        let tensor =
            |values: &[f32], shape: &[usize]| Tensor::from_slice(values, shape, &Device::Cpu).unwrap();
        let read: [_; 2] = std::array::from_fn(|_| Arc::new(AtomicBool::new(false)));
        let expert = |number: usize| {
            let (read, bias) = (Arc::clone(&read[number]), tensor(&[1.0 + number as f32], &[1]));
            let lazy = LazyTensor::new(move || {
                read.store(true, Ordering::Relaxed);
                Ok(bias)
            });
            FeedForward {
                up: Linear::new(tensor(&[1.0], &[1, 1]), None),
                gate: None,
                down: Linear::with_lazy_bias(tensor(&[1.0], &[1, 1]).into(), lazy),
                activation: Activation::Relu,
            }
        };
        let experts = Experts {
            router: Linear::new(tensor(&[9.0, -9.0], &[2, 1]), None),
            experts: vec![expert(0), expert(1)],
            routing: MoeRouting::Top1 { capacity: 9 },
        };
        let tokens = Ragged::join(&[tensor(&[3.0, 5.0], &[1, 2, 1])]).unwrap();
        let output = experts.forward(&tokens).unwrap();
        let output = output.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert!((output[0] - 4.0).abs() < 1e-5 && (output[1] - 6.0).abs() < 1e-5, "{output:?}");
        assert_eq!(read.map(|read| read.load(Ordering::Relaxed)), [true, false]);
    }
}
