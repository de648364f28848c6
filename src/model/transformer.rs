//! The encoder-decoder Transformer.

use std::sync::{Arc, OnceLock};

use candle_core::Tensor;

use super::builder::Builder;
use super::front_end::FrontEnd;
use super::network::{Network, OnLayer};
use super::spec::{LmHeadBias, LmHeadTransform, TransformerSpec};
use super::stack::Stack;
use crate::error::{Error, Result};
use crate::nn::{Activation, ArgmaxFilter, Hook, KvCache, Linear, Norm};
use crate::site::Kind;

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
        let front_end = spec.front_end.as_ref().map(|spec| FrontEnd::new(build, spec)).transpose()?;
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

impl Network for Transformer {
    fn cache(&self) -> KvCache {
        KvCache::new(self.spec.decoder.layers)
    }

    fn embed_source(&self, ids: &[u32]) -> Result<Tensor> {
        self.encoder.embed(ids, 1, 0)
    }

    fn embed_features(&self, features: &Tensor) -> Result<Tensor> {
        match &self.front_end {
            Some(front_end) => self.encoder.add_positions(front_end.forward(features)?, 0),
            None => Err(Error::Text("this model hears nothing".into())),
        }
    }

    fn encode(&self, embedded: Tensor, hook: &mut dyn Hook, on_layer: OnLayer) -> Result<Tensor> {
        let states = self.encoder.forward(embedded, None, None, hook, on_layer)?;
        match &self.encoder_projection {
            Some(projection) => projection.forward(&states),
            None => Ok(states),
        }
    }

    fn decode(
        &self,
        input: &[u32],
        batch: usize,
        encoded: &Tensor,
        cache: Option<&mut KvCache>,
        hook: &mut dyn Hook,
        on_layer: OnLayer,
    ) -> Result<Tensor> {
        let past = cache.as_ref().map_or(0, |cache| cache.past);
        let embedded = self.decoder.embed(input, batch, past)?;
        self.decoder.forward(embedded, Some(encoded), cache, hook, on_layer)
    }

    fn logits(&self, states: &Tensor) -> Result<Tensor> {
        let logits = self.lm_head.forward(&self.lm_head_input(states)?)?;
        match self.spec.lm_head.softcap {
            Some(softcap) => Ok(((logits / softcap)?.tanh()? * softcap)?),
            None => Ok(logits),
        }
    }

    fn argmax_candidates(&self, states: &Tensor, process: &dyn Fn(&mut [f32])) -> Result<Option<Vec<f32>>> {
        match self.argmax_filter().filter(|_| self.spec.lm_head.softcap.is_none()) {
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
            let last = network.encode(states.clone(), &mut NoHook, &mut |_| Ok(())).unwrap();
            last.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        });
        assert_eq!(a, b);
        assert!(matches!(states_only.embed_source(&[5]), Err(Error::Text(_))));
    }
}
