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
static TRANSFORMER: &[u8] = include_bytes!("../../assets/demo/model/model.safetensors");
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
    static ATTENTION: OnceLock<Vec<u8>> = OnceLock::new();
    static PLAIN: OnceLock<Vec<u8>> = OnceLock::new();
    let generation = include_bytes!("../../assets/demo-rnn/generation_config.json");
    let own: [(&str, &'static [u8]); 3] = match name {
        NAME => [
            ("config.json", include_bytes!("../../assets/demo/model/config.json")),
            ("generation_config.json", include_bytes!("../../assets/demo/model/generation_config.json")),
            ("model.safetensors", TRANSFORMER),
        ],
        "demo-rnn" => [
            ("config.json", include_bytes!("../../assets/demo-rnn/attention/config.json")),
            ("generation_config.json", generation),
            (
                "model.safetensors",
                with_embeddings(
                    &ATTENTION,
                    include_bytes!("../../assets/demo-rnn/attention/model.planes.safetensors"),
                ),
            ),
        ],
        "demo-rnn-plain" => [
            ("config.json", include_bytes!("../../assets/demo-rnn/plain/config.json")),
            ("generation_config.json", generation),
            (
                "model.safetensors",
                with_embeddings(
                    &PLAIN,
                    include_bytes!("../../assets/demo-rnn/plain/model.planes.safetensors"),
                ),
            ),
        ],
        _ => return None,
    };
    let files = TOKENIZER.iter().copied().chain(own);
    let files = files.map(|(name, bytes)| (name.to_string(), ModelFile::Static(bytes)));
    Some(ModelFiles::new(name, None, files))
}

/// Joins a recurrent model's tensors and the embeddings to one file, on first use.
fn with_embeddings(cell: &'static OnceLock<Vec<u8>>, planes: &'static [u8]) -> &'static [u8] {
    cell.get_or_init(|| joined(planes, TRANSFORMER).unwrap_or_default())
}

/// Joins tensors stored as byte planes `[2, ...]` and the embeddings of `transformer` to one file.
fn joined(planes: &[u8], transformer: &[u8]) -> Result<Vec<u8>, SafeTensorError> {
    let (planes, transformer) = (SafeTensors::deserialize(planes)?, SafeTensors::deserialize(transformer)?);
    let weights: Vec<(String, Vec<usize>, Vec<u8>)> = planes
        .iter()
        .map(|(name, view)| (name.to_string(), view.shape()[1..].to_vec(), from_byte_planes(view.data())))
        .collect();
    let mut all = Vec::with_capacity(weights.len() + 1);
    for (name, shape, bytes) in &weights {
        all.push((name.as_str(), TensorView::new(Dtype::F16, shape.clone(), bytes)?));
    }
    all.push((EMBEDDINGS, transformer.tensor(EMBEDDINGS)?));
    safetensors::serialize(all, None::<HashMap<String, String>>)
}

/// Joins the low and the high bytes of 16-bit numbers. They are stored one after the other because the high
/// bytes of weights are much alike: the package's archive packs them smaller than the numbers.
fn from_byte_planes(planes: &[u8]) -> Vec<u8> {
    let (low, high) = planes.split_at(planes.len() / 2);
    low.iter().zip(high).flat_map(|(&low, &high)| [low, high]).collect()
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
