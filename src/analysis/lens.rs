//! The residual stream of the decoder: what each layer would predict, and what each part adds to a logit.

use attn_tui_kernels::softmax::normaliser;

use crate::site::Head;

/// Prediction of one layer in one decoder row (nostalgebraist 2020, "interpreting GPT: the logit lens").
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LensPrediction {
    /// The most probable token.
    pub top: u32,
    /// Its probability.
    pub top_probability: f32,
    /// Probability of the target token.
    pub target_probability: f32,
    /// Place of the target token among all tokens by probability, from 1.
    pub target_rank: usize,
}

impl LensPrediction {
    /// Reads the prediction off a row of logits.
    pub fn of(logits: &[f32], target: u32) -> Self {
        let (max, sum) = normaliser(logits);
        let probability = |id: u32| logits.get(id as usize).map_or(0.0, |logit| (logit - max).exp() / sum);
        let best = logits.iter().enumerate();
        let best = best.reduce(|best, next| if next.1 > best.1 { next } else { best });
        let top = best.map_or(0, |(id, _)| id as u32);
        let own = logits.get(target as usize).copied().unwrap_or(f32::NEG_INFINITY);
        Self {
            top,
            top_probability: probability(top),
            target_probability: probability(target),
            target_rank: 1 + logits.iter().filter(|&&logit| logit > own).count(),
        }
    }
}

/// Direct logit attribution (Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits"): what
/// each part of the decoder adds to the logit of each row's target token through the residual stream. The
/// scale of every norm on the stream is held fixed at its value in the run, so that parts add up to the logit.
/// All fields are `[rows]`, layers first where there are several.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DirectLogits {
    /// The logit of the target token.
    pub logit: Vec<f32>,
    /// The input of the first layer: embedding and position of the token that is fed.
    pub embedding: Vec<f32>,
    /// Each head of decoder self-attention and cross-attention.
    pub heads: Vec<(Head, Vec<f32>)>,
    /// The feed-forward block of each layer.
    pub ffn: Vec<Vec<f32>>,
    /// All biases: of output projections, norms and the map to the vocabulary.
    pub bias: Vec<f32>,
}

impl DirectLogits {
    /// The sum of all parts in a row.
    pub fn sum(&self, row: usize) -> f32 {
        let at = |part: &Vec<f32>| f64::from(part.get(row).copied().unwrap_or_default());
        let heads = self.heads.iter().map(|(_, part)| at(part)).sum::<f64>();
        (at(&self.embedding) + at(&self.bias) + heads + self.ffn.iter().map(at).sum::<f64>()) as f32
    }

    /// The largest difference between a logit and the sum of its parts.
    pub fn largest_gap(&self) -> f32 {
        let gaps = self.logit.iter().enumerate().map(|(row, logit)| (logit - self.sum(row)).abs());
        gaps.fold(0.0, f32::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::Kind;

    #[test]
    fn a_prediction_has_the_rank_of_its_target() {
        let logits = [0.5f32, 0.125, 0.25, 0.125].map(f32::ln);
        let lens = LensPrediction::of(&logits, 2);
        assert_eq!((lens.top, lens.target_rank), (0, 2));
        assert!((lens.top_probability - 0.5).abs() < 1e-6 && (lens.target_probability - 0.25).abs() < 1e-6);
        assert_eq!(LensPrediction::of(&logits, 3).target_rank, 3);
    }

    #[test]
    fn parts_add_up_row_by_row() {
        let direct = DirectLogits {
            logit: vec![6.0, -1.0],
            embedding: vec![1.0, 0.0],
            heads: vec![(Head::new(Kind::Cross, 0, 0), vec![2.0, -3.0])],
            ffn: vec![vec![2.5, 1.0]],
            bias: vec![0.5, 0.75],
        };
        assert_eq!((direct.sum(0), direct.sum(1)), (6.0, -1.25));
        assert_eq!(direct.largest_gap(), 0.25);
    }
}
