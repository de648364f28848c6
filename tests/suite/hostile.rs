//! Files with counts, sizes and contents that no honest program writes: an error with one way forward, within
//! seconds, and never a panic.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};
use tempfile::TempDir;

fn run(args: &[&str]) -> Output {
    let start = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_attn-tui"))
        .args(args)
        .env("HF_HUB_OFFLINE", "1")
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    assert!(start.elapsed() < Duration::from_secs(20), "{args:?} took {:?}", start.elapsed());
    output
}

/// Runs a command that must fail with an error; returns what it says.
fn fails(args: &[&str]) -> String {
    let output = run(args);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
    assert!(said.starts_with("error: ") && !said.contains("panicked"), "{said}");
    said
}

/// Copies a fixture's model.
fn model(fixture: &str) -> TempDir {
    copy(&format!("models/{fixture}"))
}

/// Copies the folder `model` of a folder of fixtures.
fn copy(fixture: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let from = Path::new("tests/fixtures").join(fixture).join("model");
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    folder
}

/// Changes fields of a JSON file of a model.
fn change(model: &TempDir, file: &str, fields: &Value) {
    let path = model.path().join(file);
    let text = std::fs::read(&path).unwrap_or_else(|_| b"{}".to_vec());
    let mut value: Value = serde_json::from_slice(&text).unwrap();
    for (key, field) in fields.as_object().unwrap() {
        value[key] = field.clone();
    }
    std::fs::write(&path, value.to_string()).unwrap();
}

fn heads(model: &TempDir) -> [String; 4] {
    ["heads", model.path().to_str().unwrap(), "-s", "hello"].map(String::from)
}

/// A capture file with zeros as maps of these names and shapes.
fn capture(maps: &[(&str, [usize; 3])]) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.safetensors");
    let data: Vec<Vec<u8>> =
        maps.iter().map(|(_, shape)| vec![0; 2 * shape.iter().product::<usize>()]).collect();
    let views = maps.iter().zip(&data).map(|((name, shape), data)| {
        ((*name).to_string(), TensorView::new(Dtype::F16, shape.to_vec(), data).unwrap())
    });
    std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    let path = path.to_str().unwrap().to_string();
    (folder, path)
}

#[test]
fn beams_and_lengths_of_the_model_are_bounded_and_said() {
    let model = model("t5");
    change(&model, "generation_config.json", &json!({"num_beams": 100_000, "max_new_tokens": 4}));
    let heads = heads(&model);
    let output = run(&heads.each_ref().map(String::as_str));
    assert!(output.status.success());
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "note: generation settings that are not followed: num_beams\n"
    );
    change(&model, "generation_config.json", &json!({"num_beams": 1u64 << 32}));
    assert!(fails(&heads.each_ref().map(String::as_str)).contains("num_beams is 4294967296"));
}

#[test]
fn sizes_of_config_json_are_bounded() {
    for (key, count) in [
        ("num_layers", 1u64 << 32),
        ("num_layers", 5000),
        ("num_decoder_layers", 1 << 20),
        ("num_heads", 1 << 28),
        ("d_model", 1 << 28),
        ("d_kv", 1 << 28),
        ("d_ff", 1 << 28),
        ("vocab_size", 1 << 28),
        ("vocab_size", 1 << 40),
        ("relative_attention_num_buckets", 1 << 28),
    ] {
        let model = model("t5");
        change(&model, "config.json", &json!({ key: count }));
        let heads = heads(&model);
        fails(&heads.each_ref().map(String::as_str));
        let checked = run(&["doctor", &heads[1]]);
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert!(!checked.status.success() && !said.contains("panicked"), "{key} {count}: {said}");
    }
}

#[test]
fn sentinels_are_bounded() {
    let model = model("byt5");
    change(&model, "tokenizer_config.json", &json!({"extra_ids": 1u64 << 40}));
    let heads = heads(&model);
    assert!(run(&heads.each_ref().map(String::as_str)).status.success());
}

#[test]
fn layers_heads_and_tokens_of_a_capture_are_bounded() {
    for (maps, why) in [
        (vec![("cross.4294967295", [1, 2, 2])], "no more than 4096 layers"),
        (vec![("cross.0", [20_000, 1, 1])], "has 20000 heads"),
        (vec![("cross.0", [1, 1, 200_000])], "has 200000 source tokens"),
    ] {
        let (_folder, path) = capture(&maps);
        assert!(fails(&["heads", &path]).contains(why));
    }
}

#[test]
fn special_tokens_are_bounded() {
    let many: Vec<String> = (0..40_000).map(|n| format!("<{n}>")).collect();
    for file in ["tokenizer_config.json", "special_tokens_map.json"] {
        let model = model("byt5");
        change(&model, file, &json!({ "extra_special_tokens": many }));
        let heads = heads(&model);
        assert!(fails(&heads.each_ref().map(String::as_str)).contains("40000 entries"));
    }
}

#[test]
fn a_broken_character_map_is_told() {
    // an empty trie, which the reader of the map does not expect; and one of 4 GB that is not there
    for (map, why) in
        [("AAAAAAA=", "the tokenizer's files are broken"), ("/////wAAAAAA", "character map is truncated")]
    {
        let model = model("t5");
        let normalizer = json!({"type": "Precompiled", "precompiled_charsmap": map});
        change(&model, "tokenizer.json", &json!({ "normalizer": normalizer }));
        let heads = heads(&model);
        let said = fails(&heads.each_ref().map(String::as_str));
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn config_json_of_a_million_values_is_refused() {
    let model = model("t5");
    change(&model, "config.json", &json!({"task_specific_params": vec![0; 1_000_000]}));
    let heads = heads(&model);
    assert!(fails(&heads.each_ref().map(String::as_str)).contains("more than the"));
}

#[test]
fn normalizers_and_templates_cannot_blow_up_a_text() {
    let model = model("t5");
    change(&model, "tokenizer_config.json", &json!({"tokenizer_class": "PreTrainedTokenizerFast"}));
    let heads = heads(&model);
    let doubled = json!({"type": "Replace", "pattern": {"String": "e"}, "content": "ee"});
    let normalizer = json!({"type": "Sequence", "normalizers": vec![doubled; 40]});
    change(&model, "tokenizer.json", &json!({ "normalizer": normalizer }));
    let said = fails(&heads.each_ref().map(String::as_str));
    assert!(said.contains("its normalizer may make a text"), "{said}");
    let end = json!({"SpecialToken": {"id": "x", "type_id": 0}});
    let template = json!({
        "type": "TemplateProcessing",
        "single": vec![end; 1000],
        "pair": [],
        "special_tokens": {"x": {"id": "x", "ids": vec![1; 1000], "tokens": vec!["</s>"; 1000]}},
    });
    change(&model, "tokenizer.json", &json!({ "normalizer": null, "post_processor": template }));
    let said = fails(&heads.each_ref().map(String::as_str));
    assert!(said.contains("its post-processor adds 1000000 special tokens"), "{said}");
}

#[test]
fn a_unigram_vocabulary_of_long_pieces_is_refused() {
    let model = model("t5");
    let pieces: Vec<Value> = (0..3000).map(|at| json!([format!("{at:05}").repeat(40), -1.0])).collect();
    let vocab = [vec![json!(["<pad>", 0.0]), json!(["</s>", 0.0]), json!(["<unk>", 0.0])], pieces].concat();
    change(&model, "tokenizer.json", &json!({"model": {"type": "Unigram", "unk_id": 2, "vocab": vocab}}));
    for class in ["T5Tokenizer", "PreTrainedTokenizerFast"] {
        change(&model, "tokenizer_config.json", &json!({ "tokenizer_class": class }));
        let heads = heads(&model);
        let said = fails(&heads.each_ref().map(String::as_str));
        assert!(said.contains("nodes of a trie"), "{class}: {said}");
    }
}

#[test]
fn a_weight_of_the_head_that_is_no_number_is_told() {
    let model = model("t5-v1_1");
    let path = model.path().join("model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let (header, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let (start, _) = metadata.info("lm_head.weight").unwrap().data_offsets;
    let at = 8 + header + start + 77 * 4 * 24;
    bytes[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    let heads = heads(&model);
    let said = fails(&heads.each_ref().map(String::as_str));
    assert!(said.contains("its tensor 'lm_head.weight' holds NaN"), "{said}");
}

#[test]
fn logits_of_a_capture_that_are_no_numbers_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.safetensors");
    let [half, not] = [0.5f32, f32::NAN].map(f32::to_le_bytes);
    let [map, logits] = [[half; 4].concat(), [half, not, half, half].concat()];
    let views = [
        ("cross.0", TensorView::new(Dtype::F32, vec![1, 2, 2], &map).unwrap()),
        ("logits", TensorView::new(Dtype::F32, vec![2, 2], &logits).unwrap()),
    ];
    std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    assert!(fails(&["heads", path.to_str().unwrap()]).contains("logits holds NaN"));
}

#[test]
fn a_generated_text_fits_the_learned_positions() {
    let model = copy("repositories/plbart");
    let out = model.path().join("c.safetensors");
    let [model, out] = [model.path(), &out].map(|path| path.to_str().unwrap());
    let output = run(&["capture", model, "-s", "hi", "--max-new-tokens", "5000", "-o", out]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(attn_tui::capture::read(Path::new(out)).unwrap().target.len(), 64);
}

#[test]
fn weights_given_as_a_model_are_told_as_weights() {
    for file in ["models/t5/model/model.safetensors", "models/marian-bin/model/pytorch_model.bin"] {
        let path = format!("tests/fixtures/{file}");
        let said = fails(&["show", &path]);
        assert!(
            said.contains("a model's weights") && said.contains("hint: give the model's folder"),
            "{said}"
        );
    }
}

#[test]
fn a_token_outside_the_vocabulary_is_told_with_what_to_do() {
    let model = model("t5");
    let tokens = json!([{"id": 5000, "content": "beyond", "single_word": false, "lstrip": false,
                         "rstrip": false, "normalized": false, "special": false}]);
    change(&model, "tokenizer.json", &json!({ "added_tokens": tokens }));
    change(&model, "tokenizer_config.json", &json!({"tokenizer_class": "PreTrainedTokenizerFast"}));
    let said = fails(&["heads", model.path().to_str().unwrap(), "-s", "beyond", "-t", "a"]);
    assert!(said.contains("outside the model's vocabulary") && said.contains("--tokenizer"), "{said}");
}
