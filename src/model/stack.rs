//! The encoder and the decoder: the same stack, with cross-attention or without.

use candle_core::{Device, Tensor};

use super::spec::{
    AttentionNames, EmbeddingNorm, ExpertSpec, FfnNames, NormKind, Placement, Positions, Reach, StackSpec,
};
use super::weights::Weights;
use crate::error::{Error, Result};
use crate::nn::{
    Attention, Cache, Embedding, Experts, FeedForward, Hook, KeysValues, LayerCache, Linear, Look, Mask,
    Norm, PositionTable, RelativeBias, Summaries,
};
use crate::site::{Kind, Site};

/// Builds blocks from a checkpoint's tensors.
pub(super) struct Builder<'a> {
    pub weights: &'a Weights,
    pub device: &'a Device,
    pub d_model: usize,
}

impl Builder<'_> {
    /// A tensor that must be there, under one of `names`.
    pub fn tensor(&self, names: &[&str], shape: &[usize]) -> Result<Tensor> {
        self.weights.get(&with_prefixes(names), shape, self.device)
    }

    /// A tensor that may be absent.
    pub fn maybe(&self, names: &[&str], shape: &[usize]) -> Result<Option<Tensor>> {
        self.weights.get_optional(&with_prefixes(names), shape, self.device)
    }

    fn linear(&self, name: &str, input: usize, output: usize, bias: bool) -> Result<Linear> {
        let weight = self.tensor(&[&format!("{name}.weight")], &[output, input])?;
        let bias = if bias { Some(self.tensor(&[&format!("{name}.bias")], &[output])?) } else { None };
        Ok(Linear::new(weight, bias))
    }

    fn norm(&self, name: &str, kind: NormKind) -> Result<Norm> {
        let weight = self.tensor(&[&format!("{name}.weight")], &[self.d_model])?;
        Ok(match kind {
            NormKind::Rms { eps } => Norm::Rms { weight, eps },
            NormKind::Layer { eps } => {
                let bias = self.tensor(&[&format!("{name}.bias")], &[self.d_model])?;
                Norm::Layer { weight, bias, eps }
            }
        })
    }

    fn attention(&self, layer: &str, names: &AttentionNames, spec: &StackSpec) -> Result<Attention> {
        let inner = spec.heads * spec.head_dim;
        let linear = |name: &str, input, output| {
            self.linear(&format!("{layer}.{name}"), input, output, spec.linear_bias)
        };
        Ok(Attention {
            query: linear(names.query, self.d_model, inner)?,
            key: linear(names.key, self.d_model, inner)?,
            value: linear(names.value, self.d_model, inner)?,
            output: linear(names.output, inner, self.d_model)?,
            heads: spec.heads,
            scale: spec.score_scale,
        })
    }

    fn mixer(&self, layer: &str, spec: &StackSpec, index: usize) -> Result<Mixer> {
        let here = |experts: &&ExpertSpec| experts.layers.get(index) == Some(&true);
        let Some(experts) = spec.experts.as_ref().filter(here) else {
            return self.feed_forward(layer, &spec.names.ffn, spec).map(Mixer::One);
        };
        let router = self.linear(
            &format!("{layer}.{}", experts.router),
            self.d_model,
            experts.count,
            experts.router_bias,
        )?;
        let expert = |number: usize| {
            let [up, down] = [experts.up, experts.down].map(|name| name.replace("{}", &number.to_string()));
            let names = FfnNames { up: &up, gate: None, down: &down, norm: "" };
            self.feed_forward(layer, &names, spec)
        };
        let all = (0..experts.count).map(expert).collect::<Result<_>>()?;
        Ok(Mixer::Some(Experts { router, experts: all, routing: experts.routing }))
    }

    fn feed_forward(&self, layer: &str, names: &FfnNames, spec: &StackSpec) -> Result<FeedForward> {
        let linear = |name: &str, input, output| {
            self.linear(&format!("{layer}.{name}"), input, output, spec.linear_bias)
        };
        Ok(FeedForward {
            up: linear(names.up, self.d_model, spec.ffn_dim)?,
            gate: names.gate.map(|gate| linear(gate, self.d_model, spec.ffn_dim)).transpose()?,
            down: linear(names.down, spec.ffn_dim, self.d_model)?,
            activation: spec.activation,
        })
    }

    fn summaries(&self, layer: &str, spec: &StackSpec, index: usize) -> Result<Option<Summaries>> {
        let Some(summaries) = spec.summaries else { return Ok(None) };
        let norm = self.norm(&format!("{layer}.{}", summaries.norm), spec.norm)?;
        let bias = match (index, spec.bias) {
            (0, Some(bias)) => {
                let name = format!("{layer}.{}.weight", summaries.bias);
                let table = self.tensor(&[&name], &[bias.buckets, spec.heads])?;
                Some(RelativeBias::new(&table, bias.max_distance, true)?)
            }
            _ => None,
        };
        Ok(Some(Summaries { block: summaries.block.max(1), norm, bias }))
    }

    fn positions(&self, spec: &StackSpec) -> Result<Option<PositionTable>> {
        let name = [spec.names.positions];
        Ok(match spec.positions {
            Positions::None => None,
            Positions::Learned { offset, count } => {
                let table = self.tensor(&name, &[offset + count, self.d_model])?;
                Some(PositionTable::learned(table, offset)?)
            }
            Positions::Sinusoid { formula, offset, count } => {
                let stored = self.maybe(&name, &[offset + count, self.d_model])?;
                Some(PositionTable::sinusoid(formula, offset, self.d_model, stored))
            }
        })
    }

    fn bias(&self, layer: &str, spec: &StackSpec, kind: Kind) -> Result<Option<RelativeBias>> {
        let Some(bias) = spec.bias else { return Ok(None) };
        let name = format!("{layer}.{}.weight", spec.names.bias);
        let table = self.tensor(&[&name], &[bias.buckets, spec.heads])?;
        RelativeBias::new(&table, bias.max_distance, kind == Kind::Encoder).map(Some)
    }
}

/// Checkpoints of bare models lack the outer module's name, and those of wrappers add one.
fn with_prefixes(names: &[&str]) -> Vec<String> {
    let mut all: Vec<String> = names.iter().map(|name| (*name).to_string()).collect();
    for name in names {
        match name.strip_prefix("model.") {
            Some(bare) => all.push(bare.to_string()),
            None => all.push(format!("model.{name}")),
        }
    }
    all
}

/// A layer's feed-forward block, or the experts in its place.
enum Mixer {
    One(FeedForward),
    Some(Experts),
}

impl Mixer {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Mixer::One(ffn) => ffn.forward(x),
            Mixer::Some(experts) => experts.forward(x),
        }
    }
}

struct Block {
    own: Attention,
    own_norm: Norm,
    bias: Option<RelativeBias>,
    cross: Option<(Attention, Norm)>,
    summaries: Option<Summaries>,
    ffn: Mixer,
    ffn_norm: Norm,
}

/// An encoder or a decoder.
pub(super) struct Stack {
    kind: Kind,
    embedding: Embedding,
    positions: Option<PositionTable>,
    embedding_norm: Option<(EmbeddingNorm, Norm)>,
    blocks: Vec<Block>,
    final_norm: Option<Norm>,
    placement: Placement,
    reach: Reach,
}

/// What a decoder looks at besides itself.
pub(super) struct Source<'a> {
    /// The encoder's last states, `[1, source, d_model]`.
    pub states: &'a Tensor,
}

impl Stack {
    pub fn new(build: &Builder, spec: &StackSpec, kind: Kind) -> Result<Self> {
        let names = &spec.names;
        let table = build.tensor(names.embedding, &[spec.vocabulary, build.d_model])?;
        let blocks = (0..spec.layers).map(|i| Self::block(build, spec, kind, i)).collect::<Result<_>>()?;
        let norm = |name: Option<&str>| name.map(|name| build.norm(name, spec.norm)).transpose();
        Ok(Self {
            kind,
            embedding: Embedding { table, scale: spec.embedding_scale },
            positions: build.positions(spec)?,
            embedding_norm: norm(names.embedding_norm)?.map(|norm| (spec.embedding_norm, norm)),
            blocks,
            final_norm: norm(names.final_norm)?,
            placement: spec.placement,
            reach: spec.reach.clone(),
        })
    }

    fn block(build: &Builder, spec: &StackSpec, kind: Kind, index: usize) -> Result<Block> {
        let names = &spec.names;
        let layer = names.layer.replace("{}", &index.to_string());
        let norm = |name: &str| build.norm(&format!("{layer}.{name}"), spec.norm);
        let own_bias = index == 0 || spec.bias.is_some_and(|bias| bias.per_layer);
        let cross = match &names.cross {
            Some(cross) => Some((build.attention(&layer, cross, spec)?, norm(cross.norm)?)),
            None => None,
        };
        Ok(Block {
            own: build.attention(&layer, &names.own, spec)?,
            own_norm: norm(names.own.norm)?,
            bias: if own_bias { build.bias(&layer, spec, kind)? } else { None },
            cross,
            summaries: build.summaries(&layer, spec, index)?,
            ffn: build.mixer(&layer, spec, index)?,
            ffn_norm: norm(names.ffn.norm)?,
        })
    }

    /// Ids of `batch` equally long sequences, from position `past` on, to embeddings with positions.
    fn embed(&self, ids: &[u32], batch: usize, past: usize) -> Result<Tensor> {
        let mut x = self.embedding.forward(ids, batch)?;
        if let Some((EmbeddingNorm::BeforePositions, norm)) = &self.embedding_norm {
            x = norm.forward(&x)?;
        }
        if let Some(positions) = &self.positions {
            x = x.broadcast_add(&positions.forward(past, x.dim(1)?, x.device())?)?;
        }
        match &self.embedding_norm {
            Some((EmbeddingNorm::AfterPositions, norm)) => norm.forward(&x),
            _ => Ok(x),
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
        let mut x = self.embed(ids, batch, past)?;
        let count = x.dim(1)?;
        let side = self.blocks.first().and_then(|block| block.summaries.as_ref());
        let side = side.map(|summaries| summaries.bias(count, x.device())).transpose()?.flatten();
        for (layer, block) in self.blocks.iter().enumerate() {
            each(layer)?;
            let bias = block.bias.as_ref().or_else(|| self.blocks[0].bias.as_ref());
            let mask = self.mask(layer);
            let look =
                Look { site: Site::new(self.kind, layer), mask: &mask, bias, past, summaries: side.as_ref() };
            let slot = cache.as_mut().and_then(|cache| cache.layers.get_mut(layer));
            x = self.block_forward(block, &x, source, &look, slot, hook)?;
        }
        if let Some(cache) = cache {
            cache.past += count;
        }
        match &self.final_norm {
            Some(norm) => norm.forward(&x),
            None => Ok(x),
        }
    }

    fn mask(&self, layer: usize) -> Mask {
        match (&self.reach, self.kind) {
            (_, Kind::Decoder | Kind::Cross) => Mask::Causal,
            (Reach::All, _) => Mask::Full,
            (Reach::Near(distances), _) => {
                distances.get(layer).map_or(Mask::Full, |&distance| Mask::Near(distance))
            }
        }
    }

    fn block_forward(
        &self,
        block: &Block,
        x: &Tensor,
        source: Option<&Source>,
        look: &Look,
        mut slot: Option<&mut LayerCache>,
        hook: &mut dyn Hook,
    ) -> Result<Tensor> {
        let mut x = self.around(x, &block.own_norm, |x| {
            let mut new = block.own.keys_values(x)?;
            if let (Some(summaries), Some(_)) = (&block.summaries, look.summaries) {
                new = new.append(&block.own.keys_values(&summaries.of(x)?)?)?;
            }
            let kv = match slot.as_deref_mut() {
                None => new,
                Some(slot) => {
                    let all = match &slot.own {
                        Some(before) => before.append(&new)?,
                        None => new,
                    };
                    slot.own = Some(all.clone());
                    all
                }
            };
            block.own.forward(x, &kv, look, hook)
        })?;
        if let Some((cross, norm)) = &block.cross {
            let source = source.ok_or_else(|| Error::Engine("a decoder ran without a source".into()))?;
            let kv = source_keys(cross, source, slot)?;
            let look = Look {
                site: Site::new(Kind::Cross, look.site.layer),
                mask: &Mask::Full,
                bias: None,
                past: 0,
                summaries: None,
            };
            x = self.around(&x, norm, |x| cross.forward(x, &kv, &look, hook))?;
        }
        self.around(&x, &block.ffn_norm, |x| block.ffn.forward(x))
    }

    fn around(&self, x: &Tensor, norm: &Norm, f: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
        match self.placement {
            Placement::Pre => Ok((x + f(&norm.forward(x)?)?)?),
            Placement::Post => norm.forward(&(x + f(x)?)?),
        }
    }
}

fn source_keys(cross: &Attention, source: &Source, slot: Option<&mut LayerCache>) -> Result<KeysValues> {
    match slot {
        None => cross.keys_values(source.states),
        Some(LayerCache { cross: Some(kv), .. }) => Ok(kv.clone()),
        Some(slot) => {
            let kv = cross.keys_values(source.states)?;
            slot.cross = Some(kv.clone());
            Ok(kv)
        }
    }
}
