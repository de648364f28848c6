//! Axes of a map, and distances between their items.

use std::ops::Range;

use super::distances::Distances;
use super::profile::ProfileAxes;
use crate::axis::{AxisItem, ItemKind};
use crate::site::Kind;

/// The items along the axes of a map, and the kind of attention.
#[derive(Clone, Copy, Debug)]
pub struct MapAxes<'a> {
    /// Kind of attention.
    pub kind: Kind,
    /// One item per row: of the source, or of what the decoder is fed.
    pub queries: &'a [AxisItem],
    /// One item per column.
    pub keys: &'a [AxisItem],
}

impl<'a> MapAxes<'a> {
    /// Prepares these axes for profiles of maps `[queries, keys]`.
    pub fn profile_axes(&self, shape: [usize; 2]) -> ProfileAxes {
        ProfileAxes::new(self.kind, shape, self.keys)
    }

    /// Axes of the maps of a kind.
    pub fn new(kind: Kind, queries: &'a [AxisItem], keys: &'a [AxisItem]) -> Self {
        Self { kind, queries, keys }
    }

    /// Keys that row `query` may attend to: up to itself in decoder self-attention, otherwise all.
    pub fn visible(&self, query: usize) -> Range<usize> {
        self.kind.visible(query, self.keys.len())
    }

    /// Key on the diagonal of row `query`, as a real number: the row itself in self-attention; in a cross
    /// map of `Q` rows and `K` columns `query * K / Q`, the place of a word-for-word alignment.
    pub fn diagonal(&self, query: usize) -> f32 {
        self.kind.diagonal(query, self.queries.len(), self.keys.len())
    }

    /// Distances between queries and keys: `abs(query - key)` positions in self-attention, `abs(query * K / Q -
    /// key)` in a cross map. Patches of a picture are apart in the plane, and have no distance from a text.
    pub fn distances(&self) -> Distances {
        Distances::new(self.kind, self.queries.len(), self.keys)
    }

    /// Distance between a query and a key ([`MapAxes::distances`]).
    pub fn distance(&self, query: usize, key: usize) -> Option<f32> {
        self.distances().between(query, key)
    }

    /// Returns true if the keys are patches of a picture.
    pub fn keys_are_patches(&self) -> bool {
        self.keys.iter().any(|item| item.place().is_some())
    }

    /// Returns true if every key is a token of a text.
    pub fn keys_are_tokens(&self) -> bool {
        self.keys.iter().all(|item| item.token_id().is_some())
    }

    /// The key that stands for the positions after a recording.
    pub fn rest(&self) -> Option<usize> {
        let last = self.keys.len().checked_sub(1)?;
        matches!(self.keys[last].kind, ItemKind::Rest { .. }).then_some(last)
    }

    /// Returns true if a key is special; false beyond the axis.
    pub fn special(&self, key: usize) -> bool {
        self.keys.get(key).is_some_and(|token| token.special)
    }

    /// Returns true if a key is special or punctuation; false beyond the axis.
    pub fn separator(&self, key: usize) -> bool {
        self.keys.get(key).is_some_and(|token| token.special || token.is_punctuation())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(count: usize) -> Vec<AxisItem> {
        (0..count).map(|id| AxisItem::token(id as u32, id.to_string(), false)).collect()
    }

    #[test]
    fn distance_is_from_the_diagonal() {
        let (long, short) = (tokens(6), tokens(3));
        let own = MapAxes::new(Kind::Encoder, &long, &long);
        assert_eq!(own.distance(1, 5), Some(4.0));
        let cross = MapAxes::new(Kind::Cross, &short, &long);
        assert_eq!(cross.distance(1, 2), Some(0.0));
        assert_eq!(cross.distance(2, 1), Some(3.0));
        assert_eq!(cross.visible(0), 0..6);
    }

    #[test]
    fn decoder_rows_see_themselves_and_what_came_before() {
        let axis = tokens(3);
        assert_eq!(MapAxes::new(Kind::Decoder, &axis, &axis).visible(1), 0..2);
    }
}
