//! What a map's rows and columns stand for, and how far apart they are.

use std::ops::Range;

use super::profile::ProfileAxes;
use crate::axis::Item;
use crate::site::Kind;

/// The tokens of a map's axes, and which attention it is.
#[derive(Clone, Copy, Debug)]
pub struct MapAxes<'a> {
    /// Which attention.
    pub kind: Kind,
    /// One token a row: source tokens, or what the decoder is fed.
    pub queries: &'a [Item],
    /// One token a column.
    pub keys: &'a [Item],
}

impl<'a> MapAxes<'a> {
    /// What profiles of maps `[queries, keys]` with this context need.
    pub fn profile_axes(&self, shape: [usize; 2]) -> ProfileAxes {
        ProfileAxes::new(self.kind, shape, self.keys)
    }

    /// The context of a kind's maps with these axes.
    pub fn new(kind: Kind, queries: &'a [Item], keys: &'a [Item]) -> Self {
        Self { kind, queries, keys }
    }

    /// The keys that row `query` may look at: those up to itself in decoder self-attention, otherwise all.
    pub fn visible(&self, query: usize) -> Range<usize> {
        self.kind.visible(query, self.keys.len())
    }

    /// The key on row `query`'s diagonal, as a real number: the row itself in self-attention; in a cross map
    /// of `Q` rows and `K` columns `query * K / Q`, where word-for-word alignment would put it.
    pub fn diagonal(&self, query: usize) -> f32 {
        self.kind.diagonal(query, self.queries.len(), self.keys.len())
    }

    /// The distance between a query and a key in tokens: `abs(query - key)` in self-attention,
    /// `abs(query * K / Q - key)` in a cross map.
    pub fn distance(&self, query: usize, key: usize) -> f32 {
        (self.diagonal(query) - key as f32).abs()
    }

    /// Whether a key is a special token; false beyond the axis.
    pub fn special(&self, key: usize) -> bool {
        self.keys.get(key).is_some_and(|token| token.special)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(count: usize) -> Vec<Item> {
        (0..count).map(|id| Item::token(id as u32, id.to_string(), false)).collect()
    }

    #[test]
    fn distance_is_from_the_diagonal() {
        let (long, short) = (tokens(6), tokens(3));
        let own = MapAxes::new(Kind::Encoder, &long, &long);
        assert_eq!(own.distance(1, 5), 4.0);
        let cross = MapAxes::new(Kind::Cross, &short, &long);
        assert_eq!(cross.distance(1, 2), 0.0);
        assert_eq!(cross.distance(2, 1), 3.0);
        assert_eq!(cross.visible(0), 0..6);
    }

    #[test]
    fn decoder_rows_see_themselves_and_what_came_before() {
        let axis = tokens(3);
        assert_eq!(MapAxes::new(Kind::Decoder, &axis, &axis).visible(1), 0..2);
    }
}
