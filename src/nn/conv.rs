//! Convolutions over time.

use candle_core::Tensor;

use super::{Activation, Linear};
use crate::error::Result;

/// Convolution over positions `[1, positions, channels]`, padded with zeros, with an activation after it.
#[derive(Clone, Debug)]
pub struct Conv1d {
    /// Map from the values under the kernel, `[kernel, channels in]` in a row, to the channels out.
    map: Linear,
    kernel: usize,
    stride: usize,
    padding: usize,
    activation: Activation,
}

impl Conv1d {
    /// Creates a convolution from its weight `[channels out, channels in, kernel]` and bias `[channels out]`.
    /// `padding` zeros stand before and after the positions.
    pub fn new(
        weight: &Tensor,
        bias: Option<Tensor>,
        [stride, padding]: [usize; 2],
        activation: Activation,
    ) -> Result<Self> {
        let (outputs, inputs, kernel) = weight.dims3()?;
        let weight = weight.permute((0, 2, 1))?.reshape((outputs, kernel * inputs))?.contiguous()?;
        let map = Linear::new(weight, bias);
        Ok(Self { map, kernel, stride: stride.max(1), padding, activation })
    }

    /// Number of positions that come of `positions`.
    pub fn positions(&self, positions: usize) -> usize {
        (positions + 2 * self.padding).checked_sub(self.kernel).map_or(0, |rest| rest / self.stride + 1)
    }

    /// Applies the convolution to `[1, positions, channels in]`. Returns `[1, positions, channels out]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, positions, channels) = x.dims3()?;
        let count = self.positions(positions);
        let padded = x.pad_with_zeros(1, self.padding, self.padding)?;
        let first = (0..count).map(|at| at * self.stride);
        let under = first.flat_map(|first| first..first + self.kernel).map(|at| at as u32);
        let under = Tensor::from_iter(under, x.device())?;
        let windows = padded.index_select(&under, 1)?.reshape((batch, count, self.kernel * channels))?;
        self.map.forward_through(&windows, self.activation)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn positions_under_the_kernel_are_summed() {
        let weight = Tensor::new(&[[[1f32, 10.0, 100.0], [0.0, 0.5, 0.0]]], &Device::Cpu).unwrap();
        let bias = Tensor::new(&[1000f32], &Device::Cpu).unwrap();
        let x = Tensor::new(&[[[1f32, 2.0], [2.0, 4.0], [3.0, 6.0], [4.0, 8.0]]], &Device::Cpu).unwrap();
        for (stride, expected) in [(1, vec![1211f32, 1323.0, 1435.0, 1047.0]), (2, vec![1211.0, 1435.0])] {
            let conv = Conv1d::new(&weight, Some(bias.clone()), [stride, 1], Activation::Relu).unwrap();
            assert_eq!(conv.positions(4), expected.len());
            let y = conv.forward(&x).unwrap();
            assert_eq!(y.dims(), [1, expected.len(), 1]);
            assert_eq!(y.flatten_all().unwrap().to_vec1::<f32>().unwrap(), expected);
        }
        let conv = Conv1d::new(&weight, None, [1, 0], Activation::Relu).unwrap();
        assert_eq!(conv.positions(2), 0);
    }
}
