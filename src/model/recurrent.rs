//! The recurrent encoder-decoder that attention was first added to.

use candle_core::Tensor;

use super::build::Builder;
use super::seq2seq::Network;
use crate::error::{Error, Result};
use crate::nn::{Activation, AdditiveAttention, Cache, Embedding, Gru, Hook, KeysValues, LayerCache, Linear};
use crate::site::{Kind, Site};

/// How a recurrent decoder weighs the encoder's states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scoring {
    /// Not at all: every step sees the last states of the encoder's two directions.
    None,
    /// Through a layer of `size` units.
    Additive {
        /// Width of the layer.
        size: usize,
    },
}

/// A whole recurrent model.
#[derive(Clone, Debug)]
pub struct RecurrentSpec {
    /// `model_type` of config.json.
    pub model_type: String,
    /// How the decoder looks at the source.
    pub attention: Scoring,
    /// Size of the vocabulary.
    pub vocabulary: usize,
    /// Width of the embeddings.
    pub width: usize,
    /// Width of the encoder's state in one direction.
    pub encoder: usize,
    /// Width of the decoder's state.
    pub decoder: usize,
    /// Factor on the token embeddings.
    pub embedding_scale: f64,
    /// The decoder's first token, where config.json says.
    pub start: Option<u32>,
    /// Ends a text.
    pub end: Option<u32>,
}

/// Tensors of the Transformer that may have lent its embeddings.
pub(super) const HARMLESS: &[&str] = &["model.*", "final_logits_bias", "lm_head.*"];

/// A loaded recurrent encoder-decoder.
pub(super) struct Recurrent {
    embedding: Embedding,
    forward: Gru,
    backward: Gru,
    start: Linear,
    decoder: Gru,
    attention: Option<AdditiveAttention>,
    readout: Linear,
    head: Linear,
}

const SITE: Site = Site { kind: Kind::Cross, layer: 0 };

impl Recurrent {
    pub fn new(build: &Builder, spec: &RecurrentSpec) -> Result<Self> {
        let both = 2 * spec.encoder;
        let table = build.matrix(&["model.shared.weight", "table"], [spec.vocabulary, spec.width])?;
        let gru = |name: &str, end: &str, input: usize, width: usize| {
            let linear = |part: &str, input: usize| {
                let weight = build.matrix(&[&format!("{name}.weight_{part}_l0{end}")], [3 * width, input])?;
                let bias = build.tensor(&[&format!("{name}.bias_{part}_l0{end}")], &[3 * width])?;
                Ok::<_, Error>(Linear::new(weight, Some(bias)))
            };
            Ok::<_, Error>(Gru { input: linear("ih", input)?, hidden: linear("hh", width)?, width })
        };
        let attention = match spec.attention {
            Scoring::None => None,
            Scoring::Additive { size } => Some(AdditiveAttention {
                query: build.linear("query", spec.decoder, size, false)?,
                key: build.linear("key", both, size, true)?,
                score: build.linear("score", size, 1, false)?,
            }),
        };
        Ok(Self {
            forward: gru("encoder", "", spec.width, spec.encoder)?,
            backward: gru("encoder", "_reverse", spec.width, spec.encoder)?,
            start: build.linear("start", spec.encoder, spec.decoder, true)?,
            decoder: gru("decoder", "", spec.width + both, spec.decoder)?,
            attention,
            readout: build.linear("readout", spec.decoder + both + spec.width, spec.width, true)?,
            head: Linear::new(table.clone(), Some(build.tensor(&["bias"], &[spec.vocabulary])?)),
            embedding: Embedding { table, scale: spec.embedding_scale },
        })
    }

    /// The decoder's state before the first token, `[1, decoder]`: from the backward direction's last one,
    /// which stands at the first token.
    fn first_state(&self, encoded: &Tensor) -> Result<Tensor> {
        let last = encoded.narrow(1, 0, 1)?.narrow(2, self.forward.width, self.backward.width)?;
        self.start.forward_through(&last.squeeze(1)?, Activation::Tanh)
    }

    /// The last states of both directions, `[1, 2 * encoder]`: all of the source that a decoder without
    /// attention gets to know.
    fn last_states(&self, encoded: &Tensor) -> Result<Tensor> {
        let count = encoded.dim(1)?;
        let forward = encoded.narrow(1, count - 1, 1)?.narrow(2, 0, self.forward.width)?;
        let backward = encoded.narrow(1, 0, 1)?.narrow(2, self.forward.width, self.backward.width)?;
        Ok(Tensor::cat(&[forward, backward], 2)?.squeeze(1)?)
    }

    /// The source as the attention sees it, from the cache where it is there.
    fn source(&self, encoded: &Tensor, slot: Option<&mut LayerCache>) -> Result<Option<KeysValues>> {
        let Some(attention) = &self.attention else { return Ok(None) };
        let Some(slot) = slot else { return attention.keys_values(encoded).map(Some) };
        if slot.cross.is_none() {
            slot.cross = Some(attention.keys_values(encoded)?);
        }
        Ok(slot.cross.clone())
    }
}

impl Network for Recurrent {
    fn cache(&self) -> Cache {
        Cache::new(1)
    }

    fn encode(
        &self,
        source: &[u32],
        _: &mut dyn Hook,
        each: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Tensor> {
        let words = self.embedding.forward(source, 1)?;
        let forward = self.forward.run(&words, false, &mut || each(0))?;
        let backward = self.backward.run(&words, true, &mut || each(0))?;
        Ok(Tensor::cat(&[forward, backward], 2)?)
    }

    fn decode(
        &self,
        input: &[u32],
        batch: usize,
        encoded: &Tensor,
        mut cache: Option<&mut Cache>,
        hook: &mut dyn Hook,
        each: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Tensor> {
        let words = self.embedding.forward(input, batch)?;
        let past = cache.as_ref().map_or(0, |cache| cache.past);
        let mut slot = cache.as_mut().and_then(|cache| cache.layers.first_mut());
        let source = self.source(encoded, slot.as_deref_mut())?;
        let mut state = match slot.as_ref().and_then(|slot| slot.state.clone()) {
            Some(state) => state,
            None => self.first_state(encoded)?.expand((batch, self.decoder.width))?.contiguous()?,
        };
        let fixed = self.last_states(encoded)?;
        let fixed = fixed.expand((batch, fixed.dim(1)?))?;
        let (mut outputs, mut maps) = (Vec::new(), Vec::new());
        for row in 0..words.dim(1)? {
            each(0)?;
            let word = words.narrow(1, row, 1)?.squeeze(1)?;
            let context = match (&self.attention, &source) {
                (Some(attention), Some(source)) => {
                    let (weights, context) = attention.forward(&state, source, (SITE, past + row), hook)?;
                    maps.push(weights);
                    context
                }
                _ => fixed.clone(),
            };
            let given = self.decoder.input.forward(&Tensor::cat(&[&word, &context], 1)?)?;
            state = self.decoder.step(&given, &state)?;
            let read = Tensor::cat(&[&state, &context, &word], 1)?;
            outputs.push(self.readout.forward_through(&read, Activation::Tanh)?);
        }
        if let Some(slot) = slot {
            slot.state = Some(state);
        }
        if let Some(cache) = cache {
            cache.past += outputs.len();
        }
        if hook.wants(SITE) && !maps.is_empty() {
            let maps = Tensor::stack(&maps, 1)?;
            for row in 0..batch {
                hook.weights(SITE, &maps.narrow(0, row, 1)?.contiguous()?)?;
            }
        }
        Ok(Tensor::stack(&outputs, 1)?)
    }

    fn logits(&self, states: &Tensor) -> Result<Tensor> {
        self.head.forward(states)
    }
}
