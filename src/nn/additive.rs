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
    /// The decoder's state to the width of the scoring layer.
    pub query: Linear,
    /// The encoder's states to the same.
    pub key: Linear,
    /// From there to one score.
    pub score: Linear,
}

impl AdditiveAttention {
    /// What every step looks at: keys, and as values the states `[1, source, width]` themselves.
    pub fn keys_values(&self, states: &Tensor) -> Result<KeysValues> {
        Ok(KeysValues { keys: self.key.forward(states)?, values: states.clone() })
    }

    /// Lets the states `[batch, state]` of the decoder row `row` look at the source: weights
    /// `[batch, source]` and what they read, `[batch, width]`.
    pub fn forward(
        &self,
        state: &Tensor,
        kv: &KeysValues,
        (site, row): (Site, usize),
        hook: &mut dyn Hook,
    ) -> Result<(Tensor, Tensor)> {
        let open = hook.wants(site) && hook.intervenes(site);
        let query = self.query.forward(state)?.unsqueeze(1)?;
        let mixed = Activation::Tanh.forward(&kv.keys.broadcast_add(&query)?)?;
        let mut scores = self.score.forward(&mixed)?.squeeze(2)?;
        if open {
            scores = each_row(&scores, &mut |scores| hook.scores(site, row, scores))?;
        }
        let weights = softmax(&scores)?;
        let mut context = weights.matmul(&kv.values.squeeze(0)?)?;
        if open {
            context = each_row(&context, &mut |context| hook.context(site, context))?;
        }
        Ok((weights, context))
    }
}

/// Shows a hook each row of `[batch, width]` as `[1, 1, width]`: hooks see one sequence at a time.
fn each_row(x: &Tensor, see: &mut dyn FnMut(Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let rows = (0..x.dim(0)?)
        .map(|row| Ok(see(x.narrow(0, row, 1)?.unsqueeze(0)?)?.squeeze(0)?))
        .collect::<Result<Vec<_>>>()?;
    Ok(Tensor::cat(&rows, 0)?)
}
