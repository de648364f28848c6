//! The strength of given links in every head: of one query and one key, or of the tokens of two words.

use std::cmp::Ordering;
use std::ops::Range;

use crate::matrix::Matrix;
use crate::site::{Ablation, Head, Kind};

/// A place on the query axis and one on the key axis of a map, each one item or the items of a word.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pair {
    /// Rows.
    pub queries: Range<usize>,
    /// Columns.
    pub keys: Range<usize>,
}

impl Pair {
    /// Creates the pair of one query and one key.
    pub fn link(query: usize, key: usize) -> Self {
        Self { queries: query..query + 1, keys: key..key + 1 }
    }

    /// Returns true if the pair contains the link of a query and a key.
    pub fn contains(&self, query: usize, key: usize) -> bool {
        self.queries.contains(&query) && self.keys.contains(&key)
    }

    /// Returns the ablations that switch the pair off in a head: its links that causal attention shows.
    pub fn ablations(&self, head: Head) -> Vec<Ablation> {
        let visible = |query| self.keys.start..head.kind().visible(query, self.keys.end).end;
        let link = |query| visible(query).map(move |key| Ablation::Link { head, query, key });
        self.queries.clone().flat_map(link).collect()
    }
}

/// The weight of a pair in one row, or in the mean of several.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairWeight {
    /// Sum of the weights of the pair's keys, averaged over its queries.
    pub weight: f32,
    /// Rank of the weight among those of the other keys, from 1.
    pub rank: usize,
    /// Number of weights that are ranked: the pair, and every other visible key.
    pub ranked: usize,
}

/// The strength of a pair in one head.
#[derive(Clone, Debug, PartialEq)]
pub struct PairLink {
    /// The head.
    pub head: Head,
    /// The pair.
    pub pair: Pair,
    /// Its weight and rank.
    pub weight: PairWeight,
    /// Its weight in the value-weighted map, if value norms are known.
    pub value_weighted: Option<f32>,
    /// Distance of its first key from its first query.
    pub distance: Option<f32>,
}

impl PairLink {
    /// Compares by strength: the stronger one is less; equal ones by head and place.
    pub fn by_strength(&self, other: &Self) -> Ordering {
        let place = |link: &Self| (link.head, link.pair.queries.start, link.pair.keys.start);
        other.weight.weight.total_cmp(&self.weight.weight).then_with(|| place(self).cmp(&place(other)))
    }
}

/// Weighs a pair by the rows of its queries, `[pair.queries, keys]`: the sum over its keys, averaged over its
/// queries, which is the weight between two words of a map whose tokens are merged into words. `None` if the
/// pair lies beyond the map, or if causal attention masks all of it.
pub fn pair_weight(kind: Kind, rows: &Matrix, pair: &Pair) -> Option<PairWeight> {
    let visible = kind.visible(pair.queries.end.checked_sub(1)?, rows.cols());
    let beyond = rows.rows() != pair.queries.len() || pair.keys.end > rows.cols();
    if beyond || pair.keys.is_empty() || pair.keys.start >= visible.end {
        return None;
    }
    let mut means = vec![0.0f64; visible.end];
    for row in (0..rows.rows()).map(|row| rows.row(row)) {
        means.iter_mut().zip(row).for_each(|(sum, &weight)| *sum += f64::from(weight));
    }
    means.iter_mut().for_each(|sum| *sum /= rows.rows() as f64);
    let weight: f64 = means.get(pair.keys.start..pair.keys.end.min(visible.end))?.iter().sum();
    let others = || means.iter().enumerate().filter(|(key, _)| !pair.keys.contains(key));
    let stronger = others().filter(|(_, mean)| **mean > weight).count();
    Some(PairWeight { weight: weight as f32, rank: 1 + stronger, ranked: 1 + others().count() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(weight: Option<PairWeight>, wanted: (f32, usize, usize)) {
        let found = weight.expect("a weight");
        assert!((found.weight - wanted.0).abs() < 1e-6, "{found:?} {wanted:?}");
        assert_eq!((found.rank, found.ranked), (wanted.1, wanted.2));
    }

    #[test]
    fn one_link_has_its_weight_and_its_rank_in_the_row() {
        let row = Matrix::new(1, 4, vec![0.1, 0.4, 0.2, 0.3]);
        for (key, wanted) in [(0, (0.1, 4, 4)), (1, (0.4, 1, 4)), (2, (0.2, 3, 4)), (3, (0.3, 2, 4))] {
            near(pair_weight(Kind::Cross, &row, &Pair::link(7, key)), wanted);
        }
        assert_eq!(pair_weight(Kind::Cross, &row, &Pair::link(7, 4)), None);
        let equal = Matrix::new(1, 2, vec![0.5, 0.5]);
        near(pair_weight(Kind::Encoder, &equal, &Pair::link(0, 1)), (0.5, 1, 2));
    }

    #[test]
    fn words_are_summed_over_keys_and_averaged_over_queries() {
        let rows = Matrix::new(2, 4, vec![0.1, 0.2, 0.3, 0.4, 0.3, 0.2, 0.4, 0.1]);
        let pair = |keys| Pair { queries: 1..3, keys };
        near(pair_weight(Kind::Encoder, &rows, &pair(0..2)), (0.4, 1, 3));
        near(pair_weight(Kind::Encoder, &rows, &pair(0..1)), (0.2, 3, 4));
        assert_eq!(pair_weight(Kind::Encoder, &rows, &Pair::link(1, 0)), None, "two rows for one query");
    }

    #[test]
    fn masked_keys_are_no_links() {
        let row = Matrix::new(1, 3, vec![0.3, 0.7, 0.0]);
        near(pair_weight(Kind::Decoder, &row, &Pair::link(1, 0)), (0.3, 2, 2));
        assert_eq!(pair_weight(Kind::Decoder, &row, &Pair::link(1, 2)), None);
        let head = Head::new(Kind::Decoder, 0, 1);
        let off = Pair { queries: 1..3, keys: 1..3 }.ablations(head);
        let link = |query, key| Ablation::Link { head, query, key };
        assert_eq!(off, [link(1, 1), link(2, 1), link(2, 2)]);
        assert!(Pair::link(0, 2).ablations(head).is_empty());
    }
}
