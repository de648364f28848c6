//! Values of several sequences of any lengths in one tensor, without padding (a ragged tensor). Maps that
//! treat every row alike take all rows at once; attention takes one sequence after the other.

use std::sync::Arc;

use candle_core::{D, Tensor};

use crate::error::Result;

/// Rows of several sequences, one sequence after the other. Cloning is free.
#[derive(Clone, Debug)]
pub struct Ragged {
    /// `[1, rows, width]`
    rows: Tensor,
    /// `[batch, positions]` of each sequence.
    shapes: Arc<[[usize; 2]]>,
}

impl Ragged {
    /// Joins sequences `[batch, positions, width]`. A single one is not copied if it is contiguous.
    ///
    /// # Errors
    /// There is no sequence, or their widths differ.
    pub fn join(parts: &[Tensor]) -> Result<Self> {
        let mut flat = Vec::with_capacity(parts.len());
        let mut shapes = Vec::with_capacity(parts.len());
        for part in parts {
            let (batch, positions, width) = part.dims3()?;
            shapes.push([batch, positions]);
            flat.push(part.reshape((batch * positions, width))?);
        }
        Ok(Self { rows: Tensor::cat(&flat, 0)?.unsqueeze(0)?, shapes: shapes.into() })
    }

    /// All rows, `[1, rows, width]`.
    pub fn rows(&self) -> &Tensor {
        &self.rows
    }

    /// `[batch, positions]` of each sequence.
    pub fn shapes(&self) -> &[[usize; 2]] {
        &self.shapes
    }

    /// Returns other values of the same rows, `[1, rows, any width]`.
    pub fn with(&self, rows: Tensor) -> Self {
        Self { rows, shapes: Arc::clone(&self.shapes) }
    }

    /// Returns the sequences, each `[batch, positions, width]`.
    pub fn parts(&self) -> Result<Vec<Tensor>> {
        self.split(&self.rows)
    }

    /// Splits other values of the same rows, `[1, rows, any width]`, like [`Ragged::parts`].
    pub fn split(&self, rows: &Tensor) -> Result<Vec<Tensor>> {
        let width = rows.dim(D::Minus1)?;
        let mut first = 0;
        let part = |&[batch, positions]: &[usize; 2]| {
            let part = rows.narrow(1, first, batch * positions)?.reshape((batch, positions, width))?;
            first += batch * positions;
            Ok(part)
        };
        self.shapes.iter().map(part).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn joined_sequences_come_apart_again() {
        let part = |batch: usize, positions: usize, first: f32| {
            let count = (batch * positions * 2) as f32;
            let values = Tensor::arange(first, first + count, &Device::Cpu).unwrap();
            values.reshape((batch, positions, 2)).unwrap()
        };
        let parts = [part(1, 3, 0.0), part(2, 1, 10.0), part(1, 1, 20.0)];
        let joined = Ragged::join(&parts).unwrap();
        assert_eq!(joined.rows().dims(), [1, 6, 2]);
        let doubled = joined.split(&(joined.rows() * 2.0).unwrap()).unwrap();
        for ((part, again), doubled) in parts.iter().zip(joined.parts().unwrap()).zip(doubled) {
            let values = |x: &Tensor| x.to_vec3::<f32>().unwrap();
            assert_eq!(values(&again), values(part));
            assert_eq!(values(&doubled), values(&(part * 2.0).unwrap()));
        }
        assert!(Ragged::join(&[]).is_err());
    }
}
