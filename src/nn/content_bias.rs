//! Relative position bias computed from the query's state (Qi et al. 2020, ProphetNet).

use candle_core::Tensor;

use super::Linear;
use super::relative_bias::bucket;
use crate::error::Result;

/// Bias on the scores by the query's state and the bucketed distance to the key.
#[derive(Clone, Debug)]
pub struct ContentBias {
    /// `d_model` to `buckets * heads`: the bias of each bucket and head.
    pub linear: Linear,
    /// Number of heads.
    pub heads: usize,
    /// Number of distance buckets.
    pub buckets: usize,
    /// Distance from which on all keys fall into the last bucket.
    pub max_distance: usize,
}

impl ContentBias {
    /// Computes the bias of every bucket: `[batch, positions, d_model]` to `[batch, positions, buckets *
    /// heads]`.
    pub fn bucket_biases(&self, states: &Tensor) -> Result<Tensor> {
        self.linear.forward(states)
    }

    /// Bias and mask of the n-gram streams, `[streams, heads, positions, keys + positions]`, from the
    /// output of [`ContentBias::bucket_biases`] for every stream. The first predicting position is `past +
    /// 1`. Positions attend to the `keys` tokens up to their own position, less one for each later stream,
    /// and to themselves.
    ///
    /// The reference lays the biases of a whole text out by position, stream and head, and reads them by
    /// stream, head and position; this function does the same. If `separate` is true, each batch row is the
    /// first stream of another text.
    pub fn ngram_bias(&self, biases: &Tensor, past: usize, keys: usize, separate: bool) -> Result<Tensor> {
        let (streams, count, width) = biases.dims3()?;
        let values = biases.flatten_all()?.to_vec1::<f32>()?;
        let mut all = Vec::with_capacity(streams * self.heads * count * (keys + count));
        for stream in 0..streams {
            for head in 0..self.heads {
                for query in 0..count {
                    let (from, position, column) = if separate {
                        (stream, query, head)
                    } else {
                        let place = (stream * self.heads + head) * count + query;
                        (place / self.heads % streams, place / (self.heads * streams), place % self.heads)
                    };
                    let biases = &values[(from * count + position) * width..][..width];
                    let at = |bucket: usize| biases[bucket * self.heads + column];
                    let behind = if separate { 0 } else { stream };
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

    /// Bias of the main stream, `[batch, heads, positions, keys]`, from the output of
    /// [`ContentBias::bucket_biases`] for queries at positions `first` and on, and keys at positions 0 and
    /// on.
    pub fn main_bias(&self, biases: &Tensor, first: usize, keys: usize) -> Result<Tensor> {
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
        let spread = bias.main_bias(&biases, 1, 3).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        // The first query stands at position 1: distances 1, 0, and a key after it.
        assert_eq!(spread, [2., 0., 0., 12., 10., 8., 3., 1., 1., 13., 11., 9.]);
        // One position of the first stream of each of two texts, with a token before it.
        let biases = biases.reshape((2, 1, 8)).unwrap();
        let ahead =
            bias.ngram_bias(&biases, 0, 1, true).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(ahead, [2., 0., 3., 1., 10., 8., 11., 9.]);
    }
}
