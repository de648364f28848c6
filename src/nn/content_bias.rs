//! A relative position bias that the query's content chooses (Qi et al. 2020).

use candle_core::Tensor;

use super::Linear;
use super::relative_bias::bucket;
use crate::error::Result;

/// A bias on the scores that depends on the query's state and on how far back the key is.
#[derive(Clone, Debug)]
pub struct ContentBias {
    /// `d_model` to `buckets * heads`: the bias of each bucket and head.
    pub linear: Linear,
    /// Number of heads.
    pub heads: usize,
    /// Number of buckets.
    pub buckets: usize,
    /// Distance from which on all share the last bucket.
    pub max_distance: usize,
}

impl ContentBias {
    /// The bias of every bucket: `[batch, positions, d_model]` to `[batch, positions, buckets * heads]`.
    pub fn of(&self, states: &Tensor) -> Result<Tensor> {
        self.linear.forward(states)
    }

    /// Bias and mask `[streams, heads, positions, keys + positions]` for predicting positions, from what
    /// [`ContentBias::of`] gives for every stream. The first of them stands one after position `past`; they
    /// see `keys` tokens as far as their own position, less one for each later stream, and themselves.
    ///
    /// The reference lays the biases of a whole text out by position, stream and head, and reads them by
    /// stream, head and position: so does this. Where `apart`, each row is the first stream of another text.
    pub fn ahead(&self, biases: &Tensor, past: usize, keys: usize, apart: bool) -> Result<Tensor> {
        let (streams, count, width) = biases.dims3()?;
        let values = biases.flatten_all()?.to_vec1::<f32>()?;
        let mut all = Vec::with_capacity(streams * self.heads * count * (keys + count));
        for stream in 0..streams {
            for head in 0..self.heads {
                for query in 0..count {
                    let (from, position, column) = if apart {
                        (stream, query, head)
                    } else {
                        let place = (stream * self.heads + head) * count + query;
                        (place / self.heads % streams, place / (self.heads * streams), place % self.heads)
                    };
                    let own = &values[(from * count + position) * width..][..width];
                    let at = |bucket: usize| own[bucket * self.heads + column];
                    let behind = if apart { 0 } else { stream };
                    all.extend((0..keys).map(|key| match key {
                        key if key > 0 && key + behind > past + query => f32::NEG_INFINITY,
                        key => {
                            let offset = key as i64 - (past + query + 1) as i64;
                            at(bucket(offset, self.buckets, self.max_distance, false))
                        }
                    }));
                    all.extend((0..count).map(|key| if key == query { at(0) } else { f32::NEG_INFINITY }));
                }
            }
        }
        Ok(Tensor::from_vec(all, (streams, self.heads, count, keys + count), biases.device())?)
    }

    /// `[batch, heads, positions, keys]` from what [`ContentBias::of`] gives for queries at positions `first`
    /// and on, and keys at 0 and on.
    pub fn spread(&self, biases: &Tensor, first: usize, keys: usize) -> Result<Tensor> {
        let (batch, queries, width) = biases.dims3()?;
        let values = biases.flatten_all()?.to_vec1::<f32>()?;
        let mut all = Vec::with_capacity(batch * self.heads * queries * keys);
        for row in values.chunks(queries * width) {
            for head in 0..self.heads {
                for (query, own) in row.chunks(width).enumerate() {
                    all.extend((0..keys).map(|key| {
                        let offset = key as i64 - (first + query) as i64;
                        own[bucket(offset, self.buckets, self.max_distance, false) * self.heads + head]
                    }));
                }
            }
        }
        Ok(Tensor::from_vec(all, (batch, self.heads, queries, keys), biases.device())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn every_query_has_biases_of_its_own() {
        let linear = Linear::new(Tensor::zeros((8, 1), candle_core::DType::F32, &Device::Cpu).unwrap(), None);
        let bias = ContentBias { linear, heads: 2, buckets: 4, max_distance: 8 };
        // Buckets 0 to 3 of two heads, for two queries.
        let values: Vec<f32> = (0..16).map(|value| value as f32).collect();
        let biases = Tensor::from_vec(values, (1, 2, 8), &Device::Cpu).unwrap();
        let spread = bias.spread(&biases, 1, 3).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        // The first query stands at position 1: distances 1, 0, and a key after it.
        assert_eq!(spread, [2., 0., 0., 12., 10., 8., 3., 1., 1., 13., 11., 9.]);
        // One position of the first stream of each of two texts, with a token before it.
        let biases = biases.reshape((2, 1, 8)).unwrap();
        let ahead = bias.ahead(&biases, 0, 1, true).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(ahead, [2., 0., 3., 1., 10., 8., 11., 9.]);
    }
}
