//! Faithfulness of an attribution: how far the output follows a ranking of source tokens.
//!
//! A ranking is faithful if the target loses its probability when the tokens it puts first are erased
//! (comprehensiveness) and keeps it when only they are left (sufficiency); both as DeYoung et al. 2020,
//! "ERASER", define them, averaged over the number of tokens as in ferret (Attanasio et al. 2023).

use std::cmp::Ordering;

use crate::axis::AxisItem;
use crate::matrix::Matrix;

/// Source tokens that are ranked and masked, and decoder rows whose tokens are measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasureScope {
    /// Positions of the source tokens.
    pub tokens: Vec<usize>,
    /// Decoder rows.
    pub rows: Vec<usize>,
}

impl ErasureScope {
    /// Takes all tokens of a source, and all rows that predict one of a target, but the special ones.
    pub fn new(source: &[AxisItem], target: &[AxisItem]) -> Self {
        let plain = |items: &[AxisItem]| {
            let plain = items.iter().enumerate().filter(|(_, item)| !item.special);
            plain.map(|(at, _)| at).collect()
        };
        Self { tokens: plain(source), rows: plain(target) }
    }

    /// Returns true if there is nothing to mask, or nothing to measure.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty() || self.rows.is_empty()
    }

    /// Scores the tokens by a map `[target, source]`: means over the rows.
    pub fn scores(&self, map: &Matrix) -> Vec<f32> {
        let score = |&token: &usize| self.mean(|row| map.get(row, token).unwrap_or(0.0));
        self.tokens.iter().map(score).collect()
    }

    /// Mean of a value of each row.
    pub fn mean(&self, value: impl Fn(usize) -> f32) -> f32 {
        self.rows.iter().map(|&row| value(row)).sum::<f32>() / self.rows.len().max(1) as f32
    }
}

/// Probabilities of a target's tokens with nothing masked and with each source token masked alone.
#[derive(Clone, Debug, PartialEq)]
pub struct LeaveOneOut {
    /// The masked tokens, and the rows that are measured together.
    pub scope: ErasureScope,
    /// With nothing masked, `[target]`.
    pub intact: Vec<f32>,
    /// With each token masked, `[tokens, target]`.
    pub left_out: Matrix,
}

impl LeaveOneOut {
    /// Number of random rankings that a tau is compared with, as many as `attn-tui faithful` takes.
    pub const RANDOM: u16 = 5;

    /// Agreement of a map `[target, source]` with the losses: Kendall's tau-b of both in the mean over the rows
    /// of the scope.
    pub fn tau(&self, map: &Matrix) -> Option<f32> {
        kendall_tau(&self.scope.scores(map), &self.losses(&self.scope))
    }

    /// Agreement of the weights of one row with the losses of its token. `None` for a row that is not measured,
    /// too.
    pub fn row_tau(&self, row: usize, weights: &[f32]) -> Option<f32> {
        let scope = ErasureScope { rows: vec![row], ..self.scope.clone() };
        let scores = self.scope.tokens.iter().map(|&token| weights.get(token).copied().unwrap_or(0.0));
        let measured = self.scope.rows.contains(&row);
        measured.then(|| kendall_tau(&scores.collect::<Vec<_>>(), &self.losses(&scope))).flatten()
    }

    /// Mean agreement of random rankings with the losses.
    pub fn random_tau(&self) -> Option<f32> {
        let losses = self.losses(&self.scope);
        let tau = |seed| kendall_tau(&random_scores(losses.len(), u64::from(seed)), &losses);
        let taus: Vec<f32> = (0..Self::RANDOM).filter_map(tau).collect();
        (!taus.is_empty()).then(|| mean(&taus))
    }

    /// Losses of the mean probability over the rows of `scope`, by token.
    fn losses(&self, scope: &ErasureScope) -> Vec<f32> {
        let intact = scope.mean(|row| self.intact[row]);
        let loss = |token| intact - scope.mean(|row| self.left_out.row(token)[row]);
        (0..self.scope.tokens.len()).map(loss).collect()
    }
}

/// Measurements of one ranking.
#[derive(Clone, Debug, PartialEq)]
pub struct Faithfulness {
    /// `p - p_k` for `k` from 1 to all: what the target loses without the `k` tokens of highest score.
    pub without_top: Vec<f32>,
    /// `p - p_k` for `k` from 1 to all: what the target loses if only the `k` tokens of highest score are
    /// left.
    pub only_top: Vec<f32>,
    /// Kendall's tau-b between the scores and the losses when one token at a time is left out; `None` where
    /// all scores or all losses are equal.
    pub tau: Option<f32>,
}

impl Faithfulness {
    /// Area over the curve of [`Faithfulness::without_top`], its mean: the higher, the more faithful.
    pub fn comprehensiveness(&self) -> f32 {
        mean(&self.without_top)
    }

    /// Area over the curve of [`Faithfulness::only_top`], its mean: the lower, the more faithful.
    pub fn sufficiency(&self) -> f32 {
        mean(&self.only_top)
    }
}

/// Sets of positions to erase for one ranking.
#[derive(Clone, Debug, PartialEq)]
pub struct Erasures {
    /// The `k` positions of highest score, for `k` from 1 to all.
    pub top: Vec<Vec<usize>>,
    /// All but these.
    pub rest: Vec<Vec<usize>>,
}

impl Erasures {
    /// Lists the sets for scores by position. Of equal scores the first position ranks first.
    pub fn of(scores: &[f32]) -> Self {
        let order = ranking(scores);
        let sorted = |part: &[usize]| {
            let mut part = part.to_vec();
            part.sort_unstable();
            part
        };
        let cuts = || (1..=order.len()).map(|k| order.split_at(k));
        Self {
            top: cuts().map(|(top, _)| sorted(top)).collect(),
            rest: cuts().map(|(_, rest)| sorted(rest)).collect(),
        }
    }
}

/// Measures a ranking by `scores`. `intact` is the probability of the target with nothing erased, `without`
/// and `only` those with the sets of [`Erasures`] erased, `left_out` those with each position erased alone.
pub fn faithfulness(
    scores: &[f32],
    intact: f32,
    [without, only]: [&[f32]; 2],
    left_out: &[f32],
) -> Faithfulness {
    let losses = |probabilities: &[f32]| probabilities.iter().map(|p| intact - p).collect::<Vec<_>>();
    Faithfulness {
        without_top: losses(without),
        only_top: losses(only),
        tau: kendall_tau(scores, &losses(left_out)),
    }
}

/// Positions by falling score; of equal scores the first position comes first.
pub fn ranking(scores: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    order
}

/// Kendall's tau-b of two lists of equal length (Kendall 1945): `(C - D) / sqrt((P - Ta) (P - Tb))` with the
/// `P` pairs of places, `C` of them in the same order in both lists, `D` in opposite orders, `Ta` and `Tb`
/// equal in one list. `None` where all values of a list are equal.
pub fn kendall_tau(a: &[f32], b: &[f32]) -> Option<f32> {
    let (mut agreement, mut distinct) = (0i64, [0i64; 2]);
    for (at, (first_a, first_b)) in a.iter().zip(b).enumerate() {
        for (second_a, second_b) in a.iter().zip(b).skip(at + 1) {
            let [in_a, in_b] = [sign(*first_a, *second_a), sign(*first_b, *second_b)];
            agreement += in_a * in_b;
            distinct[0] += in_a.abs();
            distinct[1] += in_b.abs();
        }
    }
    let [in_a, in_b] = distinct.map(|pairs| pairs as f64);
    (in_a > 0.0 && in_b > 0.0).then(|| (agreement as f64 / (in_a * in_b).sqrt()) as f32)
}

fn sign(a: f32, b: f32) -> i64 {
    match a.partial_cmp(&b) {
        Some(Ordering::Less) => -1,
        Some(Ordering::Greater) => 1,
        _ => 0,
    }
}

/// Scores that rank `count` positions at random; the same for the same `seed`.
pub fn random_scores(count: usize, seed: u64) -> Vec<f32> {
    // SplitMix64 (Steele et al. 2014).
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    (0..count).map(|_| (next() >> 40) as f32).collect()
}

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len().max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erasures_follow_the_ranking() {
        let Erasures { top, rest } = Erasures::of(&[0.2, 0.5, 0.2, -1.0]);
        assert_eq!(top, [vec![1], vec![0, 1], vec![0, 1, 2], vec![0, 1, 2, 3]]);
        assert_eq!(rest, [vec![0, 2, 3], vec![2, 3], vec![3], vec![]]);
        assert_eq!(Erasures::of(&[]), Erasures { top: Vec::new(), rest: Vec::new() });
    }

    #[test]
    fn a_faithful_ranking_loses_early_and_keeps_early() {
        // The target's probability is 0.9 with token 0, otherwise 0.1.
        let p = |erased: &Vec<usize>| if erased.contains(&0) { 0.1 } else { 0.9 };
        let measure = |scores: &[f32]| {
            let Erasures { top, rest } = Erasures::of(scores);
            let [without, only] = [top, rest].map(|sets| sets.iter().map(p).collect::<Vec<_>>());
            faithfulness(scores, 0.9, [&without, &only], &[0.1, 0.9, 0.9, 0.9])
        };
        let (right, wrong) = (measure(&[1.0, 0.0, 0.0, 0.0]), measure(&[0.0, 1.0, 1.0, 1.0]));
        assert!((right.comprehensiveness() - 0.8).abs() < 1e-6 && right.sufficiency().abs() < 1e-6);
        assert!((wrong.comprehensiveness() - 0.2).abs() < 1e-6 && (wrong.sufficiency() - 0.6).abs() < 1e-6);
        assert_eq!((right.tau, wrong.tau), (Some(1.0), Some(-1.0)));
    }

    #[test]
    fn a_map_agrees_with_the_losses_of_its_rows() {
        let items = ["<s>", "a", "b", "c"].map(|piece| AxisItem::token(0, piece, piece == "<s>"));
        let scope = ErasureScope::new(&items, &items[1..3]);
        assert_eq!((&scope.tokens[..], &scope.rows[..]), (&[1, 2, 3][..], &[0, 1][..]));
        // Row 0 depends on the first token, row 1 on the last one, and less so.
        let left_out = Matrix::new(3, 2, vec![0.1, 0.9, 0.8, 0.8, 0.9, 0.6]);
        let found = LeaveOneOut { scope, intact: vec![0.9, 0.9], left_out };
        let map = Matrix::new(2, 4, vec![0.0, 0.7, 0.2, 0.1, 0.0, 0.6, 0.1, 0.3]);
        assert_eq!(found.row_tau(0, map.row(0)), Some(1.0));
        let third = |tau: Option<f32>| (tau.unwrap() * 3.0).round();
        assert_eq!(third(found.row_tau(1, map.row(1))), -1.0);
        // Mean losses 0.4, 0.1, 0.15; mean weights 0.65, 0.15, 0.2.
        assert_eq!(found.tau(&map), Some(1.0));
        assert_eq!(found.row_tau(2, map.row(1)), None, "a row that is not measured");
        assert!(found.random_tau().is_some_and(|tau| tau.abs() < 1.0));
    }

    #[test]
    fn equal_values_have_no_rank_agreement() {
        assert_eq!(kendall_tau(&[1.0, 1.0], &[0.0, 1.0]), None);
        assert_eq!(kendall_tau(&[], &[]), None);
    }

    #[test]
    fn random_rankings_differ_by_seed_only() {
        assert_eq!(random_scores(9, 3), random_scores(9, 3));
        assert_ne!(ranking(&random_scores(9, 3)), ranking(&random_scores(9, 4)));
    }
}
