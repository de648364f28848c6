//! Comparison of two captures: their common tokens, and the change of each head on these.

use std::collections::BTreeMap;

use crate::axis::AxisItem;
use crate::capture::Capture;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::site::{Head, Kind};

/// Positions of common tokens in two sequences, (first, second), both increasing.
pub type Pairs = Vec<(usize, usize)>;

/// Common tokens of two captures, and the differences of their heads.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// Common source tokens.
    pub source: Pairs,
    /// Decoder rows with the same input token.
    pub target: Pairs,
    /// Change of each head, largest first: the mean over common rows of half the sum of absolute differences
    /// over common keys (total variation distance), 0 to 1.
    pub changes: Vec<(Head, f32)>,
}

/// Maximum length of texts to align: time and memory grow with the product of their lengths.
const LONGEST: usize = 2048;

impl Comparison {
    /// Compares the heads that both captures have.
    ///
    /// # Errors
    /// [`Error::Text`] when a text is too long to be aligned.
    pub fn new(a: &Capture, b: &Capture) -> Result<Self> {
        let align = |a: &[AxisItem], b: &[AxisItem]| {
            if a.len().max(b.len()) > LONGEST {
                return Err(Error::Text(format!("texts of more than {LONGEST} tokens are not compared")));
            }
            Ok(shared(a, b))
        };
        let source = align(&a.source.items, &b.source.items)?;
        let target = align(&a.decoder_input, &b.decoder_input)?;
        let mut comparison = Self { source, target, changes: Vec::new() };
        let mut changes = BTreeMap::new();
        for head in b.all_heads() {
            if let Some(difference) = comparison.difference(a, b, head) {
                changes.insert(head, change(&difference));
            }
        }
        comparison.changes = changes.into_iter().collect();
        comparison.changes.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        Ok(comparison)
    }

    /// Returns the common queries of a kind.
    pub fn queries(&self, kind: Kind) -> &Pairs {
        if kind == Kind::Encoder { &self.source } else { &self.target }
    }

    /// Returns the common keys of a kind.
    pub fn keys(&self, kind: Kind) -> &Pairs {
        if kind == Kind::Decoder { &self.target } else { &self.source }
    }

    /// Returns the second capture's weights minus the first's, `[common queries, common keys]`; `None` if one
    /// of them lacks the head.
    pub fn difference(&self, a: &Capture, b: &Capture, head: Head) -> Option<Matrix> {
        let (first, second) = (a.map(head).ok()?, b.map(head).ok()?);
        let (queries, keys) = (self.queries(head.kind()), self.keys(head.kind()));
        let mut data = Vec::with_capacity(queries.len() * keys.len());
        for &(i, k) in queries {
            for &(j, l) in keys {
                data.push(second.get(k, l).unwrap_or(0.0) - first.get(i, j).unwrap_or(0.0));
            }
        }
        Some(Matrix::new(queries.len(), keys.len(), data))
    }
}

fn change(difference: &Matrix) -> f32 {
    let sum: f64 = difference.as_slice().iter().map(|d| f64::from(d.abs())).sum();
    (sum / 2.0 / difference.rows().max(1) as f64) as f32
}

/// Computes the longest common subsequence of two token sequences (Wagner and Fischer 1974).
pub fn shared(a: &[AxisItem], b: &[AxisItem]) -> Pairs {
    let width = b.len() + 1;
    let mut lengths = vec![0u32; (a.len() + 1) * width];
    let at = |i: usize, j: usize| i * width + j;
    for (i, x) in a.iter().enumerate().rev() {
        for (j, y) in b.iter().enumerate().rev() {
            let value = if x.piece == y.piece {
                lengths.get(at(i + 1, j + 1)).map_or(0, |n| n + 1)
            } else {
                let (skip_a, skip_b) = (lengths.get(at(i + 1, j)), lengths.get(at(i, j + 1)));
                skip_a.max(skip_b).copied().unwrap_or(0)
            };
            if let Some(slot) = lengths.get_mut(at(i, j)) {
                *slot = value;
            }
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut pairs = Vec::new();
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        if x.piece == y.piece {
            pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if lengths.get(at(i + 1, j)) >= lengths.get(at(i, j + 1)) {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<AxisItem> {
        text.split(' ').map(|piece| AxisItem::token(0, piece, false)).collect()
    }

    #[test]
    fn common_subsequence_keeps_the_order() {
        let a = tokens("the dog near the house is old");
        let b = tokens("the dogs near the old house are old");
        assert_eq!(shared(&a, &b), [(0, 0), (2, 2), (3, 3), (4, 5), (6, 7)]);
        assert_eq!(shared(&a, &a).len(), a.len());
        assert!(shared(&a, &[]).is_empty());
    }

    #[test]
    fn change_is_half_the_absolute_difference_per_row() {
        let difference = Matrix::new(2, 2, vec![0.5, -0.5, 0.0, 0.0]);
        assert_eq!(change(&difference), 0.25);
    }
}
