//! Multi-head scaled dot-product attention (Vaswani et al. 2017): the only softmax(QKᵀ) in the program, for
//! generation and for capture.

mod blocks;
mod differentiable;
mod fused;
mod outputs;
mod replaced;
mod score_bias;
mod steps;

use std::sync::{Mutex, PoisonError};

use attn_tui_kernels::attention::{self as kernels, DiagonalBias};
use attn_tui_kernels::threads;
use candle_core::Tensor;

use self::outputs::Outputs;
pub(super) use self::steps::softmax;
use super::cpu::on_cpu;
use super::graph::in_graph;
use super::heads::{repeat_kv, split_heads};
use super::{
    ExtraKeys, Hook, KeyPart, Linear, MaskedPair, Norm, Ragged, RelativeBias, Rotary, SiteAblation, Visible,
};
use crate::error::Result;
use crate::site::{RowEdit, Site};

/// Number of multiplications from which on all threads work on one sequence.
const SHORT: usize = 1 << 22;

/// Projected keys and values of a sequence, each `[batch, keys, key_heads * head_dim]`. A batch of 1 is
/// shared by all rows of the queries' batch.
#[derive(Clone, Debug)]
pub struct KeysValues {
    /// `[batch, keys, key_heads * head_dim]`
    pub keys: Tensor,
    /// `[batch, keys, key_heads * head_dim]`
    pub values: Tensor,
}

impl KeysValues {
    /// Appends the keys and values of later positions. A batch of 1 is repeated if the other batch is
    /// larger.
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

    /// The keys and values of the first `count` positions.
    pub fn first(&self, count: usize) -> Result<KeysValues> {
        Ok(KeysValues { keys: self.keys.narrow(1, 0, count)?, values: self.values.narrow(1, 0, count)? })
    }
}

/// Arguments of one attention call besides queries, keys and values.
pub struct AttentionArgs<'a> {
    /// Site of this call in the model.
    pub site: Site,
    /// Keys that each query may attend to.
    pub visible: Visible,
    /// Position bias on the scores.
    pub bias: Option<&'a RelativeBias>,
    /// Position of the first query.
    pub past: usize,
    /// Further addend of the scores, `[heads, queries, keys]` or `[batch, heads, queries, keys]`.
    pub table: Option<&'a Tensor>,
    /// Extra keys after those of the sequence.
    pub extra: Option<ExtraArgs<'a>>,
}

impl AttentionArgs<'_> {
    /// Sites that record weights of this call, each with its part of the keys.
    fn sites(&self) -> impl Iterator<Item = (Site, KeyPart)> + use<> {
        let extra = self.extra.and_then(|extra| extra.site);
        [(self.site, KeyPart::Tokens)].into_iter().chain(extra.map(|site| (site, KeyPart::Extra)))
    }
}

/// One of the sequences whose attention is computed together, see [`Attention::forward`].
pub struct AttentionCall<'a> {
    /// `[batch, queries, heads * head_dim]`
    pub queries: Tensor,
    /// Keys and values, those of extra keys last.
    pub kv: KeysValues,
    /// The other arguments.
    pub args: AttentionArgs<'a>,
    /// Hook of the sequence.
    pub hook: &'a mut dyn Hook,
}

impl AttentionCall<'_> {
    /// Approximate number of multiplications if the kernels compute this call.
    fn work(&self) -> Option<usize> {
        let in_kernel = on_cpu(&self.queries) && self.args.table.is_none();
        let queries = in_kernel.then(|| self.queries.elem_count())?;
        Some(2 * queries.saturating_mul(self.kv.keys.dim(1).ok()?))
    }
}

/// Extra keys in one attention call. They follow the keys of the sequence and share its softmax: block
/// summaries, learned prompts, repeated tokens, or the keys of another sequence.
#[derive(Clone, Copy)]
pub struct ExtraArgs<'a> {
    /// The extra keys.
    pub keys: &'a ExtraKeys,
    /// Site that records the weights of the extra keys, if any; maps of [`AttentionArgs::site`] never
    /// include them.
    pub site: Option<Site>,
}

/// An attention block: projections, number of heads, and what is applied to queries, keys and scores.
#[derive(Clone, Debug)]
pub struct Attention {
    /// `d_model` to `heads * head_dim`.
    pub query: Linear,
    /// Width of the key states to `key_heads * head_dim`.
    pub key: Linear,
    /// Width of the key states to `key_heads * head_dim`.
    pub value: Linear,
    /// `heads * head_dim` to `d_model`.
    pub output: Linear,
    /// Number of heads.
    pub heads: usize,
    /// Number of heads with keys and values of their own; each serves `heads / key_heads` query heads
    /// (Ainslie et al. 2023, grouped-query attention).
    pub key_heads: usize,
    /// Norms of queries and of keys, applied to each head (Henry et al. 2020, query-key normalisation).
    pub qk_norms: Option<[Norm; 2]>,
    /// Rotary position embedding of queries and keys.
    pub rotary: Option<Rotary>,
    /// Soft cap on the scores: `softcap * tanh(score / softcap)`.
    pub softcap: Option<f64>,
    /// Factor on the scores: `1/sqrt(head_dim)`, or 1 in T5.
    pub scale: f64,
}

impl Attention {
    /// Projects the states of sequences to keys and values. The first position of each is that of `pasts`.
    pub fn keys_values(&self, states: &Ragged, pasts: &[usize]) -> Result<Vec<KeysValues>> {
        let KeysValues { keys, values } = self.cross_keys_values(states.rows())?;
        self.sequence_keys_values(states, [&keys, &values], pasts)
    }

    /// Projects the states of other sequences, `[batch, positions, d_model]`, to keys and values, without
    /// rotary embedding.
    pub fn cross_keys_values(&self, states: &Tensor) -> Result<KeysValues> {
        let [keys, values] = Linear::forward_each([&self.key, &self.value], states)?;
        Ok(KeysValues { keys: self.qk_norm(keys, self.key_heads, 1)?, values })
    }

    /// Projects the states of other sequences, `[batch, positions, d_model]`, to keys, without rotary
    /// embedding.
    pub fn cross_keys(&self, states: &Tensor) -> Result<Tensor> {
        self.qk_norm(self.key.forward(states)?, self.key_heads, 1)
    }

    /// Projects the states of sequences to queries `[batch, positions, heads * head_dim]`, keys and values.
    /// The first position of each is that of `pasts`.
    pub fn project(&self, states: &Ragged, pasts: &[usize]) -> Result<(Vec<Tensor>, Vec<KeysValues>)> {
        let maps = [&self.query, &self.key, &self.value];
        let [queries, keys, values] = Linear::forward_each(maps, states.rows())?;
        let queries = self.sequence_queries(states, queries, pasts)?;
        let keys = self.qk_norm(keys, self.key_heads, 1)?;
        Ok((queries, self.sequence_keys_values(states, [&keys, &values], pasts)?))
    }

    /// Projects the states of sequences to queries, each `[batch, positions, heads * head_dim]`. The first
    /// position of each is that of `pasts`.
    pub fn queries(&self, states: &Ragged, pasts: &[usize]) -> Result<Vec<Tensor>> {
        self.sequence_queries(states, self.query.forward(states.rows())?, pasts)
    }

    /// Splits projected queries by sequence, with norm and rotary embedding.
    fn sequence_queries(&self, states: &Ragged, queries: Tensor, pasts: &[usize]) -> Result<Vec<Tensor>> {
        let queries = states.split(&self.qk_norm(queries, self.heads, 0)?)?;
        queries.into_iter().zip(pasts).map(|(part, &past)| self.apply_rope(part, self.heads, past)).collect()
    }

    /// Splits keys and values by sequence, with rotary embedding of the keys.
    fn sequence_keys_values(
        &self,
        states: &Ragged,
        [keys, values]: [&Tensor; 2],
        pasts: &[usize],
    ) -> Result<Vec<KeysValues>> {
        let parts = states.split(keys)?.into_iter().zip(states.split(values)?).zip(pasts);
        parts
            .map(|((keys, values), &past)| {
                Ok(KeysValues { keys: self.apply_rope(keys, self.key_heads, past)?, values })
            })
            .collect()
    }

    /// Applies the norm `which` of [`Attention::qk_norms`] to each head of `[batch, positions, heads *
    /// head_dim]`.
    fn qk_norm(&self, x: Tensor, heads: usize, which: usize) -> Result<Tensor> {
        let Some(norm) = self.qk_norms.as_ref().and_then(|qk_norms| qk_norms.get(which)) else {
            return Ok(x);
        };
        let (batch, positions, width) = x.dims3()?;
        let split = x.reshape((batch, positions, heads, width / heads.max(1)))?;
        Ok(norm.forward(&split)?.reshape(x.shape())?)
    }

    /// Applies rotary position embedding to `[batch, positions, heads * head_dim]`. The first position is
    /// `past`.
    fn apply_rope(&self, x: Tensor, heads: usize, past: usize) -> Result<Tensor> {
        let Some(rotary) = &self.rotary else { return Ok(x) };
        let rotated = rotary.apply(&split_heads(&x, heads)?, past)?;
        Ok(rotated.transpose(1, 2)?.reshape(x.shape())?)
    }

    /// Attends in each of several sequences, and projects the contexts of all together. Returns the rows of
    /// all sequences, `[1, rows, d_model]`.
    pub fn forward(&self, calls: Vec<AttentionCall>) -> Result<Tensor> {
        self.output.forward(Ragged::join(&self.attend_each(calls)?)?.rows())
    }

    /// Computes only the weights of several sequences and passes them to the hooks.
    pub fn record(&self, calls: Vec<AttentionCall>) -> Result<()> {
        self.attend_each(calls).map(|_| ())
    }

    /// Returns the context of each call. Long sequences are computed one after the other by all threads,
    /// short ones side by side, since a loop over few heads and rows is over before all threads have joined.
    fn attend_each(&self, calls: Vec<AttentionCall>) -> Result<Vec<Tensor>> {
        let mut contexts: Vec<Option<Tensor>> = calls.iter().map(|_| None).collect();
        let alone = calls.len() == 1;
        let mut short = Vec::new();
        for (at, call) in calls.into_iter().enumerate() {
            match call.work().filter(|work| *work < SHORT && !alone) {
                Some(work) => short.push((at, work, Mutex::new(Some(call)))),
                None => contexts[at] = Some(self.attend_call(call)?),
            }
        }
        let work = short.iter().map(|(_, work, _)| work).sum();
        let attend = |at: usize| {
            let call = short[at].2.lock().unwrap_or_else(PoisonError::into_inner).take();
            call.map(|call| self.attend_call(call)).transpose()
        };
        for ((at, ..), context) in short.iter().zip(threads::map(short.len(), work, attend)) {
            contexts[*at] = context?;
        }
        Ok(contexts.into_iter().flatten().collect())
    }

    fn attend_call(&self, AttentionCall { queries, kv, args, hook }: AttentionCall) -> Result<Tensor> {
        match self.changed_values(&kv, &args, hook)? {
            Some(kv) => self.attend(&queries, &kv, &args, hook),
            None => self.attend(&queries, &kv, &args, hook),
        }
    }

    /// Computes `softmax(scale Q Kᵀ + bias + mask) V` for queries `[batch, queries, heads * head_dim]`.
    /// Returns the context in the same shape.
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
        let keeps_scores = !watched || args.sites().all(|(site, _)| hook.keeps_scores(site));
        let plain = batch == 1 && args.table.is_none() && args.extra.is_none() && self.softcap.is_none();
        if in_graph(queries) && plain && keeps_scores {
            return self.attend_in_graph(queries, kv, args, watched.then_some(hook));
        }
        let rewritten = watched && args.sites().any(|(site, _)| hook.intervenes(site));
        let ablation = if rewritten { self.ablation(kv, args, hook)? } else { Some(SiteAblation::default()) };
        if let (None, Some(ablation)) = (args.table, ablation) {
            let context =
                self.attend_in_blocks(queries, kv, args, &ablation.links, watched.then_some(hook))?;
            return self.ablated(context, &kv.values, &ablation);
        }
        self.attend_in_steps(queries, kv, args, watched.then_some(hook))
    }

    /// Lets the hook change the values at the sites of this call; `None` if it does not want to.
    fn changed_values(
        &self,
        kv: &KeysValues,
        args: &AttentionArgs,
        hook: &mut dyn Hook,
    ) -> Result<Option<KeysValues>> {
        if !args.sites().any(|(site, _)| hook.wants_values(site)) {
            return Ok(None);
        }
        let [tokens, extra] = self.columns(kv, args)?;
        let mut parts = vec![kv.values.narrow(1, 0, tokens)?];
        if extra > 0 {
            parts.push(kv.values.narrow(1, tokens, extra)?);
        }
        for (site, part) in args.sites() {
            if let Some(part) = parts.get_mut(part as usize).filter(|_| hook.wants_values(site)) {
                *part = hook.values(site, part.clone())?;
            }
        }
        Ok(Some(KeysValues { keys: kv.keys.clone(), values: Tensor::cat(&parts, 1)? }))
    }

    /// Attends one batch row at a time, since hooks see single sequences.
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
                let kv_row = if shared { 0 } else { row };
                let kv = KeysValues {
                    keys: kv.keys.narrow(0, kv_row, 1)?,
                    values: kv.values.narrow(0, kv_row, 1)?,
                };
                let table = args.table.map(|table| of_row(table, row)).transpose()?;
                let args = AttentionArgs { table: table.as_ref(), ..*args };
                self.attend(&queries.narrow(0, row, 1)?, &kv, &args, hook)
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Tensor::cat(&rows, 0)?)
    }

    /// Combines the hook's ablations at all sites of this call. Queries of pairs and rows are relative to the
    /// first query of the call; extra keys are numbered after those of the sequence. Returns `None` if ablations
    /// cannot be applied block by block.
    fn ablation(
        &self,
        kv: &KeysValues,
        args: &AttentionArgs,
        hook: &dyn Hook,
    ) -> Result<Option<SiteAblation>> {
        let mut all = SiteAblation::default();
        for (at, (site, part)) in args.sites().enumerate() {
            let Some(SiteAblation { head_factors, head_means, links, rows }) =
                hook.ablation(site, self.heads)
            else {
                return Ok(None);
            };
            // Of two sites that share a softmax, each has means of its own part. Beside a replaced row, extra keys
            // keep their weights.
            let differs = at > 0 && (head_factors != all.head_factors || head_means.is_some());
            if differs || (args.extra.is_some() && !rows.is_empty()) {
                return Ok(None);
            }
            (all.head_factors, all.head_means) = (head_factors, head_means);
            let before = if part == KeyPart::Extra { self.columns(kv, args)?[0] } else { 0 };
            let shifted = |link: MaskedPair| {
                Some(MaskedPair { query: link.query.checked_sub(args.past)?, key: link.key + before, ..link })
            };
            all.links.extend(links.into_iter().filter_map(shifted));
            let shifted = |row: RowEdit| Some(RowEdit { query: row.query.checked_sub(args.past)?, ..row });
            all.rows.extend(rows.into_iter().filter_map(shifted));
        }
        Ok(Some(all))
    }

    /// Number of keys of the sequence and of extra keys.
    fn columns(&self, kv: &KeysValues, args: &AttentionArgs) -> Result<[usize; 2]> {
        let extra = args.extra.map_or(0, |extra| extra.keys.count);
        Ok([kv.keys.dim(1)?.saturating_sub(extra), extra])
    }

    /// Describes the call to the kernel, for shape `[queries, keys, heads * head_dim]`, with a position
    /// bias by diagonals `lines` and `masked` pairs.
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
            softcap: self.softcap.map(|softcap| softcap as f32),
            bias: lines.map(|lines| DiagonalBias { lines }),
            visible: args.visible,
            past: args.past,
            extra: extra.map(ExtraKeys::kernel),
            masked,
        }
    }

    /// Attends with the kernel as one node of the autograd graph. The hook may change `z`.
    fn attend_in_graph(
        &self,
        queries: &Tensor,
        kv: &KeysValues,
        args: &AttentionArgs,
        hook: Option<&mut dyn Hook>,
    ) -> Result<Tensor> {
        let (_, count, width) = queries.dims3()?;
        let keys = kv.keys.dim(1)?;
        let lines = args.bias.map(|bias| bias.diagonals(count, keys, args.past));
        let kernel = self.kernel(args, [count, keys, width], lines.as_deref(), &[]);
        let (context, weights) = differentiable::run(&kernel, queries, kv)?;
        let Some(hook) = hook else { return Ok(context) };
        hook.weights(args.site, &weights)?;
        let z = hook.z(args.site, split_heads(&context, self.heads)?.squeeze(0)?)?;
        Ok(z.transpose(0, 1)?.reshape((1, count, width))?)
    }

    /// Attends a block of queries at a time without storing all scores; weights are stored only if the hook
    /// asks for them. `masked` pairs are left out.
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
        let mut outputs = Outputs::new(&kernel, args, hook);
        let context = run(outputs.sinks())?;
        outputs.pass_to_hook(&kernel, args, [queries, &kv.keys], hook)?;
        Ok(context)
    }
}

/// The part of an addend of the scores that applies to batch row `row`.
fn of_row(bias: &Tensor, row: usize) -> Result<Tensor> {
    match bias.rank() {
        4 if bias.dim(0)? > 1 => Ok(bias.narrow(0, row, 1)?),
        _ => Ok(bias.clone()),
    }
}
