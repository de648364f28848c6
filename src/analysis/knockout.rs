//! Effect of ablations on the predictions of a target.

use crate::error::{Error, Result};
use crate::matrix::Matrix;

/// Replacement of what an ablated head reads (`z`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Replacement {
    /// Zeros (Michel et al. 2019).
    #[default]
    Zero,
    /// The mean of its `z` over the tokens of some texts: what differs between tokens is gone, and what is
    /// the same for all stays (Wang et al. 2022, "Interpretability in the Wild").
    Mean,
}

impl Replacement {
    /// The name in columns.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zero => "zero",
            Self::Mean => "mean",
        }
    }
}

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

    /// Sorts effects by their mean loss, largest first; equal ones by what was switched off.
    pub fn sort<T: Ord>(effects: &mut [(T, Self)]) {
        effects.sort_by(|(a_part, a), (b_part, b)| {
            b.mean_drop().total_cmp(&a.mean_drop()).then_with(|| a_part.cmp(b_part))
        });
    }

    /// Number of rows whose most probable token changes.
    pub fn changed(&self) -> usize {
        self.best_before.iter().zip(&self.best_after).filter(|(before, after)| before != after).count()
    }
}

/// Predictions of a target without ablations, with which those of ablated runs are compared. Sums are taken
/// in f64.
pub struct Unablated<'a> {
    /// `[target, vocabulary]`
    logits: &'a Matrix,
    normalisers: Vec<LogNormaliser>,
    target: &'a [u32],
    before: Vec<f32>,
    best: Vec<u32>,
}

/// Comparison of one row of the target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowEffect {
    /// Log-probability of the target token with the ablation.
    after: f32,
    divergence: f32,
    best: u32,
}

impl<'a> Unablated<'a> {
    /// Prepares the logits `[target, vocabulary]` of the ids `target`.
    ///
    /// # Errors
    /// [`Error::Engine`] if their lengths differ, or if an id is outside the vocabulary.
    pub fn new(logits: &'a Matrix, target: &'a [u32]) -> Result<Self> {
        if logits.rows() != target.len() {
            return Err(different_shapes());
        }
        if let Some(id) = target.iter().find(|&&id| id as usize >= logits.cols()) {
            return Err(Error::Engine(format!("token {id} is outside the vocabulary")));
        }
        let normalisers: Vec<_> = (0..logits.rows()).map(|row| LogNormaliser::of(logits.row(row))).collect();
        let rows = normalisers.iter().zip(target).enumerate();
        let before = rows.map(|(row, (of, &id))| of.log(logits.row(row)[id as usize]) as f32).collect();
        let best = (0..logits.rows()).map(|row| best(logits.row(row))).collect();
        Ok(Self { logits, normalisers, target, before, best })
    }

    /// Number of rows of the target.
    pub fn rows(&self) -> usize {
        self.target.len()
    }

    /// Compares a row with its logits `after` an ablation, `[vocabulary]`.
    ///
    /// # Errors
    /// [`Error::Engine`] if there is no such row, or their lengths differ.
    pub fn compare(&self, row: usize, after: &[f32]) -> Result<RowEffect> {
        let (Some(old), Some(&id)) = (self.normalisers.get(row), self.target.get(row)) else {
            return Err(different_shapes());
        };
        let before = self.logits.row(row);
        if before.len() != after.len() {
            return Err(different_shapes());
        }
        let new = LogNormaliser::of(after);
        let terms = before.iter().zip(after).map(|(&before, &after)| (old.log(before), new.log(after)));
        let terms = terms.filter(|(p, _)| p.is_finite()).map(|(p, q)| p.exp() * (p - q));
        Ok(RowEffect {
            after: new.log(after[id as usize]) as f32,
            divergence: terms.sum::<f64>().max(0.0) as f32,
            best: best(after),
        })
    }

    /// Collects the rows of one ablation.
    pub fn effect(&self, rows: &[RowEffect]) -> AblationEffect {
        AblationEffect {
            before: self.before.clone(),
            after: rows.iter().map(|row| row.after).collect(),
            divergence: rows.iter().map(|row| row.divergence).collect(),
            best_before: self.best.clone(),
            best_after: rows.iter().map(|row| row.best).collect(),
        }
    }
}

fn different_shapes() -> Error {
    Error::Engine("two runs of one target gave scores of different shapes".into())
}

/// Compares the logits `before` and `after` an ablation, both `[target, vocabulary]`, for the ids `target`
/// (head importance by ablation, after Michel et al. 2019, "Are Sixteen Heads Really Better than One?",
/// without gradients).
pub fn effect(before: &Matrix, after: &Matrix, target: &[u32]) -> Result<AblationEffect> {
    if before.rows() != after.rows() {
        return Err(different_shapes());
    }
    let unablated = Unablated::new(before, target)?;
    let rows =
        (0..target.len()).map(|row| unablated.compare(row, after.row(row))).collect::<Result<Vec<_>>>()?;
    Ok(unablated.effect(&rows))
}

/// Normaliser of a row of scores: the largest score, and the logarithm of the sum of exponentials less it.
#[derive(Clone, Copy)]
struct LogNormaliser {
    top: f64,
    log_sum: f64,
}

impl LogNormaliser {
    fn of(scores: &[f32]) -> Self {
        let top = f64::from(scores.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let sum: f64 = scores.iter().map(|&score| (f64::from(score) - top).exp()).sum();
        Self { top, log_sum: sum.ln() }
    }

    /// Log-probability of a score of the row.
    fn log(self, score: f32) -> f64 {
        f64::from(score) - self.top - self.log_sum
    }
}

/// Returns the most probable token, the first one if there are several.
fn best(scores: &[f32]) -> u32 {
    let places = scores.iter().enumerate();
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
