//! Every tokenizer gives the ids, tokens and texts that transformers recorded in `expected.json`.
//!
//! The folders are those of `tests/fixtures/tokenizers` and of the folder that the environment variable
//! `TOKENIZER_FIXTURES` names, where it is set.

use std::path::{Path, PathBuf};

use attn_tui::files::{ModelFile, ModelFiles};
use attn_tui::text::{Languages, Tokenizer};
use serde_json::Value;

/// The files of a model folder.
pub fn model_files(folder: &Path) -> ModelFiles {
    let mut files = ModelFiles { name: folder.display().to_string(), ..ModelFiles::default() };
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_string();
        files.files.insert(name, ModelFile::Path(path));
    }
    files
}

fn folders() -> Vec<PathBuf> {
    let own = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tokenizers"));
    let more = std::env::var_os("TOKENIZER_FIXTURES").map(PathBuf::from);
    let roots = [Some(own), more].into_iter().flatten();
    let mut folders: Vec<PathBuf> = roots
        .flat_map(|root| std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()))
        .filter(|folder| folder.join("expected.json").exists())
        .collect();
    folders.sort();
    folders
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

fn language(row: &Value, name: &str) -> Option<String> {
    row.get(name).and_then(Value::as_str).map(String::from)
}

/// The first differences between a tokenizer and its expected rows.
fn differences(folder: &Path) -> Vec<String> {
    let tokenizer = match Tokenizer::load(&model_files(folder)) {
        Ok(tokenizer) => tokenizer,
        Err(error) => return vec![format!("{}: {error}", folder.display())],
    };
    let rows: Vec<Value> =
        serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
    let mut out = Vec::new();
    for row in &rows {
        let text = row["text"].as_str().unwrap();
        let langs = Languages { src: language(row, "src_lang"), tgt: language(row, "tgt_lang") };
        let mut compare = |what: &str, ours: String, theirs: String| {
            if ours != theirs {
                let name = folder.file_name().unwrap().display();
                out.push(format!("{name}: {what} of {text:?}\n   ours   {ours}\n   theirs {theirs}"));
            }
        };
        let tokens = match tokenizer.encode_source(text, &langs) {
            Ok(tokens) => tokens,
            Err(error) => {
                compare("source", error.to_string(), String::new());
                continue;
            }
        };
        let expected = ids(&row["ids"]);
        let found: Vec<u32> = tokens.iter().map(|token| token.id).collect();
        compare("ids", format!("{found:?}"), format!("{expected:?}"));
        let pieces: Vec<&str> = tokens.iter().map(|token| token.piece.as_str()).collect();
        let names: Vec<&str> =
            row["tokens"].as_array().unwrap().iter().map(|t| t.as_str().unwrap_or_default()).collect();
        compare("tokens", format!("{pieces:?}"), format!("{names:?}"));
        if let Some(decoded) = row["decoded"].as_str() {
            compare("decoded", format!("{:?}", tokenizer.decode_source(&expected)), format!("{decoded:?}"));
        }
        if row.get("target_ids").is_some_and(Value::is_null) {
            let refused = tokenizer.encode_target(text, &langs).is_err();
            compare("target", format!("refused: {refused}"), "refused: true".into());
            continue;
        }
        let target = row.get("target_ids").map_or(expected, ids);
        match tokenizer.encode_target(text, &langs) {
            Ok(tokens) => {
                let found: Vec<u32> = tokens.iter().map(|token| token.id).collect();
                compare("target ids", format!("{found:?}"), format!("{target:?}"));
            }
            Err(error) => compare("target", error.to_string(), String::new()),
        }
        if let Some(decoded) = row.get("target_decoded").unwrap_or(&row["decoded"]).as_str() {
            compare(
                "target decoded",
                format!("{:?}", tokenizer.decode_target(&target)),
                format!("{decoded:?}"),
            );
        }
    }
    out
}

#[test]
fn all_agree_with_the_reference() {
    let mut report = String::new();
    for folder in folders() {
        let found = differences(&folder);
        if !found.is_empty() {
            report.push_str(&format!("{} differences in {}\n", found.len(), folder.display()));
            report.push_str(&found.into_iter().take(6).collect::<Vec<_>>().join("\n"));
            report.push('\n');
        }
    }
    assert!(report.is_empty(), "{report}");
}
