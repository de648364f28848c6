//! Rotary position embedding (Su et al. 2021): rotates pairs of dimensions by an angle proportional to the
//! position.

use candle_core::{D, Device, Tensor};

use crate::error::Result;

/// Rotary position embedding with an optional scaling factor.
#[derive(Clone, Debug)]
pub struct Rotary {
    frequencies: Vec<f32>,
    /// True if neighbouring dimensions form pairs, and those after the pairs do not turn.
    neighbours: bool,
}

impl Rotary {
    /// Embedding for heads of `width` dimensions; dimension `i` is paired with `i + width / 2`. Positions
    /// are divided by `scaling_factor` (Chen et al. 2023, position interpolation).
    pub fn new(width: usize, theta: f64, scaling_factor: f64) -> Self {
        let pairs = width / 2;
        let frequency =
            |pair: usize| 1.0 / (theta as f32).powf(2.0 * pair as f32 / width as f32) / scaling_factor as f32;
        Self { frequencies: (0..pairs).map(frequency).collect(), neighbours: false }
    }

    /// Embedding of the first `count` dimensions of a head, rounded up to pairs of neighbours; the others pass.
    /// Positions are divided by `scaling_factor`.
    pub fn of_neighbours(count: usize, theta: f64, scaling_factor: f64) -> Self {
        let frequency =
            |pair: usize| 1.0 / (theta as f32).powf(2.0 * pair as f32 / count as f32) / scaling_factor as f32;
        Self { frequencies: (0..count.div_ceil(2)).map(frequency).collect(), neighbours: true }
    }

    /// Rotates `[batch, heads, positions, head_dim]`, whose first position is `past`.
    pub fn apply(&self, x: &Tensor, past: usize) -> Result<Tensor> {
        let (batch, heads, count, width) = x.dims4()?;
        let [cos, sin] = self.tables(past, count, x.device())?;
        if self.neighbours {
            let turning = 2 * self.frequencies.len();
            let pairs = x.narrow(D::Minus1, 0, turning)?.reshape(&[batch, heads, count, turning / 2, 2])?;
            let part = |at: usize| pairs.narrow(D::Minus1, at, 1)?.squeeze(D::Minus1);
            let (first, second) = (part(0)?, part(1)?);
            let turned = [
                (first.broadcast_mul(&cos)? - second.broadcast_mul(&sin)?)?,
                (second.broadcast_mul(&cos)? + first.broadcast_mul(&sin)?)?,
            ];
            let turned = Tensor::stack(&turned, D::Minus1)?.reshape((batch, heads, count, turning))?;
            let others = x.narrow(D::Minus1, turning, width - turning)?;
            return Ok(Tensor::cat(&[turned, others], D::Minus1)?.contiguous()?);
        }
        let half = width / 2;
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
    fn neighbours_turn_and_the_others_pass() {
        let x =
            Tensor::new(&[1f32, 2.0, 3.0, 4.0, 7.0], &Device::Cpu).unwrap().reshape((1, 1, 1, 5)).unwrap();
        // Three dimensions have two frequencies, 1 and 100^(-2/3), which turn two pairs.
        let rotated = Rotary::of_neighbours(3, 100.0, 1.0).apply(&x, 2).unwrap().flatten_all().unwrap();
        let [a, b] = [2f32, 2.0 * 100f32.powf(-2.0 / 3.0)];
        let expected = [
            a.cos() - 2.0 * a.sin(),
            2.0 * a.cos() + a.sin(),
            3.0 * b.cos() - 4.0 * b.sin(),
            4.0 * b.cos() + 3.0 * b.sin(),
            7.0,
        ];
        for (got, want) in rotated.to_vec1::<f32>().unwrap().iter().zip(expected) {
            assert!((got - want).abs() < 1e-5, "{got} {want}");
        }
    }

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
