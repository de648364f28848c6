//! The commands `models`, `doctor`, `completions` and `man`, run as the real binary.

use std::path::Path;
use std::process::{Command, Output};

/// Runs the binary with a cache and settings of its own.
fn run(cache: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_attn-tui"))
        .args(arguments)
        .env_clear()
        .env("HOME", cache)
        .env("HF_HUB_CACHE", cache)
        .env("HF_HUB_OFFLINE", "1")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Runs the binary, which must succeed, and returns its output.
fn print(cache: &Path, arguments: &[&str]) -> String {
    let output = run(cache, arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// Creates a cache as huggingface_hub does, with a model of these files.
fn cache(model: &str, files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join(format!("models--{}", model.replace('/', "--")));
    let snapshot = model.join("snapshots/0123abc");
    std::fs::create_dir_all(&snapshot).unwrap();
    std::fs::create_dir_all(model.join("refs")).unwrap();
    std::fs::write(model.join("refs/main"), "0123abc").unwrap();
    for (name, content) in files {
        std::fs::write(snapshot.join(name), content).unwrap();
    }
    folder
}

/// Returns the line that starts with a word.
fn line<'a>(text: &'a str, word: &str) -> &'a str {
    text.lines()
        .find(|line| line.trim_start().starts_with(word))
        .unwrap_or_else(|| panic!("{word} in {text}"))
}

#[test]
fn doctor_finds_no_problem_in_the_demo_model() {
    let folder = tempfile::tempdir().unwrap();
    let report = print(folder.path(), &["doctor", "demo"]);
    assert!(line(&report, "place").ends_with("built into the program"));
    assert!(line(&report, "type").ends_with("marian, supported"));
    assert!(line(&report, "shape").ends_with("3 layers, 6 heads, width 192"));
    assert!(line(&report, "model.safetensors").ends_with("7.2 MB"));
    assert!(line(&report, "tokenizer ").contains("source.spm, target.spm"));
    assert!(line(&report, "weights").contains("safetensors, 7.2 MB; tensors: 130 float16"), "{report}");
    assert!(line(&report, "weights").contains("float16; 3.59 million weights"), "{report}");
    assert!(line(&report, "memory").contains("the weights take 7.2 MB"), "{report}");
    assert!(line(&report, "opens").contains("yes"));
}

#[test]
fn doctor_names_missing_files() {
    let t5 = r#"{"model_type": "t5", "vocab_size": 9, "d_model": 8, "d_kv": 4, "num_heads": 2, "num_layers": 2, "d_ff": 8}"#;
    let index = r#"{"weight_map": {"shared.weight": "model-2.safetensors"}}"#;
    let folder = cache("org/name", &[("config.json", t5), ("model.safetensors.index.json", index)]);
    let output = run(folder.path(), &["doctor", "org/name"]);
    let report = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("error: org/name has no model-2.safetensors\nhint: "));
    assert!(line(&report, "model ").ends_with("org/name at commit 0123abc"));
    assert!(line(&report, "type").ends_with("t5, supported"));
    assert!(line(&report, "model-2.safetensors").ends_with("missing"));
    assert!(line(&report, "opens").ends_with("no: org/name has no model-2.safetensors"));
}

#[test]
fn doctor_names_unsupported_kinds_of_models() {
    let files = [("config.json", r#"{"model_type": "gpt2"}"#), ("model.safetensors", "x")];
    let folder = cache("gpt2", &files);
    let output = run(folder.path(), &["doctor", "gpt2"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("'gpt2' is a decoder-only model, not an encoder-decoder model"));
}

#[test]
fn models_lists_families_and_local_models() {
    let folder = cache("org/broken", &[("config.json", r#"{"model_type": "marian"}"#)]);
    let list = print(folder.path(), &["models"]);
    for family in attn_tui::model::registry() {
        assert!(line(&list, &format!("{} ", family.model_type)).contains(family.examples));
    }
    let demo: Vec<_> = line(&list, "demo").split_whitespace().collect();
    assert_eq!(demo, ["demo", "marian", "7.9", "MB", "3", "6", "yes"]);
    assert!(line(&list, "org/broken").contains("no: "), "{list}");
}

#[test]
fn completions_know_every_command() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = print(folder.path(), &["completions", shell]);
        assert!(script.contains("doctor") && script.contains("attn-tui"), "{shell}");
    }
    assert_eq!(run(folder.path(), &["completions", "abacus"]).status.code(), Some(2));
}

#[test]
fn manual_pages_are_printed_or_written_once() {
    let folder = tempfile::tempdir().unwrap();
    let page = print(folder.path(), &["man"]);
    assert!(page.contains(".TH attn\\-tui 1") || page.contains(".TH attn-tui 1"), "{page}");
    let pages = folder.path().join("pages");
    let arguments = ["man", "--output", pages.to_str().unwrap()];
    print(folder.path(), &arguments);
    assert!(std::fs::read_to_string(pages.join("attn-tui-capture.1")).unwrap().contains("safetensors"));
    let again = run(folder.path(), &arguments);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("already exists"));
    print(folder.path(), &[arguments.as_slice(), &["--force"]].concat());
}
