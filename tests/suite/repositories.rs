//! For folders written by `save_pretrained`, the command line writes the capture that transformers gives.
//!
//! `tests/fixtures/make_repositories.py` describes the folders.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use safetensors::SafeTensors;

/// Metadata and tensor values of a capture file.
type Content = (HashMap<String, String>, HashMap<String, Vec<f32>>);

fn read(path: &Path) -> Content {
    let bytes = std::fs::read(path).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let tensors = tensors.iter().map(|(name, view)| {
        let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
        (name.to_string(), values.collect())
    });
    (header.metadata().clone().unwrap(), tensors.collect())
}

fn ids(metadata: &HashMap<String, String>, key: &str) -> Vec<u32> {
    serde_json::from_str(&metadata[key]).unwrap()
}

#[test]
fn a_checkpoint_takes_the_tokenizer_of_its_base_model() {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/repositories/marian/model");
    let checkpoint = tempfile::tempdir().unwrap();
    for file in ["config.json", "generation_config.json", "model.safetensors"] {
        std::fs::copy(base.join(file), checkpoint.path().join(file)).unwrap();
    }
    let base = base.to_str().unwrap();
    let run = |command: &str, model: &str, options: &[&str]| {
        let mut called = Command::new(env!("CARGO_BIN_EXE_attn-tui"));
        let done = called.args([command, model]).args(options).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (done.status.code(), text(done.stdout), text(done.stderr))
    };
    let folder = checkpoint.path().to_str().unwrap();
    let heads = ["--source", "hello world", "--csv"];
    let (code, _, refusal) = run("heads", folder, &heads);
    assert_eq!(code, Some(1));
    assert!(refusal.contains("source.spm") && refusal.contains("--tokenizer"), "{refusal}");
    let (_, expected, _) = run("heads", base, &heads);
    let with = run("heads", folder, &[&heads[..], &["--tokenizer", base]].concat());
    assert_eq!((with.0, &with.1), (Some(0), &expected), "{}", with.2);
    assert_eq!(run("doctor", folder, &[]).0, Some(1));
    assert_eq!(run("doctor", folder, &["--tokenizer", base]).0, Some(0));
}

#[test]
fn a_saved_model_and_tokenizer_give_the_capture_of_transformers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/repositories");
    let place = tempfile::tempdir().unwrap();
    let mut seen = 0;
    for entry in std::fs::read_dir(root).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.is_dir() {
            continue;
        }
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let (metadata, expected) = read(&folder.join("expected.safetensors"));
        let output = place.path().join(format!("{name}.safetensors"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_attn-tui"));
        command.arg("capture").arg(folder.join("model")).arg("--output").arg(&output).args([
            "--logits",
            "--offline",
            "--source",
            &metadata["source"],
            "--target",
            &metadata["target"],
        ]);
        for (option, key) in [("--src-lang", "src_lang"), ("--tgt-lang", "tgt_lang")] {
            if let Some(language) = metadata.get(key) {
                command.args([option, language]);
            }
        }
        let done = command.output().unwrap();
        assert!(done.status.success(), "{name}: {}", String::from_utf8_lossy(&done.stderr));
        let (ours, maps) = read(&output);
        for key in ["source_ids", "target_ids", "decoder_input_ids"] {
            assert_eq!(ids(&ours, key), ids(&metadata, key), "{name}: {key}");
        }
        for (site, values) in &expected {
            let off = values.iter().zip(&maps[site]).fold(0f32, |most, (a, b)| most.max((a - b).abs()));
            assert_eq!(values.len(), maps[site].len(), "{name}: {site}");
            assert!(off < 1e-4, "{name}: {site} is off by {off}");
        }
        seen += 1;
    }
    assert_eq!(seen, 6);
}
