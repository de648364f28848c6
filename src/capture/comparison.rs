//! Comparison of two captures: their tokens in one order, and the change of each head on the common ones.

use attn_tui_kernels::threads;

use super::Capture;
use crate::analysis::similarity::divergence;
use crate::axis::AxisItem;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::site::{Head, Kind};

/// Positions of common tokens in two sequences, (first, second), both increasing.
pub type Pairs = Vec<(usize, usize)>;

/// A place where two sequences stand side by side: the position of its token in each, `None` where a sequence
/// lacks it.
pub type Place = (Option<usize>, Option<usize>);

/// Two captures side by side, and the differences of their heads.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// Source tokens of both captures in one order.
    pub source: Vec<Place>,
    /// Decoder rows of both captures in one order, paired by their input token.
    pub target: Vec<Place>,
    /// Change of each head, largest first: the mean Jensen-Shannon divergence of the common rows in nats, 0
    /// to ln 2. The weight of all keys that only one capture has counts as that of one key more.
    pub changes: Vec<(Head, f32)>,
}

/// Maps of one head in two captures, `[places of queries, places of keys]`. NaN stands where a capture lacks
/// the query or the key, and where the key lies ahead of its query.
#[derive(Clone, Debug, PartialEq)]
pub struct ComparedMaps {
    /// The first capture's map; `None` if it lacks the head.
    pub first: Option<Matrix>,
    /// The second capture's map; `None` if it lacks the head.
    pub second: Option<Matrix>,
    /// The second capture's weights minus those of the first.
    pub difference: Option<Matrix>,
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
            Ok(merged(&common_items(a, b), (a.len(), b.len())))
        };
        let source = align(&a.source.items, &b.source.items)?;
        let target = align(&a.decoder_input, &b.decoder_input)?;
        let comparison = Self { source, target, changes: Vec::new() };
        let heads = b.all_heads();
        let changes = threads::map(heads.len(), usize::MAX, |at| comparison.change(a, b, heads[at]));
        let mut changes: Vec<(Head, f32)> =
            heads.iter().zip(changes).filter_map(|(&head, change)| Some((head, change?))).collect();
        changes.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        Ok(Self { changes, ..comparison })
    }

    /// Returns the queries of a kind.
    pub fn queries(&self, kind: Kind) -> &[Place] {
        if kind == Kind::Encoder { &self.source } else { &self.target }
    }

    /// Returns the keys of a kind.
    pub fn keys(&self, kind: Kind) -> &[Place] {
        if kind == Kind::Decoder { &self.target } else { &self.source }
    }

    /// Returns the maps of a head in both captures, and their difference.
    pub fn maps(&self, a: &Capture, b: &Capture, head: Head) -> ComparedMaps {
        let (queries, keys) = (self.queries(head.kind()), self.keys(head.kind()));
        let of = |capture: &Capture, position: fn(&Place) -> Option<usize>| {
            let map = capture.map(head).ok()?;
            let ahead = |query: usize, key: usize| head.kind() == Kind::Decoder && key > query;
            Some(Matrix::from_fn(queries.len(), keys.len(), |row, col| {
                let pair = position(&queries[row]).zip(position(&keys[col]));
                let weight = pair.filter(|&(query, key)| !ahead(query, key)).and_then(|(i, j)| map.get(i, j));
                weight.unwrap_or(f32::NAN)
            }))
        };
        let (first, second) = (of(a, |place| place.0), of(b, |place| place.1));
        let difference = first.as_ref().zip(second.as_ref()).map(|(first, second)| {
            let cells = second.as_slice().iter().zip(first.as_slice());
            Matrix::new(second.rows(), second.cols(), cells.map(|(now, before)| now - before).collect())
        });
        ComparedMaps { first, second, difference }
    }

    /// Returns the change of a head; `None` if one of the captures lacks it.
    fn change(&self, a: &Capture, b: &Capture, head: Head) -> Option<f32> {
        let (first, second) = (a.map(head).ok()?, b.map(head).ok()?);
        let (mut queries, keys) = (common(self.queries(head.kind())), common(self.keys(head.kind())));
        // The rest of a recording has no row.
        queries.retain(|&(i, k)| i < first.rows() && k < second.rows());
        // The last column holds the weight of the keys that are not common.
        let part = |map: &Matrix, row: usize, cols: &mut dyn Iterator<Item = usize>| {
            let mut weights: Vec<f32> = cols.map(|col| map.get(row, col).unwrap_or(0.0)).collect();
            let rest = map.row(row).iter().sum::<f32>() - weights.iter().sum::<f32>();
            weights.push(rest.max(0.0));
            weights
        };
        let (mut p, mut q) = (Vec::new(), Vec::new());
        for &(i, k) in &queries {
            p.extend(part(&first, i, &mut keys.iter().map(|pair| pair.0)));
            q.extend(part(&second, k, &mut keys.iter().map(|pair| pair.1)));
        }
        let (rows, cols) = (queries.len(), keys.len() + 1);
        divergence(&Matrix::new(rows, cols, p), &Matrix::new(rows, cols, q)).ok()
    }
}

/// Returns the items that two axes have in common: tokens and frames of the same name, patches at the same
/// place of the model's grid, whatever the sizes of the pictures.
fn common_items(a: &[AxisItem], b: &[AxisItem]) -> Pairs {
    let seen = |axis: &[AxisItem]| axis.iter().any(|item| item.place().is_some());
    match (seen(a), seen(b)) {
        (false, false) => shared(a, b),
        (true, true) if a.len() == b.len() => (0..a.len()).zip(0..b.len()).collect(),
        _ => Vec::new(),
    }
}

/// Returns the places that both sequences have.
pub fn common(places: &[Place]) -> Pairs {
    places.iter().filter_map(|&(first, second)| first.zip(second)).collect()
}

/// Merges two sequences of these lengths into one order. Between common tokens, those of the first sequence
/// stand before those of the second.
fn merged(pairs: &[(usize, usize)], (first, second): (usize, usize)) -> Vec<Place> {
    let mut places = Vec::new();
    let (mut i, mut j) = (0, 0);
    for &(next_i, next_j) in pairs.iter().chain([&(first, second)]) {
        places.extend((i..next_i).map(|at| (Some(at), None)));
        places.extend((j..next_j).map(|at| (None, Some(at))));
        if next_i < first || next_j < second {
            places.push((Some(next_i), Some(next_j)));
        }
        (i, j) = (next_i + 1, next_j + 1);
    }
    places
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
    use crate::axis::PixelBox;

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
    fn patches_are_compared_by_their_place_in_the_grid() {
        let patches = |side: f64, count: usize| -> Vec<AxisItem> {
            let patch = |at: usize| PixelBox { x: at as f64 * side, y: 0.0, w: side, h: side };
            (0..count).map(|at| AxisItem::patch(patch(at))).collect()
        };
        assert_eq!(common_items(&patches(8.0, 3), &patches(16.0, 3)), [(0, 0), (1, 1), (2, 2)]);
        assert!(common_items(&patches(8.0, 3), &patches(8.0, 4)).is_empty());
        assert_eq!(common_items(&tokens("a b"), &tokens("b")), [(1, 0)]);
    }

    #[test]
    fn two_orders_become_one() {
        let a = tokens("the dog near the house is old");
        let b = tokens("the dogs near the old house are old");
        let places = merged(&shared(&a, &b), (a.len(), b.len()));
        let words: Vec<String> = places
            .iter()
            .map(|&place| match place {
                (Some(i), Some(_)) => a[i].piece.clone(),
                (Some(i), None) => format!("-{}", a[i].piece),
                (None, Some(j)) => format!("+{}", b[j].piece),
                (None, None) => String::new(),
            })
            .collect();
        assert_eq!(words.join(" "), "the -dog +dogs near the +old house -is +are old");
        assert_eq!(merged(&[], (1, 2)), [(Some(0), None), (None, Some(0)), (None, Some(1))]);
        assert_eq!(common(&merged(&shared(&a, &a), (7, 7))).len(), 7);
    }
}
