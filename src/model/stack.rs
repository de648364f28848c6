//! The encoder and the decoder: one stack of layers, with cross-attention or without.

use candle_core::{D, Tensor};

use super::builder::Builder;
use super::extra_states::ExtraStates;
use super::layer::{Layer, LayerArgs, LayerSequence};
use super::network::OnLayer;
use super::spec::{EmbeddingNorm, Span, Sparsity, StackSpec};
use crate::error::{Error, Result};
use crate::nn::{
    Embedding, ExtraBias, ExtraKeys, Hook, KvCache, LayerInput, Linear, Norm, PositionTable, Ragged, Visible,
    sum,
};
use crate::site::{Kind, Site};

/// An encoder or a decoder.
#[derive(Clone)]
pub(super) struct Stack {
    kind: Kind,
    /// `None` if the stack takes ready states only.
    embedding: Option<Embedding>,
    segment: Option<Tensor>,
    projection: Option<Linear>,
    positions: Option<PositionTable>,
    embedding_norm: Option<(EmbeddingNorm, Norm)>,
    layers: Vec<Layer>,
    final_norm: Option<Norm>,
    sparsity: Sparsity,
    extra_states: Option<ExtraStates>,
}

/// Rows of ids of equal length, at positions from `past` on.
#[derive(Clone, Copy)]
pub(super) struct IdRows<'a> {
    /// `[batch, positions]`
    pub ids: &'a [u32],
    /// Number of rows.
    pub batch: usize,
    /// Position of the first id of each row.
    pub past: usize,
}

/// One of the sequences that go through a stack together.
pub(super) struct StackSequence<'a> {
    /// States of the sequence, and the layer that they enter.
    pub input: LayerInput,
    /// The encoder's last states, `[1, source, width]`, for a decoder.
    pub source: Option<&'a Tensor>,
    /// Keys and values of the positions before.
    pub cache: Option<&'a mut KvCache>,
    /// Hook of the sequence.
    pub hook: &'a mut dyn Hook,
}

impl Stack {
    /// Builds a stack from a checkpoint's tensors.
    pub fn new(build: &Builder, spec: &StackSpec, kind: Kind) -> Result<Self> {
        let names = &spec.names;
        let width = spec.embedding_width;
        let embedding = match names.embedding {
            [] => None,
            names => Some(Embedding {
                table: build.matrix(names, [spec.vocabulary, width])?,
                scale: spec.embedding_scale,
            }),
        };
        let segment = match names.segments {
            Some(name) if spec.segments > 0 => {
                Some(build.tensor(&[name], &[spec.segments, width])?.narrow(0, 0, 1)?)
            }
            _ => None,
        };
        let projection = names.projection.filter(|_| width != spec.d_model);
        let projection = projection.map(|name| build.linear(name, width, spec.d_model, true)).transpose()?;
        let layers = build.layers(spec, kind)?;
        let norm =
            |name: Option<&str>, width| name.map(|name| build.norm(name, spec.norm, width)).transpose();
        let embedding_norm = norm(names.embedding_norm, width)?;
        Ok(Self {
            kind,
            embedding,
            segment,
            projection,
            positions: build.positions(spec)?,
            embedding_norm: embedding_norm.map(|norm| (spec.embedding_norm, norm)),
            layers,
            final_norm: norm(names.final_norm, spec.d_model)?,
            sparsity: spec.sparsity.clone(),
            extra_states: build.extra_states(spec)?,
        })
    }

    /// Returns the norm after the last layer.
    pub fn final_norm(&self) -> Option<&Norm> {
        self.final_norm.as_ref()
    }

    /// Returns true if the output of the stack is that of an n-gram stream, not the tokens' residual stream.
    pub fn reads_ngram_stream(&self) -> bool {
        matches!(self.extra_states, Some(ExtraStates::NgramStreams(_)))
    }

    /// Returns the same stack with 8-bit weights in the linear maps that decoding multiplies with for every
    /// token.
    pub fn quantised(&self) -> Self {
        let mut stack = self.clone();
        for map in stack.layers.iter_mut().flat_map(Layer::decoding_maps) {
            *map = map.quantised();
        }
        stack
    }

    /// Embeds texts, each `[batch, positions, d_model]`.
    ///
    /// # Errors
    /// [`Error::Text`] if the stack has no embeddings, lacks one of the ids, or has too few positions.
    pub fn embed(&self, texts: &[IdRows]) -> Result<Ragged> {
        let parts = texts.iter().map(|text| self.token_embeddings(text));
        self.enter(Ragged::join(&parts.collect::<Result<Vec<_>>>()?)?, texts)
    }

    /// Embeds the tokens of a text, after their scale and without positions: `[batch, positions,
    /// embedding_width]`.
    ///
    /// # Errors
    /// [`Error::Text`] if the stack has no embeddings or lacks one of the ids.
    pub fn token_embeddings(&self, text: &IdRows) -> Result<Tensor> {
        match &self.embedding {
            Some(embedding) => embedding.forward(text.ids, text.batch),
            None => Err(Error::Text(format!("the {} of this model reads no text", self.kind))),
        }
    }

    /// Turns embeddings of tokens, or others in their place, into the input of the first layer. The ids say
    /// which of the positions are padding.
    ///
    /// # Errors
    /// [`Error::Text`] if the stack has too few positions.
    pub fn enter(&self, embedded: Ragged, texts: &[IdRows]) -> Result<Ragged> {
        let device = embedded.rows().device();
        let positions = self.position_rows(&embedded, |table, at| {
            let IdRows { ids, batch, past } = texts[at];
            table.of_tokens(ids, batch, past, device)
        })?;
        self.first_input(embedded, positions)
    }

    /// Turns embeddings `[batch, positions, embedding_width]` into the input of the first layer: adds
    /// segments and positions from `pasts` on, normalises and projects to `d_model`.
    pub fn add_positions(&self, embedded: Ragged, pasts: &[usize]) -> Result<Ragged> {
        let device = embedded.rows().device();
        let positions = self.position_rows(&embedded, |table, at| {
            table.forward(pasts[at], embedded.shapes()[at][1], device)
        })?;
        self.first_input(embedded, positions)
    }

    /// Joins the embedded positions of all sequences, `[1, rows, embedding_width]`. `of` returns those of one,
    /// `[batch, positions, embedding_width]` or the same for all its rows.
    fn position_rows(
        &self,
        embedded: &Ragged,
        of: impl Fn(&PositionTable, usize) -> Result<Tensor>,
    ) -> Result<Option<Tensor>> {
        let Some(table) = &self.positions else { return Ok(None) };
        let parts = embedded.shapes().iter().enumerate().map(|(at, &[batch, count])| {
            let part = of(table, at)?;
            let width = part.dim(D::Minus1)?;
            Ok(part.broadcast_as((batch, count, width))?)
        });
        let parts = parts.collect::<Result<Vec<_>>>()?;
        Ok(Some(Ragged::join(&parts)?.rows().clone()))
    }

    /// [`Stack::add_positions`] with embedded positions.
    fn first_input(&self, embedded: Ragged, positions: Option<Tensor>) -> Result<Ragged> {
        let mut x = embedded.rows().clone();
        if let Some(segment) = &self.segment {
            x = x.broadcast_add(segment)?;
        }
        if let Some((EmbeddingNorm::BeforePositions, norm)) = &self.embedding_norm {
            x = norm.forward(&x)?;
        }
        if let Some(positions) = positions {
            x = sum(&x, &positions)?;
        }
        if let Some((EmbeddingNorm::AfterPositions, norm)) = &self.embedding_norm {
            x = norm.forward(&x)?;
        }
        if let Some(projection) = &self.projection {
            x = projection.forward(&x)?;
        }
        Ok(embedded.with(x))
    }

    /// Runs the layers on several sequences, which follow those in their caches; returns the last states of
    /// each, `[batch, positions, d_model]`. Sequences that start at a later layer join the others there; they
    /// must be in the order of their first layers.
    pub fn forward(&self, mut sequences: Vec<StackSequence>, on_layer: OnLayer) -> Result<Vec<Tensor>> {
        let pasts: Vec<usize> =
            sequences.iter().map(|one| one.cache.as_ref().map_or(0, |cache| cache.past)).collect();
        let counts = sequences.iter().map(|one| one.input.states.dim(1));
        let counts = counts.collect::<candle_core::Result<Vec<_>>>()?;
        let extra_keys: Vec<_> = counts.iter().map(|&count| self.extra_keys(count)).collect();
        let shared_bias = self.layers.first().and_then(|layer| layer.relative_bias.as_ref());
        let mut running = 0;
        let mut states: Option<(Ragged, Option<Ragged>)> = None;
        for (index, layer) in self.layers.iter().enumerate() {
            let starting = sequences.iter().skip(running).take_while(|one| one.input.layer <= index);
            let starting: Vec<_> = starting.collect();
            running += starting.len();
            let Some((x, extra)) = self.joined(states, &starting)? else {
                states = None;
                continue;
            };
            on_layer(index)?;
            let site = Site::new(self.kind, index);
            show_inputs(site, &x, extra.as_ref(), &mut sequences)?;
            let args = LayerArgs { site, bias: layer.relative_bias.as_ref().or(shared_bias) };
            let parts = sequences.iter_mut().zip(&pasts).zip(&counts).zip(&extra_keys).take(running);
            let mut parts: Vec<_> = parts
                .map(|(((sequence, &past), &count), extra_keys)| LayerSequence {
                    source: sequence.source,
                    past,
                    visible: self.visible(index, count),
                    extra_keys: extra_keys.as_ref(),
                    cache: sequence.cache.as_mut().and_then(|cache| cache.layers.get_mut(index)),
                    hook: &mut *sequence.hook,
                })
                .collect();
            states = Some(layer.forward((x, extra), args, &mut parts)?);
        }
        let rest: Vec<_> = sequences.iter().skip(running).collect();
        let Some((mut x, extra)) = self.joined(states, &rest)? else { return Ok(Vec::new()) };
        if let (Some(ExtraStates::NgramStreams(_)), Some(streams)) = (&self.extra_states, extra) {
            // The first stream is the output.
            let first = |(stream, one): (Tensor, &StackSequence)| match one.cache {
                Some(_) => Ok(stream),
                None => stream.narrow(0, 0, 1),
            };
            let streams = streams.parts()?.into_iter().zip(&sequences).map(first);
            x = Ragged::join(&streams.collect::<candle_core::Result<Vec<_>>>()?)?;
        }
        for (sequence, count) in sequences.iter_mut().zip(counts) {
            if let Some(cache) = &mut sequence.cache {
                cache.past += count;
            }
        }
        match &self.final_norm {
            Some(norm) => x.split(&norm.forward(x.rows())?),
            None => x.parts(),
        }
    }

    /// Number of layers.
    pub fn layers(&self) -> usize {
        self.layers.len()
    }

    /// Runs one layer on the tokens of a single sequence, without extra states; returns the states after it.
    /// `source` are the encoder's last states, for a decoder.
    pub fn layer(&self, input: &LayerInput, source: Option<&Tensor>, hook: &mut dyn Hook) -> Result<Tensor> {
        let LayerInput { layer: index, states, .. } = input;
        let missing = || Error::Engine(format!("the {} has no layer {index}", self.kind));
        let layer = self.layers.get(*index).ok_or_else(missing)?;
        let first = self.layers.first().and_then(|layer| layer.relative_bias.as_ref());
        let count = states.dim(1)?;
        let extra_keys = self.extra_keys(count);
        let sequence = LayerSequence {
            source,
            past: 0,
            visible: self.visible(*index, count),
            extra_keys: extra_keys.as_ref(),
            cache: None,
            hook,
        };
        let site = Site::new(self.kind, *index);
        let args = LayerArgs { site, bias: layer.relative_bias.as_ref().or(first) };
        let joined = Ragged::join(std::slice::from_ref(states))?;
        let (x, _) = layer.forward((joined, None), args, &mut [sequence])?;
        x.parts()?.pop().ok_or_else(missing)
    }

    /// Applies the norm after the last layer, if there is one, to `[..., d_model]`.
    pub fn last_norm(&self, states: &Tensor) -> Result<Tensor> {
        self.final_norm.as_ref().map_or_else(|| Ok(states.clone()), |norm| norm.forward(states))
    }

    /// Appends the states of sequences that start to those of the running ones.
    fn joined(
        &self,
        running: Option<(Ragged, Option<Ragged>)>,
        starting: &[&StackSequence],
    ) -> Result<Option<(Ragged, Option<Ragged>)>> {
        if starting.is_empty() {
            return Ok(running);
        }
        let (mut x, mut extra) = match running {
            Some((x, extra)) => {
                (x.parts()?, extra.map(|extra| extra.parts()).transpose()?.unwrap_or_default())
            }
            None => (Vec::new(), Vec::new()),
        };
        for sequence in starting {
            x.push(sequence.input.states.clone());
            extra.extend(self.extra_input(sequence)?);
        }
        let extra = if extra.is_empty() { None } else { Some(Ragged::join(&extra)?) };
        Ok(Some((Ragged::join(&x)?, extra)))
    }

    /// Returns the extra states that enter a sequence's first layer, if the stack has any.
    fn extra_input(&self, sequence: &StackSequence) -> Result<Option<Tensor>> {
        if sequence.input.extra.is_some() {
            return Ok(sequence.input.extra.clone());
        }
        match &self.extra_states {
            Some(ExtraStates::GlobalTokens(all)) => Ok(Some(all.clone())),
            Some(ExtraStates::NgramStreams(all)) => {
                let (batch, count, _) = sequence.input.states.dims3()?;
                let past = sequence.cache.as_ref().map_or(0, |cache| cache.past);
                let rows = ExtraStates::embed_streams(all, [batch, count], sequence.cache.is_some())?;
                let streams = self.add_positions(Ragged::join(&[rows])?, &[past + 1])?;
                Ok(streams.parts()?.pop())
            }
            None => Ok(None),
        }
    }

    /// Returns the keys that every layer adds to those of `count` tokens.
    fn extra_keys(&self, count: usize) -> Option<ExtraKeys> {
        let summaries = self.layers.first().and_then(|layer| layer.transient_global.as_ref());
        match (summaries, self.block_size(count)) {
            (Some(summaries), _) => summaries.keys(count),
            (None, Some((block, times))) if times > 0 => {
                Some(ExtraKeys { count: block, bias: ExtraBias::Repeated { block, times } })
            }
            (None, _) => None,
        }
    }

    /// Returns the size of the blocks that a text of `count` tokens is split into and the number of random
    /// blocks, or `None` if attention is not split into blocks.
    fn block_size(&self, count: usize) -> Option<(usize, usize)> {
        match self.sparsity {
            Sparsity::Blocks { size, random } if count > (5 + 2 * random) * size => Some((size, random)),
            _ => None,
        }
    }

    /// Returns the keys that self-attention of a layer sees in a text of `count` tokens.
    fn visible(&self, layer: usize, count: usize) -> Visible {
        if let Some((size, _)) = self.block_size(count) {
            return Visible::Blocks(size);
        }
        let dense = if self.kind == Kind::Encoder { Visible::All } else { Visible::Causal };
        match &self.sparsity {
            Sparsity::Dense | Sparsity::Blocks { .. } => dense,
            Sparsity::Groups { size, staggered } => Visible::Groups {
                size: *size,
                shift: if *staggered && layer % 2 == 1 { size / 2 } else { 0 },
            },
            Sparsity::Windows(spans) => match spans.get(layer) {
                None | Some(&Span::ALL) => dense,
                Some(&Span { before, after }) => Visible::Near { before, after },
            },
        }
    }
}

/// Shows the states that enter a layer to the hooks that want them.
fn show_inputs(
    layer: Site,
    x: &Ragged,
    extra: Option<&Ragged>,
    sequences: &mut [StackSequence],
) -> Result<()> {
    let Site { kind, layer } = layer;
    let wants = |sequence: &StackSequence| sequence.hook.wants_resid_pre(kind, layer);
    if !sequences.iter().any(wants) {
        return Ok(());
    }
    let extra = extra.map(Ragged::parts).transpose()?.unwrap_or_default();
    for (at, (states, sequence)) in x.parts()?.into_iter().zip(sequences).enumerate() {
        if wants(sequence) {
            let extra = extra.get(at).cloned();
            sequence.hook.resid_pre(kind, LayerInput { layer, states, extra })?;
        }
    }
    Ok(())
}
