//! Scaled dot-product attention with several heads (Vaswani et al. 2017): the only softmax(QKᵀ) in the
//! program, for generation and for capture alike.

use candle_core::{D, Tensor};

use super::{Hook, Linear, Mask, RelativeBias, Rotary};
use crate::error::Result;
use crate::site::Site;

/// Keys and values of a sequence, each `[batch, heads, keys, head_dim]`. A batch of 1 serves any batch.
#[derive(Clone, Debug)]
pub struct KeysValues {
    /// `[batch, heads, keys, head_dim]`
    pub keys: Tensor,
    /// `[batch, heads, keys, head_dim]`
    pub values: Tensor,
}

impl KeysValues {
    /// These, followed by those of later positions.
    pub fn append(&self, later: &KeysValues) -> Result<KeysValues> {
        Ok(KeysValues {
            keys: Tensor::cat(&[&self.keys, &later.keys], 2)?,
            values: Tensor::cat(&[&self.values, &later.values], 2)?,
        })
    }
}

impl KeysValues {
    /// Those of the first `count` positions.
    pub fn first(&self, count: usize) -> Result<KeysValues> {
        Ok(KeysValues { keys: self.keys.narrow(2, 0, count)?, values: self.values.narrow(2, 0, count)? })
    }
}

/// How queries may look at keys in one call.
pub struct Look<'a> {
    /// Where in the model this is.
    pub site: Site,
    /// Which keys are visible.
    pub mask: &'a Mask,
    /// Position bias on the scores.
    pub bias: Option<&'a RelativeBias>,
    /// Position of the first query.
    pub past: usize,
    /// Where keys that are no tokens of their own (summaries, or tokens again) follow the tokens': their bias,
    /// `[heads, queries, summaries]`. They take part in the softmax; maps show the tokens alone.
    pub summaries: Option<&'a Tensor>,
}

/// One attention block: its projections and its number of heads.
#[derive(Clone, Debug)]
pub struct Attention {
    /// `d_model` to `heads * head_dim`.
    pub query: Linear,
    /// Width of what is looked at to `key_heads * head_dim`.
    pub key: Linear,
    /// Width of what is looked at to `key_heads * head_dim`.
    pub value: Linear,
    /// `heads * head_dim` to `d_model`.
    pub output: Linear,
    /// Number of heads.
    pub heads: usize,
    /// Number of heads with keys and values of their own; each serves `heads / key_heads` of the queries'
    /// (Ainslie et al. 2023).
    pub key_heads: usize,
    /// Positions that queries and keys are turned by.
    pub rotary: Option<Rotary>,
    /// Scores are kept within this of 0: `cap * tanh(score / cap)`.
    pub cap: Option<f64>,
    /// Factor on the scores: `1/sqrt(head_dim)`, or 1 in T5.
    pub scale: f64,
}

impl Attention {
    /// Keys and values of `[batch, positions, d_model]`, the first at position `past`.
    pub fn keys_values(&self, states: &Tensor, past: usize) -> Result<KeysValues> {
        let keys = split(&self.key.forward(states)?, self.key_heads)?;
        let keys = self.turn(keys, past)?;
        let values = split(&self.value.forward(states)?, self.key_heads)?;
        Ok(KeysValues { keys: self.share(keys)?, values: self.share(values)? })
    }

    fn turn(&self, x: Tensor, past: usize) -> Result<Tensor> {
        match &self.rotary {
            Some(rotary) => rotary.turn(&x, past),
            None => Ok(x),
        }
    }

    /// `[batch, key_heads, keys, head_dim]` to `[batch, heads, keys, head_dim]`.
    fn share(&self, x: Tensor) -> Result<Tensor> {
        let each = self.heads / self.key_heads.max(1);
        if each <= 1 {
            return Ok(x);
        }
        let (batch, heads, keys, width) = x.dims4()?;
        let copies = x.unsqueeze(2)?.expand((batch, heads, each, keys, width))?;
        Ok(copies.reshape((batch, heads * each, keys, width))?)
    }

    /// Lets `[batch, queries, d_model]` look at `kv`; gives `[batch, queries, d_model]`.
    pub fn forward(
        &self,
        states: &Tensor,
        kv: &KeysValues,
        look: &Look,
        hook: &mut dyn Hook,
    ) -> Result<Tensor> {
        let queries = split(&self.query.forward(states)?, self.heads)?;
        let queries = (self.turn(queries, look.past)? * self.scale)?;
        let context = attend(&queries, kv, look, self.cap, hook)?;
        let (batch, heads, positions, width) = context.dims4()?;
        let merged = context.transpose(1, 2)?.reshape((batch, positions, heads * width))?;
        self.output.forward(&merged)
    }
}

/// `[batch, positions, heads * head_dim]` to `[batch, heads, positions, head_dim]`.
fn split(x: &Tensor, heads: usize) -> Result<Tensor> {
    let (batch, positions, width) = x.dims3()?;
    let split = x.reshape((batch, positions, heads, width / heads.max(1)))?;
    Ok(split.transpose(1, 2)?.contiguous()?)
}

/// `softmax(Q Kᵀ + bias + mask) V` for scaled queries `[batch, heads, queries, head_dim]`.
fn attend(
    queries: &Tensor,
    kv: &KeysValues,
    look: &Look,
    cap: Option<f64>,
    hook: &mut dyn Hook,
) -> Result<Tensor> {
    let (batch, heads, count, width) = queries.dims4()?;
    let summaries = look.summaries.map_or(Ok(0), |bias| bias.dim(2))?;
    let all = kv.keys.dim(2)?;
    let keys = all - summaries.min(all);
    let watched = hook.wants(look.site);
    if watched && batch > 1 {
        return attend_row_by_row(queries, kv, look, cap, hook);
    }
    // Rows that share their keys (beams over one source) are queries of one batch row.
    if kv.keys.dim(0)? == 1 && batch > 1 {
        let shared = queries.transpose(0, 1)?.reshape((1, heads, batch * count, width))?;
        let mixed = attend(&shared, kv, look, cap, hook)?;
        return Ok(mixed.reshape((heads, batch, count, width))?.transpose(0, 1)?.contiguous()?);
    }
    let mut all_scores = queries.matmul(&kv.keys.t()?)?;
    if let Some(cap) = cap {
        all_scores = ((all_scores / cap)?.tanh()? * cap)?;
    }
    let mut scores = all_scores.narrow(3, 0, keys)?;
    let device = queries.device();
    if let Some(bias) = look.bias {
        scores = scores.broadcast_add(&bias.tensor(count, keys, look.past, device)?)?;
    }
    if let Some(mask) = look.mask.additive(count, keys, look.past, device)? {
        scores = scores.broadcast_add(&mask)?;
    }
    if watched {
        scores = hook.scores(look.site, look.past, scores.squeeze(0)?)?.unsqueeze(0)?;
    }
    if let Some(bias) = look.summaries {
        let beside = all_scores.narrow(3, keys, summaries)?.broadcast_add(bias)?;
        scores = Tensor::cat(&[scores, beside], 3)?;
    }
    let weights = softmax(&scores)?;
    if watched {
        hook.weights(look.site, &weights.narrow(3, 0, keys)?.squeeze(0)?)?;
    }
    let context = weights.matmul(&kv.values)?;
    if watched {
        return Ok(hook.context(look.site, context.squeeze(0)?)?.unsqueeze(0)?);
    }
    Ok(context)
}

/// Hooks see one sequence at a time.
fn attend_row_by_row(
    queries: &Tensor,
    kv: &KeysValues,
    look: &Look,
    cap: Option<f64>,
    hook: &mut dyn Hook,
) -> Result<Tensor> {
    let shared = kv.keys.dim(0)? == 1;
    let rows = (0..queries.dim(0)?)
        .map(|row| {
            let own = if shared { 0 } else { row };
            let kv = KeysValues { keys: kv.keys.narrow(0, own, 1)?, values: kv.values.narrow(0, own, 1)? };
            attend(&queries.narrow(0, row, 1)?, &kv, look, cap, hook)
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Tensor::cat(&rows, 0)?)
}

/// Softmax over the last dimension; a row that sees nothing becomes zeros.
fn softmax(scores: &Tensor) -> Result<Tensor> {
    let max = scores.max_keepdim(D::Minus1)?.maximum(f64::from(f32::MIN))?;
    let exp = scores.broadcast_sub(&max)?.exp()?;
    let sum = exp.sum_keepdim(D::Minus1)?.maximum(f64::from(f32::MIN_POSITIVE))?;
    Ok(exp.broadcast_div(&sum)?)
}
