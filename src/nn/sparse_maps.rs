//! Attention maps whose rows have weight at a few keys only, without the zeros.

use std::ops::Range;

/// The maps of one site in compressed rows: all heads have their weights at the same pairs.
#[derive(Clone, Debug, PartialEq)]
pub struct SparseMaps {
    /// Number of heads.
    pub heads: usize,
    /// Number of keys.
    pub keys: usize,
    /// Place of each query's first entry, and after the last one the number of entries: `[queries + 1]`.
    pub offsets: Vec<u32>,
    /// Key of each entry, ascending within a query: `[entries]`.
    pub columns: Vec<u32>,
    /// `[heads, entries]`
    pub weights: Vec<f32>,
}

impl SparseMaps {
    /// Checks that all parts fit each other.
    pub fn check(&self) -> Result<(), String> {
        let Self { heads, keys, offsets, columns, weights } = self;
        if *heads == 0 || offsets.len() < 2 || columns.is_empty() {
            return Err(format!("{heads} heads of {} entries are no maps", columns.len()));
        }
        let ends = [offsets.first().copied(), offsets.last().copied()];
        if ends != [Some(0), u32::try_from(columns.len()).ok()] || !offsets.is_sorted() {
            return Err(format!("the offsets do not divide {} entries", columns.len()));
        }
        if heads.checked_mul(columns.len()) != Some(weights.len()) {
            return Err(format!("{} weights do not fit {heads} heads", weights.len()));
        }
        let ascending = |row: &[u32]| row.is_sorted_by(|a, b| a < b);
        match (0..self.queries()).all(|query| ascending(&columns[self.entries(query)])) {
            true if columns.iter().all(|&key| (key as usize) < *keys) => Ok(()),
            _ => Err(format!("the columns are no ascending keys below {keys}")),
        }
    }

    /// Number of queries.
    pub fn queries(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Shape of the maps, `[heads, queries, keys]`.
    pub fn shape(&self) -> [usize; 3] {
        [self.heads, self.queries(), self.keys]
    }

    /// Size in bytes.
    pub fn bytes(&self) -> usize {
        4 * (self.offsets.len() + self.columns.len() + self.weights.len())
    }

    /// The entries of a query, which must exist.
    pub fn entries(&self, query: usize) -> Range<usize> {
        self.offsets[query] as usize..self.offsets[query + 1] as usize
    }

    /// Returns rows `rows` of a head's map, `[rows, keys]`. Requires [`SparseMaps::check`] to have returned
    /// `Ok`.
    ///
    /// # Panics
    /// If the head or the rows are out of range.
    pub fn rows(&self, head: usize, rows: Range<usize>) -> Vec<f32> {
        let weights = &self.weights[head * self.columns.len()..][..self.columns.len()];
        let mut made = vec![0.0; rows.len() * self.keys];
        for (row, query) in made.chunks_exact_mut(self.keys.max(1)).zip(rows) {
            let entries = self.entries(query);
            for (&key, &weight) in self.columns[entries.clone()].iter().zip(&weights[entries]) {
                row[key as usize] = weight;
            }
        }
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_their_weights_at_the_columns_and_wrong_parts_are_told() {
        let maps = SparseMaps {
            heads: 2,
            keys: 4,
            offsets: vec![0, 2, 2, 3],
            columns: vec![1, 3, 0],
            weights: vec![0.25, 0.75, 1.0, 0.5, 0.5, 0.125],
        };
        assert_eq!((maps.check(), maps.shape(), maps.bytes()), (Ok(()), [2, 3, 4], 52));
        assert_eq!(maps.rows(0, 0..2), [0.0, 0.25, 0.0, 0.75, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(maps.rows(1, 2..3), [0.125, 0.0, 0.0, 0.0]);
        for wrong in [
            SparseMaps { keys: 3, ..maps.clone() },
            SparseMaps { offsets: vec![0, 2, 1, 3], ..maps.clone() },
            SparseMaps { offsets: vec![0, 2, 2], ..maps.clone() },
            SparseMaps { columns: vec![3, 1, 0], ..maps.clone() },
            SparseMaps { heads: 3, ..maps.clone() },
            SparseMaps { heads: 0, ..maps },
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
    }
}
