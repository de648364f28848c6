//! Layers of encoders and decoders.

use candle_core::Tensor;

use super::spec::Placement;
use crate::error::{Error, Result};
use crate::nn::{
    Attention, AttentionArgs, AttentionTrace, ContentBias, Experts, ExtraArgs, ExtraKeys, FeedForward, Hook,
    InterventionsOnly, KeysValues, LayerCache, Linear, Norm, RelativeBias, ResidualAdd, TransientGlobal,
    Visible, sum,
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

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Ffn::Dense(ffn) => ffn.forward(x),
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
    pub fn input(&self, x: &Tensor) -> Result<Tensor> {
        match self.placement {
            Placement::Pre | Placement::Around => self.norm.forward(x),
            Placement::Post => Ok(x.clone()),
        }
    }

    /// Adds a block's output to the residual stream.
    fn add(&self, x: &Tensor, output: &Tensor) -> Result<Tensor> {
        match (self.placement, &self.output) {
            (Placement::Post, _) => self.norm.forward(&sum(x, output)?),
            (Placement::Around, Some(norm)) => sum(x, &norm.forward(output)?),
            (Placement::Pre | Placement::Around, _) => sum(x, output),
        }
    }

    /// Runs a block on the residual stream and adds its output.
    pub fn apply(&self, x: &Tensor, block: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
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
    /// Adds the attention's output to the residual stream `x` and shows the hook how.
    pub fn add(
        &self,
        [x, output]: [&Tensor; 2],
        kv: &KeysValues,
        site: Site,
        hook: &mut dyn Hook,
    ) -> Result<Tensor> {
        let result = self.norms.add(x, output)?;
        if hook.wants_trace(site) {
            let residual_add = match (self.norms.placement, &self.norms.output) {
                (Placement::Post, _) => ResidualAdd::PostNorm(&self.norms.norm),
                (Placement::Around, Some(norm)) => ResidualAdd::NormedOutput(norm),
                (Placement::Pre | Placement::Around, _) => ResidualAdd::Plain,
            };
            let trace = AttentionTrace {
                output: &self.attention.output,
                key_heads: self.attention.key_heads,
                values: &kv.values,
                residual: x,
                attention: output,
                result: &result,
                residual_add,
                self_attention: site.kind != Kind::Cross,
            };
            hook.trace(site, &trace)?;
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
}

/// Context of one call of a layer.
pub(super) struct LayerArgs<'a> {
    /// The encoder's last states, `[1, source, width]`, for a decoder.
    pub source: Option<&'a Tensor>,
    /// Arguments of self-attention.
    pub attention: AttentionArgs<'a>,
    /// Keys that the stack adds to those of the tokens.
    pub extra_keys: Option<&'a ExtraKeys>,
    /// The layer's part of the cache.
    pub cache: Option<&'a mut LayerCache>,
}

impl Layer {
    /// Runs the layer on tokens `[batch, positions, d_model]` and on the extra states that belong to them.
    pub fn forward(
        &self,
        (x, extra): (Tensor, Option<Tensor>),
        mut args: LayerArgs,
        hook: &mut dyn Hook,
    ) -> Result<(Tensor, Option<Tensor>)> {
        let (mut x, mut extra) = match (&self.extra, extra) {
            (Some(ExtraBlock::GlobalTokens(norm)), Some(globals)) => {
                let (x, globals) = self.attend_with_globals([&x, &globals], norm, &args.attention, hook)?;
                (x, Some(globals))
            }
            (Some(ExtraBlock::NgramStreams(bias)), Some(streams)) => {
                let cache = args.cache.as_deref_mut();
                let (x, streams) =
                    self.attend_with_streams([&x, &streams], bias, &args.attention, cache, hook)?;
                (x, Some(streams))
            }
            _ => (self.attend(&x, &mut args, hook)?, None),
        };
        if let Some(cross) = &self.cross_attn {
            let source = args.source.ok_or_else(|| Error::Engine("a decoder ran without a source".into()))?;
            let prompt = self.cross_prompt.as_ref();
            let attention_args = AttentionArgs {
                site: Site::new(Kind::Cross, args.attention.site.layer),
                visible: Visible::All,
                bias: None,
                past: args.attention.past,
                table: None,
                extra: prompt.map(|prompt| ExtraArgs { keys: &prompt.keys, site: None }),
            };
            let site = attention_args.site;
            if hook.stops_after(site) && prompt.is_none() {
                cross.attention.record_weights(&cross.norms.input(&x)?, source, &attention_args, hook)?;
                return Ok((x, extra));
            }
            let mut kv = source_keys_values(&cross.attention, source, args.cache)?;
            if let Some(prompt) = prompt {
                kv = kv.append(&prompt.kv)?;
            }
            let output = cross.attention.forward(&cross.norms.input(&x)?, &kv, &attention_args, hook)?;
            x = cross.add([&x, &output], &kv, site, hook)?;
            let mut unseen = InterventionsOnly { hook, same_positions: true };
            let mut attend =
                |states: &Tensor| cross.attention.forward(states, &kv, &attention_args, &mut unseen);
            extra = extra.map(|states| cross.norms.apply(&states, &mut attend)).transpose()?;
        }
        let ffn = |x: &Tensor| self.ffn_norms.apply(x, |x| self.ffn.forward(x));
        Ok((ffn(&x)?, extra.as_ref().map(ffn).transpose()?))
    }

    /// Applies self-attention to the residual stream, without extra states.
    fn attend(&self, x: &Tensor, args: &mut LayerArgs, hook: &mut dyn Hook) -> Result<Tensor> {
        let AttentionBlock { attention, norms } = &self.self_attn;
        let input = norms.input(x)?;
        let (queries, new) = attention.project(&input, args.attention.past)?;
        let mut kv = remember(new, args.cache.as_deref_mut())?;
        let mut extra = None;
        let source_keys;
        if let Some(keys) = args.extra_keys {
            let more = match &self.transient_global {
                Some(summaries) => attention.keys_values(&summaries.of(&input)?, 0)?,
                None => kv.first(keys.count)?,
            };
            kv = kv.append(&more)?;
            extra = Some(ExtraArgs { keys, site: None });
        }
        if let Some(prompt) = &self.self_prompt {
            kv = kv.append(&prompt.kv)?;
            extra = Some(ExtraArgs { keys: &prompt.keys, site: None });
        }
        if let (true, Some(source)) = (self.merged_attention, args.source) {
            let more = source_keys_values(attention, source, args.cache.as_deref_mut())?;
            kv = kv.append(&more)?;
            source_keys = ExtraKeys::plain(more.keys.dim(1)?);
            let site = Some(Site::new(Kind::Cross, args.attention.site.layer));
            extra = Some(ExtraArgs { keys: &source_keys, site });
        }
        let output =
            attention.forward_queries(&queries, &kv, &AttentionArgs { extra, ..args.attention }, hook)?;
        self.self_attn.add([x, &output], &kv, args.attention.site, hook)
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

/// Appends the keys and values of new positions to those in the cache, and returns all of them.
pub(super) fn remember(new: KeysValues, cache: Option<&mut LayerCache>) -> Result<KeysValues> {
    match cache {
        Some(cache) => cache.append(&new),
        None => Ok(new),
    }
}

/// Returns the keys and values of the source, from the cache if they are there.
fn source_keys_values(
    attention: &Attention,
    source: &Tensor,
    cache: Option<&mut LayerCache>,
) -> Result<KeysValues> {
    match cache {
        None => attention.cross_keys_values(source),
        Some(LayerCache { cross: Some(kv), .. }) => Ok(kv.clone()),
        Some(cache) => {
            let kv = attention.cross_keys_values(source)?;
            cache.cross = Some(kv.clone());
            Ok(kv)
        }
    }
}
