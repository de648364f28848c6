//! Scaled dot-product attention with several heads (Vaswani et al. 2017): the only softmax(QKᵀ) in the
//! program, for generation and for capture alike.

use std::mem::MaybeUninit;
use std::sync::Arc;

use candle_core::{D, Tensor};

use super::cpu::{on_cpu, rows};
use super::kernels::attention::{self, Diagonals, Heads, Wish};
use super::mask::additive;
use super::{
    Cut, Hidden, Hook, Linear, Norm, Part, Profiles, Recipe, RelativeBias, Rotary, SideKeys, Visible,
};
use crate::error::{Error, Result};
use crate::pages::ask_for_large;
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

/// How queries may look at keys in one call.
pub struct Look<'a> {
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
    pub beside: Option<Beside<'a>>,
}

impl Look<'_> {
    /// Where weights are shown, and of which keys.
    fn sites(&self) -> impl Iterator<Item = (Site, Part)> + use<> {
        let beside = self.beside.and_then(|beside| beside.site);
        [(self.site, Part::Tokens)].into_iter().chain(beside.map(|site| (site, Part::Beside)))
    }
}

/// Keys that follow those of the sequence itself and share its softmax: summaries, prompts, tokens again, or
/// those of another sequence.
#[derive(Clone, Copy)]
pub struct Beside<'a> {
    /// Which.
    pub keys: &'a SideKeys,
    /// Where their weights are shown; maps of [`Look::site`] never have them.
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
    pub norms: Option<[Norm; 2]>,
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
        let KeysValues { keys, values } = self.foreign_keys_values(states)?;
        Ok(KeysValues { keys: self.turn(keys, self.key_heads, past)?, values })
    }

    /// Keys and values of another sequence, `[batch, positions, d_model]`: its positions mean nothing here.
    pub fn foreign_keys_values(&self, states: &Tensor) -> Result<KeysValues> {
        let [keys, values] = Linear::forward_each([&self.key, &self.value], states)?;
        Ok(KeysValues { keys: self.level(keys, self.key_heads, 1)?, values })
    }

    /// Queries `[batch, positions, heads * head_dim]`, keys and values of `[batch, positions, d_model]`, the first at
    /// position `past`.
    pub fn project(&self, states: &Tensor, past: usize) -> Result<(Tensor, KeysValues)> {
        let maps = [&self.query, &self.key, &self.value];
        let [queries, keys, values] = Linear::forward_each(maps, states)?;
        let queries = self.turn(self.level(queries, self.heads, 0)?, self.heads, past)?;
        let keys = self.turn(self.level(keys, self.key_heads, 1)?, self.key_heads, past)?;
        Ok((queries, KeysValues { keys, values }))
    }

    /// Normalises each head of `[batch, positions, heads * head_dim]`.
    fn level(&self, x: Tensor, heads: usize, which: usize) -> Result<Tensor> {
        let Some(norm) = self.norms.as_ref().and_then(|norms| norms.get(which)) else { return Ok(x) };
        let (batch, positions, width) = x.dims3()?;
        let split = x.reshape((batch, positions, heads, width / heads.max(1)))?;
        Ok(norm.forward(&split)?.reshape(x.shape())?)
    }

    /// Turns `[batch, positions, heads * head_dim]` by the positions from `past` on.
    fn turn(&self, x: Tensor, heads: usize, past: usize) -> Result<Tensor> {
        let Some(rotary) = &self.rotary else { return Ok(x) };
        let turned = rotary.turn(&split(&x, heads)?, past)?;
        Ok(turned.transpose(1, 2)?.reshape(x.shape())?)
    }

    /// `[batch, keys, key_heads * head_dim]` to `[batch, heads, keys, head_dim]`.
    fn share(&self, x: &Tensor) -> Result<Tensor> {
        let x = split(x, self.key_heads)?;
        let each = self.heads / self.key_heads.max(1);
        if each <= 1 {
            return Ok(x);
        }
        let (batch, heads, keys, width) = x.dims4()?;
        let copies = x.unsqueeze(2)?.expand((batch, heads, each, keys, width))?;
        Ok(copies.reshape((batch, heads * each, keys, width))?)
    }

    /// Values `[1, keys, key_heads * head_dim]` as each head reads them, `[heads, keys, head_dim]`.
    pub(super) fn values_by_head(&self, values: &Tensor) -> Result<Tensor> {
        Ok(self.share(values)?.squeeze(0)?.contiguous()?)
    }

    /// Each head's part of the output projection, `[heads, head_dim, d_model]`.
    pub(super) fn output_by_head(&self) -> Result<Tensor> {
        let weight = self.output.matrix()?;
        let (width, inner) = weight.dims2()?;
        let split = weight.reshape((width, self.heads, inner / self.heads.max(1)))?;
        Ok(split.permute((1, 2, 0))?.contiguous()?)
    }

    /// Lets `[batch, queries, d_model]` look at `kv`; gives `[batch, queries, d_model]`.
    pub fn forward(
        &self,
        states: &Tensor,
        kv: &KeysValues,
        look: &Look,
        hook: &mut dyn Hook,
    ) -> Result<Tensor> {
        self.read(&self.queries(states, look.past)?, kv, look, hook)
    }

    /// [`Attention::forward`] for queries that are made already, `[batch, queries, heads * head_dim]`.
    pub fn read(
        &self,
        queries: &Tensor,
        kv: &KeysValues,
        look: &Look,
        hook: &mut dyn Hook,
    ) -> Result<Tensor> {
        self.output.forward(&self.attend(queries, kv, look, hook)?)
    }

    /// Shows the hook what `states` make of another sequence, `[batch, positions, d_model]`, and no more: nothing is
    /// read of it.
    pub fn show(&self, states: &Tensor, other: &Tensor, look: &Look, hook: &mut dyn Hook) -> Result<()> {
        let keys = self.level(self.key.forward(other)?, self.key_heads, 1)?;
        // They have the shape of values, whose product is the least part of the work.
        let kv = KeysValues { values: keys.clone(), keys };
        self.attend(&self.queries(states, look.past)?, &kv, look, hook)?;
        Ok(())
    }

    fn queries(&self, states: &Tensor, past: usize) -> Result<Tensor> {
        let queries = self.level(self.query.forward(states)?, self.heads, 0)?;
        self.turn(queries, self.heads, past)
    }

    /// `softmax(scale Q Kᵀ + bias + mask) V` for queries `[batch, queries, heads * head_dim]`; gives what
    /// they are.
    fn attend(&self, queries: &Tensor, kv: &KeysValues, look: &Look, hook: &mut dyn Hook) -> Result<Tensor> {
        let (batch, count, width) = queries.dims3()?;
        let watched = look.sites().any(|(site, _)| hook.wants(site));
        if watched && batch > 1 {
            return self.attend_row_by_row(queries, kv, look, hook);
        }
        // Rows that share their keys (beams over one source) are queries of one batch row.
        if kv.keys.dim(0)? == 1 && batch > 1 {
            let shared = queries.reshape((1, batch * count, width))?;
            return Ok(self.attend(&shared, kv, look, hook)?.reshape((batch, count, width))?);
        }
        let rewritten = watched && look.sites().any(|(site, _)| hook.rewrites(site));
        let cut = if rewritten { self.cut(kv, look, hook)? } else { Some(Cut::default()) };
        if let (true, None, Some(Cut { factors, links })) = (on_cpu(queries), look.table, cut) {
            let context = self.attend_fused(queries, kv, look, links, watched.then_some(hook))?;
            return if factors.contains(&0.0) { scale_heads(&context, &factors) } else { Ok(context) };
        }
        self.attend_in_steps(queries, kv, look, watched.then_some(hook))
    }

    /// Hooks see one sequence at a time.
    fn attend_row_by_row(
        &self,
        queries: &Tensor,
        kv: &KeysValues,
        look: &Look,
        hook: &mut dyn Hook,
    ) -> Result<Tensor> {
        let shared = kv.keys.dim(0)? == 1;
        let rows = (0..queries.dim(0)?)
            .map(|row| {
                let own = if shared { 0 } else { row };
                let kv =
                    KeysValues { keys: kv.keys.narrow(0, own, 1)?, values: kv.values.narrow(0, own, 1)? };
                let table = look.table.map(|table| of_row(table, row)).transpose()?;
                let look = Look { table: table.as_ref(), ..*look };
                self.attend(&queries.narrow(0, row, 1)?, &kv, &look, hook)
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Tensor::cat(&rows, 0)?)
    }

    /// What is left out, if the fused kernel can leave that out: heads of all parts of the softmax, and pairs. The
    /// queries of these are counted from the first one here, keys beside the tokens from the tokens' on.
    fn cut(&self, kv: &KeysValues, look: &Look, hook: &dyn Hook) -> Result<Option<Cut>> {
        let mut all = Cut::default();
        for (at, (site, part)) in look.sites().enumerate() {
            let Some(Cut { factors, links }) = hook.cut(site, self.heads) else { return Ok(None) };
            if at > 0 && factors != all.factors {
                return Ok(None);
            }
            all.factors = factors;
            let before = if part == Part::Beside { self.columns(kv, look)?[0] } else { 0 };
            let here = |link: Hidden| {
                Some(Hidden { query: link.query.checked_sub(look.past)?, key: link.key + before, ..link })
            };
            all.links.extend(links.into_iter().filter_map(here));
        }
        Ok(Some(all))
    }

    /// Keys of each part.
    fn columns(&self, kv: &KeysValues, look: &Look) -> Result<[usize; 2]> {
        let beside = look.beside.map_or(0, |beside| beside.keys.count);
        Ok([kv.keys.dim(1)?.saturating_sub(beside), beside])
    }

    /// Block by block in cache; the scores are never seen as a whole, the weights only by who wants them. Pairs
    /// `hidden` are left out.
    fn attend_fused(
        &self,
        queries: &Tensor,
        kv: &KeysValues,
        look: &Look,
        hidden: Vec<Hidden>,
        hook: Option<&mut dyn Hook>,
    ) -> Result<Tensor> {
        let (batch, count, width) = queries.dims3()?;
        let columns @ [keys, more] = self.columns(kv, look)?;
        let beside = look.beside.map(|beside| beside.keys).filter(|_| more > 0);
        let lines = look.bias.map(|bias| bias.diagonals(count, keys, look.past));
        let head_dim = width / self.heads.max(1);
        let key_width = self.key_heads * head_dim;
        let kernel = attention::Attention {
            heads: self.heads,
            kv_heads: self.key_heads,
            queries: count,
            keys,
            width: head_dim,
            scale: self.scale as f32,
            cap: self.cap.map(|cap| cap as f32),
            bias: lines.as_deref().map(|lines| Diagonals { lines }),
            visible: look.visible,
            past: look.past,
            beside: beside.map(SideKeys::kernel),
            hidden: &hidden,
        };
        let (q, k, v) = (compact(queries)?, compact(&kv.keys)?, compact(&kv.values)?);
        let (q, k, v) = (rows(&q)?, rows(&k)?, rows(&v)?);
        let heads = |data, position| Heads { data, position, head: head_dim };
        let row = |row: usize, wishes: [Wish; 2]| {
            let (q, k, v) = (q.at(row)?, k.at(row)?, v.at(row)?);
            Ok::<_, Error>(kernel.run_all(heads(q, width), heads(k, key_width), heads(v, key_width), wishes))
        };
        let context = match hook {
            None if batch == 1 => row(0, Default::default())?,
            None => (0..batch).map(|at| row(at, Default::default())).collect::<Result<Vec<_>>>()?.concat(),
            Some(hook) => {
                let recipe = || -> Result<Recipe> {
                    Ok(Recipe {
                        heads: self.heads,
                        key_heads: self.key_heads,
                        queries: count,
                        keys,
                        width: head_dim,
                        scale: self.scale as f32,
                        cap: self.cap.map(|cap| cap as f32),
                        visible: look.visible,
                        bias: lines.clone(),
                        beside: beside.cloned(),
                        part: Part::Tokens,
                        hidden: hidden.clone(),
                        query: q.at(0)?.to_vec(),
                        key: k.at(0)?.to_vec(),
                    })
                };
                let bias = lines.as_ref().map_or(0, Vec::len) + beside.map_or(0, SideKeys::values);
                let bytes = 4 * (count * width + (keys + more) * key_width + bias);
                let bytes = (look.past == 0).then_some(bytes);
                let watched = look.sites().filter(|(site, _)| hook.wants(*site)).collect::<Vec<_>>();
                let shape = |part: Part| [self.heads, count, columns[part as usize]];
                let mut outs = [None, None];
                for &(site, part) in &watched {
                    outs[part as usize] = Some(Out::new(site, shape(part), bytes, hook));
                }
                let context =
                    row(0, outs.each_mut().map(|out| out.as_mut().map(Out::wish).unwrap_or_default()))?;
                for (out, part) in outs.into_iter().zip([Part::Tokens, Part::Beside]) {
                    let Some(Out { site, maps, watch }) = out else { continue };
                    // The hook is the only one who has it now.
                    drop(watch);
                    match maps {
                        None => hook.recipe(site, Recipe { part, ..recipe()? })?,
                        // SAFETY: nobody else holds the maps yet, so the kernel got them, and it writes all of them.
                        Some(maps) => hook.maps(site, shape(part), unsafe { maps.assume_init() })?,
                    }
                }
                context
            }
        };
        Ok(Tensor::from_vec(context, (batch, count, width), queries.device())?)
    }

    /// Step by step over whole tensors, on any device, with everything open to the hook.
    fn attend_in_steps(
        &self,
        queries: &Tensor,
        kv: &KeysValues,
        look: &Look,
        mut hook: Option<&mut dyn Hook>,
    ) -> Result<Tensor> {
        let (batch, count, width) = queries.dims3()?;
        let [keys, extra] = self.columns(kv, look)?;
        let device = queries.device();
        let q = split(&(queries * self.scale)?, self.heads)?;
        let mut all_scores = q.matmul(&self.share(&kv.keys)?.t()?)?;
        if let Some(cap) = self.cap {
            all_scores = ((all_scores / cap)?.tanh()? * cap)?;
        }
        let mut scores = all_scores.narrow(3, 0, keys)?;
        if let Some(bias) = look.bias {
            scores = scores.broadcast_add(&bias.tensor(count, keys, look.past, device)?)?;
        }
        if let Some(table) = look.table {
            scores = scores.broadcast_add(table)?;
        }
        if let Some(mask) = additive(look.visible, count, keys, look.past, device)? {
            scores = scores.broadcast_add(&mask)?;
        }
        if let Some(hook) = &mut hook {
            scores = hook.scores(look.site, look.past, scores.squeeze(0)?)?.unsqueeze(0)?;
        }
        if let Some(beside) = look.beside {
            let mut more = all_scores.narrow(3, keys, extra)?;
            if let Some(bias) = beside.keys.tensor(self.heads, count, device)? {
                more = more.broadcast_add(&bias)?;
            }
            if let (Some(hook), Some(site)) = (&mut hook, beside.site) {
                more = hook.scores(site, look.past, more.squeeze(0)?)?.unsqueeze(0)?;
            }
            scores = Tensor::cat(&[scores, more], 3)?;
        }
        let weights = softmax(&scores)?;
        let values = self.share(&kv.values)?;
        let context = match (hook, look.beside.and_then(|beside| beside.site)) {
            (None, _) => weights.matmul(&values)?,
            (Some(hook), None) => {
                hook.weights(look.site, &weights.narrow(3, 0, keys)?.squeeze(0)?)?;
                hook.context(look.site, weights.matmul(&values)?.squeeze(0)?)?.unsqueeze(0)?
            }
            // Two sites in one softmax: each reads its own part.
            (Some(hook), Some(site)) => {
                let mut read = |site, from, count| {
                    let part = weights.narrow(3, from, count)?.contiguous()?;
                    hook.weights(site, &part.squeeze(0)?)?;
                    let context = part.matmul(&values.narrow(2, from, count)?.contiguous()?)?;
                    Ok::<_, Error>(hook.context(site, context.squeeze(0)?)?.unsqueeze(0)?)
                };
                (read(look.site, 0, keys)? + read(site, keys, extra)?)?
            }
        };
        Ok(context.transpose(1, 2)?.reshape((batch, count, width))?)
    }
}

/// What becomes of the weights of a site.
struct Out {
    site: Site,
    /// The maps; `None` where what they follow from is kept.
    maps: Option<Arc<[MaybeUninit<f32>]>>,
    watch: Option<Arc<Profiles>>,
}

impl Out {
    /// What the hook wants of maps of this shape, which follow from so many bytes, if from any.
    fn new(site: Site, shape: [usize; 3], bytes: Option<usize>, hook: &mut dyn Hook) -> Self {
        let follow = bytes.is_some_and(|bytes| hook.prefers_recipe(site, shape, bytes));
        let maps = (!follow).then(|| {
            let mut maps = Arc::<[f32]>::new_uninit_slice(shape.iter().product());
            if let Some(maps) = Arc::get_mut(&mut maps) {
                ask_for_large(maps.as_mut_ptr().cast(), size_of_val(maps));
            }
            maps
        });
        Self { site, maps, watch: hook.watch(site, shape) }
    }

    fn wish(&mut self) -> Wish<'_> {
        let watch = self.watch.as_deref().map(|watch| watch as &dyn attention::Watch);
        Wish { maps: self.maps.as_mut().and_then(Arc::get_mut), watch }
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

/// `x` if the values of each row of its batch lie side by side, or a copy of which that is true.
fn compact(x: &Tensor) -> Result<Tensor> {
    match x.narrow(0, 0, 1)?.is_contiguous() {
        true => Ok(x.clone()),
        false => Ok(x.contiguous()?),
    }
}

/// A batch row's part of a bias that every row may have for itself.
fn of_row(bias: &Tensor, row: usize) -> Result<Tensor> {
    match bias.rank() {
        4 if bias.dim(0)? > 1 => Ok(bias.narrow(0, row, 1)?),
        _ => Ok(bias.clone()),
    }
}

/// `[batch, positions, heads * head_dim]` to `[batch, heads, positions, head_dim]`.
fn split(x: &Tensor, heads: usize) -> Result<Tensor> {
    let (batch, positions, width) = x.dims3()?;
    let split = x.reshape((batch, positions, heads, width / heads.max(1)))?;
    Ok(split.transpose(1, 2)?.contiguous()?)
}

/// Softmax over the last dimension; a row that sees nothing becomes zeros.
pub(super) fn softmax(scores: &Tensor) -> Result<Tensor> {
    let max = scores.max_keepdim(D::Minus1)?.maximum(f64::from(f32::MIN))?;
    let exp = scores.broadcast_sub(&max)?.exp()?;
    let sum = exp.sum_keepdim(D::Minus1)?.maximum(f64::from(f32::MIN_POSITIVE))?;
    Ok(exp.broadcast_div(&sum)?)
}
