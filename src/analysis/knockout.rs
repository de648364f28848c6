//! Effect of ablations on the predictions of a target.

use crate::error::{Error, Result};
use crate::matrix::Matrix;

/// Effect of an ablation on each target token, all fields `[target]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AblationEffect {
    /// Log-probability of the target token without ablation, in nats.
    pub before: Vec<f32>,
    /// Log-probability of the target token with the ablation, in nats.
    pub after: Vec<f32>,
    /// `KL(before || after)` of the whole distribution, in nats; 0 or more.
    pub divergence: Vec<f32>,
    /// Most probable token without ablation.
    pub best_before: Vec<u32>,
    /// Most probable token with the ablation.
    pub best_after: Vec<u32>,
}

impl AblationEffect {
    /// Loss of log-probability of each target token, `[target]`, in nats; negative for a gain.
    pub fn drops(&self) -> Vec<f32> {
        self.before.iter().zip(&self.after).map(|(before, after)| before - after).collect()
    }

    /// Mean loss of log-probability over the target's tokens, in nats; 0 without tokens.
    pub fn mean_drop(&self) -> f32 {
        mean(&self.drops())
    }

    /// Mean divergence over the target's tokens, in nats; 0 without tokens.
    pub fn mean_divergence(&self) -> f32 {
        mean(&self.divergence)
    }

    /// The target token with the largest loss, and its loss; `None` without tokens.
    pub fn worst(&self) -> Option<(usize, f32)> {
        self.drops().into_iter().enumerate().reduce(|worst, next| if next.1 > worst.1 { next } else { worst })
    }

    /// Number of rows whose most probable token changes.
    pub fn changed(&self) -> usize {
        self.best_before.iter().zip(&self.best_after).filter(|(before, after)| before != after).count()
    }
}

/// Compares the logits `before` and `after` an ablation, both `[target, vocabulary]`, for the ids `target`
/// (head importance by ablation, after Michel et al. 2019, "Are Sixteen Heads Really Better than One?",
/// without gradients). Sums are taken in f64.
pub fn effect(before: &Matrix, after: &Matrix, target: &[u32]) -> Result<AblationEffect> {
    let rows = target.len();
    if (before.rows(), before.cols()) != (after.rows(), after.cols()) || before.rows() != rows {
        return Err(Error::Engine("two runs of one target gave scores of different shapes".into()));
    }
    let mut effect = AblationEffect::default();
    for (row, &id) in target.iter().enumerate() {
        let (old, new) = (log_softmax(before.row(row)), log_softmax(after.row(row)));
        let (Some(&was), Some(&is)) = (old.get(id as usize), new.get(id as usize)) else {
            return Err(Error::Engine(format!("token {id} is outside the vocabulary")));
        };
        effect.before.push(was as f32);
        effect.after.push(is as f32);
        let terms = old.iter().zip(&new).filter(|(p, _)| p.is_finite()).map(|(p, q)| p.exp() * (p - q));
        effect.divergence.push(terms.sum::<f64>().max(0.0) as f32);
        effect.best_before.push(best(&old));
        effect.best_after.push(best(&new));
    }
    Ok(effect)
}

fn log_softmax(scores: &[f32]) -> Vec<f64> {
    let top = f64::from(scores.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let sum: f64 = scores.iter().map(|&score| (f64::from(score) - top).exp()).sum();
    scores.iter().map(|&score| f64::from(score) - top - sum.ln()).collect()
}

fn best(values: &[f64]) -> u32 {
    let places = values.iter().enumerate();
    places.reduce(|best, next| if next.1 > best.1 { next } else { best }).map_or(0, |(id, _)| id as u32)
}

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len().max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects_of_known_distributions() {
        let logits = |rows: [[f32; 2]; 2]| Matrix::from_fn(2, 2, |i, j| rows[i][j].ln());
        let before = logits([[0.8, 0.2], [0.5, 0.5]]);
        let after = logits([[0.4, 0.6], [0.5, 0.5]]);
        let effect = effect(&before, &after, &[0, 1]).unwrap();
        let near = |a: f32, b: f32| assert!((a - b).abs() < 1e-6, "{a} {b}");
        near(effect.drops()[0], 2f32.ln());
        near(effect.drops()[1], 0.0);
        near(effect.divergence[0], 0.8 * 2f32.ln() + 0.2 * (1f32 / 3.0).ln());
        near(effect.mean_drop(), 2f32.ln() / 2.0);
        assert_eq!(effect.worst().map(|(row, _)| row), Some(0));
        assert_eq!(effect.changed(), 1);
    }

    #[test]
    fn nothing_changes_nothing_and_bad_input_is_named() {
        let scores = Matrix::new(1, 3, vec![1.0, 2.0, f32::NEG_INFINITY]);
        let same = effect(&scores, &scores, &[1]).unwrap();
        assert_eq!((same.mean_drop(), same.mean_divergence(), same.changed()), (0.0, 0.0, 0));
        assert!(effect(&scores, &scores, &[7]).is_err());
        assert!(effect(&scores, &scores, &[0, 1]).is_err());
    }
}
