//! Keys and values, or states, kept between decoding steps.

use candle_core::Tensor;

use super::KeysValues;
use crate::error::Result;

/// Positions that there is room for at first.
const ROOM: usize = 32;

/// Keys and values of the decoder positions so far, in room for more: what comes is written behind what is
/// there, which stays where it is.
#[derive(Debug)]
pub struct KvBuffer {
    /// `[batch, capacity, width]` each.
    room: KeysValues,
    /// Positions in it.
    len: usize,
}

impl KvBuffer {
    /// Of the first positions.
    pub fn new(first: &KeysValues) -> Result<Self> {
        let len = first.keys.dim(1)?;
        Ok(Self { room: widened(first, len, ROOM.max(2 * len))?, len })
    }

    /// Writes later positions of the same batch behind those there are.
    pub fn append(&mut self, later: &KeysValues) -> Result<()> {
        let count = later.keys.dim(1)?;
        if self.len + count > self.room.keys.dim(1)? {
            self.room = widened(&self.room, self.len, 2 * (self.len + count))?;
        }
        self.room.keys.slice_set(&later.keys.contiguous()?, 1, self.len)?;
        self.room.values.slice_set(&later.values.contiguous()?, 1, self.len)?;
        self.len += count;
        Ok(())
    }

    /// All positions so far, where they lie: a later `KvBuffer::reorder` changes what is seen.
    pub fn all(&self) -> Result<KeysValues> {
        self.room.first(self.len)
    }

    /// Row `i` becomes what row `rows[i]` was; rows that stay are not touched.
    fn reorder(&mut self, rows: &[u32]) -> Result<()> {
        for part in [&self.room.keys, &self.room.values] {
            let filled = part.narrow(1, 0, self.len)?;
            let moved = rows.iter().enumerate().filter(|&(to, &from)| to != from as usize);
            // All are read before any is written: a row may be the source of one and the place of another.
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

/// The first `len` positions of `from` in room for `capacity`.
fn widened(from: &KeysValues, len: usize, capacity: usize) -> Result<KeysValues> {
    let widen = |x: &Tensor| {
        let (batch, _, width) = x.dims3()?;
        let room = Tensor::zeros((batch, capacity, width), x.dtype(), x.device())?;
        room.slice_set(&x.narrow(1, 0, len)?.contiguous()?, 1, 0)?;
        Ok::<_, crate::error::Error>(room)
    };
    Ok(KeysValues { keys: widen(&from.keys)?, values: widen(&from.values)? })
}

/// What one decoder layer keeps.
#[derive(Debug, Default)]
pub struct LayerCache {
    /// Of the decoder positions so far.
    pub own: Option<KvBuffer>,
    /// Of the source; computed once.
    pub cross: Option<KeysValues>,
    /// A recurrent layer's last state, `[batch, width]`.
    pub state: Option<Tensor>,
}

impl LayerCache {
    /// Keys and values of all positions so far, of which `new` are the last.
    pub fn remember(&mut self, new: &KeysValues) -> Result<KeysValues> {
        match &mut self.own {
            Some(own) => own.append(new)?,
            none => *none = Some(KvBuffer::new(new)?),
        }
        self.own.as_ref().map_or_else(|| Ok(new.clone()), KvBuffer::all)
    }
}

/// What all decoder layers keep, and how many positions that covers.
#[derive(Debug, Default)]
pub struct Cache {
    /// One entry a layer.
    pub layers: Vec<LayerCache>,
    /// Decoder positions covered so far.
    pub past: usize,
}

impl Cache {
    /// An empty cache for `layers` layers.
    pub fn new(layers: usize) -> Self {
        Self { layers: (0..layers).map(|_| LayerCache::default()).collect(), past: 0 }
    }

    /// Rearranges the batch: row `i` becomes what row `rows[i]` was. The source's keys and values are the
    /// same for all rows and stay.
    pub fn reorder(&mut self, rows: &[u32]) -> Result<()> {
        if rows.iter().enumerate().all(|(to, &from)| to == from as usize) {
            return Ok(());
        }
        for layer in &mut self.layers {
            if let Some(own) = &mut layer.own {
                own.reorder(rows)?;
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

    /// `[batch, positions, 2]`, every value its own.
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
    fn what_is_appended_and_rearranged_is_what_concatenation_and_selection_give() {
        for batch in [1, 3] {
            let mut layer = LayerCache::default();
            let first = part(batch, 5, 0.0);
            let mut expected = first.clone();
            layer.remember(&first).unwrap();
            let mut cache = Cache { layers: vec![layer], past: 5 };
            for step in 0..70 {
                let later = part(batch, 1, 1e4 + 100.0 * step as f32);
                let found = cache.layers[0].remember(&later).unwrap();
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
