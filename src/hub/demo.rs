//! Built-in models (`assets/demo`, `assets/demo-rnn`), which open at once and offline. They share a
//! tokenizer, and the recurrent models share the Transformer's embeddings.

use std::collections::HashMap;
use std::sync::OnceLock;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensorError, SafeTensors};

use crate::files::{ModelFile, ModelFiles};

/// Name of the built-in Transformer.
pub const NAME: &str = "demo";

/// Names of all built-in models.
pub const NAMES: [&str; 3] = [NAME, "demo-rnn", "demo-rnn-plain"];

type StaticFiles = &'static [(&'static str, &'static [u8])];

// statics, since every use of a constant would add a copy to the binary
static SENTENCEPIECE: &[u8] = include_bytes!("../../assets/demo/model/source.spm");
static TRANSFORMER: &[u8] = include_bytes!("../../assets/demo/model.planes.safetensors");
static ATTENTION: &[u8] = include_bytes!("../../assets/demo-rnn/attention/model.planes.safetensors");
static PLAIN: &[u8] = include_bytes!("../../assets/demo-rnn/plain/model.planes.safetensors");
/// Tensor name of the Transformer's embeddings.
const EMBEDDINGS: &str = "model.shared.weight";

static TOKENIZER: StaticFiles = &[
    ("source.spm", SENTENCEPIECE),
    // both languages share a vocabulary
    ("target.spm", SENTENCEPIECE),
    ("tokenizer_config.json", include_bytes!("../../assets/demo/model/tokenizer_config.json")),
    ("vocab.json", include_bytes!("../../assets/demo/model/vocab.json")),
];

/// Returns the files of a built-in model; `None` for any other name.
pub fn files(name: &str) -> Option<ModelFiles> {
    let generation = include_bytes!("../../assets/demo-rnn/generation_config.json");
    let own: [(&str, &'static [u8]); 3] = match name {
        NAME => [
            ("config.json", include_bytes!("../../assets/demo/model/config.json")),
            ("generation_config.json", include_bytes!("../../assets/demo/model/generation_config.json")),
            ("model.safetensors", transformer()),
        ],
        "demo-rnn" => [
            ("config.json", include_bytes!("../../assets/demo-rnn/attention/config.json")),
            ("generation_config.json", generation),
            ("model.safetensors", {
                static WEIGHTS: OnceLock<Vec<u8>> = OnceLock::new();
                recurrent(&WEIGHTS, ATTENTION)
            }),
        ],
        "demo-rnn-plain" => [
            ("config.json", include_bytes!("../../assets/demo-rnn/plain/config.json")),
            ("generation_config.json", generation),
            ("model.safetensors", {
                static WEIGHTS: OnceLock<Vec<u8>> = OnceLock::new();
                recurrent(&WEIGHTS, PLAIN)
            }),
        ],
        _ => return None,
    };
    let files = TOKENIZER.iter().copied().chain(own);
    let files = files.map(|(name, bytes)| (name.to_string(), ModelFile::Static(bytes)));
    Some(ModelFiles::new(name, None, files))
}

/// Returns the Transformer's weights, joined on first use.
fn transformer() -> &'static [u8] {
    static WEIGHTS: OnceLock<Vec<u8>> = OnceLock::new();
    WEIGHTS.get_or_init(|| joined(TRANSFORMER, None).unwrap_or_default())
}

/// Returns a recurrent model's weights and the embeddings, joined on first use.
fn recurrent(weights: &'static OnceLock<Vec<u8>>, planes: &[u8]) -> &'static [u8] {
    weights.get_or_init(|| joined(planes, Some(transformer())).unwrap_or_default())
}

/// Joins tensors stored as byte planes `[2, ...]`, and the embeddings of `transformer` if given, to one file.
fn joined(planes: &[u8], transformer: Option<&[u8]>) -> Result<Vec<u8>, SafeTensorError> {
    let planes = SafeTensors::deserialize(planes)?;
    let weights: Vec<(String, Vec<usize>, Vec<u8>)> = planes
        .iter()
        .map(|(name, view)| (name.to_string(), view.shape()[1..].to_vec(), from_byte_planes(view.data())))
        .collect();
    let mut all = Vec::with_capacity(weights.len() + 1);
    for (name, shape, bytes) in &weights {
        all.push((name.as_str(), TensorView::new(Dtype::F16, shape.clone(), bytes)?));
    }
    let transformer = transformer.map(SafeTensors::deserialize).transpose()?;
    if let Some(transformer) = &transformer {
        all.push((EMBEDDINGS, transformer.tensor(EMBEDDINGS)?));
    }
    safetensors::serialize(all, None::<HashMap<String, String>>)
}

/// Joins the low and the high bytes of 16-bit numbers. They are stored one after the other because the high
/// bytes of weights are much alike: the package's archive packs them smaller than the numbers.
fn from_byte_planes(planes: &[u8]) -> Vec<u8> {
    let (low, high) = planes.split_at(planes.len() / 2);
    let mut numbers = vec![0; planes.len()];
    for ((number, &low), &high) in numbers.chunks_exact_mut(2).zip(low).zip(high) {
        number.copy_from_slice(&[low, high]);
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_planes_become_numbers() {
        assert_eq!(from_byte_planes(&[1, 2, 3, 4]), [1, 3, 2, 4]);
    }

    #[test]
    fn the_recurrent_models_have_tensors_of_half_precision_and_the_embeddings() {
        for (name, readout) in [("demo-rnn", 202_752), ("demo-rnn-plain", 202_752)] {
            let files = files(name).unwrap();
            let weights = files.need("model.safetensors").unwrap();
            let tensors = SafeTensors::deserialize(&weights).unwrap();
            assert!(tensors.iter().all(|(_, view)| view.dtype() == Dtype::F16));
            assert_eq!(tensors.tensor("readout.weight").unwrap().data().len(), readout);
            assert_eq!(tensors.tensor(EMBEDDINGS).unwrap().shape(), [5001, 192]);
        }
    }
}
