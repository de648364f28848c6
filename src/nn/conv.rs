//! Convolutions over time.

use candle_core::{D, Tensor};

use super::{Activation, Linear};
use crate::error::Result;

/// Operation after a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConvOutput {
    /// An activation.
    Activation(Activation),
    /// A gated linear unit (Dauphin et al. 2017): the first half of the channels, times the logistic function of the
    /// second half.
    Gated,
}

impl ConvOutput {
    /// Channels of the convolution for each channel of the result.
    pub fn channels(self) -> usize {
        match self {
            Self::Activation(_) => 1,
            Self::Gated => 2,
        }
    }
}

/// Norm over all channels and positions together, with a weight and a bias for each channel: a group norm (Wu and He
/// 2018) of one group.
#[derive(Clone, Debug)]
pub struct JointNorm {
    /// `[channels]`
    pub weight: Tensor,
    /// `[channels]`
    pub bias: Tensor,
    /// Added to the variance.
    pub eps: f64,
}

impl JointNorm {
    /// Normalises `[1, positions, channels]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let centred = x.broadcast_sub(&x.mean_keepdim((1, 2))?)?;
        let variance = centred.sqr()?.mean_keepdim((1, 2))?;
        let scaled = centred.broadcast_div(&(variance + self.eps)?.sqrt()?)?;
        Ok(scaled.broadcast_mul(&self.weight)?.broadcast_add(&self.bias)?)
    }
}

/// Convolution over positions `[1, positions, channels]`, padded with zeros, with an activation or a gate after it.
#[derive(Clone, Debug)]
pub struct Conv1d {
    /// Map from the values under the kernel, `[kernel, channels in]` in a row, to the channels out.
    map: Linear,
    kernel: usize,
    stride: usize,
    padding: usize,
    output: ConvOutput,
}

impl Conv1d {
    /// Creates a convolution from its weight `[channels out, channels in, kernel]` and bias `[channels out]`.
    /// `padding` zeros stand before and after the positions.
    pub fn new(
        weight: &Tensor,
        bias: Option<Tensor>,
        [stride, padding]: [usize; 2],
        output: ConvOutput,
    ) -> Result<Self> {
        let (outputs, inputs, kernel) = weight.dims3()?;
        let weight = weight.permute((0, 2, 1))?.reshape((outputs, kernel * inputs))?.contiguous()?;
        let map = Linear::new(weight, bias);
        Ok(Self { map, kernel, stride: stride.max(1), padding, output })
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
        match self.output {
            ConvOutput::Activation(activation) => self.map.forward_through(&windows, activation),
            ConvOutput::Gated => {
                let halves = self.map.forward(&windows)?.chunk(2, D::Minus1)?;
                // The logistic function as a hyperbolic tangent.
                let gate = (((&halves[1] * 0.5)?.tanh()? + 1.0)? * 0.5)?;
                Ok((&halves[0] * gate)?)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    const RELU: ConvOutput = ConvOutput::Activation(Activation::Relu);

    #[test]
    fn gates_multiply_and_joint_norms_take_all_positions() {
        let weight = Tensor::new(&[[[1f32]], [[2.0]]], &Device::Cpu).unwrap();
        let x = Tensor::new(&[[[0.5f32], [-1.0]]], &Device::Cpu).unwrap();
        let conv = Conv1d::new(&weight, None, [1, 0], ConvOutput::Gated).unwrap();
        let y = conv.forward(&x).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let expected = [0.5 / (1.0 + (-1f32).exp()), -1.0 / (1.0 + 2f32.exp())];
        assert!(y.iter().zip(expected).all(|(got, want)| (got - want).abs() < 1e-6), "{y:?}");
        let [weight, bias] = [[2f32, 1.0], [0.0, 5.0]].map(|part| Tensor::new(&part, &Device::Cpu).unwrap());
        let x = Tensor::new(&[[[1f32, 3.0], [5.0, 7.0]]], &Device::Cpu).unwrap();
        let y = JointNorm { weight, bias, eps: 0.0 }.forward(&x).unwrap();
        let y = y.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let expected =
            [-6.0 / 5f32.sqrt(), 5.0 - 1.0 / 5f32.sqrt(), 2.0 / 5f32.sqrt(), 5.0 + 3.0 / 5f32.sqrt()];
        assert!(y.iter().zip(expected).all(|(got, want)| (got - want).abs() < 1e-5), "{y:?}");
    }

    #[test]
    fn positions_under_the_kernel_are_summed() {
        let weight = Tensor::new(&[[[1f32, 10.0, 100.0], [0.0, 0.5, 0.0]]], &Device::Cpu).unwrap();
        let bias = Tensor::new(&[1000f32], &Device::Cpu).unwrap();
        let x = Tensor::new(&[[[1f32, 2.0], [2.0, 4.0], [3.0, 6.0], [4.0, 8.0]]], &Device::Cpu).unwrap();
        for (stride, expected) in [(1, vec![1211f32, 1323.0, 1435.0, 1047.0]), (2, vec![1211.0, 1435.0])] {
            let conv = Conv1d::new(&weight, Some(bias.clone()), [stride, 1], RELU).unwrap();
            assert_eq!(conv.positions(4), expected.len());
            let y = conv.forward(&x).unwrap();
            assert_eq!(y.dims(), [1, expected.len(), 1]);
            assert_eq!(y.flatten_all().unwrap().to_vec1::<f32>().unwrap(), expected);
        }
        let conv = Conv1d::new(&weight, None, [1, 0], RELU).unwrap();
        assert_eq!(conv.positions(2), 0);
    }
}
