//! Blocks from a checkpoint's tensors.

use candle_core::{Device, Tensor};

use super::second::{Second, SecondBlock};
use super::spec::{AttentionNames, ExpertSpec, FfnNames, NormKind, Positions, SecondSpec, StackSpec};
use super::stack::Mixer;
use super::weights::Weights;
use crate::error::{Error, Result};
use crate::nn::{
    Activation, Attention, ContentBias, Experts, FeedForward, KeysValues, Linear, Norm, PositionTable,
    RelativeBias, Rotary, TransientGlobal, Weight,
};
use crate::site::Kind;

/// Builds blocks from a checkpoint's tensors.
pub(super) struct Builder<'a> {
    pub weights: &'a Weights,
    pub device: &'a Device,
}

impl Builder<'_> {
    /// A tensor that must be there, under one of `names`.
    pub fn tensor(&self, names: &[&str], shape: &[usize]) -> Result<Tensor> {
        self.weights.get(&with_prefixes(names), shape, self.device)
    }

    /// A matrix that is multiplied with or looked up in.
    pub fn matrix(&self, names: &[&str], shape: [usize; 2]) -> Result<Weight> {
        self.weights.matrix(&with_prefixes(names), shape, self.device)
    }

    /// A tensor that may be absent.
    pub fn maybe(&self, names: &[&str], shape: &[usize]) -> Result<Option<Tensor>> {
        self.weights.get_optional(&with_prefixes(names), shape, self.device)
    }

    /// An affine map stored `[out, in]`.
    pub fn linear(&self, name: &str, input: usize, output: usize, bias: bool) -> Result<Linear> {
        let weight = self.matrix(&[&format!("{name}.weight")], [output, input])?;
        let bias = if bias { Some(self.tensor(&[&format!("{name}.bias")], &[output])?) } else { None };
        Ok(Linear::new(weight, bias))
    }

    /// Part `part` of `parts` maps that share a tensor stored `[in, out]`, side by side.
    fn part(
        &self,
        name: &str,
        [input, output]: [usize; 2],
        [part, parts]: [usize; 2],
        bias: bool,
    ) -> Result<Linear> {
        let all = self.tensor(&[&format!("{name}.weight")], &[input, output * parts])?;
        let weight = all.narrow(1, part * output, output)?.t()?.contiguous()?;
        let bias = if bias {
            let all = self.tensor(&[&format!("{name}.bias")], &[output * parts])?;
            Some(all.narrow(0, part * output, output)?)
        } else {
            None
        };
        Ok(Linear::new(weight, bias))
    }

    /// One of a stack's affine maps, in the layout that its checkpoint has.
    fn map(
        &self,
        name: &str,
        input: usize,
        output: usize,
        (transposed, bias): (bool, bool),
    ) -> Result<Linear> {
        if transposed {
            return self.part(name, [input, output], [0, 1], bias);
        }
        self.linear(name, input, output, bias)
    }

    /// A normalisation over `width` dimensions.
    pub fn norm(&self, name: &str, kind: NormKind, width: usize) -> Result<Norm> {
        let weight = self.tensor(&[&format!("{name}.weight")], &[width])?;
        Ok(match kind {
            NormKind::Rms { eps } => Norm::Rms { weight, eps },
            NormKind::RmsLessOne { eps } => Norm::Rms { weight: (weight + 1.0)?, eps },
            NormKind::Layer { eps } => {
                let bias = self.tensor(&[&format!("{name}.bias")], &[width])?;
                Norm::Layer { weight, bias, eps }
            }
        })
    }

    /// Self-attention of layer `index`, or where `kind` is cross the attention to the source.
    pub fn attention(
        &self,
        (index, layer): (usize, &str),
        names: &AttentionNames,
        spec: &StackSpec,
        kind: Kind,
    ) -> Result<Attention> {
        let cross = kind == Kind::Cross;
        let looked_at = if cross { spec.source_width } else { spec.d_model };
        let (inner, key_inner) = (spec.heads * spec.head_dim, spec.key_heads * spec.head_dim);
        // Projections of the same name share a tensor: all three, or key and value.
        let all = [names.query, names.key, names.value];
        let project = |at: usize, input: usize, output: usize| {
            let name = all.get(at).copied().unwrap_or_default();
            let parts = all.iter().filter(|other| **other == name).count();
            let part = all.iter().take(at).filter(|other| **other == name).count();
            let name = format!("{layer}.{name}");
            if spec.transposed {
                return self.part(&name, [input, output], [part, parts], spec.attention_bias);
            }
            self.linear(&name, input, output, spec.attention_bias)
        };
        let wave = spec.wave(index).filter(|_| !cross);
        let norm = |name: &str| self.norm(&format!("{layer}.{name}"), spec.norm, spec.head_dim);
        let qk_norms = match spec.rare.head_norms {
            Some([query, key]) => Some([norm(query)?, norm(key)?]),
            None => None,
        };
        Ok(Attention {
            query: project(0, spec.d_model, inner)?,
            key: project(1, looked_at, key_inner)?,
            value: project(2, looked_at, key_inner)?,
            output: self.map(
                &format!("{layer}.{}", names.output),
                inner,
                spec.d_model,
                (spec.transposed, spec.attention_bias),
            )?,
            heads: spec.heads,
            key_heads: spec.key_heads,
            qk_norms,
            rotary: wave.map(|wave| Rotary::new(spec.head_dim, wave.theta, wave.stretch)),
            cap: spec.score_cap,
            scale: spec.scale(index),
        })
    }

    /// A layer's feed-forward block or experts.
    pub fn mixer(&self, layer: &str, spec: &StackSpec, index: usize) -> Result<Mixer> {
        let here = |experts: &&ExpertSpec| experts.layers.get(index) == Some(&true);
        let Some(experts) = spec.experts.as_ref().filter(here) else {
            return self.feed_forward(layer, &spec.names.ffn, spec).map(Mixer::One);
        };
        let router = self.linear(
            &format!("{layer}.{}", experts.router),
            spec.d_model,
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
        let layout = (spec.transposed, spec.linear_bias);
        let linear = |name: &str, input, output| self.map(&format!("{layer}.{name}"), input, output, layout);
        Ok(FeedForward {
            up: linear(names.up, spec.d_model, spec.ffn_dim)?,
            gate: names.gate.map(|gate| linear(gate, spec.d_model, spec.ffn_dim)).transpose()?,
            down: linear(names.down, spec.ffn_dim, spec.d_model)?,
            activation: spec.activation,
        })
    }

    /// How a layer sums up its tokens.
    pub fn summaries(&self, layer: &str, spec: &StackSpec, index: usize) -> Result<Option<TransientGlobal>> {
        let Some(summaries) = spec.summaries else { return Ok(None) };
        let norm = self.norm(&format!("{layer}.{}", summaries.norm), spec.norm, spec.d_model)?;
        let bias = match (index, spec.bias) {
            (0, Some(bias)) => {
                let name = format!("{layer}.{}.weight", summaries.bias);
                let table = self.tensor(&[&name], &[bias.buckets, spec.heads])?;
                Some(RelativeBias::new(&table, bias.max_distance, true)?)
            }
            _ => None,
        };
        Ok(Some(TransientGlobal { block: summaries.block.max(1), norm, bias }))
    }

    /// The second sequence's embeddings.
    pub fn second(&self, spec: &StackSpec) -> Result<Option<Second>> {
        let width = spec.embedding_width;
        Ok(match spec.rare.second {
            None => None,
            Some(SecondSpec::Globals { count, embedding, .. }) => {
                Some(Second::Globals(self.tensor(&[embedding], &[count, width])?.unsqueeze(0)?))
            }
            Some(SecondSpec::Ahead { streams, embedding, .. }) => {
                Some(Second::Ahead(self.tensor(&[embedding], &[streams, width])?))
            }
        })
    }

    /// What a layer has for the second sequence.
    pub fn second_block(&self, layer: &str, spec: &StackSpec) -> Result<Option<SecondBlock>> {
        Ok(match spec.rare.second {
            None => None,
            Some(SecondSpec::Globals { norm, .. }) => {
                let norm = self.norm(&format!("{layer}.{norm}"), spec.norm, spec.d_model)?;
                Some(SecondBlock::Globals(norm))
            }
            Some(SecondSpec::Ahead { bias, buckets, max_distance, .. }) => {
                let width = buckets * spec.heads;
                let linear = self.linear(&format!("{layer}.{bias}"), spec.d_model, width, true)?;
                Some(SecondBlock::Ahead(ContentBias { linear, heads: spec.heads, buckets, max_distance }))
            }
        })
    }

    /// Learned keys and values of self-attention (or cross-attention) for every layer; none without prompts: newer
    /// checkpoints lack the encoder's.
    pub fn prompts(&self, spec: &StackSpec, cross: bool) -> Result<Vec<KeysValues>> {
        let Some(prompts) = spec.rare.prompts else { return Ok(Vec::new()) };
        let Some(name) = (if cross { prompts.cross } else { Some(prompts.own) }) else {
            return Ok(Vec::new());
        };
        let width = spec.d_model;
        let table = self.maybe(&[&format!("{name}.prompt_embedding.weight")], &[prompts.length, width])?;
        let Some(table) = table else { return Ok(Vec::new()) };
        let first = self.linear(&format!("{name}.prompt_trans.0"), width, prompts.middle, true)?;
        let all = spec.layers * 2 * width;
        let second = self.linear(&format!("{name}.prompt_trans.2"), prompts.middle, all, true)?;
        let all = second.forward(&first.forward_through(&table.unsqueeze(0)?, Activation::Gelu)?)?;
        let part = |at: usize| Ok::<_, Error>(all.narrow(2, at * width, width)?.contiguous()?);
        (0..spec.layers).map(|i| Ok(KeysValues { keys: part(2 * i)?, values: part(2 * i + 1)? })).collect()
    }

    /// Positions that are added to the embeddings.
    pub fn positions(&self, spec: &StackSpec) -> Result<Option<PositionTable>> {
        let name = [spec.names.positions];
        Ok(match spec.positions {
            Positions::None | Positions::Rotary { .. } => None,
            Positions::Learned { offset, count } => {
                let table = self.tensor(&name, &[offset + count, spec.embedding_width])?;
                Some(PositionTable::learned(table, offset)?)
            }
            Positions::Sinusoid { formula, offset, count } => {
                let stored = self.maybe(&name, &[offset + count, spec.embedding_width])?;
                Some(PositionTable::sinusoid(formula, offset, spec.embedding_width, stored))
            }
        })
    }

    /// A layer's relative position bias.
    pub fn bias(&self, layer: &str, spec: &StackSpec, kind: Kind) -> Result<Option<RelativeBias>> {
        let Some(bias) = spec.bias else { return Ok(None) };
        let name = format!("{layer}.{}.weight", spec.names.bias);
        let table = self.tensor(&[&name], &[bias.buckets, spec.heads])?;
        RelativeBias::new(&table, bias.max_distance, kind == Kind::Encoder).map(Some)
    }
}

/// The names that models have within those with a head.
const OUTER: [&str; 3] = ["model.", "led.", "prophetnet."];

/// Checkpoints of bare models lack the outer module's name, and those of wrappers add one.
fn with_prefixes(names: &[&str]) -> Vec<String> {
    let mut all: Vec<String> = names.iter().map(|name| (*name).to_string()).collect();
    for name in names {
        match OUTER.iter().find_map(|outer| name.strip_prefix(outer)) {
            Some(bare) => all.push(bare.to_string()),
            None => all.push(format!("model.{name}")),
        }
    }
    // The text side of a model that reads pictures, too, had no part of its own once.
    let once: Vec<String> = all.iter().filter(|name| name.contains(".text_model.")).cloned().collect();
    all.extend(once.iter().map(|name| name.replace(".text_model.", ".")));
    all
}
