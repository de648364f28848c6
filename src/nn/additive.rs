//! Additive attention (Bahdanau, Cho and Bengio 2014), <https://arxiv.org/abs/1409.0473>: the score of a
//! source position is `vᵀ tanh(W s + U h)`, with `s` the decoder's state and `h` the encoder's.

use candle_core::Tensor;

use super::attention::softmax;
use super::{Activation, Hook, KeysValues, Linear};
use crate::error::Result;
use crate::site::Site;

/// One head of additive attention.
#[derive(Clone, Debug)]
pub struct AdditiveAttention {
    /// Projects the decoder's state to the width of the scoring layer.
    pub query: Linear,
    /// Projects the encoder's states to the width of the scoring layer.
    pub key: Linear,
    /// Projects the scoring layer to one score.
    pub score: Linear,
}

impl AdditiveAttention {
    /// Keys of `states` `[1, source, width]`, and the states themselves as values. They are the same at
    /// every step.
    pub fn keys_values(&self, states: &Tensor) -> Result<KeysValues> {
        Ok(KeysValues { keys: self.key.forward(states)?, values: states.clone() })
    }

    /// Attends from the states `[batch, state]` of decoder row `row` to the source. Returns the weights
    /// `[batch, source]` and the context `[batch, width]`.
    pub fn forward(
        &self,
        state: &Tensor,
        kv: &KeysValues,
        (site, row): (Site, usize),
        hook: &mut dyn Hook,
    ) -> Result<(Tensor, Tensor)> {
        let intervenes = hook.wants(site) && hook.intervenes(site);
        let query = self.query.forward(state)?.unsqueeze(1)?;
        let mixed = Activation::Tanh.forward(&kv.keys.broadcast_add(&query)?)?;
        let mut scores = self.score.forward(&mixed)?.squeeze(2)?;
        if intervenes {
            scores = each_row(&scores, &mut |scores| hook.scores(site, row, scores))?;
        }
        let mut weights = softmax(&scores)?;
        if intervenes {
            weights = each_row(&weights, &mut |weights| hook.change_weights(site, row, weights))?;
        }
        let mut context = weights.matmul(&kv.values.squeeze(0)?)?;
        if intervenes {
            context = each_row(&context, &mut |context| hook.z(site, context))?;
        }
        Ok((weights, context))
    }
}

/// Passes each row of `[batch, width]` to `see` as `[1, 1, width]`, since hooks see single sequences.
fn each_row(x: &Tensor, see: &mut dyn FnMut(Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let rows = (0..x.dim(0)?)
        .map(|row| Ok(see(x.narrow(0, row, 1)?.unsqueeze(0)?)?.squeeze(0)?))
        .collect::<Result<Vec<_>>>()?;
    Ok(Tensor::cat(&rows, 0)?)
}
