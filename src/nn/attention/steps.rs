//! Attention over whole tensors, one operation after the other, so that a hook can change each intermediate
//! result.

use candle_core::{D, Tensor};

use super::score_bias::ScoreBias;
use super::{Attention, AttentionArgs, KeysValues};
use crate::error::{Error, Result};
use crate::nn::Hook;
use crate::nn::heads::{repeat_kv, split_heads};

impl Attention {
    /// Computes the context `[batch, queries, heads * head_dim]`. The hook may change scores, weights and
    /// context.
    pub(super) fn attend_in_steps(
        &self,
        queries: &Tensor,
        kv: &KeysValues,
        args: &AttentionArgs,
        mut hook: Option<&mut dyn Hook>,
    ) -> Result<Tensor> {
        let (batch, count, width) = queries.dims3()?;
        let [keys, extra_keys] = self.columns(kv, args)?;
        let lines = args.bias.map(|bias| bias.diagonals(count, keys, args.past));
        let kernel = self.kernel(args, [count, keys, width], lines.as_deref(), &[]);
        let score_bias = ScoreBias::new(&kernel, queries.device())?;
        let q = split_heads(&(queries * self.scale)?, self.heads)?;
        let mut all_scores = q.matmul(&repeat_kv(&kv.keys, self.heads, self.key_heads)?.t()?)?;
        if let Some(softcap) = self.softcap {
            all_scores = ((all_scores / softcap)?.tanh()? * softcap)?;
        }
        let mut scores = score_bias.add_to_tokens(all_scores.narrow(3, 0, keys)?, 0..count, 0..keys)?;
        if let Some(table) = args.table {
            scores = scores.broadcast_add(table)?;
        }
        if let Some(hook) = &mut hook {
            scores = hook.scores(args.site, args.past, scores.squeeze(0)?)?.unsqueeze(0)?;
        }
        if let Some(extra) = args.extra {
            let mut more = score_bias.add_to_extra_keys(all_scores.narrow(3, keys, extra_keys)?, 0..count)?;
            if let (Some(hook), Some(site)) = (&mut hook, extra.site) {
                more = hook.scores(site, args.past, more.squeeze(0)?)?.unsqueeze(0)?;
            }
            scores = Tensor::cat(&[scores, more], 3)?;
        }
        let weights = softmax(&scores)?;
        let values = repeat_kv(&kv.values, self.heads, self.key_heads)?;
        let context = match (hook, args.extra.and_then(|extra| extra.site)) {
            (None, _) => weights.matmul(&values)?,
            (Some(hook), None) => {
                let tokens = weights.narrow(3, 0, keys)?.squeeze(0)?;
                let tokens = hook.change_weights(args.site, args.past, tokens)?;
                hook.weights(args.site, &tokens)?;
                let tokens = tokens.unsqueeze(0)?;
                let weights = match extra_keys {
                    0 => tokens.contiguous()?,
                    _ => Tensor::cat(&[tokens, weights.narrow(3, keys, extra_keys)?], 3)?,
                };
                hook.z(args.site, weights.matmul(&values)?.squeeze(0)?)?.unsqueeze(0)?
            }
            // Two sites share the softmax: each has the context of its own part.
            (Some(hook), Some(site)) => {
                let mut read = |site, from, count| {
                    let part = weights.narrow(3, from, count)?.squeeze(0)?;
                    let part = hook.change_weights(site, args.past, part)?;
                    hook.weights(site, &part)?;
                    let part = part.unsqueeze(0)?.contiguous()?;
                    let context = part.matmul(&values.narrow(2, from, count)?.contiguous()?)?;
                    Ok::<_, Error>(hook.z(site, context.squeeze(0)?)?.unsqueeze(0)?)
                };
                (read(args.site, 0, keys)? + read(site, keys, extra_keys)?)?
            }
        };
        Ok(context.transpose(1, 2)?.reshape((batch, count, width))?)
    }
}

/// Softmax over the last dimension. A row without any visible key becomes zeros.
pub(in crate::nn) fn softmax(scores: &Tensor) -> Result<Tensor> {
    let max = scores.max_keepdim(D::Minus1)?.maximum(f64::from(f32::MIN))?;
    let exp = scores.broadcast_sub(&max)?.exp()?;
    let sum = exp.sum_keepdim(D::Minus1)?.maximum(f64::from(f32::MIN_POSITIVE))?;
    Ok(exp.broadcast_div(&sum)?)
}
