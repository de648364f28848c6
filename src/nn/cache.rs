//! Decoder state kept between decoding steps: keys and values, or recurrent states.

use candle_core::Tensor;

use super::KeysValues;
use crate::error::Result;

/// Initial capacity in positions.
const INITIAL_CAPACITY: usize = 32;

/// Keys and values of the decoder positions so far, in a buffer with spare capacity, so that appending
/// copies only the new positions.
#[derive(Debug)]
pub struct KvBuffer {
    /// `[batch, capacity, width]` each.
    buffer: KeysValues,
    /// Number of positions in use.
    len: usize,
}

impl KvBuffer {
    /// Creates a buffer with the first positions.
    pub fn new(first: &KeysValues) -> Result<Self> {
        let len = first.keys.dim(1)?;
        Ok(Self { buffer: widened(first, len, INITIAL_CAPACITY.max(2 * len))?, len })
    }

    /// Appends later positions of the same batch.
    pub fn append(&mut self, later: &KeysValues) -> Result<()> {
        let count = later.keys.dim(1)?;
        if self.len + count > self.buffer.keys.dim(1)? {
            self.buffer = widened(&self.buffer, self.len, 2 * (self.len + count))?;
        }
        self.buffer.keys.slice_set(&later.keys.contiguous()?, 1, self.len)?;
        self.buffer.values.slice_set(&later.values.contiguous()?, 1, self.len)?;
        self.len += count;
        Ok(())
    }

    /// Returns all positions so far as a view of the buffer, which a later `KvBuffer::reorder` changes.
    pub fn all(&self) -> Result<KeysValues> {
        self.buffer.first(self.len)
    }

    /// Moves batch row `rows[i]` to row `i`. Rows that stay in place are not copied.
    fn reorder(&mut self, rows: &[u32]) -> Result<()> {
        for part in [&self.buffer.keys, &self.buffer.values] {
            let filled = part.narrow(1, 0, self.len)?;
            let moved = rows.iter().enumerate().filter(|&(to, &from)| to != from as usize);
            // All rows are read before any is written, since a row can be both source and destination.
            let moved = moved
                .map(|(to, &from)| Ok((to, filled.narrow(0, from as usize, 1)?.copy()?)))
                .collect::<Result<Vec<_>>>()?;
            for (to, row) in moved {
                part.narrow(0, to, 1)?.slice_set(&row, 1, 0)?;
            }
        }
        Ok(())
    }
}

/// Copies the first `len` positions into a buffer of `capacity` positions.
fn widened(from: &KeysValues, len: usize, capacity: usize) -> Result<KeysValues> {
    let widen = |x: &Tensor| {
        let (batch, _, width) = x.dims3()?;
        let buffer = Tensor::zeros((batch, capacity, width), x.dtype(), x.device())?;
        buffer.slice_set(&x.narrow(1, 0, len)?.contiguous()?, 1, 0)?;
        Ok::<_, crate::error::Error>(buffer)
    };
    Ok(KeysValues { keys: widen(&from.keys)?, values: widen(&from.values)? })
}

/// Cache of one decoder layer.
#[derive(Debug, Default)]
pub struct LayerCache {
    /// Keys and values of the decoder positions so far.
    pub self_attn: Option<KvBuffer>,
    /// Keys and values of the source, computed once.
    pub cross: Option<KeysValues>,
    /// Last state of a recurrent layer, `[batch, width]`.
    pub state: Option<Tensor>,
}

impl LayerCache {
    /// Appends `new` and returns the keys and values of all positions so far.
    pub fn append(&mut self, new: &KeysValues) -> Result<KeysValues> {
        match &mut self.self_attn {
            Some(buffer) => buffer.append(new)?,
            none => *none = Some(KvBuffer::new(new)?),
        }
        self.self_attn.as_ref().map_or_else(|| Ok(new.clone()), KvBuffer::all)
    }
}

/// Cache of all decoder layers.
#[derive(Debug, Default)]
pub struct KvCache {
    /// One entry a layer.
    pub layers: Vec<LayerCache>,
    /// Decoder positions covered so far.
    pub past: usize,
}

impl KvCache {
    /// An empty cache for `layers` layers.
    pub fn new(layers: usize) -> Self {
        Self { layers: (0..layers).map(|_| LayerCache::default()).collect(), past: 0 }
    }

    /// Moves batch row `rows[i]` to row `i`. Keys and values of the source are the same for all rows and
    /// stay.
    pub fn reorder(&mut self, rows: &[u32]) -> Result<()> {
        if rows.iter().enumerate().all(|(to, &from)| to == from as usize) {
            return Ok(());
        }
        for layer in &mut self.layers {
            if let Some(buffer) = &mut layer.self_attn {
                buffer.reorder(rows)?;
            }
            if let Some(state) = &mut layer.state {
                *state = state.index_select(&Tensor::new(rows, state.device())?, 0)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    /// `[batch, positions, 2]` with distinct values.
    fn part(batch: usize, positions: usize, first: f32) -> KeysValues {
        let count = (batch * positions * 2) as f32;
        let keys = Tensor::arange(first, first + count, &Device::Cpu).unwrap();
        let keys = keys.reshape((batch, positions, 2)).unwrap();
        KeysValues { values: (&keys + 0.5).unwrap(), keys }
    }

    fn numbers(x: &Tensor) -> Vec<Vec<Vec<f32>>> {
        x.to_vec3().unwrap()
    }

    #[test]
    fn append_and_reorder_equal_concatenation_and_index_select() {
        for batch in [1, 3] {
            let mut layer = LayerCache::default();
            let first = part(batch, 5, 0.0);
            let mut expected = first.clone();
            layer.append(&first).unwrap();
            let mut cache = KvCache { layers: vec![layer], past: 5 };
            for step in 0..70 {
                let later = part(batch, 1, 1e4 + 100.0 * step as f32);
                let found = cache.layers[0].append(&later).unwrap();
                expected = expected.append(&later).unwrap();
                assert_eq!(numbers(&found.keys), numbers(&expected.keys), "{batch}, step {step}");
                assert_eq!(numbers(&found.values), numbers(&expected.values), "{batch}, step {step}");
                let rows: Vec<u32> = match (batch, step % 4) {
                    (3, 1) => vec![1, 2, 0],
                    (3, 2) => vec![0, 0, 1],
                    (3, 3) => vec![2, 1, 2],
                    _ => (0..batch as u32).collect(),
                };
                cache.reorder(&rows).unwrap();
                let index = Tensor::new(&rows[..], &Device::Cpu).unwrap();
                expected.keys = expected.keys.index_select(&index, 0).unwrap();
                expected.values = expected.values.index_select(&index, 0).unwrap();
            }
        }
    }
}
