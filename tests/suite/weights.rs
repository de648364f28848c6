//! Every weight format gives the same tensors; broken files are errors that name the problem.

use std::path::{Path, PathBuf};

use attn_tui::error::Error;
use attn_tui::files::{ModelFile, ModelFiles};
use attn_tui::model::Weights;
use attn_tui::progress::Unwatched;
use candle_core::{Device, Tensor};
use proptest::prelude::*;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/weights").join(name)
}

/// Builds a model from fixture files, under the names used on the hub.
fn model(files: &[(&str, &str)]) -> ModelFiles {
    let files = files.iter().map(|(name, from)| ((*name).to_owned(), ModelFile::Path(fixture(from))));
    ModelFiles::new("tiny", None, files)
}

fn built_in(name: &str, bytes: Vec<u8>) -> ModelFiles {
    let file = ModelFile::Static(Vec::leak(bytes));
    ModelFiles::new("tiny", None, [(name.to_owned(), file)])
}

fn open(files: &ModelFiles) -> attn_tui::error::Result<Weights> {
    Weights::open(files, &Unwatched)
}

fn get(weights: &Weights, name: &str, shape: &[usize]) -> attn_tui::error::Result<Tensor> {
    weights.get(&[name.to_owned()], shape, &Device::Cpu)
}

fn values(weights: &Weights, name: &str, shape: &[usize]) -> Vec<f32> {
    get(weights, name, shape).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn message(result: attn_tui::error::Result<impl Sized>) -> String {
    result.err().expect("an error").to_string()
}

#[test]
fn every_form_holds_the_same_tensors() {
    let whole = |name: &'static str, from: &'static str| vec![(name, from)];
    let mut forms: Vec<Vec<(&str, &str)>> = [
        "zip.bin",
        "old.bin",
        "protocol5.bin",
        "old-protocol4.bin",
        "half.bin",
        "bfloat.bin",
        "double.bin",
        "nested.bin",
        "prefixed.bin",
    ]
    .into_iter()
    .map(|from| whole("pytorch_model.bin", from))
    .collect();
    for from in ["plain.safetensors", "half.safetensors", "bfloat.safetensors"] {
        forms.push(whole("model.safetensors", from));
    }
    forms.push(vec![
        ("model.safetensors.index.json", "index.safetensors.json"),
        ("one.safetensors", "one.safetensors"),
        ("two.safetensors", "two.safetensors"),
    ]);
    forms.push(vec![
        ("pytorch_model.bin.index.json", "index.bin.json"),
        ("one.bin", "one.bin"),
        ("two.bin", "two.bin"),
    ]);
    for form in forms {
        let weights = open(&model(&form)).unwrap_or_else(|e| panic!("{form:?}: {e}"));
        let counted: Vec<f32> = (0..12).map(|v| v as f32).collect();
        assert_eq!(values(&weights, "linear.weight", &[3, 4]), counted, "{form:?}");
        assert_eq!(values(&weights, "linear.bias", &[3]), [-1.0, 0.5, 2.0], "{form:?}");
        assert_eq!(
            values(&weights, "shared.weight", &[4, 2]),
            [3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0, 6.5],
            "{form:?}"
        );
        let transposed = [0.0, 4.0, 8.0, 1.0, 5.0, 9.0, 2.0, 6.0, 10.0, 3.0, 7.0, 11.0];
        assert_eq!(values(&weights, "transposed", &[4, 3]), transposed, "{form:?}");
        assert_eq!(values(&weights, "strided", &[2, 2]), [0.0, 2.0, 4.0, 6.0], "{form:?}");
        assert!(weights.unused(&["tied.*"]).is_empty(), "{form:?}");
        assert_eq!(weights.names().count(), 8, "{form:?}");
    }
}

#[test]
fn parameters_and_modules_are_read() {
    for from in ["parameters.bin", "module.bin"] {
        let weights = open(&model(&[("pytorch_model.bin", from)])).unwrap();
        assert_eq!(values(&weights, "linear.bias", &[3]), [-1.0, 0.5, 2.0]);
        assert_eq!(weights.parameters(), 15);
    }
}

#[test]
fn tied_weights_are_one_tensor() {
    let weights = open(&model(&[("pytorch_model.bin", "zip.bin")])).unwrap();
    let shared = get(&weights, "shared.weight", &[4, 2]).unwrap();
    assert_eq!(get(&weights, "tied.weight", &[4, 2]).unwrap().id(), shared.id());
    assert_eq!(get(&weights, "shared.weight", &[4, 2]).unwrap().id(), shared.id());
    // linear.weight and its strided views lie in the storage of `linear.weight`
    assert_eq!(weights.unused(&[]), ["linear.bias", "linear.weight", "strided", "transposed"]);
    assert!(weights.unused(&["linear.*", "s*d", "trans*"]).is_empty());
}

#[test]
fn mismatches_are_named() {
    let weights = open(&model(&[("model.safetensors", "plain.safetensors")])).unwrap();
    let names = ["absent.weight".to_owned(), "other.weight".to_owned()];
    let missing = message(weights.get(&names, &[3], &Device::Cpu));
    assert!(missing.contains("absent.weight") && missing.contains("other.weight"), "{missing}");
    assert!(weights.get_optional(&names, &[3], &Device::Cpu).unwrap().is_none());
    let shape = message(get(&weights, "linear.bias", &[4]));
    assert!(shape.contains("linear.bias") && shape.contains("[3]") && shape.contains("[4]"), "{shape}");
    let kind = message(get(&weights, "steps", &[1]));
    assert!(kind.contains("steps") && kind.contains("I64"), "{kind}");
    let second = ["absent.weight".to_owned(), "linear.bias".to_owned()];
    assert_eq!(weights.get(&second, &[3], &Device::Cpu).unwrap().dims(), [3]);
}

#[test]
fn a_folder_without_weights_names_the_accepted_files() {
    let none = message(open(&model(&[("config.json", "index.bin.json")])));
    assert!(none.contains("tiny has no model.safetensors or pytorch_model.bin"), "{none}");
    for (file, what) in
        [("tf_model.h5", "TensorFlow"), ("flax_model.msgpack", "Flax"), ("a/model.onnx", "ONNX")]
    {
        let other = message(open(&model(&[(file, "one.bin")])));
        assert!(other.contains(file) && other.contains(what), "{other}");
    }
}

#[test]
fn a_missing_shard_is_named() {
    let files = model(&[
        ("model.safetensors.index.json", "index.safetensors.json"),
        ("one.safetensors", "one.safetensors"),
    ]);
    assert!(matches!(open(&files), Err(Error::MissingFile { file, .. }) if file == "two.safetensors"));
    let files = model(&[
        ("model.safetensors.index.json", "index.safetensors.json"),
        ("one.safetensors", "one.safetensors"),
        ("two.safetensors", "one.safetensors"),
    ]);
    let broken = message(open(&files));
    assert!(broken.contains("two.safetensors"), "{broken}");
}

#[test]
fn python_objects_are_refused_by_name() {
    let object = message(open(&model(&[("pytorch_model.bin", "object.bin")])));
    assert!(object.contains("pytorch_model.bin") && object.contains("Tiny"), "{object}");
    // a pickle that would call os.system("id")
    let mut hostile = include_bytes!("../fixtures/weights/old.bin")[..15].to_vec();
    hostile
        .extend(b"\x80\x02M\xe9\x03.\x80\x02}.\x80\x02cposix\nsystem\nX\x02\x00\x00\x00id\x85R.\x80\x02].");
    let hostile = message(open(&built_in("pytorch_model.bin", hostile)));
    assert!(hostile.contains("posix.system"), "{hostile}");
}

#[test]
fn every_truncation_is_an_error() {
    for (name, from) in [
        ("pytorch_model.bin", "zip.bin"),
        ("pytorch_model.bin", "old.bin"),
        ("pytorch_model.bin", "protocol5.bin"),
        ("model.safetensors", "plain.safetensors"),
    ] {
        let bytes = std::fs::read(fixture(from)).unwrap();
        for len in 0..bytes.len() {
            let cut = open(&built_in(name, bytes[..len].to_vec()));
            assert!(matches!(&cut, Err(Error::BadFile { file, .. }) if file == name), "{from} cut at {len}");
        }
    }
}

#[test]
fn a_git_lfs_pointer_is_recognized() {
    for name in ["pytorch_model.bin", "model.safetensors"] {
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n".to_vec();
        let pointer = message(open(&built_in(name, pointer)));
        assert!(pointer.contains("Git LFS"), "{pointer}");
    }
}

/// Reads all tensors that a file claims to have, unless their size is implausible.
fn read_all(files: &ModelFiles) {
    let Ok(weights) = open(files) else { return };
    for name in weights.names() {
        let shape = weights.shape(name).unwrap_or_default();
        if shape.iter().try_fold(1usize, |n, &len| n.checked_mul(len)).is_some_and(|n| n < 1 << 16) {
            let _ = weights.get(&[name.to_owned()], shape, &Device::Cpu);
        }
    }
    weights.unused(&[]);
    weights.parameters();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn noise_never_panics(noise in proptest::collection::vec(any::<u8>(), 0..300), start in 0usize..3) {
        let head: &[u8] = [&b"PK\x03\x04"[..], &include_bytes!("../fixtures/weights/old.bin")[..15], b"\x80\x02"][start];
        let bytes: Vec<u8> = head.iter().chain(&noise).copied().collect();
        read_all(&built_in("pytorch_model.bin", bytes.clone()));
        read_all(&built_in("model.safetensors", bytes));
    }

    #[test]
    fn damage_never_panics(
        which in 0usize..4,
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let from = ["zip.bin", "old.bin", "old-protocol4.bin", "plain.safetensors"][which];
        let mut bytes = std::fs::read(fixture(from)).unwrap();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let name = if which == 3 { "model.safetensors" } else { "pytorch_model.bin" };
        read_all(&built_in(name, bytes));
    }
}
