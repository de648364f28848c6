//! Filter of the pairs that a profile lists.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::StrongPair;
use crate::analysis::distances::Distances;

/// Most keys of a map that can be sinks (see [`SINK`](crate::analysis::metrics::SINK)). At least half of the
/// rows attend to a sink, with a mean weight above 0.3, and each row has a weight of 1 to give.
const MOST_SINKS: usize = 6;

/// Filter of the strongest pairs of a head, applied to its rows as they are computed.
///
/// Sinks are known only after the last row. So that the strongest pairs are complete whichever keys turn out
/// to be sinks, more are kept: the strongest `top` of each key, and of these `(MOST_SINKS + 1) * top`.
#[derive(Clone, Debug, PartialEq)]
pub struct PairFilter {
    /// Distances between queries and keys.
    pub distances: Distances,
    /// Minimum distance of pairs that have one.
    pub min_distance: f32,
    /// Minimum weight.
    pub min_weight: f32,
    /// Number of pairs that are wanted, sinks aside.
    pub top: usize,
    /// Queries whose pairs are kept.
    pub queries: Vec<bool>,
    /// Keys whose pairs are kept.
    pub keys: Vec<bool>,
}

impl PairFilter {
    /// Returns true if a pair passes the filter.
    pub(super) fn keeps(&self, pair: &StrongPair) -> bool {
        let (query, key) = (pair.query as usize, pair.key as usize);
        self.queries.get(query) == Some(&true)
            && self.keys.get(key) == Some(&true)
            && self.distances.reach(query, key, self.min_distance)
    }

    /// Removes pairs that cannot be among the strongest, once there are many, and raises `least` to the
    /// smallest weight that can still be.
    pub(super) fn prune(&self, pairs: &mut Vec<StrongPair>, least: &mut f32) {
        let most = self.top.saturating_mul(MOST_SINKS + 1);
        if pairs.len() / 2 <= most {
            return;
        }
        pairs.sort_unstable_by(|a, b| self.order(a, b));
        let mut counts = HashMap::new();
        pairs.retain(|pair| {
            let count = counts.entry(pair.key).or_insert(0);
            *count += 1;
            *count <= self.top
        });
        pairs.truncate(most);
        if pairs.len() == most {
            *least = pairs.last().map_or(f32::INFINITY, |pair| pair.weight);
        }
    }

    /// Orders the stronger pair first; of equally strong ones the farther, then by query and key.
    fn order(&self, a: &StrongPair, b: &StrongPair) -> Ordering {
        b.weight
            .total_cmp(&a.weight)
            .then_with(|| self.distance(b).total_cmp(&self.distance(a)))
            .then_with(|| (a.query, a.key).cmp(&(b.query, b.key)))
    }

    fn distance(&self, pair: &StrongPair) -> f32 {
        self.distances.between(pair.query as usize, pair.key as usize).unwrap_or(0.0)
    }
}
