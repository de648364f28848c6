//! The encoder and the decoder: the same stack, with cross-attention or without.

use candle_core::Tensor;

use super::build::Builder;
use super::second::{Second, SecondBlock};
use super::spec::{AfterNames, EmbeddingNorm, Placement, Reach, Span, StackSpec};
use crate::error::{Error, Result};
use crate::nn::{
    Attention, AttentionArgs, AttentionTrace, Cache, Embedding, Experts, ExtraArgs, ExtraBias, ExtraKeys,
    FeedForward, Hook, InterventionsOnly, KeysValues, LayerCache, Linear, Norm, PositionTable, RelativeBias,
    ResidualAdd, TransientGlobal, Visible, sum,
};
use crate::site::{Kind, Site};

/// A layer's feed-forward block, or the experts in its place.
#[derive(Clone)]
pub(super) enum Mixer {
    One(FeedForward),
    Some(Experts),
}

impl Mixer {
    fn blocks(&mut self) -> &mut [FeedForward] {
        match self {
            Mixer::One(ffn) => std::slice::from_mut(ffn),
            Mixer::Some(experts) => &mut experts.experts,
        }
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Mixer::One(ffn) => ffn.forward(x),
            Mixer::Some(experts) => experts.forward(x),
        }
    }
}

/// A block's norms: before or after, or both.
#[derive(Clone)]
pub(super) struct Norms {
    pub norm: Norm,
    after: Option<Norm>,
}

#[derive(Clone)]
pub(super) struct Block {
    pub own: Attention,
    pub own_norm: Norms,
    bias: Option<RelativeBias>,
    cross: Option<(Attention, Norms)>,
    summaries: Option<TransientGlobal>,
    ffn: Mixer,
    ffn_norm: Norms,
    pub second: Option<SecondBlock>,
    /// Learned keys and values of self- and of cross-attention.
    prompts: [Option<(ExtraKeys, KeysValues)>; 2],
}

/// An encoder or a decoder.
#[derive(Clone)]
pub(super) struct Stack {
    kind: Kind,
    embedding: Embedding,
    segment: Option<Tensor>,
    projection: Option<Linear>,
    positions: Option<PositionTable>,
    embedding_norm: Option<(EmbeddingNorm, Norm)>,
    blocks: Vec<Block>,
    final_norm: Option<Norm>,
    placement: Placement,
    reach: Reach,
    merged: bool,
    second: Option<Second>,
}

/// What a decoder looks at besides itself.
pub(super) struct Source<'a> {
    /// The encoder's last states, `[1, source, d_model]`.
    pub states: &'a Tensor,
}

impl Stack {
    pub fn new(build: &Builder, spec: &StackSpec, kind: Kind) -> Result<Self> {
        let names = &spec.names;
        let table = build.matrix(names.embedding, [spec.vocabulary, spec.embedding_width])?;
        let segment = match spec.segments {
            0 => None,
            count => {
                let all = build.tensor(&[names.segments], &[count, spec.embedding_width])?;
                Some(all.narrow(0, 0, 1)?)
            }
        };
        let projection = (spec.embedding_width != spec.d_model)
            .then(|| build.linear(names.projection, spec.embedding_width, spec.d_model, true))
            .transpose()?;
        let mut blocks: Vec<Block> =
            (0..spec.layers).map(|i| Self::block(build, spec, kind, i)).collect::<Result<_>>()?;
        for (at, cross) in [false, true].into_iter().enumerate() {
            for (block, prompt) in blocks.iter_mut().zip(build.prompts(spec, cross)?) {
                block.prompts[at] = Some((ExtraKeys::plain(prompt.keys.dim(1)?), prompt));
            }
        }
        let norm = |name: Option<&str>, width| match name {
            Some(name) => build.norm(name, spec.norm, width).map(Some),
            None => Ok(None),
        };
        let embedding_norm = norm(names.embedding_norm, spec.embedding_width)?;
        Ok(Self {
            kind,
            embedding: Embedding { table, scale: spec.embedding_scale },
            segment,
            projection,
            positions: build.positions(spec)?,
            embedding_norm: embedding_norm.map(|norm| (spec.embedding_norm, norm)),
            blocks,
            final_norm: norm(names.final_norm, spec.d_model)?,
            placement: spec.placement,
            reach: spec.reach.clone(),
            merged: spec.rare.merged,
            second: build.second(spec)?,
        })
    }

    fn block(build: &Builder, spec: &StackSpec, kind: Kind, index: usize) -> Result<Block> {
        let names = &spec.names;
        let layer = names.layer.replace("{}", &index.to_string());
        let norm = |name: &str| build.norm(&format!("{layer}.{name}"), spec.norm, spec.d_model);
        let norms = |name: &str, after: fn(&AfterNames) -> &'static str| {
            let after = names.after.as_ref().map(|names| norm(after(names))).transpose()?;
            Ok::<_, Error>(Norms { norm: norm(name)?, after })
        };
        let own_bias = index == 0 || spec.bias.is_some_and(|bias| bias.per_layer);
        let cross = match &names.cross {
            Some(cross) => Some((
                build.attention((index, &layer), cross, spec, Kind::Cross)?,
                norms(cross.norm, |n| n.cross)?,
            )),
            None => None,
        };
        Ok(Block {
            own: build.attention((index, &layer), &names.own, spec, kind)?,
            own_norm: norms(names.own.norm, |n| n.own)?,
            bias: if own_bias { build.bias(&layer, spec, kind)? } else { None },
            cross,
            summaries: build.summaries(&layer, spec, index)?,
            ffn: build.mixer(&layer, spec, index)?,
            ffn_norm: norms(names.ffn.norm, |n| n.ffn)?,
            second: build.second_block(&layer, spec)?,
            prompts: [None, None],
        })
    }

    /// The same stack with the weights that every new token is multiplied with in 8 bits.
    pub fn quantised(&self) -> Self {
        let mut stack = self.clone();
        for block in &mut stack.blocks {
            let Attention { query, key, value, output, .. } = &mut block.own;
            let mut maps = vec![query, key, value, output];
            if let Some((cross, _)) = &mut block.cross {
                // Keys and values of the source are computed once, for all of it.
                maps.extend([&mut cross.query, &mut cross.output]);
            }
            for FeedForward { up, gate, down, .. } in block.ffn.blocks() {
                maps.extend([up, down].into_iter().chain(gate));
            }
            for map in maps {
                *map = map.quantised();
            }
        }
        stack
    }

    /// Ids of `batch` equally long sequences, from position `past` on, to embeddings with positions.
    fn embed(&self, ids: &[u32], batch: usize, past: usize) -> Result<Tensor> {
        let x = self.embedding.forward(ids, batch)?;
        self.place(x, past)
    }

    /// Embeddings `[batch, positions, embedding_width]` from position `past` on, with positions and norms.
    pub fn place(&self, mut x: Tensor, past: usize) -> Result<Tensor> {
        if let Some(segment) = &self.segment {
            x = x.broadcast_add(segment)?;
        }
        if let Some((EmbeddingNorm::BeforePositions, norm)) = &self.embedding_norm {
            x = norm.forward(&x)?;
        }
        if let Some(positions) = &self.positions {
            x = x.broadcast_add(&positions.forward(past, x.dim(1)?, x.device())?)?;
        }
        if let Some((EmbeddingNorm::AfterPositions, norm)) = &self.embedding_norm {
            x = norm.forward(&x)?;
        }
        match &self.projection {
            Some(projection) => projection.forward(&x),
            None => Ok(x),
        }
    }

    /// Runs the stack over `ids`; `[batch, positions, d_model]`. With a cache, `ids` follow what it covers.
    /// `each` is called before every layer with its number, and may stop the work.
    pub fn forward(
        &self,
        ids: &[u32],
        batch: usize,
        source: Option<&Source>,
        mut cache: Option<&mut Cache>,
        hook: &mut dyn Hook,
        each: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Tensor> {
        let past = cache.as_ref().map_or(0, |cache| cache.past);
        let cached = cache.is_some();
        let mut x = self.embed(ids, batch, past)?;
        let mut second = match &self.second {
            Some(second) => Some(second.begin(self, x.dims(), past, cache.is_some())?),
            None => None,
        };
        let count = x.dim(1)?;
        let side = self.blocks.first().and_then(|block| block.summaries.as_ref());
        let side = match (side, self.blocks_of(count)) {
            (Some(summaries), _) => summaries.keys(count),
            (None, Some((block, times))) if times > 0 => {
                Some(ExtraKeys { count: block, bias: ExtraBias::Repeated { block, times } })
            }
            (None, _) => None,
        };
        for (layer, block) in self.blocks.iter().enumerate() {
            each(layer)?;
            let bias = block.bias.as_ref().or_else(|| self.blocks[0].bias.as_ref());
            let visible = self.visible(layer, count);
            let site = Site::new(self.kind, layer);
            let args = AttentionArgs { site, visible, bias, past, table: None, extra: None };
            let slot = cache.as_mut().and_then(|cache| cache.layers.get_mut(layer));
            let states = (x, second);
            (x, second) = self.block_forward(block, states, source, &args, side.as_ref(), slot, hook)?;
        }
        if let Some(cache) = cache {
            cache.past += count;
        }
        if let (Some(Second::Ahead(_)), Some(ahead)) = (&self.second, second) {
            x = if cached { ahead } else { ahead.narrow(0, 0, 1)? };
        }
        match &self.final_norm {
            Some(norm) => norm.forward(&x),
            None => Ok(x),
        }
    }

    /// Size of the blocks that a text of `count` tokens is split into, and random blocks for each.
    fn blocks_of(&self, count: usize) -> Option<(usize, usize)> {
        match self.reach {
            Reach::Blocks { size, random } if count > (5 + 2 * random) * size => Some((size, random)),
            _ => None,
        }
    }

    fn visible(&self, layer: usize, count: usize) -> Visible {
        if let Some((size, _)) = self.blocks_of(count) {
            return Visible::Blocks(size);
        }
        let whole = if self.kind == Kind::Encoder { Visible::All } else { Visible::Causal };
        match &self.reach {
            Reach::All | Reach::Blocks { .. } => whole,
            Reach::Groups { size, staggered } => Visible::Groups {
                size: *size,
                shift: if *staggered && layer % 2 == 1 { size / 2 } else { 0 },
            },
            Reach::Near(spans) => match spans.get(layer) {
                None | Some(&Span::ALL) => whole,
                Some(&Span { before, after }) => Visible::Near { before, after },
            },
        }
    }

    #[allow(clippy::too_many_arguments, reason = "the inputs of one layer call")]
    fn block_forward(
        &self,
        block: &Block,
        (x, second): (Tensor, Option<Tensor>),
        source: Option<&Source>,
        args: &AttentionArgs,
        side: Option<&ExtraKeys>,
        mut slot: Option<&mut LayerCache>,
        hook: &mut dyn Hook,
    ) -> Result<(Tensor, Option<Tensor>)> {
        let (mut x, mut second) = match (&block.second, second) {
            (Some(SecondBlock::Globals(norm)), Some(globals)) => {
                let (x, globals) = self.with_globals(block, [&x, &globals], norm, args, hook)?;
                (x, Some(globals))
            }
            (Some(SecondBlock::Ahead(bias)), Some(ahead)) => {
                let (x, ahead) =
                    self.with_ahead(block, [&x, &ahead], bias, args, slot.as_deref_mut(), hook)?;
                (x, Some(ahead))
            }
            _ => (self.own(block, &x, source, args, side, slot.as_deref_mut(), hook)?, None),
        };
        if let Some((cross, norms)) = &block.cross {
            let source = source.ok_or_else(|| Error::Engine("a decoder ran without a source".into()))?;
            let prompt = block.prompts[1].as_ref();
            let args = AttentionArgs {
                site: Site::new(Kind::Cross, args.site.layer),
                visible: Visible::All,
                bias: None,
                past: args.past,
                table: None,
                extra: prompt.map(|(keys, _)| ExtraArgs { keys, site: None }),
            };
            if hook.stops_after(args.site) && prompt.is_none() {
                cross.show(&self.enter(&x, norms)?, source.states, &args, hook)?;
                return Ok((x, second));
            }
            let mut kv = source_keys(cross, source, slot)?;
            if let Some((_, prompt)) = prompt {
                kv = kv.append(prompt)?;
            }
            let given = cross.forward(&self.enter(&x, norms)?, &kv, &args, hook)?;
            x = self.join((cross, norms), [&x, &given], &kv, args.site, hook)?;
            let mut unseen = InterventionsOnly { hook, same_positions: true };
            second = second
                .map(|states| self.around(&states, norms, |x| cross.forward(x, &kv, &args, &mut unseen)))
                .transpose()?;
        }
        let ffn = |x: &Tensor| self.around(x, &block.ffn_norm, |x| block.ffn.forward(x));
        Ok((ffn(&x)?, second.as_ref().map(ffn).transpose()?))
    }

    /// Self-attention and what is added to it.
    #[allow(clippy::too_many_arguments, reason = "the inputs of one layer call")]
    fn own(
        &self,
        block: &Block,
        x: &Tensor,
        source: Option<&Source>,
        args: &AttentionArgs,
        side: Option<&ExtraKeys>,
        mut slot: Option<&mut LayerCache>,
        hook: &mut dyn Hook,
    ) -> Result<Tensor> {
        let read = self.enter(x, &block.own_norm)?;
        let (queries, new) = block.own.project(&read, args.past)?;
        let mut kv = remember(new, slot.as_deref_mut())?;
        let mut extra = None;
        let sources;
        if let Some(keys) = side {
            let more = match &block.summaries {
                Some(summaries) => block.own.keys_values(&summaries.of(&read)?, 0)?,
                None => kv.first(keys.count)?,
            };
            kv = kv.append(&more)?;
            extra = Some(ExtraArgs { keys, site: None });
        }
        if let Some((keys, prompt)) = &block.prompts[0] {
            kv = kv.append(prompt)?;
            extra = Some(ExtraArgs { keys, site: None });
        }
        if let (true, Some(source)) = (self.merged, source) {
            let more = source_keys(&block.own, source, slot)?;
            kv = kv.append(&more)?;
            sources = ExtraKeys::plain(more.keys.dim(1)?);
            let site = Some(Site::new(Kind::Cross, args.site.layer));
            extra = Some(ExtraArgs { keys: &sources, site });
        }
        let given = block.own.read(&queries, &kv, &AttentionArgs { extra, ..*args }, hook)?;
        self.join((&block.own, &block.own_norm), [x, &given], &kv, args.site, hook)
    }

    /// The residual stream with what attention gave, which the hook may take apart.
    pub fn join(
        &self,
        (attention, norms): (&Attention, &Norms),
        [x, given]: [&Tensor; 2],
        kv: &KeysValues,
        site: Site,
        hook: &mut dyn Hook,
    ) -> Result<Tensor> {
        let result = self.leave(x, given, norms)?;
        if hook.wants_trace(site) {
            let residual_add = match (self.placement, &norms.after) {
                (Placement::Post, _) => ResidualAdd::PostNorm(&norms.norm),
                (Placement::Around, Some(after)) => ResidualAdd::NormedOutput(after),
                (Placement::Pre | Placement::Around, _) => ResidualAdd::Plain,
            };
            let own = site.kind != Kind::Cross;
            let flow = AttentionTrace {
                output: &attention.output,
                key_heads: attention.key_heads,
                values: &kv.values,
                residual: x,
                given,
                result: &result,
                residual_add,
                own,
            };
            hook.trace(site, &flow)?;
        }
        Ok(result)
    }

    /// The residual stream with what `f` makes of it.
    pub fn around(
        &self,
        x: &Tensor,
        norms: &Norms,
        f: impl FnOnce(&Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        self.leave(x, &f(&self.enter(x, norms)?)?, norms)
    }

    /// The residual stream as a block reads it.
    pub fn enter(&self, x: &Tensor, norms: &Norms) -> Result<Tensor> {
        match self.placement {
            Placement::Pre | Placement::Around => norms.norm.forward(x),
            Placement::Post => Ok(x.clone()),
        }
    }

    /// The residual stream with what a block gave.
    fn leave(&self, x: &Tensor, given: &Tensor, norms: &Norms) -> Result<Tensor> {
        match (self.placement, &norms.after) {
            (Placement::Post, _) => norms.norm.forward(&sum(x, given)?),
            (Placement::Around, Some(after)) => sum(x, &after.forward(given)?),
            (Placement::Pre | Placement::Around, _) => sum(x, given),
        }
    }
}

/// Keys and values of all positions so far, of which `new` are the last.
pub(super) fn remember(new: KeysValues, slot: Option<&mut LayerCache>) -> Result<KeysValues> {
    match slot {
        Some(slot) => slot.remember(&new),
        None => Ok(new),
    }
}

fn source_keys(cross: &Attention, source: &Source, slot: Option<&mut LayerCache>) -> Result<KeysValues> {
    match slot {
        None => cross.cross_keys_values(source.states),
        Some(LayerCache { cross: Some(kv), .. }) => Ok(kv.clone()),
        Some(slot) => {
            let kv = cross.cross_keys_values(source.states)?;
            slot.cross = Some(kv.clone());
            Ok(kv)
        }
    }
}
