//! Scaled dot-product attention with several heads (Vaswani et al. 2017): the only softmax(QKᵀ) in the
//! program, for generation and for capture alike.

mod added;
mod blocks;
mod fused;
mod outs;
mod steps;

use attn_tui_kernels::attention::{self as kernels, DiagonalBias};
use candle_core::Tensor;

use self::outs::Outs;
pub(super) use self::steps::softmax;
use super::cpu::on_cpu;
use super::heads::{repeat_kv, split_heads};
use super::{
    ExtraKeys, Hook, KeyPart, Linear, MaskedPair, Norm, RelativeBias, Rotary, SiteAblation, Visible,
};
use crate::error::Result;
use crate::site::Site;

/// Keys and values of a sequence, each `[batch, keys, key_heads * head_dim]`, as the projections give them. A
/// batch of 1 serves any batch.
#[derive(Clone, Debug)]
pub struct KeysValues {
    /// `[batch, keys, key_heads * head_dim]`
    pub keys: Tensor,
    /// `[batch, keys, key_heads * head_dim]`
    pub values: Tensor,
}

impl KeysValues {
    /// These, followed by later ones. A batch of 1 is repeated as the other side needs it.
    pub fn append(&self, later: &KeysValues) -> Result<KeysValues> {
        let join = |first: &Tensor, then: &Tensor| {
            let batch = first.dim(0)?.max(then.dim(0)?);
            let fill = |part: &Tensor| {
                let (_, keys, width) = part.dims3()?;
                part.expand((batch, keys, width))
            };
            Tensor::cat(&[&fill(first)?, &fill(then)?], 1)
        };
        Ok(KeysValues { keys: join(&self.keys, &later.keys)?, values: join(&self.values, &later.values)? })
    }

    /// Those of the first `count` positions.
    pub fn first(&self, count: usize) -> Result<KeysValues> {
        Ok(KeysValues { keys: self.keys.narrow(1, 0, count)?, values: self.values.narrow(1, 0, count)? })
    }
}

/// Arguments of one attention call besides queries, keys and values.
pub struct AttentionArgs<'a> {
    /// Where in the model this is.
    pub site: Site,
    /// Which keys are visible.
    pub visible: Visible,
    /// Position bias on the scores.
    pub bias: Option<&'a RelativeBias>,
    /// Position of the first query.
    pub past: usize,
    /// What else is added to the scores: `[heads, queries, keys]`, or that for each row of the batch.
    pub table: Option<&'a Tensor>,
    /// Keys that follow the tokens'.
    pub extra: Option<ExtraArgs<'a>>,
}

impl AttentionArgs<'_> {
    /// Where weights are shown, and of which keys.
    fn sites(&self) -> impl Iterator<Item = (Site, KeyPart)> + use<> {
        let extra = self.extra.and_then(|extra| extra.site);
        [(self.site, KeyPart::Tokens)].into_iter().chain(extra.map(|site| (site, KeyPart::Extra)))
    }
}

/// Keys that follow those of the sequence itself and share its softmax: summaries, prompts, tokens again, or
/// those of another sequence.
#[derive(Clone, Copy)]
pub struct ExtraArgs<'a> {
    /// Which.
    pub keys: &'a ExtraKeys,
    /// Where their weights are shown; maps of [`AttentionArgs::site`] never have them.
    pub site: Option<Site>,
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
    /// Normalisation of each head's queries and of its keys (Henry et al. 2020).
    pub qk_norms: Option<[Norm; 2]>,
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
        let KeysValues { keys, values } = self.cross_keys_values(states)?;
        Ok(KeysValues { keys: self.apply_rope(keys, self.key_heads, past)?, values })
    }

    /// Keys and values of another sequence, `[batch, positions, d_model]`: its positions mean nothing here.
    pub fn cross_keys_values(&self, states: &Tensor) -> Result<KeysValues> {
        let [keys, values] = Linear::forward_each([&self.key, &self.value], states)?;
        Ok(KeysValues { keys: self.qk_norm(keys, self.key_heads, 1)?, values })
    }

    /// Queries `[batch, positions, heads * head_dim]`, keys and values of `[batch, positions, d_model]`, the first at
    /// position `past`.
    pub fn project(&self, states: &Tensor, past: usize) -> Result<(Tensor, KeysValues)> {
        let maps = [&self.query, &self.key, &self.value];
        let [queries, keys, values] = Linear::forward_each(maps, states)?;
        let queries = self.apply_rope(self.qk_norm(queries, self.heads, 0)?, self.heads, past)?;
        let keys = self.apply_rope(self.qk_norm(keys, self.key_heads, 1)?, self.key_heads, past)?;
        Ok((queries, KeysValues { keys, values }))
    }

    /// Normalises each head of `[batch, positions, heads * head_dim]`.
    fn qk_norm(&self, x: Tensor, heads: usize, which: usize) -> Result<Tensor> {
        let Some(norm) = self.qk_norms.as_ref().and_then(|qk_norms| qk_norms.get(which)) else {
            return Ok(x);
        };
        let (batch, positions, width) = x.dims3()?;
        let split = x.reshape((batch, positions, heads, width / heads.max(1)))?;
        Ok(norm.forward(&split)?.reshape(x.shape())?)
    }

    /// Turns `[batch, positions, heads * head_dim]` by the positions from `past` on.
    fn apply_rope(&self, x: Tensor, heads: usize, past: usize) -> Result<Tensor> {
        let Some(rotary) = &self.rotary else { return Ok(x) };
        let turned = rotary.apply(&split_heads(&x, heads)?, past)?;
        Ok(turned.transpose(1, 2)?.reshape(x.shape())?)
    }

    /// Attends from `states` `[batch, queries, d_model]` to `kv`. Returns `[batch, queries, d_model]`.
    pub fn forward(
        &self,
        states: &Tensor,
        kv: &KeysValues,
        args: &AttentionArgs,
        hook: &mut dyn Hook,
    ) -> Result<Tensor> {
        self.read(&self.queries(states, args.past)?, kv, args, hook)
    }

    /// [`Attention::forward`] for queries that are made already, `[batch, queries, heads * head_dim]`.
    pub fn read(
        &self,
        queries: &Tensor,
        kv: &KeysValues,
        args: &AttentionArgs,
        hook: &mut dyn Hook,
    ) -> Result<Tensor> {
        self.output.forward(&self.attend(queries, kv, args, hook)?)
    }

    /// Shows the hook what `states` make of another sequence, `[batch, positions, d_model]`, and no more: nothing is
    /// read of it.
    pub fn show(
        &self,
        states: &Tensor,
        other: &Tensor,
        args: &AttentionArgs,
        hook: &mut dyn Hook,
    ) -> Result<()> {
        let keys = self.qk_norm(self.key.forward(other)?, self.key_heads, 1)?;
        // They have the shape of values, whose product is the least part of the work.
        let kv = KeysValues { values: keys.clone(), keys };
        self.attend(&self.queries(states, args.past)?, &kv, args, hook)?;
        Ok(())
    }

    fn queries(&self, states: &Tensor, past: usize) -> Result<Tensor> {
        let queries = self.qk_norm(self.query.forward(states)?, self.heads, 0)?;
        self.apply_rope(queries, self.heads, past)
    }

    /// `softmax(scale Q Kᵀ + bias + mask) V` for queries `[batch, queries, heads * head_dim]`; gives what
    /// they are.
    fn attend(
        &self,
        queries: &Tensor,
        kv: &KeysValues,
        args: &AttentionArgs,
        hook: &mut dyn Hook,
    ) -> Result<Tensor> {
        let (batch, count, width) = queries.dims3()?;
        let watched = args.sites().any(|(site, _)| hook.wants(site));
        if watched && batch > 1 {
            return self.attend_row_by_row(queries, kv, args, hook);
        }
        // Rows that share their keys (beams over one source) are queries of one batch row.
        if kv.keys.dim(0)? == 1 && batch > 1 {
            let shared = queries.reshape((1, batch * count, width))?;
            return Ok(self.attend(&shared, kv, args, hook)?.reshape((batch, count, width))?);
        }
        let rewritten = watched && args.sites().any(|(site, _)| hook.intervenes(site));
        let ablation = if rewritten { self.ablation(kv, args, hook)? } else { Some(SiteAblation::default()) };
        if let (None, Some(SiteAblation { factors, links })) = (args.table, ablation) {
            let context = self.attend_in_blocks(queries, kv, args, &links, watched.then_some(hook))?;
            return if factors.contains(&0.0) { scale_heads(&context, &factors) } else { Ok(context) };
        }
        self.attend_in_steps(queries, kv, args, watched.then_some(hook))
    }

    /// Hooks see one sequence at a time.
    fn attend_row_by_row(
        &self,
        queries: &Tensor,
        kv: &KeysValues,
        args: &AttentionArgs,
        hook: &mut dyn Hook,
    ) -> Result<Tensor> {
        let shared = kv.keys.dim(0)? == 1;
        let rows = (0..queries.dim(0)?)
            .map(|row| {
                let own = if shared { 0 } else { row };
                let kv =
                    KeysValues { keys: kv.keys.narrow(0, own, 1)?, values: kv.values.narrow(0, own, 1)? };
                let table = args.table.map(|table| of_row(table, row)).transpose()?;
                let args = AttentionArgs { table: table.as_ref(), ..*args };
                self.attend(&queries.narrow(0, row, 1)?, &kv, &args, hook)
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Tensor::cat(&rows, 0)?)
    }

    /// What is left out, if that can be left out block by block: heads of all parts of the softmax, and pairs. The
    /// queries of these are counted from the first one here, extra keys from the tokens' on.
    fn ablation(
        &self,
        kv: &KeysValues,
        args: &AttentionArgs,
        hook: &dyn Hook,
    ) -> Result<Option<SiteAblation>> {
        let mut all = SiteAblation::default();
        for (at, (site, part)) in args.sites().enumerate() {
            let Some(SiteAblation { factors, links }) = hook.ablation(site, self.heads) else {
                return Ok(None);
            };
            if at > 0 && factors != all.factors {
                return Ok(None);
            }
            all.factors = factors;
            let before = if part == KeyPart::Extra { self.columns(kv, args)?[0] } else { 0 };
            let here = |link: MaskedPair| {
                Some(MaskedPair { query: link.query.checked_sub(args.past)?, key: link.key + before, ..link })
            };
            all.links.extend(links.into_iter().filter_map(here));
        }
        Ok(Some(all))
    }

    /// Keys of each part.
    fn columns(&self, kv: &KeysValues, args: &AttentionArgs) -> Result<[usize; 2]> {
        let extra = args.extra.map_or(0, |extra| extra.keys.count);
        Ok([kv.keys.dim(1)?.saturating_sub(extra), extra])
    }

    /// What happens between `[queries, keys, heads * head_dim]` that `args` so, with a position bias by diagonals and
    /// with pairs `masked` besides.
    fn kernel<'a>(
        &self,
        args: &AttentionArgs<'a>,
        [queries, keys, width]: [usize; 3],
        lines: Option<&'a [f32]>,
        masked: &'a [MaskedPair],
    ) -> kernels::AttentionKernel<'a> {
        let extra = args.extra.map(|extra| extra.keys).filter(|keys| keys.count > 0);
        kernels::AttentionKernel {
            heads: self.heads,
            kv_heads: self.key_heads,
            queries,
            keys,
            width: width / self.heads.max(1),
            scale: self.scale as f32,
            cap: self.cap.map(|cap| cap as f32),
            bias: lines.map(|lines| DiagonalBias { lines }),
            visible: args.visible,
            past: args.past,
            extra: extra.map(ExtraKeys::kernel),
            masked,
        }
    }

    /// Some rows of queries at a time; the scores are never there as a whole, the weights only for who wants them.
    /// Pairs `masked` are left out.
    fn attend_in_blocks(
        &self,
        queries: &Tensor,
        kv: &KeysValues,
        args: &AttentionArgs,
        masked: &[MaskedPair],
        hook: Option<&mut dyn Hook>,
    ) -> Result<Tensor> {
        let (batch, count, width) = queries.dims3()?;
        let keys = self.columns(kv, args)?[0];
        let lines = args.bias.map(|bias| bias.diagonals(count, keys, args.past));
        let kernel = self.kernel(args, [count, keys, width], lines.as_deref(), masked);
        let run = |sinks| match on_cpu(queries) {
            true => fused::run(&kernel, queries, kv, sinks),
            false => {
                let by_head = [
                    split_heads(queries, self.heads)?,
                    repeat_kv(&kv.keys, self.heads, self.key_heads)?,
                    repeat_kv(&kv.values, self.heads, self.key_heads)?,
                ];
                let context = blocks::run(&kernel, &by_head, sinks)?;
                Ok(context.transpose(1, 2)?.reshape((batch, count, width))?)
            }
        };
        let Some(hook) = hook else { return run(Default::default()) };
        let mut outs = Outs::new(&kernel, args, hook);
        let context = run(outs.sinks())?;
        outs.show(&kernel, args, [queries, &kv.keys], hook)?;
        Ok(context)
    }
}

/// `[batch, queries, heads * head_dim]` with each head's part times its factor.
fn scale_heads(context: &Tensor, factors: &[f32]) -> Result<Tensor> {
    let (batch, queries, width) = context.dims3()?;
    let heads = factors.len();
    let factors = Tensor::from_slice(factors, (heads, 1), context.device())?;
    let by_head = context.reshape((batch, queries, heads, width / heads.max(1)))?;
    Ok(by_head.broadcast_mul(&factors)?.reshape(context.shape())?)
}

/// A batch row's part of a bias that every row may have for itself.
fn of_row(bias: &Tensor, row: usize) -> Result<Tensor> {
    match bias.rank() {
        4 if bias.dim(0)? > 1 => Ok(bias.narrow(0, row, 1)?),
        _ => Ok(bias.clone()),
    }
}
