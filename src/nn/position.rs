//! Absolute position embeddings: a learned table, or sines and cosines (Vaswani et al. 2017).

use candle_core::{Device, Tensor};

use crate::error::{Error, Result};

/// Formula of the frequencies of sinusoids, from 1 down to 1/10000 over half of the width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sinusoid {
    /// `10000^(-2k/d)`: Marian, Pegasus.
    Even,
    /// `10000^(-k/(d/2-1))`: the fairseq models (M2M100, NLLB).
    Fairseq,
}

/// Position embeddings, added to the token embeddings.
#[derive(Clone, Debug)]
pub struct PositionTable {
    table: Option<Tensor>,
    formula: Option<Sinusoid>,
    offset: usize,
    width: usize,
}

impl PositionTable {
    /// A learned table `[offset + positions, d_model]`.
    pub fn learned(table: Tensor, offset: usize) -> Result<Self> {
        let width = table.dim(1)?;
        Ok(Self { table: Some(table), formula: None, offset, width })
    }

    /// Sinusoids: sines in the first half of the width, cosines in the second. A `stored` table is used as
    /// far as it reaches, since half-precision checkpoints hold rounded values that the reference uses,
    /// too.
    pub fn sinusoid(formula: Sinusoid, offset: usize, width: usize, stored: Option<Tensor>) -> Self {
        Self { table: stored, formula: Some(formula), offset, width }
    }

    /// Embeddings of positions `start..start + count`, `[count, d_model]`.
    ///
    /// # Errors
    /// [`Error::Text`] past the end of a learned table.
    pub fn forward(&self, start: usize, count: usize, device: &Device) -> Result<Tensor> {
        let from = start + self.offset;
        if let Some(table) = &self.table {
            let rows = table.dim(0)?;
            if from + count <= rows {
                return Ok(table.narrow(0, from, count)?);
            }
            if self.formula.is_none() {
                let limit = rows - self.offset.min(rows);
                return Err(Error::Text(format!(
                    "{} tokens are more than the {limit} positions that the model has",
                    start + count
                )));
            }
        }
        let formula = self.formula.unwrap_or(Sinusoid::Even);
        let values = sines(formula, from, count, self.width);
        Ok(Tensor::from_vec(values, (count, self.width), device)?)
    }
}

fn sines(formula: Sinusoid, from: usize, count: usize, width: usize) -> Vec<f32> {
    let half = width.div_ceil(2);
    let frequency = |k: usize| match formula {
        Sinusoid::Even => 10000f64.powf(-2.0 * k as f64 / width as f64),
        Sinusoid::Fairseq => (-(10000f64.ln()) * k as f64 / (half.max(2) - 1) as f64).exp(),
    };
    let mut values = Vec::with_capacity(count * width);
    for position in from..from + count {
        for column in 0..width {
            let value = if column < half {
                (position as f64 * frequency(column)).sin()
            } else {
                (position as f64 * frequency(column - half)).cos()
            };
            values.push(value as f32);
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sinusoids_follow_their_formulas() {
        let even = sines(Sinusoid::Even, 3, 1, 4);
        let expected = [3f64.sin(), 0.03f64.sin(), 3f64.cos(), 0.03f64.cos()];
        for (got, want) in even.iter().zip(expected) {
            assert!((f64::from(*got) - want).abs() < 1e-7, "{got} {want}");
        }
        let fairseq = sines(Sinusoid::Fairseq, 2, 1, 4);
        let expected = [2f64.sin(), 0.0002f64.sin(), 2f64.cos(), 0.0002f64.cos()];
        for (got, want) in fairseq.iter().zip(expected) {
            assert!((f64::from(*got) - want).abs() < 1e-7, "{got} {want}");
        }
    }

    #[test]
    fn a_learned_table_ends() {
        let table = Tensor::zeros((6, 2), candle_core::DType::F32, &Device::Cpu).unwrap();
        let positions = PositionTable::learned(table, 2).unwrap();
        assert_eq!(positions.forward(0, 4, &Device::Cpu).unwrap().dims(), [4, 2]);
        let error = positions.forward(3, 2, &Device::Cpu).unwrap_err();
        assert_eq!(error.to_string(), "5 tokens are more than the 4 positions that the model has");
    }
}
