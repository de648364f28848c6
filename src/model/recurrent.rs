//! The recurrent encoder-decoder to which attention was first added (Bahdanau et al. 2014).

use candle_core::Tensor;

use super::builder::Builder;
use super::network::{DecoderInput, DecoderSequence, EncoderInput, EncoderSequence, Network, OnLayer};
use super::spec::{RecurrentAttention, RecurrentSpec};
use crate::error::{Error, Result};
use crate::nn::{
    Activation, AdditiveAttention, Embedding, Gru, KeysValues, KvCache, LayerCache, LayerInput, Linear,
};
use crate::site::{Kind, Site};

/// Tensors of the Transformer whose embeddings the checkpoint shares.
pub(super) const IGNORED: &[&str] = &["model.*", "final_logits_bias", "lm_head.*"];

/// A recurrent encoder-decoder.
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
            RecurrentAttention::None => None,
            RecurrentAttention::Additive { size } => Some(AdditiveAttention {
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

    /// Returns the decoder's state before the first token, `[1, decoder]`. It follows from the last state of
    /// the encoder's backward direction, which stands at the first token.
    fn first_state(&self, encoded: &Tensor) -> Result<Tensor> {
        let last = encoded.narrow(1, 0, 1)?.narrow(2, self.forward.width, self.backward.width)?;
        self.start.forward_through(&last.squeeze(1)?, Activation::Tanh)
    }

    /// Returns the last states of both directions, `[1, 2 * encoder]`: all that a decoder without attention
    /// knows of the source.
    fn last_states(&self, encoded: &Tensor) -> Result<Tensor> {
        let count = encoded.dim(1)?;
        let forward = encoded.narrow(1, count - 1, 1)?.narrow(2, 0, self.forward.width)?;
        let backward = encoded.narrow(1, 0, 1)?.narrow(2, self.forward.width, self.backward.width)?;
        Ok(Tensor::cat(&[forward, backward], 2)?.squeeze(1)?)
    }

    /// Returns the keys and values of the source, from the cache if they are there; `None` without attention.
    fn source(&self, encoded: &Tensor, slot: Option<&mut LayerCache>) -> Result<Option<KeysValues>> {
        let Some(attention) = &self.attention else { return Ok(None) };
        let Some(slot) = slot else { return attention.keys_values(encoded).map(Some) };
        if slot.cross.is_none() {
            slot.cross = Some(attention.keys_values(encoded)?);
        }
        Ok(slot.cross.clone())
    }

    fn encode_one(&self, sequence: &EncoderSequence, on_layer: OnLayer) -> Result<Tensor> {
        let embedded = match sequence.input {
            EncoderInput::Ids(ids) => self.embed_source(ids)?,
            EncoderInput::States(states) | EncoderInput::Layer(LayerInput { states, .. }) => states.clone(),
        };
        let forward = self.forward.run(&embedded, false, &mut || on_layer(0))?;
        let backward = self.backward.run(&embedded, true, &mut || on_layer(0))?;
        Ok(Tensor::cat(&[forward, backward], 2)?)
    }

    fn decode_one(&self, sequence: DecoderSequence, on_layer: OnLayer) -> Result<Tensor> {
        let DecoderSequence { input, source: encoded, mut cache, hook } = sequence;
        let (words, batch) = match input {
            DecoderInput::Ids { ids, batch } => (self.embedding.forward(ids, batch)?, batch),
            DecoderInput::Layer(LayerInput { states, .. }) => (states.clone(), states.dim(0)?),
        };
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
            on_layer(0)?;
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
}

impl Network for Recurrent {
    fn cache(&self) -> KvCache {
        KvCache::new(1)
    }

    fn embed_source(&self, ids: &[u32]) -> Result<Tensor> {
        self.embedding.forward(ids, 1)
    }

    fn embed_features(&self, _: &Tensor) -> Result<Tensor> {
        Err(Error::Text("this model reads text".into()))
    }

    fn encode(&self, sequences: Vec<EncoderSequence>, on_layer: OnLayer) -> Result<Vec<Tensor>> {
        sequences.into_iter().map(|sequence| self.encode_one(&sequence, on_layer)).collect()
    }

    fn decode(&self, sequences: Vec<DecoderSequence>, on_layer: OnLayer) -> Result<Vec<Tensor>> {
        sequences.into_iter().map(|sequence| self.decode_one(sequence, on_layer)).collect()
    }

    fn logits(&self, states: &Tensor) -> Result<Tensor> {
        self.head.forward(states)
    }
}
