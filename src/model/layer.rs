//! Layers of encoders and decoders.

use candle_core::Tensor;

use super::spec::Placement;
use crate::error::{Error, Result};
use crate::nn::{
    Attention, AttentionArgs, AttentionCall, AttentionTrace, ContentBias, Experts, ExtraArgs, ExtraKeys,
    FeedForward, FfnTrace, Hook, InterventionsOnly, KeysValues, LayerCache, Linear, Norm, PatchMerging,
    Ragged, RelativeBias, ResidualAdd, TransientGlobal, Visible, Windows, sum,
};
use crate::site::{Kind, Site};

/// Feed-forward part of a layer.
#[derive(Clone)]
pub(super) enum Ffn {
    /// One block for every token.
    Dense(FeedForward),
    /// Mixture of experts.
    Moe(Experts),
}

impl Ffn {
    fn blocks(&mut self) -> &mut [FeedForward] {
        match self {
            Ffn::Dense(ffn) => std::slice::from_mut(ffn),
            Ffn::Moe(experts) => &mut experts.experts,
        }
    }

    fn forward(&self, x: &Ragged) -> Result<Tensor> {
        match self {
            Ffn::Dense(ffn) => ffn.forward(x.rows()),
            Ffn::Moe(experts) => experts.forward(x),
        }
    }
}

/// Norms of a block and their place between the block and the residual stream.
#[derive(Clone)]
pub(super) struct BlockNorms {
    pub placement: Placement,
    pub norm: Norm,
    /// Norm on the block's output, for [`Placement::Around`].
    pub output: Option<Norm>,
}

impl BlockNorms {
    /// Returns what the block reads of the residual stream.
    pub fn input(&self, x: &Ragged) -> Result<Ragged> {
        match self.placement {
            Placement::Pre | Placement::Around => Ok(x.with(self.norm.forward(x.rows())?)),
            Placement::Post => Ok(x.clone()),
        }
    }

    /// Adds a block's output `[1, rows, d_model]` to the residual stream.
    fn add(&self, x: &Ragged, output: &Tensor) -> Result<Ragged> {
        let rows = x.rows();
        Ok(x.with(match (self.placement, &self.output) {
            (Placement::Post, _) => self.norm.forward(&sum(rows, output)?)?,
            (Placement::Around, Some(norm)) => sum(rows, &norm.forward(output)?)?,
            (Placement::Pre | Placement::Around, _) => sum(rows, output)?,
        }))
    }

    /// Returns how [`BlockNorms::add`] adds.
    fn residual_add(&self) -> ResidualAdd<'_> {
        match (self.placement, &self.output) {
            (Placement::Post, _) => ResidualAdd::PostNorm(&self.norm),
            (Placement::Around, Some(norm)) => ResidualAdd::NormedOutput(norm),
            (Placement::Pre | Placement::Around, _) => ResidualAdd::Plain,
        }
    }

    /// Runs a block on the residual stream and adds its output.
    pub fn apply(&self, x: &Ragged, block: impl FnOnce(&Ragged) -> Result<Tensor>) -> Result<Ragged> {
        self.add(x, &block(&self.input(x)?)?)
    }
}

/// An attention block with its norms.
#[derive(Clone)]
pub(super) struct AttentionBlock {
    pub attention: Attention,
    pub norms: BlockNorms,
}

impl AttentionBlock {
    /// Adds the attention's output `[1, rows, d_model]` to the residual stream `x` and shows the hooks how.
    /// `values` are those that each sequence attended to.
    pub fn add(
        &self,
        x: &Ragged,
        output: &Tensor,
        values: &[Tensor],
        site: Site,
        sequences: &mut [LayerSequence],
    ) -> Result<Ragged> {
        let result = self.norms.add(x, output)?;
        if !sequences.iter().any(|sequence| sequence.hook.wants_trace(site)) {
            return Ok(result);
        }
        let parts = x.parts()?.into_iter().zip(x.split(output)?).zip(result.parts()?);
        for ((sequence, values), ((residual, attention), result)) in
            sequences.iter_mut().zip(values).zip(parts)
        {
            let trace = AttentionTrace {
                output: &self.attention.output,
                key_heads: self.attention.key_heads,
                values,
                residual: &residual,
                attention: &attention,
                result: &result,
                residual_add: self.norms.residual_add(),
                self_attention: site.kind != Kind::Cross,
            };
            if sequence.hook.wants_trace(site) {
                sequence.hook.trace(site, &trace)?;
            }
        }
        Ok(result)
    }
}

/// Learned keys and values of an attention block.
#[derive(Clone)]
pub(super) struct Prompt {
    pub keys: ExtraKeys,
    pub kv: KeysValues,
}

/// Parts of a layer for states beside those of the tokens.
#[derive(Clone)]
pub(super) enum ExtraBlock {
    /// Normalisation of global tokens before self-attention.
    GlobalTokens(Norm),
    /// Position bias of self-attention, for tokens and n-gram streams alike.
    NgramStreams(ContentBias),
}

/// One layer.
#[derive(Clone)]
pub(super) struct Layer {
    pub self_attn: AttentionBlock,
    pub relative_bias: Option<RelativeBias>,
    pub cross_attn: Option<AttentionBlock>,
    pub transient_global: Option<TransientGlobal>,
    pub ffn: Ffn,
    pub ffn_norms: BlockNorms,
    pub extra: Option<ExtraBlock>,
    /// Prompts of self-attention.
    pub self_prompt: Option<Prompt>,
    /// Prompts of cross-attention.
    pub cross_prompt: Option<Prompt>,
    /// True if self- and cross-attention share one softmax.
    pub merged_attention: bool,
    /// Windows of patches that self-attention is confined to.
    pub windows: Option<Windows>,
    /// Merging of patches at the end of the layer.
    pub merging: Option<PatchMerging>,
}

/// Context of one call of a layer, the same for all sequences.
#[derive(Clone, Copy)]
pub(super) struct LayerArgs<'a> {
    /// Site of self-attention.
    pub site: Site,
    /// Position bias of self-attention.
    pub bias: Option<&'a RelativeBias>,
}

/// One of the sequences that go through a layer together.
pub(super) struct LayerSequence<'a> {
    /// The encoder's last states, `[1, source, width]`, for a decoder. Sequences may share them.
    pub source: Option<&'a Tensor>,
    /// Position of the first row.
    pub past: usize,
    /// Keys that self-attention sees.
    pub visible: Visible,
    /// Keys that the stack adds to those of the tokens.
    pub extra_keys: Option<&'a ExtraKeys>,
    /// The layer's part of the cache.
    pub cache: Option<&'a mut LayerCache>,
    /// Hook of the sequence.
    pub hook: &'a mut dyn Hook,
}

impl LayerSequence<'_> {
    /// Arguments of self-attention without addend and extra keys.
    pub fn self_attention<'a>(&self, args: &LayerArgs<'a>) -> AttentionArgs<'a> {
        let LayerArgs { site, bias } = *args;
        AttentionArgs { site, visible: self.visible, bias, past: self.past, table: None, extra: None }
    }
}

/// The positions of the sequences' first rows.
pub(super) fn pasts(sequences: &[LayerSequence]) -> Vec<usize> {
    sequences.iter().map(|sequence| sequence.past).collect()
}

impl Layer {
    /// Runs the layer on tokens and on the extra states that belong to them.
    pub fn forward(
        &self,
        (x, extra): (Ragged, Option<Ragged>),
        args: LayerArgs,
        sequences: &mut [LayerSequence],
    ) -> Result<(Ragged, Option<Ragged>)> {
        let (mut x, mut extra) = match (&self.extra, extra) {
            (Some(ExtraBlock::GlobalTokens(norm)), Some(globals)) => {
                let (x, globals) = self.attend_with_globals([&x, &globals], norm, args, sequences)?;
                (x, Some(globals))
            }
            (Some(ExtraBlock::NgramStreams(bias)), Some(streams)) => {
                let (x, streams) = self.attend_with_streams([&x, &streams], bias, args, sequences)?;
                (x, Some(streams))
            }
            _ => (self.attend(&x, args, sequences)?, None),
        };
        if let Some(cross) = &self.cross_attn {
            let site = Site::new(Kind::Cross, args.site.layer);
            if self.cross_prompt.is_none() && sequences.iter().all(|one| one.hook.stops_after(site)) {
                self.record_cross(cross, &x, site, sequences)?;
                return Ok((x, extra));
            }
            (x, extra) = self.attend_to_source(cross, (x, extra), site, sequences)?;
        }
        let ffn = |x: &Ragged| self.ffn_norms.apply(x, |x| self.ffn.forward(x));
        let extra = extra.as_ref().map(ffn).transpose()?;
        let x = self.feed_forward(&x, args.site, sequences)?;
        let x = match &self.merging {
            Some(merging) => merging.forward(&x)?,
            None => x,
        };
        Ok((x, extra))
    }

    /// Applies the feed-forward block to the residual stream and shows it to the hooks. `site` is that of the
    /// layer's self-attention.
    fn feed_forward(&self, x: &Ragged, site: Site, sequences: &mut [LayerSequence]) -> Result<Ragged> {
        let Site { kind, layer } = site;
        let mut output = self.ffn.forward(&self.ffn_norms.input(x)?)?;
        if sequences.iter().any(|sequence| sequence.hook.wants_ffn_output(kind, layer)) {
            let mut parts = x.split(&output)?;
            for (sequence, part) in sequences.iter_mut().zip(&mut parts) {
                if sequence.hook.wants_ffn_output(kind, layer) {
                    *part = sequence.hook.ffn_output(kind, layer, part.clone())?;
                }
            }
            output = Ragged::join(&parts)?.rows().clone();
        }
        let result = self.ffn_norms.add(x, &output)?;
        if !sequences.iter().any(|sequence| sequence.hook.wants_ffn_trace(kind, layer)) {
            return Ok(result);
        }
        let residual_add = self.ffn_norms.residual_add();
        let parts = x.parts()?.into_iter().zip(x.split(&output)?).zip(result.parts()?);
        for (sequence, ((residual, output), result)) in sequences.iter_mut().zip(parts) {
            if sequence.hook.wants_ffn_trace(kind, layer) {
                let trace = FfnTrace { residual: &residual, output: &output, result: &result, residual_add };
                sequence.hook.ffn_trace(kind, layer, &trace)?;
            }
        }
        Ok(result)
    }

    /// Applies cross-attention to tokens and extra states.
    fn attend_to_source(
        &self,
        cross: &AttentionBlock,
        (x, extra): (Ragged, Option<Ragged>),
        site: Site,
        sequences: &mut [LayerSequence],
    ) -> Result<(Ragged, Option<Ragged>)> {
        let AttentionBlock { attention, norms } = cross;
        let mut kvs = source_keys_values(attention, sequences)?;
        if let Some(prompt) = &self.cross_prompt {
            kvs = kvs.iter().map(|kv| kv.append(&prompt.kv)).collect::<Result<_>>()?;
        }
        let queries = attention.queries(&norms.input(&x)?, &pasts(sequences))?;
        let calls = queries.into_iter().zip(&kvs).zip(sequences.iter_mut());
        let calls = calls.map(|((queries, kv), sequence)| AttentionCall {
            queries,
            kv: kv.clone(),
            args: self.cross_attention(site, sequence.past),
            hook: &mut *sequence.hook,
        });
        let output = attention.forward(calls.collect())?;
        let x = cross.add(&x, &output, &values(&kvs), site, sequences)?;
        let attend = |states: &Ragged| {
            let pasts = pasts(sequences);
            let queries = attention.queries(states, &pasts)?;
            let mut hooks = interventions(sequences, true);
            let calls = queries.into_iter().zip(kvs).zip(pasts).zip(&mut hooks);
            let calls = calls.map(|(((queries, kv), past), hook)| AttentionCall {
                queries,
                kv,
                args: self.cross_attention(site, past),
                hook,
            });
            attention.forward(calls.collect())
        };
        Ok((x, extra.map(|states| norms.apply(&states, attend)).transpose()?))
    }

    /// Computes only the weights of cross-attention, for the hooks.
    fn record_cross(
        &self,
        cross: &AttentionBlock,
        x: &Ragged,
        site: Site,
        sequences: &mut [LayerSequence],
    ) -> Result<()> {
        let queries = cross.attention.queries(&cross.norms.input(x)?, &pasts(sequences))?;
        let keys = source_keys(&cross.attention, sequences)?;
        let calls = queries.into_iter().zip(keys).zip(sequences.iter_mut());
        // The values are unused: keys have the right shape.
        let calls = calls.map(|((queries, keys), sequence)| AttentionCall {
            queries,
            kv: KeysValues { values: keys.clone(), keys },
            args: self.cross_attention(site, sequence.past),
            hook: &mut *sequence.hook,
        });
        cross.attention.record(calls.collect())
    }

    /// Arguments of cross-attention for queries from position `past` on.
    fn cross_attention(&self, site: Site, past: usize) -> AttentionArgs<'_> {
        let extra = self.cross_prompt.as_ref().map(|prompt| ExtraArgs { keys: &prompt.keys, site: None });
        AttentionArgs { site, visible: Visible::All, bias: None, past, table: None, extra }
    }

    /// Applies self-attention to the residual stream, without extra states.
    fn attend(&self, x: &Ragged, args: LayerArgs, sequences: &mut [LayerSequence]) -> Result<Ragged> {
        let AttentionBlock { attention, norms } = &self.self_attn;
        let input = norms.input(x)?;
        if let Some(windows) = &self.windows {
            let parts = input.parts()?;
            let parts = parts.iter().zip(sequences.iter_mut());
            let outputs =
                parts.map(|(part, sequence)| windows.attend(attention, part, args.site, &mut *sequence.hook));
            let output = Ragged::join(&outputs.collect::<Result<Vec<_>>>()?)?;
            return self.self_attn.add(x, output.rows(), &[], args.site, sequences);
        }
        let (queries, new) = attention.project(&input, &pasts(sequences))?;
        let mut kvs = remember(new, sequences)?;
        let source_kvs = match self.merged_attention {
            true => source_keys_values(attention, sequences)?,
            false => Vec::new(),
        };
        let plain = |kv: &KeysValues| Ok::<_, Error>(ExtraKeys::plain(kv.keys.dim(1)?));
        let source_keys = source_kvs.iter().map(plain).collect::<Result<Vec<_>>>()?;
        let inputs = match &self.transient_global {
            Some(_) => input.parts()?,
            None => Vec::new(),
        };
        let mut extras = Vec::with_capacity(kvs.len());
        for (at, (kv, sequence)) in kvs.iter_mut().zip(sequences.iter()).enumerate() {
            let mut extra = None;
            if let Some(keys) = sequence.extra_keys {
                let more = match (&self.transient_global, inputs.get(at)) {
                    (Some(summaries), Some(input)) => attention.cross_keys_values(&summaries.of(input)?)?,
                    _ => kv.first(keys.count)?,
                };
                *kv = kv.append(&more)?;
                extra = Some(ExtraArgs { keys, site: None });
            }
            if let Some(prompt) = &self.self_prompt {
                *kv = kv.append(&prompt.kv)?;
                extra = Some(ExtraArgs { keys: &prompt.keys, site: None });
            }
            if let (Some(more), Some(keys)) = (source_kvs.get(at), source_keys.get(at)) {
                *kv = kv.append(more)?;
                extra = Some(ExtraArgs { keys, site: Some(Site::new(Kind::Cross, args.site.layer)) });
            }
            extras.push(extra);
        }
        let values = values(&kvs);
        let calls = queries.into_iter().zip(kvs).zip(extras).zip(sequences.iter_mut());
        let calls = calls.map(|(((queries, kv), extra), sequence)| AttentionCall {
            queries,
            kv,
            args: AttentionArgs { extra, ..sequence.self_attention(&args) },
            hook: &mut *sequence.hook,
        });
        let output = attention.forward(calls.collect())?;
        self.self_attn.add(x, &output, &values, args.site, sequences)
    }

    /// Returns the linear maps that decoding multiplies with for every new token.
    pub fn decoding_maps(&mut self) -> Vec<&mut Linear> {
        let Attention { query, key, value, output, .. } = &mut self.self_attn.attention;
        let mut maps = vec![query, key, value, output];
        if let Some(AttentionBlock { attention: cross, .. }) = &mut self.cross_attn {
            // Keys and values of the source are computed once for the whole target.
            maps.extend([&mut cross.query, &mut cross.output]);
        }
        for FeedForward { up, gate, down, .. } in self.ffn.blocks() {
            maps.extend([up, down].into_iter().chain(gate));
        }
        maps
    }
}

/// Appends the keys and values of new positions to those in the caches, and returns all of them.
pub(super) fn remember(new: Vec<KeysValues>, sequences: &mut [LayerSequence]) -> Result<Vec<KeysValues>> {
    let kept = new.into_iter().zip(sequences).map(|(new, sequence)| match &mut sequence.cache {
        Some(cache) => cache.append(&new),
        None => Ok(new),
    });
    kept.collect()
}

/// The values of keys and values.
pub(super) fn values(kvs: &[KeysValues]) -> Vec<Tensor> {
    kvs.iter().map(|kv| kv.values.clone()).collect()
}

/// Wraps the hooks of the sequences for a further pass through a site.
pub(super) fn interventions<'a>(
    sequences: &'a mut [LayerSequence],
    same_positions: bool,
) -> Vec<InterventionsOnly<'a>> {
    let wrap =
        |sequence: &'a mut LayerSequence| InterventionsOnly { hook: &mut *sequence.hook, same_positions };
    sequences.iter_mut().map(wrap).collect()
}

/// Joins the sources of sequences, each once. Also returns the place of each sequence's source among them.
fn joined_sources<'a, 'b: 'a>(
    sequences: impl Iterator<Item = &'a LayerSequence<'b>>,
) -> Result<(Option<Ragged>, Vec<usize>)> {
    let (mut sources, mut places) = (Vec::<Tensor>::new(), Vec::new());
    for sequence in sequences {
        let source = sequence.source.ok_or_else(|| Error::Engine("a decoder ran without a source".into()))?;
        let known = sources.iter().position(|other| other.id() == source.id());
        places.push(known.unwrap_or(sources.len()));
        if known.is_none() {
            sources.push(source.clone());
        }
    }
    let joined = if sources.is_empty() { None } else { Some(Ragged::join(&sources)?) };
    Ok((joined, places))
}

/// Returns the keys of each sequence's source.
fn source_keys(attention: &Attention, sequences: &[LayerSequence]) -> Result<Vec<Tensor>> {
    let (sources, places) = joined_sources(sequences.iter())?;
    let Some(sources) = sources else { return Ok(Vec::new()) };
    let keys = sources.split(&attention.cross_keys(sources.rows())?)?;
    Ok(places.into_iter().map(|place| keys[place].clone()).collect())
}

/// Returns the keys and values of each sequence's source, from its cache if they are there. Sources are
/// projected together, each once.
fn source_keys_values(attention: &Attention, sequences: &mut [LayerSequence]) -> Result<Vec<KeysValues>> {
    let cached = |sequence: &LayerSequence| sequence.cache.as_ref().and_then(|cache| cache.cross.clone());
    let missing = sequences.iter().filter(|sequence| cached(sequence).is_none());
    let (sources, places) = joined_sources(missing)?;
    let mut projected = Vec::new();
    if let Some(sources) = sources {
        let KeysValues { keys, values } = attention.cross_keys_values(sources.rows())?;
        let parts = sources.split(&keys)?.into_iter().zip(sources.split(&values)?);
        projected.extend(parts.map(|(keys, values)| KeysValues { keys, values }));
    }
    let mut places = places.into_iter();
    let mut all = Vec::with_capacity(sequences.len());
    for sequence in sequences {
        let kv = cached(sequence).or_else(|| projected.get(places.next()?).cloned());
        if let Some(cache) = &mut sequence.cache {
            cache.cross.clone_from(&kv);
        }
        all.extend(kv);
    }
    Ok(all)
}
