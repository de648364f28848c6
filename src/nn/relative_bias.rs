//! T5's relative position bias: one learned number per head and bucket of distances (Raffel et al. 2020).

use candle_core::Tensor;

use crate::error::Result;

/// A learned bias on the scores by key position minus query position.
#[derive(Clone, Debug)]
pub struct RelativeBias {
    table: Vec<f32>,
    heads: usize,
    buckets: usize,
    max_distance: usize,
    bidirectional: bool,
}

impl RelativeBias {
    /// Creates the bias from the learned table `[buckets, heads]`. Encoders attend in both directions
    /// (`bidirectional`), decoders backwards.
    pub fn new(table: &Tensor, max_distance: usize, bidirectional: bool) -> Result<Self> {
        let (buckets, heads) = table.dims2()?;
        let table = table.flatten_all()?.to_vec1()?;
        Ok(Self { table, heads, buckets, max_distance, bidirectional })
    }

    /// Number of heads.
    pub fn heads(&self) -> usize {
        self.heads
    }

    /// The bias of `head` for a key `offset` positions after the query (negative: before it).
    pub fn at(&self, head: usize, offset: i64) -> f32 {
        self.table[self.bucket(offset) * self.heads + head]
    }

    /// The bias along each diagonal, `[heads, queries + keys - 1]`, the first being that of the last query
    /// and the first key. Queries are at positions `past` and on, keys at 0 and on.
    pub fn diagonals(&self, queries: usize, keys: usize, past: usize) -> Vec<f32> {
        let first = -((past + queries) as i64 - 1);
        let count = (queries + keys).saturating_sub(1);
        let buckets: Vec<usize> = (0..count as i64).map(|d| self.bucket(first + d)).collect();
        let of = |head| buckets.iter().map(move |bucket| self.table[bucket * self.heads + head]);
        (0..self.heads).flat_map(of).collect()
    }

    fn bucket(&self, offset: i64) -> usize {
        bucket(offset, self.buckets, self.max_distance, self.bidirectional)
    }
}

/// The bucket of `offset` = key position - query position, as in Mesh TensorFlow's transformer layers.
/// The logarithm is taken in single precision, as the reference does: some boundaries depend on it.
pub(super) fn bucket(offset: i64, mut buckets: usize, max_distance: usize, bidirectional: bool) -> usize {
    let mut first = 0;
    let distance = if bidirectional {
        buckets /= 2;
        if offset > 0 {
            first = buckets;
        }
        offset.unsigned_abs() as usize
    } else {
        (-offset).max(0) as usize
    };
    let exact = buckets / 2;
    if distance < exact {
        return first + distance;
    }
    let ratio = (distance as f32 / exact as f32).ln() / ((max_distance as f64 / exact as f64).ln() as f32)
        * (buckets - exact) as f32;
    first + (exact + ratio as usize).min(buckets.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn bias(bidirectional: bool) -> RelativeBias {
        let table: Vec<f32> = (0..64).map(|v| v as f32).collect();
        let table = Tensor::from_vec(table, (32, 2), &Device::Cpu).unwrap();
        RelativeBias::new(&table, 128, bidirectional).unwrap()
    }

    #[test]
    fn buckets_match_the_reference() {
        // Values of transformers' T5Attention._relative_position_bucket.
        let both = bias(true);
        let offsets = [-200, -128, -20, -9, -8, -1, 0, 1, 7, 8, 15, 16, 90, 127, 128];
        let expected = [15, 15, 10, 8, 8, 1, 0, 17, 23, 24, 25, 26, 30, 31, 31];
        assert_eq!(offsets.map(|o| both.bucket(o)), expected);
        let back = bias(false);
        let offsets = [5, 0, -1, -15, -16, -17, -18, -19, -40, -64, -113, -127, -128];
        let expected = [0, 0, 1, 15, 16, 16, 16, 17, 23, 26, 31, 31, 31];
        assert_eq!(offsets.map(|o| back.bucket(o)), expected);
    }

    #[test]
    fn diagonals_are_those_of_the_pairs() {
        let (bias, queries, keys, past) = (bias(false), 3, 5, 2);
        let lines = bias.diagonals(queries, keys, past);
        for (head, line) in lines.chunks_exact(queries + keys - 1).enumerate() {
            for (query, key) in (0..queries).flat_map(|query| (0..keys).map(move |key| (query, key))) {
                let offset = key as i64 - (query + past) as i64;
                assert_eq!(line[queries - 1 + key - query], bias.at(head, offset));
            }
        }
    }
}
