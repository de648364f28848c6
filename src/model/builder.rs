//! Construction of blocks from a checkpoint's tensors.

use candle_core::{Device, Tensor};

use super::extra_states::ExtraStates;
use super::layer::{AttentionBlock, BlockNorms, ExtraBlock, Ffn, Layer, Prompt};
use super::spec::{
    AttentionNames, ExpertSpec, ExtraStatesSpec, FfnNames, GlobalTokensSpec, NgramStreamsSpec, NormKind,
    Positions, Projection, Rope, StackSpec, TurningDims,
};
use super::weights::Weights;
use crate::error::{Error, Result};
use crate::nn::{
    Activation, Attention, ContentBias, Experts, ExtraKeys, FeedForward, KeysValues, Linear, Norm,
    PositionTable, RelativeBias, Rotary, TransientGlobal, Weight,
};
use crate::site::Kind;

/// Builds blocks from a checkpoint's tensors.
pub(super) struct Builder<'a> {
    pub weights: &'a Weights,
    pub device: &'a Device,
}

impl Builder<'_> {
    /// Returns the first of `names` that exists, which must have this shape.
    ///
    /// # Errors
    /// [`Error::Weights`] if none exists or the shape differs.
    pub fn tensor(&self, names: &[&str], shape: &[usize]) -> Result<Tensor> {
        self.weights.get(&with_prefixes(names), shape, self.device)
    }

    /// Returns a matrix for products or look-ups.
    pub fn matrix(&self, names: &[&str], shape: [usize; 2]) -> Result<Weight> {
        self.weights.matrix(&with_prefixes(names), shape, self.device)
    }

    /// Returns the first of `names` that exists, or `None` if the checkpoint lacks all of them.
    pub fn maybe(&self, names: &[&str], shape: &[usize]) -> Result<Option<Tensor>> {
        self.weights.get_optional(&with_prefixes(names), shape, self.device)
    }

    /// Builds a linear map stored `[out, in]`.
    pub fn linear(&self, name: &str, input: usize, output: usize, bias: bool) -> Result<Linear> {
        let weight = self.matrix(&[&format!("{name}.weight")], [output, input])?;
        if !bias {
            return Ok(Linear::new(weight, None));
        }
        let names = with_prefixes(&[&format!("{name}.bias")]);
        Ok(Linear::with_lazy_bias(weight, self.weights.lazy(&names, &[output], self.device)?))
    }

    /// Builds number `part` of `parts` linear maps that lie side by side in one tensor stored `[in, out]`.
    fn transposed_part(
        &self,
        name: &str,
        [input, output]: [usize; 2],
        [part, parts]: [usize; 2],
        bias: bool,
    ) -> Result<Linear> {
        let (names, columns) =
            (with_prefixes(&[&format!("{name}.weight")]), part * output..(part + 1) * output);
        let weight = self.weights.transposed(&names, [input, output * parts], columns, self.device)?;
        let bias = if bias {
            let all = self.tensor(&[&format!("{name}.bias")], &[output * parts])?;
            Some(all.narrow(0, part * output, output)?)
        } else {
            None
        };
        Ok(Linear::new(weight, bias))
    }

    /// Builds a linear map of a layer, whichever way round it is stored.
    fn project(
        &self,
        name: &str,
        bias: bool,
        input: usize,
        output: usize,
        transposed: bool,
    ) -> Result<Linear> {
        if transposed {
            return self.transposed_part(name, [input, output], [0, 1], bias);
        }
        self.linear(name, input, output, bias)
    }

    /// Builds a normalisation over `width` dimensions.
    pub fn norm(&self, name: &str, kind: NormKind, width: usize) -> Result<Norm> {
        let weight = self.tensor(&[&format!("{name}.weight")], &[width])?;
        Ok(match kind {
            NormKind::LayerPlain { eps } => Norm::Layer { bias: weight.zeros_like()?, weight, eps },
            NormKind::Rms { eps } => Norm::Rms { weight, eps },
            NormKind::RmsPlusOne { eps } => Norm::Rms { weight: (weight + 1.0)?, eps },
            NormKind::Layer { eps } => {
                let bias = self.tensor(&[&format!("{name}.bias")], &[width])?;
                Norm::Layer { weight, bias, eps }
            }
        })
    }

    /// Builds the layers of a stack.
    pub fn layers(&self, spec: &StackSpec, kind: Kind) -> Result<Vec<Layer>> {
        let mut layers: Vec<Layer> =
            (0..spec.layers).map(|index| self.layer_of_stack(spec, kind, index)).collect::<Result<_>>()?;
        for (layer, prompt) in layers.iter_mut().zip(self.prompts(spec, false)?) {
            layer.self_prompt = Some(prompt);
        }
        for (layer, prompt) in layers.iter_mut().zip(self.prompts(spec, true)?) {
            layer.cross_prompt = Some(prompt);
        }
        Ok(layers)
    }

    /// Builds layer `index` of a stack.
    fn layer_of_stack(&self, spec: &StackSpec, kind: Kind, index: usize) -> Result<Layer> {
        match &spec.stages {
            Some(stages) => self.staged_layer(spec, stages, index),
            None => self.layer(spec, kind, index),
        }
    }

    /// Builds layer `index` of a stack without stages.
    pub fn layer(&self, spec: &StackSpec, kind: Kind, index: usize) -> Result<Layer> {
        let names = &spec.names;
        let layer = names.layer.replace("{}", &index.to_string());
        let norm = |name: &str| self.norm(&format!("{layer}.{name}"), spec.norm, spec.d_model);
        let norms = |name: &str, output: Option<&str>| {
            let output = output.map(norm).transpose()?;
            Ok::<_, Error>(BlockNorms { placement: spec.placement, norm: norm(name)?, output })
        };
        let outputs = names.output_norms;
        let cross_attn = match &names.cross_attn {
            Some(cross) => Some(AttentionBlock {
                attention: self.attention((index, &layer), cross, spec, Kind::Cross)?,
                norms: norms(cross.norm, outputs.map(|outputs| outputs.cross_attn))?,
            }),
            None => None,
        };
        let has_bias = index == 0 || spec.relative_bias.is_some_and(|bias| bias.per_layer);
        Ok(Layer {
            self_attn: AttentionBlock {
                attention: self.attention((index, &layer), &names.self_attn, spec, kind)?,
                norms: norms(names.self_attn.norm, outputs.map(|outputs| outputs.self_attn))?,
            },
            relative_bias: if has_bias { self.relative_bias(&layer, spec, kind)? } else { None },
            cross_attn,
            transient_global: self.transient_global(&layer, spec, index)?,
            ffn: self.ffn(&layer, spec, index)?,
            ffn_norms: norms(names.ffn.norm, outputs.map(|outputs| outputs.ffn))?,
            extra: self.extra_block(&layer, spec)?,
            self_prompt: None,
            cross_prompt: None,
            merged_attention: spec.merged_attention,
            windows: None,
            merging: None,
        })
    }

    /// Builds the self-attention of layer `index`, or its cross-attention if `kind` is cross.
    fn attention(
        &self,
        (index, layer): (usize, &str),
        names: &AttentionNames,
        spec: &StackSpec,
        kind: Kind,
    ) -> Result<Attention> {
        let cross = kind == Kind::Cross;
        let source_width = if cross { spec.source_width } else { spec.d_model };
        let (width, key_width) = (spec.heads * spec.head_dim, spec.key_heads * spec.head_dim);
        // In a transposed checkpoint, projections of the same name share a tensor: all three, or key and
        // value.
        let all = [names.query, names.key, names.value];
        let project = |at: usize, input: usize, output: usize| {
            let Projection { name, bias } = all[at];
            let path = format!("{layer}.{name}");
            if spec.transposed {
                let parts = all.iter().filter(|other| other.name == name).count();
                let part = all[..at].iter().filter(|other| other.name == name).count();
                return self.transposed_part(&path, [input, output], [part, parts], bias);
            }
            self.linear(&path, input, output, bias)
        };
        let norm = |name: &str| self.norm(&format!("{layer}.{name}"), spec.norm, spec.head_dim);
        let qk_norms = match spec.names.qk_norms {
            Some([query, key]) => Some([norm(query)?, norm(key)?]),
            None => None,
        };
        let rope = spec.rope(index).filter(|_| !cross);
        let Projection { name: output, bias } = names.output;
        Ok(Attention {
            query: project(0, spec.d_model, width)?,
            key: project(1, source_width, key_width)?,
            value: project(2, source_width, key_width)?,
            output: self.project(&format!("{layer}.{output}"), bias, width, spec.d_model, spec.transposed)?,
            heads: spec.heads,
            key_heads: spec.key_heads,
            qk_norms,
            rotary: rope.map(|rope| rotary(rope, spec.head_dim)),
            softcap: spec.score_cap,
            scale: spec.scale(index),
        })
    }

    /// Builds the feed-forward part of a layer.
    fn ffn(&self, layer: &str, spec: &StackSpec, index: usize) -> Result<Ffn> {
        let here = |experts: &&ExpertSpec| experts.layers.get(index) == Some(&true);
        let FfnNames { up, gate, down, .. } = spec.names.ffn;
        let Some(experts) = spec.experts.as_ref().filter(here) else {
            return self.feed_forward(|name| format!("{layer}.{name}"), up, gate, down, spec).map(Ffn::Dense);
        };
        let router = experts.router;
        let router =
            self.linear(&format!("{layer}.{}", router.name), spec.d_model, experts.count, router.bias)?;
        let expert = |number: usize| {
            let path = |name: &str| format!("{layer}.{}", name.replace("{}", &number.to_string()));
            self.feed_forward(path, experts.up, None, experts.down, spec)
        };
        let all = (0..experts.count).map(expert).collect::<Result<_>>()?;
        Ok(Ffn::Moe(Experts { router, experts: all, routing: experts.routing }))
    }

    /// Builds a feed-forward block; `path` completes the names of its maps.
    fn feed_forward(
        &self,
        path: impl Fn(&str) -> String,
        up: Projection,
        gate: Option<Projection>,
        down: Projection,
        spec: &StackSpec,
    ) -> Result<FeedForward> {
        let project = |map: Projection, input, output| {
            self.project(&path(map.name), map.bias, input, output, spec.transposed)
        };
        if let Some(gate) = gate.filter(|gate| gate.name == up.name) {
            return self.joined_feed_forward(
                &path(gate.name),
                project(down, spec.ffn_dim, spec.d_model)?,
                spec,
            );
        }
        Ok(FeedForward {
            up: project(up, spec.d_model, spec.ffn_dim)?,
            gate: gate.map(|gate| project(gate, spec.d_model, spec.ffn_dim)).transpose()?,
            down: project(down, spec.ffn_dim, spec.d_model)?,
            activation: spec.activation,
        })
    }

    /// Builds a gated feed-forward block whose tensor `name` holds the rows of `up` and then those of the gate.
    fn joined_feed_forward(&self, name: &str, down: Linear, spec: &StackSpec) -> Result<FeedForward> {
        let weight = self.tensor(&[&format!("{name}.weight")], &[2 * spec.ffn_dim, spec.d_model])?;
        let bias = self.tensor(&[&format!("{name}.bias")], &[2 * spec.ffn_dim])?;
        let part = |at: usize| {
            let rows = |tensor: &Tensor| tensor.narrow(0, at * spec.ffn_dim, spec.ffn_dim)?.contiguous();
            Ok::<_, Error>(Linear::new(rows(&weight)?, Some(rows(&bias)?)))
        };
        Ok(FeedForward { up: part(0)?, gate: Some(part(1)?), down, activation: spec.activation })
    }

    /// Builds the summaries of a layer's blocks of tokens.
    fn transient_global(
        &self,
        layer: &str,
        spec: &StackSpec,
        index: usize,
    ) -> Result<Option<TransientGlobal>> {
        let Some(summaries) = spec.transient_global else { return Ok(None) };
        let norm = self.norm(&format!("{layer}.{}", summaries.norm), spec.norm, spec.d_model)?;
        let bias = match (index, spec.relative_bias) {
            (0, Some(bias)) => {
                let name = format!("{layer}.{}.weight", summaries.bias);
                let table = self.tensor(&[&name], &[bias.buckets, spec.heads])?;
                Some(RelativeBias::new(&table, bias.max_distance, true)?)
            }
            _ => None,
        };
        Ok(Some(TransientGlobal { block: summaries.block.max(1), norm, bias }))
    }

    /// Builds the embeddings of the states beside those of the tokens.
    pub fn extra_states(&self, spec: &StackSpec) -> Result<Option<ExtraStates>> {
        let width = spec.embedding_width;
        Ok(match spec.extra_states {
            None => None,
            Some(ExtraStatesSpec::GlobalTokens(GlobalTokensSpec { count, embedding, .. })) => {
                let all = self.tensor(&[embedding], &[count, width])?;
                Some(ExtraStates::GlobalTokens(all.unsqueeze(0)?))
            }
            Some(ExtraStatesSpec::NgramStreams(NgramStreamsSpec { streams, embedding, .. })) => {
                Some(ExtraStates::NgramStreams(self.tensor(&[embedding], &[streams, width])?))
            }
        })
    }

    /// Builds a layer's part for these states.
    fn extra_block(&self, layer: &str, spec: &StackSpec) -> Result<Option<ExtraBlock>> {
        Ok(match spec.extra_states {
            None => None,
            Some(ExtraStatesSpec::GlobalTokens(GlobalTokensSpec { norm, .. })) => {
                let norm = self.norm(&format!("{layer}.{norm}"), spec.norm, spec.d_model)?;
                Some(ExtraBlock::GlobalTokens(norm))
            }
            Some(ExtraStatesSpec::NgramStreams(NgramStreamsSpec { bias, buckets, max_distance, .. })) => {
                let width = buckets * spec.heads;
                let linear = self.linear(&format!("{layer}.{bias}"), spec.d_model, width, true)?;
                let bias = ContentBias { linear, heads: spec.heads, buckets, max_distance };
                Some(ExtraBlock::NgramStreams(bias))
            }
        })
    }

    /// Builds the prompts of self-attention or cross-attention, one a layer. Returns none if the model has no
    /// prompts or the checkpoint lacks them, as newer ones lack the encoder's.
    fn prompts(&self, spec: &StackSpec, cross: bool) -> Result<Vec<Prompt>> {
        let Some(prompts) = spec.prompts else { return Ok(Vec::new()) };
        let Some(name) = (if cross { prompts.cross_attn } else { Some(prompts.self_attn) }) else {
            return Ok(Vec::new());
        };
        let width = spec.d_model;
        let table = self.maybe(&[&format!("{name}.prompt_embedding.weight")], &[prompts.length, width])?;
        let Some(table) = table else { return Ok(Vec::new()) };
        let first = self.linear(&format!("{name}.prompt_trans.0"), width, prompts.inner_dim, true)?;
        let all = spec.layers * 2 * width;
        let second = self.linear(&format!("{name}.prompt_trans.2"), prompts.inner_dim, all, true)?;
        let all = second.forward(&first.forward_through(&table.unsqueeze(0)?, Activation::Gelu)?)?;
        let part = |at: usize| Ok::<_, Error>(all.narrow(2, at * width, width)?.contiguous()?);
        let prompt = |layer: usize| {
            let kv = KeysValues { keys: part(2 * layer)?, values: part(2 * layer + 1)? };
            Ok(Prompt { keys: ExtraKeys::plain(kv.keys.dim(1)?), kv })
        };
        (0..spec.layers).map(prompt).collect()
    }

    /// Builds the positions that are added to the embeddings.
    pub fn positions(&self, spec: &StackSpec) -> Result<Option<PositionTable>> {
        let width = spec.embedding_width;
        Ok(match spec.positions {
            Positions::None | Positions::Rotary { .. } => None,
            Positions::Learned { offset, count, padding } => {
                let table = self.tensor(spec.names.positions.as_slice(), &[offset + count, width])?;
                Some(PositionTable::learned(table, offset, padding)?)
            }
            Positions::Sinusoid { formula, offset, count, padding } => {
                let stored = self.maybe(spec.names.positions.as_slice(), &[offset + count, width])?;
                Some(PositionTable::sinusoid(formula, offset, padding, width, stored))
            }
        })
    }

    /// Builds a layer's relative position bias.
    fn relative_bias(&self, layer: &str, spec: &StackSpec, kind: Kind) -> Result<Option<RelativeBias>> {
        let (Some(bias), Some(name)) = (spec.relative_bias, spec.names.relative_bias) else {
            return Ok(None);
        };
        let table = self.tensor(&[&format!("{layer}.{name}.weight")], &[bias.buckets, spec.heads])?;
        RelativeBias::new(&table, bias.max_distance, kind == Kind::Encoder).map(Some)
    }
}

/// Creates the rotary position embedding of heads of `width` dimensions.
fn rotary(Rope { theta, scaling_factor, turning }: Rope, width: usize) -> Rotary {
    match turning {
        TurningDims::Halves => Rotary::new(width, theta, scaling_factor),
        TurningDims::Neighbours(count) => Rotary::of_neighbours(count, theta, scaling_factor),
    }
}

/// Modules around the stacks in models with a head.
const OUTER_MODULES: [&str; 3] = ["model.", "led.", "prophetnet."];

/// Adds the names that tensors have in checkpoints of bare models, which lack the outer module, and of
/// wrappers, which add one.
fn with_prefixes(names: &[&str]) -> Vec<String> {
    let mut all: Vec<String> = names.iter().map(|name| (*name).to_string()).collect();
    for name in names {
        match OUTER_MODULES.iter().find_map(|outer| name.strip_prefix(outer)) {
            Some(bare) => all.push(bare.to_string()),
            None => all.push(format!("model.{name}")),
        }
    }
    // In older checkpoints of models that also read pictures, the text side has no module of its own.
    let older: Vec<String> = all.iter().filter(|name| name.contains(".text_model.")).cloned().collect();
    all.extend(older.iter().map(|name| name.replace(".text_model.", ".")));
    all
}
