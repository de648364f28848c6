//! Half-precision weights stay as they are in their files, and give the numbers of the same weights in float32.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use attn_tui::files::{ModelFile, ModelFiles};
use attn_tui::model::{EncoderInput, Model, Weights};
use attn_tui::nn::NoHook;
use attn_tui::progress::Unwatched;
use attn_tui_kernels::simd::Level;
use candle_core::Device;
use half::{bf16, f16};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::parity;

/// Half precision of a value, and the value of that in float32, as little-endian bytes.
type Rounded = ([u8; 2], [u8; 4]);

fn to_f16(value: f32) -> Rounded {
    let half = f16::from_f32(value);
    (half.to_le_bytes(), half.to_f32().to_le_bytes())
}

fn to_bf16(value: f32) -> Rounded {
    let half = bf16::from_f32(value);
    (half.to_le_bytes(), half.to_f32().to_le_bytes())
}

/// Rounds a number to half precision.
type Rounding = fn(f32) -> Rounded;

/// Number type, shape and bytes of a tensor.
type StoredTensor = (Dtype, Vec<usize>, Vec<u8>);

/// Writes a safetensors file in half precision, and the same numbers in float32.
fn write_pair(stored: &Path, [half_file, wide_file]: [&Path; 2], dtype: Dtype, round: Rounding) {
    let bytes = std::fs::read(stored).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let mut made: BTreeMap<String, [StoredTensor; 2]> = BTreeMap::new();
    for (name, view) in tensors.iter() {
        let shape = view.shape().to_vec();
        let pair = if view.dtype() == Dtype::F32 {
            let values = view.data().chunks_exact(4).map(|raw| f32::from_le_bytes(raw.try_into().unwrap()));
            let (narrow, wide): (Vec<_>, Vec<_>) = values.map(round).unzip();
            [(dtype, shape.clone(), narrow.concat()), (Dtype::F32, shape, wide.concat())]
        } else {
            let as_it_is = (view.dtype(), shape, view.data().to_vec());
            [as_it_is.clone(), as_it_is]
        };
        made.insert(name.to_string(), pair);
    }
    for (at, path) in [half_file, wide_file].into_iter().enumerate() {
        let views = made.iter().map(|(name, pair)| {
            let (dtype, shape, data) = &pair[at];
            (name.clone(), TensorView::new(*dtype, shape.clone(), data).unwrap())
        });
        std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
    }
}

/// Returns the files of a fixture with other weights.
fn with_weights(name: &str, weights: &Path) -> ModelFiles {
    let mut files = parity::files(name);
    files.files.insert("model.safetensors".into(), ModelFile::Path(weights.to_path_buf()));
    files
}

/// Fixtures with float32 weights in one safetensors file.
fn wide_fixtures() -> Vec<String> {
    let one_file = |name: &String| {
        let files = parity::files(name);
        let weights = files.has("model.safetensors").then(|| Weights::open(&files, &Unwatched).unwrap());
        weights.is_some_and(|weights| weights.dtypes().contains_key("float32"))
    };
    parity::fixtures().into_iter().filter(one_file).collect()
}

fn load(name: &str, weights: &Path) -> Model {
    Model::load(&with_weights(name, weights), &Device::Cpu, &Unwatched).unwrap()
}

/// Ids that a model generates greedily.
fn greedy(name: &str, model: &Model, source: &[u32]) -> Vec<u32> {
    let mut settings = parity::settings(name, &serde_json::json!({}), model);
    settings.beams = 1;
    settings.max_length = 12;
    let encoded = model.encode(EncoderInput::Ids(source), &mut NoHook, &mut |_| Ok(())).unwrap();
    parity::generate(model, source, &encoded, &settings, &mut NoHook).0
}

/// The first pass reads the file, the second packs the weights, decoding reads single rows: all give the
/// numbers of the float32 file to the last bit, and those of transformers where half precision loses nothing.
#[test]
fn half_precision_gives_the_numbers_of_the_same_weights_in_float32() {
    let folder = tempfile::tempdir().unwrap();
    let [half_file, wide_file] = ["half", "wide"].map(|name| folder.path().join(name));
    let names = wide_fixtures();
    assert!(names.len() > 40 || std::env::var(parity::ONLY).is_ok(), "{} fixtures", names.len());
    let formats: [(Dtype, Rounding); 2] = [(Dtype::F16, to_f16), (Dtype::BF16, to_bf16)];
    for name in names {
        let stored = match &parity::files(&name).files["model.safetensors"] {
            ModelFile::Path(path) => path.clone(),
            ModelFile::Static(_) => panic!("{name} is on disk"),
        };
        for (dtype, round) in formats {
            write_pair(&stored, [&half_file, &wide_file], dtype, round);
            let (half, wide) = (load(&name, &half_file), load(&name, &wide_file));
            let reference = parity::shortest(&name);
            for pass in ["first", "second"] {
                let [found, expected] =
                    [&half, &wide].map(|model| parity::outputs(model, &reference).unwrap());
                assert!(found == expected, "{name} {dtype:?}: the {pass} pass gives other numbers");
            }
            assert_eq!(parity::compare(&half, &reference).unwrap(), "", "{name} {dtype:?}");
            let source: Vec<u32> = (5..14).collect();
            let [found, expected] = [&half, &wide].map(|model| greedy(&name, model, &source));
            assert_eq!(found, expected, "{name} {dtype:?}");
        }
    }
}

#[test]
fn every_instruction_set_widens_alike() {
    if std::env::var(parity::ONLY).is_ok() {
        return;
    }
    for level in Level::available() {
        let test = "half_precision::half_precision_gives_the_numbers_of_the_same_weights_in_float32";
        let done = Command::new(std::env::current_exe().unwrap())
            .args([test, "--exact"])
            .env("ATTN_TUI_KERNELS", level.name())
            .env(parity::ONLY, parity::FEW)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success() && text.contains("1 passed"), "{}: {text}", level.name());
    }
}
