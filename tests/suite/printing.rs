//! Printed text cannot command the terminal, however hostile the files and arguments are.

use std::path::Path;
use std::process::{Command, Output};

use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};

/// Sets the clipboard, clears the screen (in 7 and in 8 bits), hides the text, returns to the start of the
/// line.
const HOSTILE: &str = "x\x1b]52;c;YQ==\x07\x1b[2J\u{9b}2J\x1b[8m\r";

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_attn-tui")).args(args).output().unwrap()
}

/// Runs a command and returns its standard output, after a check that nothing but text is on either stream.
fn printed(args: &[&str]) -> String {
    let output = run(args);
    let [out, error] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    for text in [&out, &error] {
        let bad = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t'));
        assert_eq!(bad, None, "{args:?}: {text:?}");
    }
    assert!(!(out + &error).is_empty(), "{args:?}");
    String::from_utf8(run(args).stdout).unwrap()
}

/// Writes a capture with hostile texts, tokens and names.
fn hostile_capture(path: &Path) {
    let weights: Vec<u8> = [0.25f32, 0.75, 0.5, 0.5].iter().flat_map(|weight| weight.to_le_bytes()).collect();
    let map = || TensorView::new(Dtype::F32, vec![1, 2, 2], &weights).unwrap();
    let tokens = json!([HOSTILE, "b"]).to_string();
    let metadata = [
        ("format", "attn-tui capture 1"),
        ("model", HOSTILE),
        ("model_type", HOSTILE),
        ("source", HOSTILE),
        ("target", HOSTILE),
        ("source_tokens", tokens.as_str()),
        ("target_tokens", tokens.as_str()),
        ("decoder_input_tokens", tokens.as_str()),
    ];
    let metadata = metadata.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
    let maps = [("encoder.0", map()), ("decoder.0", map()), ("cross.0", map())];
    std::fs::write(path, safetensors::serialize(maps, Some(metadata)).unwrap()).unwrap();
}

#[test]
fn captures_cannot_command_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("evil.safetensors");
    hostile_capture(&path);
    let file = path.to_str().unwrap();
    assert!(printed(&["show", file]).contains("x␛]52;c;YQ==␇"));
    printed(&["doctor", file]);
    printed(&["heads", file]);
    printed(&["align", file]);
    printed(&["rollout", file]);
    printed(&["rollout", file, "--kind", "encoder", "--map"]);
    printed(&["heads", file, "--layer", "9"]);
    let links = ["links", file, "--min-distance", "0", "--sinks", "--special", "--punctuation"];
    for args in [&links[..], &["rollout", file]] {
        printed(&[args, &["--csv"]].concat());
        let rows: Vec<Value> = serde_json::from_str(&printed(&[args, &["--json"]].concat())).unwrap();
        assert!(!rows.is_empty(), "{args:?}");
    }
    let text = folder.path().join("map.txt");
    printed(&["export", file, "-o", text.to_str().unwrap(), "--color", "always", "--layer", "9"]);
    run(&["export", file, "-o", text.to_str().unwrap(), "--color", "always", "--kind", "cross"]);
    let text = std::fs::read_to_string(&text).unwrap();
    assert!(!text.contains("\x1b]") && !text.contains("\x1b[2J"), "{text:?}");
}

#[cfg(unix)]
#[test]
fn configurations_names_and_arguments_cannot_command_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join(HOSTILE);
    std::fs::create_dir(&model).unwrap();
    std::fs::write(model.join("model.safetensors"), b"").unwrap();
    let path = model.to_str().unwrap();
    for config in [json!({"model_type": HOSTILE}), json!({"model_type": "t5", "feed_forward_proj": HOSTILE})]
    {
        std::fs::write(model.join("config.json"), config.to_string()).unwrap();
        printed(&["doctor", path]);
        printed(&["heads", path, "-s", "hello"]);
    }
    printed(&["show", &format!("{HOSTILE}.safetensors")]);
    printed(&["heads", HOSTILE]);
    printed(&["heads", "demo", "--source-file", HOSTILE]);
    printed(&["export", "demo", "-o", &format!("{HOSTILE}/{HOSTILE}.png")]);
    printed(&["align", "demo", "-s", "Hi.", "--tgt-lang", HOSTILE, "--gold", path]);
}

#[test]
fn long_values_are_cut_and_errors_have_hints() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("model.safetensors"), b"").unwrap();
    let config = json!({"model_type": "t5", "feed_forward_proj": "y".repeat(100_000)});
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let path = folder.path().to_str().unwrap();
    let error = String::from_utf8(run(&["heads", path, "-s", "hello"]).stderr).unwrap();
    assert!(error.len() < 1000 && error.contains("\nhint: "), "{error}");
    let report = String::from_utf8(run(&["doctor", path]).stdout).unwrap();
    assert!(report.len() < 2000, "{report}");
}
