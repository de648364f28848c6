//! The one encoder-decoder Transformer, and what it shares with the recurrent network.

use std::sync::{Arc, OnceLock};

use candle_core::{Device, Tensor};

use super::build::Builder;
use super::recurrent::{self, Recurrent};
use super::registry::spec_of;
use super::spec::{HeadBias, HeadTransform, ModelSpec, Spec};
use super::stack::{Source, Stack};
use super::weights::Weights;
use crate::error::{Error, Result};
use crate::files::ModelFiles;
use crate::nn::{Activation, ArgmaxFilter, Cache, FileWeight, Hook, Linear, Norm, read};
use crate::progress::Watch;
use crate::site::Kind;

/// An encoder-decoder of any making, as generation and capture run it. The methods are those of [`Model`].
pub(super) trait Network: Send + Sync {
    fn cache(&self) -> Cache;

    fn encode(
        &self,
        source: &[u32],
        hook: &mut dyn Hook,
        each: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Tensor>;

    fn decode(
        &self,
        input: &[u32],
        batch: usize,
        encoded: &Tensor,
        cache: Option<&mut Cache>,
        hook: &mut dyn Hook,
        each: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Tensor>;

    fn logits(&self, states: &Tensor) -> Result<Tensor>;

    fn argmax_candidates(&self, _states: &Tensor, _change: &dyn Fn(&mut [f32])) -> Result<Option<Vec<f32>>> {
        Ok(None)
    }

    fn quantised(&self) -> Option<Box<dyn Network>> {
        None
    }
}

/// A loaded encoder-decoder. Running it changes nothing in it.
pub struct Model {
    spec: Spec,
    network: Box<dyn Network>,
    parameters: usize,
    /// The weights that may lie in their file still.
    stored: Vec<Arc<FileWeight>>,
}

impl Model {
    /// Reads config.json and the weights.
    ///
    /// # Errors
    /// [`Error::UnsupportedModel`], [`Error::NotEncoderDecoder`], [`Error::Config`], or [`Error::Weights`]
    /// naming the tensors that are missing, misshapen or unknown.
    pub fn load(files: &ModelFiles, device: &Device, watch: &dyn Watch) -> Result<Self> {
        let spec = spec_of(files.config()?)?;
        let mut weights = Weights::open(files, watch)?;
        let (network, unknown) = Self::make(&spec, &mut weights, device)?;
        if !unknown.is_empty() {
            let shown = unknown.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
            return Err(Error::Weights(format!(
                "{} tensors are not part of a {} model: {shown}{}",
                unknown.len(),
                spec.model_type(),
                if unknown.len() > 5 { ", ..." } else { "" }
            )));
        }
        Ok(Self { spec, network, parameters: weights.parameters(), stored: weights.stored() })
    }

    /// What keeps the model of `spec` from being made of these weights, by names and shapes alone: what is
    /// missing, what has another shape, what is not part of such a model. Nothing is read.
    ///
    /// # Errors
    /// What the specification itself contradicts.
    pub fn check(spec: &Spec, weights: Weights) -> Result<Vec<String>> {
        let mut weights = weights.shapes_only();
        let (_, unknown) = Self::make(spec, &mut weights, &Device::Cpu)?;
        let mut problems = weights.problems();
        problems.extend(unknown.iter().map(|name| format!("tensor '{name}' is not part of it")));
        Ok(problems)
    }

    /// The network, and the names of tensors that it has no use for.
    fn make(spec: &Spec, weights: &mut Weights, device: &Device) -> Result<(Box<dyn Network>, Vec<String>)> {
        if let Spec::Transformer(spec) = spec {
            weights.unwrap_names(&spec.encoder.names.probe());
        }
        let build = Builder { weights, device };
        let (network, harmless): (Box<dyn Network>, _) = match spec {
            Spec::Transformer(spec) => (Box::new(Transformer::new(&build, spec)?), spec.harmless),
            Spec::Recurrent(spec) => (Box::new(Recurrent::new(&build, spec)?), recurrent::HARMLESS),
        };
        Ok((network, weights.unused(harmless)))
    }

    /// What it is made of.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Number of parameters in the checkpoint.
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// An empty cache for decoding.
    pub fn cache(&self) -> Cache {
        self.network.cache()
    }

    /// Source ids to the encoder's last states, `[1, source, width]`.
    pub fn encode(
        &self,
        source: &[u32],
        hook: &mut dyn Hook,
        each: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Tensor> {
        if source.is_empty() {
            return Err(Error::Text("the source has no tokens".into()));
        }
        self.network.encode(source, hook, each)
    }

    /// Decoder input ids of `batch` equally long rows to last states, `[batch, positions, width]`.
    pub fn decode(
        &self,
        input: &[u32],
        batch: usize,
        encoded: &Tensor,
        cache: Option<&mut Cache>,
        hook: &mut dyn Hook,
        each: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Tensor> {
        self.network.decode(input, batch, encoded, cache, hook, each)
    }

    /// Decoder states `[..., width]` to scores over the vocabulary, `[..., vocabulary]`.
    pub fn logits(&self, states: &Tensor) -> Result<Tensor> {
        self.network.logits(states)
    }

    /// The scores `[vocabulary]` that `change` makes of the logits of one position, for who wants the largest:
    /// it and those near it are exact, others may be what `change` makes of minus infinity. Less of the weights
    /// is read for it, where that pays. `change` must keep the order of any two values of the same token.
    pub fn argmax_candidates(&self, states: &Tensor, change: &dyn Fn(&mut [f32])) -> Result<Vec<f32>> {
        if let Some(scores) = self.network.argmax_candidates(states, change)? {
            return Ok(scores);
        }
        let mut scores = read(&self.logits(states)?, <[f32]>::to_vec)?;
        change(&mut scores);
        Ok(scores)
    }

    /// Packs the weights that lie in their file still, as long as `go_on` says so: the next pass is faster, and once
    /// all are packed it does not matter what becomes of the file.
    pub fn settle(&self, go_on: impl Fn() -> bool) {
        self.stored.iter().take_while(|_| go_on()).for_each(|stored| stored.settle());
    }

    /// The same model with a decoder of 8-bit weights, for generating faster; `None` where it has none. What
    /// both have in common is shared.
    pub fn quantised(&self) -> Option<Self> {
        let network = self.network.quantised()?;
        Some(Self { spec: self.spec.clone(), network, parameters: self.parameters, stored: Vec::new() })
    }
}

/// Two stacks of attention layers and a head.
struct Transformer {
    spec: ModelSpec,
    encoder: Arc<Stack>,
    decoder: Stack,
    bridge: Option<Linear>,
    transform: Option<(Linear, Activation, Norm)>,
    head: Linear,
    /// Of the head; made when it is first asked for.
    argmax_filter: OnceLock<Option<Arc<ArgmaxFilter>>>,
}

impl Transformer {
    fn new(build: &Builder, spec: &ModelSpec) -> Result<Self> {
        let encoder = Stack::new(build, &spec.encoder, Kind::Encoder)?;
        let decoder = Stack::new(build, &spec.decoder, Kind::Decoder)?;
        let (vocabulary, width) = (spec.decoder.vocabulary, spec.decoder.d_model);
        let weight = build.matrix(spec.head.weight, [vocabulary, width])?;
        let bias = match spec.head.bias {
            HeadBias::Row(name) => {
                build.maybe(&[name], &[1, vocabulary])?.map(|row| row.squeeze(0)).transpose()?
            }
            HeadBias::Plain(names) => build.maybe(names, &[vocabulary])?,
        };
        let transform = match &spec.head.transform {
            Some(HeadTransform { dense, activation, norm }) => Some((
                build.linear(dense, width, width, true)?,
                *activation,
                build.norm(norm, spec.decoder.norm, width)?,
            )),
            None => None,
        };
        let bridge =
            spec.bridge.map(|name| build.linear(name, spec.encoder.d_model, width, true)).transpose()?;
        Ok(Self {
            spec: spec.clone(),
            encoder: Arc::new(encoder),
            decoder,
            bridge,
            transform,
            head: Linear::new(weight, bias),
            argmax_filter: OnceLock::new(),
        })
    }

    fn argmax_filter(&self) -> Option<&Arc<ArgmaxFilter>> {
        self.argmax_filter.get_or_init(|| self.head.argmax_filter().map(Arc::new)).as_ref()
    }

    /// What the head reads of the decoder's states.
    fn finish(&self, states: &Tensor) -> Result<Tensor> {
        let mut states = states.clone();
        if let Some((dense, activation, norm)) = &self.transform {
            states = norm.forward(&activation.forward(&dense.forward(&states)?)?)?;
        }
        match self.spec.head.scale {
            1.0 => Ok(states),
            scale => Ok((states * scale)?),
        }
    }
}

impl Network for Transformer {
    fn cache(&self) -> Cache {
        Cache::new(self.spec.decoder.layers)
    }

    fn encode(
        &self,
        source: &[u32],
        hook: &mut dyn Hook,
        each: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Tensor> {
        let states = self.encoder.forward(source, 1, None, None, hook, each)?;
        match &self.bridge {
            Some(bridge) => bridge.forward(&states),
            None => Ok(states),
        }
    }

    fn decode(
        &self,
        input: &[u32],
        batch: usize,
        encoded: &Tensor,
        cache: Option<&mut Cache>,
        hook: &mut dyn Hook,
        each: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Tensor> {
        self.decoder.forward(input, batch, Some(&Source { states: encoded }), cache, hook, each)
    }

    fn logits(&self, states: &Tensor) -> Result<Tensor> {
        let logits = self.head.forward(&self.finish(states)?)?;
        match self.spec.head.cap {
            Some(cap) => Ok(((logits / cap)?.tanh()? * cap)?),
            None => Ok(logits),
        }
    }

    fn argmax_candidates(&self, states: &Tensor, change: &dyn Fn(&mut [f32])) -> Result<Option<Vec<f32>>> {
        match self.argmax_filter().filter(|_| self.spec.head.cap.is_none()) {
            Some(argmax_filter) => argmax_filter.argmax_candidates(&self.finish(states)?, change).map(Some),
            None => Ok(None),
        }
    }

    fn quantised(&self) -> Option<Box<dyn Network>> {
        let head = match self.argmax_filter() {
            Some(argmax_filter) => self.head.with_int8(argmax_filter),
            None => self.head.quantised(),
        };
        Some(Box::new(Self {
            spec: self.spec.clone(),
            encoder: self.encoder.clone(),
            decoder: self.decoder.quantised(),
            bridge: self.bridge.clone(),
            transform: self.transform.clone(),
            head,
            argmax_filter: self.argmax_filter.clone(),
        }))
    }
}
