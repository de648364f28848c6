//! Maps of a source whose last positions are shown as one item.

use crate::axis::{AxisItem, ItemKind, queries};
use crate::site::{Ablation, Kind, RowEdit};

/// The positions after the first `shown` ones: their weight is summed as one last key, and their rows are left
/// out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rest {
    /// Number of positions that have an item of their own.
    pub shown: usize,
    /// Number of the others.
    pub count: usize,
}

impl Rest {
    /// Returns the rest of an axis; `None` if every position has an item of its own.
    pub fn of(items: &[AxisItem]) -> Option<Self> {
        match items.last()?.kind {
            ItemKind::Rest { count } => Some(Self { shown: queries(items).len(), count }),
            _ => None,
        }
    }

    /// Number of keys once the rest is summed.
    pub fn keys(self) -> usize {
        self.shown + 1
    }

    /// Number of queries of a kind that are shown, out of `queries`.
    pub fn queries(self, kind: Kind, queries: usize) -> usize {
        if kind == Kind::Encoder { queries.min(self.shown) } else { queries }
    }

    /// Sums the rest of each row of `keys` weights.
    pub fn fold(self, rows: &[f32], keys: usize) -> Vec<f32> {
        let mut folded = Vec::with_capacity(rows.len() / keys.max(1) * self.keys());
        rows.chunks_exact(keys.max(1)).for_each(|row| self.fold_row(row, 0, &mut folded));
        folded
    }

    /// Appends a row to `folded`, with its rest summed. `row` has the weights of the keys from `first` on; all others
    /// are 0.
    pub fn fold_row(self, row: &[f32], first: usize, folded: &mut Vec<f32>) {
        let (shown, rest) = row.split_at(self.shown.saturating_sub(first).min(row.len()));
        let end = folded.len() + self.shown;
        folded.resize(folded.len() + first.min(self.shown), 0.0);
        folded.extend_from_slice(shown);
        folded.resize(end, 0.0);
        folded.push(sum(rest));
    }

    /// Folds maps `[heads, queries, keys]` of a kind. Returns their shape and their weights.
    pub fn fold_maps(
        self,
        kind: Kind,
        [heads, queries, keys]: [usize; 3],
        maps: &[f32],
    ) -> ([usize; 3], Vec<f32>) {
        let kept = self.queries(kind, queries);
        let mut folded = Vec::with_capacity(heads * kept * self.keys());
        for map in maps.chunks_exact((queries * keys).max(1)) {
            folded.extend(self.fold(&map[..kept * keys], keys));
        }
        ([heads, kept, self.keys()], folded)
    }

    /// Replaces ablations of links to the rest by those of links to each of its positions.
    pub fn spread(self, ablations: &[Ablation]) -> Vec<Ablation> {
        let all = |part: &Ablation| match *part {
            Ablation::Link { head, query, key } if key == self.shown && head.kind() != Kind::Decoder => {
                (key..key + self.count).map(|key| Ablation::Link { head, query, key }).collect()
            }
            part => vec![part],
        };
        ablations.iter().flat_map(all).collect()
    }

    /// Divides the weight that replaced rows give to the rest among its positions.
    pub fn spread_rows(self, edits: &[RowEdit]) -> Vec<RowEdit> {
        let spread = |edit: &RowEdit| match edit.weights.split_last() {
            Some((rest, shown)) if edit.head.kind() != Kind::Decoder && edit.weights.len() == self.keys() => {
                let each = std::iter::repeat_n(rest / self.count.max(1) as f32, self.count);
                RowEdit { weights: shown.iter().copied().chain(each).collect(), ..edit.clone() }
            }
            _ => edit.clone(),
        };
        edits.iter().map(spread).collect()
    }
}

/// Sums weights in double precision, in several sums side by side, which vectors compute together.
fn sum(weights: &[f32]) -> f32 {
    let (parts, last) = weights.as_chunks::<8>();
    let mut sums = [0f64; 8];
    for part in parts {
        sums.iter_mut().zip(part).for_each(|(sum, &weight)| *sum += f64::from(weight));
    }
    sums.iter_mut().zip(last).for_each(|(sum, &weight)| *sum += f64::from(weight));
    sums.iter().sum::<f64>() as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::Head;

    const REST: Rest = Rest { shown: 2, count: 3 };

    #[test]
    fn the_rest_of_an_axis_is_its_last_item() {
        let mut items = vec![AxisItem::frame(0.0, 0.02), AxisItem::frame(0.02, 0.04)];
        assert_eq!(Rest::of(&items), None);
        items.push(AxisItem::rest(3));
        assert_eq!(Rest::of(&items), Some(REST));
    }

    #[test]
    fn weights_of_the_rest_are_summed_and_its_rows_left_out() {
        let map: Vec<f32> = (0..25).map(|i| i as f32).collect();
        let (shape, folded) = REST.fold_maps(Kind::Encoder, [1, 5, 5], &map);
        assert_eq!(shape, [1, 2, 3]);
        assert_eq!(folded, [0.0, 1.0, 9.0, 5.0, 6.0, 24.0]);
        assert_eq!(REST.fold_maps(Kind::Cross, [1, 5, 5], &map).0, [1, 5, 3]);
    }

    #[test]
    fn a_link_to_the_rest_is_one_to_each_of_its_positions() {
        let link = |kind, key| Ablation::Link { head: Head::new(kind, 0, 1), query: 0, key };
        let spread = REST.spread(&[link(Kind::Cross, 1), link(Kind::Cross, 2), link(Kind::Decoder, 2)]);
        let keys = [1, 2, 3, 4].map(|key| link(Kind::Cross, key));
        assert_eq!(spread[..4], keys);
        assert_eq!(spread[4..], [link(Kind::Decoder, 2)]);
    }
}
