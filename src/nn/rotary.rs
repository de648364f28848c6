//! Rotary position embedding (Su et al. 2021): rotates pairs of dimensions by an angle proportional to the
//! position.

use candle_core::{D, Device, Tensor};

use crate::error::Result;

/// Rotary position embedding with an optional scaling factor.
#[derive(Clone, Debug)]
pub struct Rotary {
    frequencies: Vec<f32>,
}

impl Rotary {
    /// Embedding for heads of `width` dimensions; dimension `i` is paired with `i + width / 2`. Positions
    /// are divided by `scaling_factor` (Chen et al. 2023, position interpolation).
    pub fn new(width: usize, theta: f64, scaling_factor: f64) -> Self {
        let pairs = width / 2;
        let frequency =
            |pair: usize| 1.0 / (theta as f32).powf(2.0 * pair as f32 / width as f32) / scaling_factor as f32;
        Self { frequencies: (0..pairs).map(frequency).collect() }
    }

    /// Rotates `[batch, heads, positions, head_dim]`, whose first position is `past`.
    pub fn apply(&self, x: &Tensor, past: usize) -> Result<Tensor> {
        let (_, _, count, width) = x.dims4()?;
        let half = width / 2;
        let [cos, sin] = self.tables(past, count, x.device())?;
        let (first, second) = (x.narrow(D::Minus1, 0, half)?, x.narrow(D::Minus1, half, half)?);
        let rotated_first = (first.broadcast_mul(&cos)? - second.broadcast_mul(&sin)?)?;
        let rotated_second = (second.broadcast_mul(&cos)? + first.broadcast_mul(&sin)?)?;
        Ok(Tensor::cat(&[rotated_first, rotated_second], D::Minus1)?.contiguous()?)
    }

    fn tables(&self, past: usize, count: usize, device: &Device) -> Result<[Tensor; 2]> {
        let angles: Vec<f32> = (past..past + count)
            .flat_map(|position| self.frequencies.iter().map(move |frequency| position as f32 * frequency))
            .collect();
        let angles = Tensor::from_vec(angles, (count, self.frequencies.len()), device)?;
        Ok([angles.cos()?, angles.sin()?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_turn_by_their_position() {
        let x = Tensor::new(&[1f32, 2.0, 0.0, 0.0, 1.0, 2.0, 0.0, 0.0], &Device::Cpu).unwrap();
        let x = x.reshape((1, 1, 2, 4)).unwrap();
        let rotated = Rotary::new(4, 100.0, 1.0).apply(&x, 3).unwrap().flatten_all().unwrap();
        let angles = [3f32, 0.3, 4.0, 0.4];
        let expected = [
            angles[0].cos(),
            2.0 * angles[1].cos(),
            angles[0].sin(),
            2.0 * angles[1].sin(),
            angles[2].cos(),
            2.0 * angles[3].cos(),
            angles[2].sin(),
            2.0 * angles[3].sin(),
        ];
        for (got, want) in rotated.to_vec1::<f32>().unwrap().iter().zip(expected) {
            assert!((got - want).abs() < 1e-6, "{got} {want}");
        }
    }
}
