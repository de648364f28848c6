//! Absolute position embeddings: a learned table, or sines and cosines (Vaswani et al. 2017).

use candle_core::{DType, Device, Tensor};

use crate::error::{Error, Result};

/// Formula of the frequencies of sinusoids, from 1 down to 1/10000 over half of the width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sinusoid {
    /// `10000^(-2k/d)`: Marian, Pegasus.
    Even,
    /// `10000^(-k/(d/2-1))`: the fairseq models (M2M100, NLLB).
    Fairseq,
}

/// Rule for the positions of padding tokens inside a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PadPositions {
    /// They take positions like all tokens.
    Counted,
    /// They take none, as in fairseq: they are embedded by the row before position 0, whose number is also the
    /// padding token's id, and the tokens after them go on counting from the token before.
    Skipped {
        /// True if decoding adds the number of tokens in its cache to the row of padding (FSMT).
        moved: bool,
    },
}

/// Position embeddings, added to the token embeddings.
#[derive(Clone, Debug)]
pub struct PositionTable {
    table: Option<Tensor>,
    formula: Option<Sinusoid>,
    offset: usize,
    padding: PadPositions,
    width: usize,
}

impl PositionTable {
    /// A learned table `[offset + positions, d_model]`.
    pub fn learned(table: Tensor, offset: usize, padding: PadPositions) -> Result<Self> {
        let width = table.dim(1)?;
        Ok(Self { table: Some(table), formula: None, offset, padding, width })
    }

    /// Sinusoids: sines in the first half of the width, cosines in the second. A `stored` table is used as
    /// far as it reaches, since half-precision checkpoints hold rounded values that the reference uses,
    /// too.
    pub fn sinusoid(
        formula: Sinusoid,
        offset: usize,
        padding: PadPositions,
        width: usize,
        stored: Option<Tensor>,
    ) -> Self {
        Self { table: stored, formula: Some(formula), offset, padding, width }
    }

    /// Embeddings of `ids`, the tokens of `batch` texts that follow `past` others: `[batch, count, d_model]`, or
    /// `[count, d_model]` where all texts have the same.
    ///
    /// # Errors
    /// [`Error::Text`] past the end of a learned table.
    pub fn of_tokens(&self, ids: &[u32], batch: usize, past: usize, device: &Device) -> Result<Tensor> {
        let count = ids.len() / batch.max(1);
        let PadPositions::Skipped { moved } = self.padding else { return self.forward(past, count, device) };
        let Some(padding_row) = self.offset.checked_sub(1).filter(|&row| ids.contains(&(row as u32))) else {
            return self.forward(past, count, device);
        };
        let padding = Tensor::zeros((1, self.width), DType::F32, device)?;
        let padding = match &self.table {
            _ if moved && past > 0 => self.rows(padding_row + past, 1, device)?,
            Some(table) => table.narrow(0, padding_row, 1)?,
            None => padding,
        };
        let others = self.forward(past, count, device)?;
        let all = Tensor::cat(&[&padding, &others], 0)?;
        let mut next = 0;
        let rows: Vec<u32> = ids
            .iter()
            .enumerate()
            .map(|(at, &id)| {
                next = if at.is_multiple_of(count) { 0 } else { next };
                if id as usize == padding_row {
                    return 0;
                }
                next += 1;
                next
            })
            .collect();
        let rows = Tensor::new(rows, device)?;
        Ok(all.index_select(&rows, 0)?.reshape((batch, count, self.width))?)
    }

    /// Embeddings of positions `start..start + count`, `[count, d_model]`.
    ///
    /// # Errors
    /// [`Error::Text`] past the end of a learned table.
    pub fn forward(&self, start: usize, count: usize, device: &Device) -> Result<Tensor> {
        self.rows(start + self.offset, count, device)
    }

    /// Rows `from..from + count` of the table.
    fn rows(&self, from: usize, count: usize, device: &Device) -> Result<Tensor> {
        if let Some(table) = &self.table {
            let rows = table.dim(0)?;
            if from + count <= rows {
                return Ok(table.narrow(0, from, count)?);
            }
            if self.formula.is_none() {
                let limit = rows - self.offset.min(rows);
                return Err(Error::Text(format!(
                    "{} tokens are more than the {limit} positions that the model has",
                    from + count - self.offset.min(from)
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
        let positions = PositionTable::learned(table, 2, PadPositions::Counted).unwrap();
        assert_eq!(positions.forward(0, 4, &Device::Cpu).unwrap().dims(), [4, 2]);
        let error = positions.forward(3, 2, &Device::Cpu).unwrap_err();
        assert_eq!(error.to_string(), "5 tokens are more than the 4 positions that the model has");
    }
    #[test]
    fn padding_takes_no_position() {
        let values: Vec<f32> = (0..12).map(|at| at as f32).collect();
        let table = Tensor::from_vec(values, (12, 1), &Device::Cpu).unwrap();
        let rows = |moved, ids: &[u32], batch, past| -> Vec<f32> {
            let padding = PadPositions::Skipped { moved };
            let positions = PositionTable::learned(table.clone(), 2, padding).unwrap();
            let rows = positions.of_tokens(ids, batch, past, &Device::Cpu).unwrap();
            rows.flatten_all().unwrap().to_vec1().unwrap()
        };
        assert_eq!(rows(false, &[5, 6, 7], 1, 0), [2.0, 3.0, 4.0]);
        assert_eq!(rows(false, &[5, 1, 1, 7], 1, 0), [2.0, 1.0, 1.0, 3.0]);
        assert_eq!(rows(false, &[1, 5, 6, 1], 2, 3), [1.0, 5.0, 5.0, 1.0]);
        assert_eq!(rows(true, &[5, 1, 7], 1, 0), [2.0, 1.0, 3.0]);
        assert_eq!(rows(true, &[1], 1, 3), [4.0]);
        let sines =
            PositionTable::sinusoid(Sinusoid::Fairseq, 2, PadPositions::Skipped { moved: false }, 4, None);
        let found: Vec<Vec<Vec<f32>>> =
            sines.of_tokens(&[1, 5], 1, 0, &Device::Cpu).unwrap().to_vec3().unwrap();
        let first: Vec<Vec<f32>> = sines.forward(0, 1, &Device::Cpu).unwrap().to_vec2().unwrap();
        assert_eq!(found, [vec![vec![0.0; 4], first[0].clone()]]);
    }
}
