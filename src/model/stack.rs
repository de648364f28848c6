//! The encoder and the decoder: one stack of layers, with cross-attention or without.

use candle_core::Tensor;

use super::builder::Builder;
use super::extra_states::ExtraStates;
use super::layer::{Layer, LayerArgs};
use super::network::OnLayer;
use super::spec::{EmbeddingNorm, Span, Sparsity, StackSpec};
use crate::error::{Error, Result};
use crate::nn::{
    AttentionArgs, Embedding, ExtraBias, ExtraKeys, Hook, KvCache, Linear, Norm, PositionTable, Visible,
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

    /// Returns the same stack with 8-bit weights in the linear maps that decoding multiplies with for every
    /// token.
    pub fn quantised(&self) -> Self {
        let mut stack = self.clone();
        for map in stack.layers.iter_mut().flat_map(Layer::decoding_maps) {
            *map = map.quantised();
        }
        stack
    }

    /// Embeds `batch` rows of ids at positions from `past` on: `[batch, positions, d_model]`.
    ///
    /// # Errors
    /// [`Error::Text`] if the stack has no embeddings, or lacks one of the ids.
    pub fn embed(&self, ids: &[u32], batch: usize, past: usize) -> Result<Tensor> {
        let Some(embedding) = &self.embedding else {
            return Err(Error::Text(format!("the {} of this model reads no text", self.kind)));
        };
        let embedded = embedding.forward(ids, batch)?;
        let positions = self.positions.as_ref();
        let positions =
            positions.map(|table| table.of_tokens(ids, batch, past, embedded.device())).transpose()?;
        self.first_input(embedded, positions)
    }

    /// Turns embeddings `[batch, positions, embedding_width]` into the input of the first layer: adds
    /// segments and positions from `past` on, normalises and projects to `d_model`.
    pub fn add_positions(&self, x: Tensor, past: usize) -> Result<Tensor> {
        let (count, positions) = (x.dim(1)?, self.positions.as_ref());
        let positions = positions.map(|table| table.forward(past, count, x.device())).transpose()?;
        self.first_input(x, positions)
    }

    /// [`Stack::add_positions`] with embedded positions.
    fn first_input(&self, mut x: Tensor, positions: Option<Tensor>) -> Result<Tensor> {
        if let Some(segment) = &self.segment {
            x = x.broadcast_add(segment)?;
        }
        if let Some((EmbeddingNorm::BeforePositions, norm)) = &self.embedding_norm {
            x = norm.forward(&x)?;
        }
        if let Some(positions) = positions {
            x = x.broadcast_add(&positions)?;
        }
        if let Some((EmbeddingNorm::AfterPositions, norm)) = &self.embedding_norm {
            x = norm.forward(&x)?;
        }
        match &self.projection {
            Some(projection) => projection.forward(&x),
            None => Ok(x),
        }
    }

    /// Runs the layers on embedded positions `[batch, positions, d_model]`, which follow those in the cache;
    /// returns the last states in the same shape.
    pub fn forward(
        &self,
        mut x: Tensor,
        source: Option<&Tensor>,
        mut cache: Option<&mut KvCache>,
        hook: &mut dyn Hook,
        on_layer: OnLayer,
    ) -> Result<Tensor> {
        let past = cache.as_ref().map_or(0, |cache| cache.past);
        let cached = cache.is_some();
        let (batch, count, _) = x.dims3()?;
        let mut extra = match &self.extra_states {
            Some(ExtraStates::GlobalTokens(all)) => Some(all.clone()),
            Some(ExtraStates::NgramStreams(all)) => {
                let rows = ExtraStates::embed_streams(all, [batch, count], cached)?;
                Some(self.add_positions(rows, past + 1)?)
            }
            None => None,
        };
        let extra_keys = self.extra_keys(count);
        let shared_bias = self.layers.first().and_then(|layer| layer.relative_bias.as_ref());
        for (index, layer) in self.layers.iter().enumerate() {
            on_layer(index)?;
            let args = LayerArgs {
                source,
                attention: AttentionArgs {
                    site: Site::new(self.kind, index),
                    visible: self.visible(index, count),
                    bias: layer.relative_bias.as_ref().or(shared_bias),
                    past,
                    table: None,
                    extra: None,
                },
                extra_keys: extra_keys.as_ref(),
                cache: cache.as_mut().and_then(|cache| cache.layers.get_mut(index)),
            };
            (x, extra) = layer.forward((x, extra), args, hook)?;
        }
        if let Some(cache) = cache {
            cache.past += count;
        }
        if let (Some(ExtraStates::NgramStreams(_)), Some(streams)) = (&self.extra_states, extra) {
            // The first stream is the output.
            x = if cached { streams } else { streams.narrow(0, 0, 1)? };
        }
        match &self.final_norm {
            Some(norm) => norm.forward(&x),
            None => Ok(x),
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
