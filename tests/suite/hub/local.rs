//! MODEL arguments on this machine: the built-in model, folders, capture files.

use std::path::Path;

use attn_tui::error::{Error, Result};
use attn_tui::files::ModelFiles;
use attn_tui::hub::{HubOptions, Located, locate};
use attn_tui::progress::Unwatched;

fn find(model: &str) -> Result<Located> {
    locate(None, model, &HubOptions::default(), &Unwatched)
}

fn files(model: &str) -> ModelFiles {
    match find(model).unwrap() {
        Located::Model(files) => files,
        Located::Capture(path) => panic!("capture {}", path.display()),
    }
}

fn folder(names: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in names {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn error(folder: &Path) -> Error {
    find(folder.to_str().unwrap()).unwrap_err()
}

#[test]
fn the_demo_model_is_complete_and_its_vocabularies_agree() {
    let demo = files("demo");
    let config = demo.json("config.json").unwrap().unwrap();
    assert_eq!(config["model_type"], "marian");
    assert_eq!(demo.need("source.spm").unwrap()[..], demo.need("target.spm").unwrap()[..]);
    let vocab = demo.json("vocab.json").unwrap().unwrap();
    assert_eq!(vocab.as_object().unwrap().len() as u64, config["vocab_size"].as_u64().unwrap());
    assert_eq!(demo.need("model.safetensors").unwrap().len(), 7_188_698);
    assert!(demo.json("generation_config.json").unwrap().is_some());
}

#[test]
fn only_the_needed_files_of_a_folder_are_used() {
    let dir = folder(&[
        ("config.json", "{}"),
        ("model.safetensors", "x"),
        ("pytorch_model.bin", "x"),
        ("spiece.model", "x"),
        ("README.md", "x"),
    ]);
    let found = files(dir.path().to_str().unwrap());
    let names: Vec<_> = found.files.keys().map(String::as_str).collect();
    assert_eq!(names, ["config.json", "model.safetensors", "spiece.model"]);
    assert_eq!(found.name, dir.path().file_name().unwrap().to_str().unwrap());
    assert_eq!(&found.need("spiece.model").unwrap()[..], b"x");
}

#[test]
fn every_shard_in_a_folder_is_used_and_a_missing_one_is_an_error() {
    let index = r#"{"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}"#;
    let dir =
        folder(&[("config.json", "{}"), ("model.safetensors.index.json", index), ("one.safetensors", "x")]);
    assert!(matches!(error(dir.path()), Error::MissingFile { file, .. } if file == "two.safetensors"));
    std::fs::write(dir.path().join("two.safetensors"), "x").unwrap();
    let found = files(dir.path().to_str().unwrap());
    assert!(found.has("one.safetensors") && found.has("two.safetensors"));
}

#[test]
fn incomplete_folders_are_errors_that_name_the_missing_file() {
    let dir = folder(&[]);
    assert!(matches!(error(dir.path()), Error::MissingFile { file, .. } if file == "config.json"));
    let dir = folder(&[("config.json", "{}"), ("tf_model.h5", "x")]);
    let error_text = error(dir.path()).to_string();
    assert!(
        error_text.ends_with("no weights in safetensors or PyTorch format, only TensorFlow"),
        "{error_text}"
    );
    let dir = folder(&[
        ("adapter_config.json", r#"{"base_model_name_or_path": "google/flan-t5-base"}"#),
        ("adapter_model.safetensors", "x"),
    ]);
    assert!(
        matches!(error(dir.path()), Error::Adapter { base: Some(base), .. } if base == "google/flan-t5-base")
    );
}

#[test]
fn a_file_is_a_capture_or_refused_by_its_contents() {
    let dir = folder(&[("a.safetensors", "x"), ("b.npz", "x"), ("c.txt", "x")]);
    for name in ["a.safetensors", "b.npz", "c.txt"] {
        let path = dir.path().join(name);
        assert!(matches!(find(path.to_str().unwrap()).unwrap(), Located::Capture(found) if found == path));
    }
    let read = attn_tui::capture::read(&dir.path().join("c.txt"));
    assert!(matches!(read.unwrap_err(), Error::NotAModel { .. }));
}

#[test]
fn a_folder_of_another_format_is_told_from_an_incomplete_one() {
    for (name, format) in [("model-q8.gguf", "GGUF"), ("model.onnx", "ONNX"), ("model.keras", "Keras")] {
        let dir = folder(&[(name, "x")]);
        let error = error(dir.path());
        assert!(matches!(&error, Error::NoWeights { found, .. } if *found == [format]), "{error:?}");
        assert!(error.hint().is_some());
    }
}

#[test]
fn a_missing_path_is_not_looked_up_on_the_hub() {
    for model in ["./nothing", "/nothing/here", "a/b/c", "nothing.safetensors", "..", "~/models"] {
        if !Path::new(model).exists() {
            assert!(matches!(find(model).unwrap_err(), Error::NoSuchPath { .. }), "{model}");
        }
    }
}

#[test]
fn inspections_of_local_models_list_files_and_problems() {
    let inspect =
        |model: &str| attn_tui::hub::inspect(None, model, &HubOptions::default(), &Unwatched).unwrap();
    let demo = inspect("demo").unwrap();
    assert_eq!(demo.files.iter().map(|file| file.size.unwrap()).sum::<u64>(), 7_933_637);
    assert_eq!(demo.model_files().unwrap().files.len(), 7);

    let index = r#"{"weight_map": {"a": "one.bin", "b": "two.bin"}}"#;
    let dir = folder(&[("config.json", "{"), ("pytorch_model.bin.index.json", index), ("one.bin", "x")]);
    let found = inspect(dir.path().to_str().unwrap()).unwrap();
    let here: Vec<_> = found.files.iter().map(|file| (file.name.as_str(), file.file.is_some())).collect();
    let expected = [
        ("config.json", true),
        ("pytorch_model.bin.index.json", true),
        ("one.bin", true),
        ("two.bin", false),
    ];
    assert_eq!(here, expected);
    assert!(matches!(found.problem, Some(Error::MissingFile { ref file, .. }) if file == "two.bin"));
    assert!(found.config.is_none() && found.model_files().is_none());

    std::fs::write(dir.path().join("maps.npz"), "x").unwrap();
    assert!(inspect(dir.path().join("maps.npz").to_str().unwrap()).is_none());
}
