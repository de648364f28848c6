//! The encoder-decoder Transformer.

use std::sync::{Arc, OnceLock};

use candle_core::Tensor;

use super::builder::Builder;
use super::front_end::FrontEnd;
use super::layer_by_layer::LayerByLayer;
use super::network::{DecoderInput, DecoderSequence, EncoderInput, EncoderSequence, Network, OnLayer};
use super::spec::{LmHeadBias, LmHeadTransform, TransformerSpec};
use super::stack::{IdRows, Stack, StackSequence};
use crate::error::{Error, Result};
use crate::nn::{
    Activation, ArgmaxFilter, Directions, Hook, KvCache, LayerInput, Linear, Norm, ProcessRow, Ragged, read,
};
use crate::site::Kind;

/// Most rows for which [`ArgmaxFilter`] is faster than computing all logits, which reads the weight once for
/// all rows.
const MAX_FILTERED_ROWS: usize = 4;

/// Two stacks of layers and a map to the vocabulary.
pub(super) struct Transformer {
    spec: TransformerSpec,
    front_end: Option<Arc<FrontEnd>>,
    encoder: Arc<Stack>,
    decoder: Stack,
    encoder_projection: Option<Linear>,
    transform: Option<(Linear, Activation, Norm)>,
    lm_head: Linear,
    /// Filter of `lm_head`, made when it is first needed.
    argmax_filter: OnceLock<Option<Arc<ArgmaxFilter>>>,
}

impl Transformer {
    /// Builds the network from a checkpoint's tensors.
    pub fn new(build: &Builder, spec: &TransformerSpec) -> Result<Self> {
        let encoder = Stack::new(build, &spec.encoder, Kind::Encoder)?;
        let decoder = Stack::new(build, &spec.decoder, Kind::Decoder)?;
        let (vocabulary, width) = (spec.decoder.vocabulary, spec.decoder.d_model);
        let weight = build.matrix(spec.lm_head.weight, [vocabulary, width])?;
        let bias = match spec.lm_head.bias {
            LmHeadBias::None => None,
            LmHeadBias::Row(name) => {
                build.maybe(&[name], &[1, vocabulary])?.map(|row| row.squeeze(0)).transpose()?
            }
            LmHeadBias::Plain(names) => build.maybe(names, &[vocabulary])?,
        };
        let transform = match &spec.lm_head.transform {
            Some(LmHeadTransform { dense, activation, norm }) => Some((
                build.linear(dense, width, width, true)?,
                *activation,
                build.norm(norm, spec.decoder.norm, width)?,
            )),
            None => None,
        };
        let project = |name| build.linear(name, spec.encoder.d_model, width, true);
        let front_end = spec.front_end.as_ref();
        let front_end =
            front_end.map(|front_end| FrontEnd::new(build, front_end, spec.encoder.embedding_width));
        let front_end = front_end.transpose()?;
        Ok(Self {
            spec: spec.clone(),
            front_end: front_end.map(Arc::new),
            encoder: Arc::new(encoder),
            decoder,
            encoder_projection: spec.encoder_projection.map(project).transpose()?,
            transform,
            lm_head: Linear::new(weight, bias),
            argmax_filter: OnceLock::new(),
        })
    }

    fn argmax_filter(&self) -> Option<&Arc<ArgmaxFilter>> {
        self.argmax_filter.get_or_init(|| self.lm_head.argmax_filter().map(Arc::new)).as_ref()
    }

    fn stack(&self, stack: Kind) -> &Stack {
        if stack == Kind::Encoder { &self.encoder } else { &self.decoder }
    }

    /// Checks that the decoder's output comes from the residual stream of its tokens.
    fn check_stream(&self, analysis: &'static str) -> Result<()> {
        match self.decoder.reads_ngram_stream() {
            true => {
                let why = "it predicts from n-gram streams beside the residual stream of the tokens";
                Err(Error::NotForModel { analysis, why })
            }
            false => Ok(()),
        }
    }

    /// Turns the decoder's last states into the input of `lm_head`.
    fn lm_head_input(&self, states: &Tensor) -> Result<Tensor> {
        let mut states = states.clone();
        if let Some((dense, activation, norm)) = &self.transform {
            states = norm.forward(&activation.forward(&dense.forward(&states)?)?)?;
        }
        match self.spec.lm_head.scale {
            1.0 => Ok(states),
            scale => Ok((states * scale)?),
        }
    }
}

impl LayerByLayer for Transformer {
    fn layers(&self, stack: Kind) -> usize {
        self.stack(stack).layers()
    }

    fn token_embeddings(&self, stack: Kind, ids: &[u32]) -> Result<Tensor> {
        self.stack(stack).token_embeddings(&IdRows { ids, batch: 1, past: 0 })
    }

    fn enter(&self, stack: Kind, embeddings: &Tensor, ids: &[u32]) -> Result<Tensor> {
        let embedded = Ragged::join(std::slice::from_ref(embeddings))?;
        Ok(self.stack(stack).enter(embedded, &[IdRows { ids, batch: 1, past: 0 }])?.rows().clone())
    }

    fn layer(
        &self,
        stack: Kind,
        input: &LayerInput,
        source: Option<&Tensor>,
        hook: &mut dyn Hook,
    ) -> Result<Tensor> {
        self.stack(stack).layer(input, source, hook)
    }

    fn leave(&self, stack: Kind, states: &Tensor) -> Result<Tensor> {
        let states = self.stack(stack).last_norm(states)?;
        match &self.encoder_projection {
            Some(projection) if stack == Kind::Encoder => projection.forward(&states),
            _ => Ok(states),
        }
    }

    fn map_to_vocabulary(&self, states: &Tensor) -> Result<Tensor> {
        self.logits(states)
    }
}

impl Network for Transformer {
    fn layer_by_layer(&self) -> Result<&dyn LayerByLayer> {
        let [encoder, decoder] = [&self.spec.encoder, &self.spec.decoder];
        let why = if encoder.experts.is_some() || decoder.experts.is_some() {
            "which expert a token goes to has no gradient"
        } else if encoder.extra_states.is_some() || decoder.extra_states.is_some() {
            "states beside those of the tokens go through its layers"
        } else if encoder.stages.is_some() {
            "its encoder attends within windows of patches that merge from layer to layer"
        } else {
            return Ok(self);
        };
        Err(Error::NotForModel { analysis: "the gradient", why })
    }

    fn cache(&self) -> KvCache {
        KvCache::new(self.spec.decoder.layers)
    }

    fn embed_source(&self, ids: &[u32]) -> Result<Tensor> {
        Ok(self.encoder.embed(&[IdRows { ids, batch: 1, past: 0 }])?.rows().clone())
    }

    fn embed_features(&self, features: &Tensor) -> Result<Tensor> {
        match &self.front_end {
            Some(front_end) if front_end.has_positions() => front_end.forward(features),
            Some(front_end) => {
                let embedded = Ragged::join(&[front_end.forward(features)?])?;
                Ok(self.encoder.add_positions(embedded, &[0])?.rows().clone())
            }
            None => Err(Error::Text("this model reads text".into())),
        }
    }

    fn encode(&self, sequences: Vec<EncoderSequence>, on_layer: OnLayer) -> Result<Vec<Tensor>> {
        let sequences = sequences.into_iter().map(|EncoderSequence { input, hook }| {
            let input = match input {
                EncoderInput::Ids(ids) => first_input(self.embed_source(ids)?),
                EncoderInput::States(states) => first_input(states.clone()),
                EncoderInput::Layer(input) => input.clone(),
            };
            Ok(StackSequence { input, source: None, cache: None, hook })
        });
        let states = self.encoder.forward(sequences.collect::<Result<_>>()?, on_layer)?;
        match &self.encoder_projection {
            Some(projection) => {
                let states = Ragged::join(&states)?;
                states.split(&projection.forward(states.rows())?)
            }
            None => Ok(states),
        }
    }

    fn decode(&self, sequences: Vec<DecoderSequence>, on_layer: OnLayer) -> Result<Vec<Tensor>> {
        let past = |sequence: &DecoderSequence| sequence.cache.as_ref().map_or(0, |cache| cache.past);
        let texts: Vec<_> = sequences
            .iter()
            .filter_map(|sequence| match sequence.input {
                DecoderInput::Ids { ids, batch } => Some(IdRows { ids, batch, past: past(sequence) }),
                DecoderInput::Layer(_) => None,
            })
            .collect();
        let embedded = if texts.is_empty() { Vec::new() } else { self.decoder.embed(&texts)?.parts()? };
        let mut embedded = embedded.into_iter();
        let sequences = sequences.into_iter().filter_map(|DecoderSequence { input, source, cache, hook }| {
            let input = match input {
                DecoderInput::Ids { .. } => first_input(embedded.next()?),
                DecoderInput::Layer(input) => input.clone(),
            };
            Some(StackSequence { input, source: Some(source), cache, hook })
        });
        self.decoder.forward(sequences.collect(), on_layer)
    }

    fn logits(&self, states: &Tensor) -> Result<Tensor> {
        let logits = self.lm_head.forward(&self.lm_head_input(states)?)?;
        match self.spec.lm_head.softcap {
            Some(softcap) => Ok(((logits / softcap)?.tanh()? * softcap)?),
            None => Ok(logits),
        }
    }

    fn unembed(&self, residual: &Tensor) -> Result<Tensor> {
        self.check_stream("the logit lens")?;
        match self.decoder.final_norm() {
            Some(norm) => self.logits(&norm.forward(residual)?),
            None => self.logits(residual),
        }
    }

    fn logit_directions(&self, residual: &Tensor, tokens: &[u32]) -> Result<Directions> {
        const ANALYSIS: &str = "direct logit attribution";
        self.check_stream(ANALYSIS)?;
        if self.transform.is_some() || self.spec.lm_head.softcap.is_some() {
            let why = "its logits are no linear map of the residual stream";
            return Err(Error::NotForModel { analysis: ANALYSIS, why });
        }
        let rows = (self.lm_head.rows(tokens)? * self.spec.lm_head.scale)?;
        let bias = self.lm_head.bias_values()?;
        let bias_of = |&id: &u32| bias.as_ref().and_then(|bias| bias.get(id as usize)).copied();
        let mut directions = Directions {
            vectors: read(&rows, <[f32]>::to_vec)?,
            bias: tokens.iter().map(|id| bias_of(id).unwrap_or_default()).collect(),
        };
        if let Some(norm) = self.decoder.final_norm() {
            directions.through_norm(norm, &read(residual, |residual| norm.rates(residual))??)?;
        }
        Ok(directions)
    }

    fn argmax_candidates(&self, states: &Tensor, process: &ProcessRow) -> Result<Option<Vec<Vec<f32>>>> {
        let exact = !self.lm_head.is_quantised();
        if self.spec.lm_head.softcap.is_some() || (exact && states.dim(1)? > MAX_FILTERED_ROWS) {
            return Ok(None);
        }
        match self.argmax_filter() {
            Some(filter) => filter.argmax_candidates(&self.lm_head_input(states)?, process).map(Some),
            None => Ok(None),
        }
    }

    fn quantised(&self) -> Option<Box<dyn Network>> {
        let lm_head = match self.argmax_filter() {
            Some(filter) => self.lm_head.with_int8(filter),
            None => self.lm_head.quantised(),
        };
        Some(Box::new(Self {
            spec: self.spec.clone(),
            front_end: self.front_end.clone(),
            encoder: self.encoder.clone(),
            decoder: self.decoder.quantised(),
            encoder_projection: self.encoder_projection.clone(),
            transform: self.transform.clone(),
            lm_head,
            argmax_filter: self.argmax_filter.clone(),
        }))
    }
}

/// Input of the first layer of a stack.
fn first_input(states: Tensor) -> LayerInput {
    LayerInput { layer: 0, states, extra: None }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::files::{ModelFile, ModelFiles};
    use crate::model::registry::spec_of;
    use crate::model::spec::ModelSpec;
    use crate::model::weights::Weights;
    use crate::nn::NoHook;
    use crate::progress::Unwatched;

    /// The files of the smallest BART among the fixtures.
    fn files() -> ModelFiles {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/models/bart/model");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), ModelFile::Path(entry.path()))
        });
        ModelFiles::new("bart", None, files)
    }

    #[test]
    fn an_encoder_without_embeddings_takes_states_only() {
        let files = files();
        let ModelSpec::Transformer(mut spec) = spec_of(files.config().unwrap()).unwrap() else { panic!() };
        let mut weights = Weights::open(&files, &Unwatched).unwrap();
        weights.unwrap_names(&spec.encoder.names.probe());
        let build = Builder { weights: &weights, device: &Device::Cpu };
        let text = Transformer::new(&build, &spec).unwrap();
        spec.encoder.names.embedding = &[];
        let states_only = Transformer::new(&build, &spec).unwrap();
        let states = text.embed_source(&[5, 6, 7]).unwrap();
        let [a, b] = [&text, &states_only].map(|network| {
            let sequence = EncoderSequence { input: EncoderInput::States(&states), hook: &mut NoHook };
            let last = network.encode(vec![sequence], &mut |_| Ok(())).unwrap();
            last[0].flatten_all().unwrap().to_vec1::<f32>().unwrap()
        });
        assert_eq!(a, b);
        assert!(matches!(states_only.embed_source(&[5]), Err(Error::Text(_))));
    }
}
