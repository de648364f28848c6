//! Gated recurrent units (Cho et al. 2014), <https://arxiv.org/abs/1406.1078>, as torch computes them: the
//! reset gate acts on the hidden part of the candidate after its bias.

use candle_core::Tensor;

use super::Linear;
use crate::error::Result;

/// One layer of gated recurrent units in one direction.
#[derive(Clone, Debug)]
pub struct Gru {
    /// Input to the gates' parts `[reset, update, candidate]`, `3 * width` in all.
    pub input: Linear,
    /// State to the same parts.
    pub hidden: Linear,
    /// Width of the state.
    pub width: usize,
}

impl Gru {
    /// Computes the state after `state` `[batch, width]`. `input_gates` is the input's part of the gates,
    /// `[batch, 3 * width]`.
    pub fn step(&self, input_gates: &Tensor, state: &Tensor) -> Result<Tensor> {
        let hidden = self.hidden.forward(state)?;
        let gate = |part: &Tensor, at: usize| part.narrow(1, at * self.width, self.width);
        let reset = sigmoid(&(gate(input_gates, 0)? + gate(&hidden, 0)?)?)?;
        let update = sigmoid(&(gate(input_gates, 1)? + gate(&hidden, 1)?)?)?;
        let candidate = (gate(input_gates, 2)? + (reset * gate(&hidden, 2)?)?)?.tanh()?;
        Ok((&candidate + (update * (state - &candidate)?)?)?)
    }

    /// Computes all states over `inputs` `[1, positions, input]`, starting from zeros; from the last
    /// position to the first if `backward`. Returns `[1, positions, width]`. `each` is called before every
    /// step and may stop the work.
    pub fn run(
        &self,
        inputs: &Tensor,
        backward: bool,
        each: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Tensor> {
        let given = self.input.forward(inputs)?;
        let (_, count, _) = given.dims3()?;
        let mut state = Tensor::zeros((1, self.width), given.dtype(), given.device())?;
        let mut states = Vec::with_capacity(count);
        for step in 0..count {
            each()?;
            let at = if backward { count - 1 - step } else { step };
            state = self.step(&given.narrow(1, at, 1)?.squeeze(1)?, &state)?;
            states.push(state.clone());
        }
        if backward {
            states.reverse();
        }
        Ok(Tensor::stack(&states, 1)?)
    }
}

fn sigmoid(x: &Tensor) -> Result<Tensor> {
    Ok((x.neg()?.exp()? + 1.0)?.recip()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn a_step_by_hand() {
        let row = |values: &[f32]| Tensor::from_slice(values, (values.len(), 1), &Device::Cpu).unwrap();
        let bias = |values: &[f32]| Tensor::from_slice(values, values.len(), &Device::Cpu).unwrap();
        let gru = Gru {
            input: Linear::new(row(&[1.0, -1.0, 2.0]), Some(bias(&[0.1, 0.2, 0.3]))),
            hidden: Linear::new(row(&[0.5, 1.5, -1.0]), Some(bias(&[0.0, 0.4, 0.5]))),
            width: 1,
        };
        let one = |value: f32| Tensor::from_slice(&[value], (1, 1), &Device::Cpu).unwrap();
        let given = gru.input.forward(&one(0.7)).unwrap();
        let next = gru.step(&given, &one(-0.2)).unwrap().to_vec2::<f32>().unwrap()[0][0];
        let squash = |x: f32| 1.0 / (1.0 + (-x).exp());
        let reset = squash(0.7 + 0.1 - 0.1);
        let update = squash(-0.7 + 0.2 - 0.3 + 0.4);
        let candidate = (1.4 + 0.3 + reset * (0.2 + 0.5)).tanh();
        assert!((next - ((1.0 - update) * candidate + update * -0.2)).abs() < 1e-6);
    }
}
