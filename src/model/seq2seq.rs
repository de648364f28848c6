//! A loaded encoder-decoder.

use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::builder::Builder;
use super::layer_by_layer::LayerByLayer;
use super::memory::WeightsMemory;
use super::network::{DecoderInput, DecoderSequence, EncoderInput, EncoderSequence, Network, OnLayer};
use super::recurrent::{self, Recurrent};
use super::registry::spec_of;
use super::spec::ModelSpec;
use super::transformer::Transformer;
use super::weights::Weights;
use crate::error::{Error, Result};
use crate::files::ModelFiles;
use crate::nn::{Directions, FileWeight, Hook, KvCache, ProcessRow};
use crate::progress::Watch;

/// A loaded encoder-decoder. Running it does not change it.
pub struct Model {
    spec: ModelSpec,
    network: Box<dyn Network>,
    parameters: usize,
    memory: WeightsMemory,
    device: Device,
    /// Weights that are read from their file when they are needed.
    file_weights: Vec<Arc<FileWeight>>,
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
        let memory = WeightsMemory::of(weights.size());
        if !memory.fits() {
            weights = weights.unpacked();
        }
        let (network, unknown) = Self::build(&spec, &mut weights, device)?;
        if !unknown.is_empty() {
            let shown = unknown.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
            return Err(Error::Weights(format!(
                "{} tensors are not part of a {} model: {shown}{}",
                unknown.len(),
                spec.model_type(),
                if unknown.len() > 5 { ", ..." } else { "" }
            )));
        }
        Ok(Self {
            spec,
            network,
            parameters: weights.parameters(),
            memory,
            device: device.clone(),
            file_weights: weights.file_weights(),
        })
    }

    /// Compares the weights' names and shapes with what the model of `spec` asks for, without reading values.
    /// Returns one sentence for every tensor that is missing, misshapen or unknown.
    ///
    /// # Errors
    /// [`Error::Config`] if the specification contradicts itself.
    pub fn check(spec: &ModelSpec, weights: Weights) -> Result<Vec<String>> {
        let mut weights = weights.shapes_only();
        let (_, unknown) = Self::build(spec, &mut weights, &Device::Cpu)?;
        let mut problems = weights.problems();
        problems.extend(unknown.iter().map(|name| format!("tensor '{name}' is not part of it")));
        Ok(problems)
    }

    /// Builds the network. Also returns the names of tensors that it does not use.
    fn build(
        spec: &ModelSpec,
        weights: &mut Weights,
        device: &Device,
    ) -> Result<(Box<dyn Network>, Vec<String>)> {
        if let ModelSpec::Transformer(spec) = spec {
            weights.unwrap_names(&spec.encoder.names.probe());
        }
        let build = Builder { weights, device };
        let (network, ignored): (Box<dyn Network>, _) = match spec {
            ModelSpec::Transformer(spec) => (Box::new(Transformer::new(&build, spec)?), spec.ignored),
            ModelSpec::Recurrent(spec) => (Box::new(Recurrent::new(&build, spec)?), recurrent::IGNORED),
        };
        Ok((network, weights.unused(ignored)))
    }

    /// Returns true if the model's tensors are in the memory of the CPU.
    pub fn is_on_cpu(&self) -> bool {
        self.device.is_cpu()
    }

    /// Returns the specification.
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// Returns the number of parameters in the checkpoint.
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// Returns the size of the weights, and the memory that was free before they were loaded.
    pub fn memory(&self) -> WeightsMemory {
        self.memory
    }

    /// Creates an empty cache for decoding.
    pub fn cache(&self) -> KvCache {
        self.network.cache()
    }

    /// Embeds source ids: `[1, positions, d_model]`, ready for the encoder's first layer.
    ///
    /// # Errors
    /// [`Error::Text`] if there are no ids.
    pub fn embed_source(&self, ids: &[u32]) -> Result<Tensor> {
        if ids.is_empty() {
            return Err(Error::Text("the source has no tokens".into()));
        }
        self.network.embed_source(ids)
    }

    /// Turns features of a recording, `[frames, bins]`, into `[1, positions, d_model]`, ready for the
    /// encoder's first layer.
    ///
    /// # Errors
    /// [`Error::Text`] if the model hears nothing, or reads features of another shape.
    pub fn embed_features(&self, features: &[f32], shape: [usize; 2]) -> Result<Tensor> {
        let [frames, bins] = shape;
        self.network.embed_features(&Tensor::from_slice(features, (1, frames, bins), &self.device)?)
    }

    /// Turns the pixels of a picture, `[3, height, width]`, into `[1, positions, d_model]`, ready for the
    /// encoder's first layer.
    ///
    /// # Errors
    /// [`Error::Text`] if the model sees nothing, or pictures of another size.
    pub fn embed_pixels(&self, pixels: Vec<f32>, size: [usize; 2]) -> Result<Tensor> {
        let [height, width] = size;
        self.network.embed_features(&Tensor::from_vec(pixels, (3, height, width), &self.device)?)
    }

    /// Turns patches of a picture, `[rows, columns, values]`, into `[1, positions, d_model]`, ready for the
    /// encoder's first layer.
    ///
    /// # Errors
    /// [`Error::Text`] if the model sees nothing, or fewer rows or columns.
    pub fn embed_patches(&self, patches: Vec<f32>, [rows, columns]: [usize; 2]) -> Result<Tensor> {
        let values = patches.len() / (rows * columns).max(1);
        self.network.embed_features(&Tensor::from_vec(patches, (rows, columns, values), &self.device)?)
    }

    /// Runs the encoder; returns its last states, `[1, positions, width]`.
    ///
    /// # Errors
    /// As [`Model::encode_many`].
    pub fn encode(&self, input: EncoderInput, hook: &mut dyn Hook, on_layer: OnLayer) -> Result<Tensor> {
        only(self.encode_many(vec![EncoderSequence { input, hook }], on_layer)?)
    }

    /// Runs the encoder on several sequences of any lengths together: products take the rows of all of them,
    /// attention takes one sequence after the other, and nothing is padded. Returns the last states of each,
    /// `[1, positions, width]`. Sequences that start at a later layer must follow those that start earlier.
    ///
    /// # Errors
    /// [`Error::Text`] if a source is empty or too long, and the errors of the hooks and of `on_layer`.
    pub fn encode_many(&self, sequences: Vec<EncoderSequence>, on_layer: OnLayer) -> Result<Vec<Tensor>> {
        if sequences.iter().any(|sequence| matches!(sequence.input, EncoderInput::Ids([]))) {
            return Err(Error::Text("the source has no tokens".into()));
        }
        self.network.encode(sequences, on_layer)
    }

    /// Runs the decoder on `batch` equally long rows of ids; returns its last states, `[batch, positions,
    /// width]`. With a cache, the ids follow those that it covers.
    ///
    /// # Errors
    /// As [`Model::decode_many`].
    pub fn decode(
        &self,
        ids: &[u32],
        batch: usize,
        source: &Tensor,
        cache: Option<&mut KvCache>,
        hook: &mut dyn Hook,
        on_layer: OnLayer,
    ) -> Result<Tensor> {
        let input = DecoderInput::Ids { ids, batch };
        only(self.decode_many(vec![DecoderSequence { input, source, cache, hook }], on_layer)?)
    }

    /// Runs the decoder on several sequences together, as [`Model::encode_many`] runs the encoder. Returns
    /// the last states of each, `[batch, positions, width]`.
    ///
    /// # Errors
    /// [`Error::Text`] if a target is too long, and the errors of the hooks and of `on_layer`.
    pub fn decode_many(&self, sequences: Vec<DecoderSequence>, on_layer: OnLayer) -> Result<Vec<Tensor>> {
        self.network.decode(sequences, on_layer)
    }

    /// Maps decoder states `[..., width]` to logits `[..., vocabulary]`.
    pub fn logits(&self, states: &Tensor) -> Result<Tensor> {
        self.network.logits(states)
    }

    /// Maps the decoder's residual stream after a layer, `[..., width]`, to the logits `[..., vocabulary]`
    /// that it would give as the last one.
    ///
    /// # Errors
    /// [`Error::NotForModel`] if the model has no such stream.
    pub fn unembed(&self, residual: &Tensor) -> Result<Tensor> {
        self.network.unembed(residual)
    }

    /// Returns the directions of the residual stream after the last layer, `[1, rows, width]`, along which
    /// its states add up to the logits of `tokens`, one for each row. The scale of the final norm is held
    /// fixed at that of `residual`.
    ///
    /// # Errors
    /// [`Error::NotForModel`] if the logits are no linear map of such a stream.
    pub fn logit_directions(&self, residual: &Tensor, tokens: &[u32]) -> Result<Directions> {
        self.network.logit_directions(residual, tokens)
    }

    /// Returns the model as one that runs a layer at a time, which gradients can go through.
    ///
    /// # Errors
    /// [`Error::NotForModel`] if parts of the model have no gradients.
    pub fn layer_by_layer(&self) -> Result<&dyn LayerByLayer> {
        self.network.layer_by_layer()
    }

    /// Returns scores of each of several positions, `[rows][vocabulary]`, after `process` has changed the
    /// logits of each row, to find the largest one. `states` are `[1, rows, width]`.
    ///
    /// The largest score and those near it are exact; others may be what `process` makes of minus infinity,
    /// so that part of the weights need not be read. `process` must keep the order of any two logits of the
    /// same token.
    pub fn argmax_candidates(&self, states: &Tensor, process: &ProcessRow) -> Result<Vec<Vec<f32>>> {
        if let Some(scores) = self.network.argmax_candidates(states, process)? {
            return Ok(scores);
        }
        let mut scores = self.logits(states)?.squeeze(0)?.to_vec2::<f32>()?;
        scores.iter_mut().enumerate().for_each(|(row, scores)| process(row, scores));
        Ok(scores)
    }

    /// Packs the weights that passes have read from their file, while `go_on` returns true. The next pass is
    /// faster and needs the file no more, but for experts that no token has taken yet. Does nothing if the
    /// weights do not fit into the free memory.
    pub fn settle(&self, go_on: impl Fn() -> bool) {
        self.file_weights.iter().take_while(|_| go_on()).for_each(|weight| weight.settle());
    }

    /// Returns the same model with a decoder of 8-bit weights, which generates faster, or `None` if it has no
    /// such form. The two share all other weights.
    pub fn quantised(&self) -> Option<Self> {
        let network = self.network.quantised()?;
        let device = self.device.clone();
        Some(Self { spec: self.spec.clone(), network, device, file_weights: Vec::new(), ..*self })
    }
}

/// Returns the states of the only sequence.
fn only(mut states: Vec<Tensor>) -> Result<Tensor> {
    states.pop().ok_or_else(|| Error::Engine("the states of a sequence are missing".into()))
}
