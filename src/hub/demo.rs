//! Built-in models, which open at once and offline. Those of `assets/demo` and `assets/demo-rnn` share a
//! tokenizer, and the recurrent models share the Transformer's embeddings. The reader of text lines and
//! the recorded run of a speech model are crates of their own.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;
use std::sync::OnceLock;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensorError, SafeTensors, View};

use crate::files::{ModelFile, ModelFiles};

/// Name of the built-in Transformer.
pub const NAME: &str = "demo";

/// Name of the built-in reader of text lines.
const READER: &str = "demo-ocr";

/// Name of the built-in recorded run of a speech model.
const SPEECH: &str = "demo-speech";

/// Names of all built-in models and captures.
pub const NAMES: [&str; 5] = [NAME, READER, "demo-rnn", "demo-rnn-plain", SPEECH];

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
    if name == READER {
        let files = attn_tui_demo_ocr::FILES.iter();
        let files = files.map(|(file, bytes)| ((*file).to_string(), ModelFile::Static(bytes)));
        return Some(ModelFiles::new(name, None, files));
    }
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

/// Returns the built-in capture of a name; `None` for any other name.
pub fn capture(name: &Path) -> Option<&'static [u8]> {
    (name == Path::new(SPEECH)).then_some(attn_tui_demo_speech::CAPTURE)
}

/// Returns the built-in picture of a path such as `demo-ocr/bridge.png`.
pub fn picture(path: &Path) -> Option<&'static [u8]> {
    let file = path.strip_prefix(READER).ok()?;
    attn_tui_demo_ocr::PICTURES.iter().find(|(name, _)| file == Path::new(name)).map(|(_, bytes)| *bytes)
}

/// Returns the path of a built-in model's first picture; `None` if it reads none.
pub fn first_picture(name: &str) -> Option<String> {
    let (file, _) = attn_tui_demo_ocr::PICTURES.first().filter(|_| name == READER)?;
    Some(format!("{READER}/{file}"))
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
    let transformer = transformer.map(SafeTensors::deserialize).transpose()?;
    let mut all: Vec<_> = planes.iter().map(|(name, planes)| (name, StoredTensor::Planes(planes))).collect();
    if let Some(transformer) = &transformer {
        all.push((EMBEDDINGS, StoredTensor::Plain(transformer.tensor(EMBEDDINGS)?)));
    }
    safetensors::serialize(all, None::<HashMap<String, String>>)
}

/// A float16 tensor as it is stored.
enum StoredTensor<'a> {
    /// Its numbers.
    Plain(TensorView<'a>),
    /// Low bytes of the numbers, then their high bytes, `[2, ...]`. The high bytes of weights are much alike,
    /// so that the package's archive packs the planes smaller than the numbers.
    Planes(TensorView<'a>),
}

impl View for StoredTensor<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F16
    }

    fn shape(&self) -> &[usize] {
        match self {
            Self::Plain(tensor) => tensor.shape(),
            Self::Planes(planes) => &planes.shape()[1..],
        }
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Plain(tensor) => tensor.data().into(),
            Self::Planes(planes) => from_byte_planes(planes.data()).into(),
        }
    }

    fn data_len(&self) -> usize {
        match self {
            Self::Plain(tensor) | Self::Planes(tensor) => tensor.data().len(),
        }
    }
}

/// Joins the low and the high bytes of 16-bit numbers.
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
        for name in ["demo-rnn", "demo-rnn-plain"] {
            let files = files(name).unwrap();
            let weights = files.need("model.safetensors").unwrap();
            let tensors = SafeTensors::deserialize(&weights).unwrap();
            assert!(tensors.iter().all(|(_, view)| view.dtype() == Dtype::F16));
            assert_eq!(tensors.tensor("readout.weight").unwrap().data().len(), 202_752);
            assert_eq!(tensors.tensor(EMBEDDINGS).unwrap().shape(), [5001, 192]);
        }
    }
}
