//! Every tokenizer gives the same ids, tokens and texts as transformers, recorded in `expected.json`.
//!
//! Fixtures are the folders in `tests/fixtures/tokenizers`, and in the folder of the environment variable
//! `TOKENIZER_FIXTURES` if it is set.

use std::path::{Path, PathBuf};

use attn_tui::checkpoint::ModelConfig;
use attn_tui::error::{Error, Result};
use attn_tui::files::{ModelFile, ModelFiles};
use attn_tui::model::{registry, tokenizer_class};
use attn_tui::text::{Languages, Tokenizer};
use serde_json::{Value, json};

/// Loads the tokenizer of a model folder.
fn load(folder: &Path) -> Result<Tokenizer> {
    let files = model_files(folder);
    let registered = tokenizer_class(files.config()?);
    Tokenizer::load(&files, registered)
}

/// Returns the files of a model folder.
pub fn model_files(folder: &Path) -> ModelFiles {
    let mut files = ModelFiles::new(folder.display().to_string(), None, []);
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

/// Describes the differences between a tokenizer and its expected rows.
fn differences(folder: &Path) -> Vec<String> {
    let tokenizer = match load(folder) {
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

fn fixture(name: &str) -> Tokenizer {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tokenizers")).join(name);
    load(&folder).unwrap()
}

fn pair(src: &str, tgt: &str) -> Languages {
    Languages { src: Some(src.into()), tgt: Some(tgt.into()) }
}

#[test]
fn generation_begins_with_the_target_language() {
    let piece = |tokenizer: &Tokenizer, id: Option<u32>| id.map(|id| tokenizer.target_token(id).piece);
    for (name, langs, forced, start) in [
        ("mbart", pair("en_XX", "ro_RO"), None, Some("ro_RO")),
        ("mbart50", pair("en_XX", "fr_XX"), Some("fr_XX"), None),
        ("nllb", pair("eng_Latn", "fra_Latn"), Some("fra_Latn"), None),
        ("m2m100", pair("en", "fr"), Some("__fr__"), None),
        ("seamless", pair("eng", "deu"), Some("__deu__"), None),
        ("plbart", pair("java", "python"), None, Some("__python__")),
        ("t5", pair("en", "fr"), None, None),
    ] {
        let tokenizer = fixture(name);
        let found = piece(&tokenizer, tokenizer.forced_bos(&langs).unwrap());
        assert_eq!(found.as_deref(), forced, "{name}");
        let found = piece(&tokenizer, tokenizer.decoder_start(&langs).unwrap());
        assert_eq!(found.as_deref(), start, "{name}");
    }
}

#[test]
fn generation_settings_go_before_the_tokenizer_s_target_language() {
    let folder = tempfile::tempdir().unwrap();
    let from = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tokenizers/plbart-multi"));
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    let class = r#"{"language_codes": "multi", "tokenizer_class": "PLBartTokenizer", "tgt_lang": "python"}"#;
    std::fs::write(folder.path().join("tokenizer_config.json"), class).unwrap();
    let starts = |config: &str, langs: &Languages| {
        std::fs::write(folder.path().join("config.json"), config).unwrap();
        let tokenizer = load(folder.path()).unwrap();
        tokenizer.decoder_start(langs).unwrap().map(|id| tokenizer.target_token(id).piece)
    };
    let (bare, given) =
        (r#"{"model_type": "plbart"}"#, r#"{"model_type": "plbart", "decoder_start_token_id": 2}"#);
    assert_eq!(starts(bare, &Languages::default()).as_deref(), Some("__python__"));
    assert_eq!(starts(given, &Languages::default()), None);
    assert_eq!(starts(given, &pair("java", "java")).as_deref(), Some("__java__"));
}

#[test]
fn a_model_without_languages_takes_none() {
    let error = fixture("t5").encode_source("hello", &pair("en", "fr")).unwrap_err();
    assert_eq!((error.exit_code(), error.to_string().contains("'en'")), (2, true));
}

#[test]
fn languages_are_listed_and_near_misses_suggested() {
    let nllb = fixture("nllb");
    assert_eq!(nllb.languages().len(), 202);
    assert_eq!(nllb.default_languages().src.as_deref(), Some("eng_Latn"));
    let error = nllb.encode_source("hello", &pair("fr", "deu_Latn")).unwrap_err();
    assert_eq!(error.hint().as_deref(), Some("did you mean fra_Latn?"));
    assert_eq!(error.exit_code(), 2);
    assert!(nllb.forced_bos(&pair("eng_Latn", "klingon")).is_err());
    assert_eq!(fixture("marian-tags").languages().len(), 3);
    assert!(fixture("t5").languages().is_empty());
}

#[test]
fn a_target_language_is_written_into_marian_text() {
    let tokenizer = fixture("marian-tags");
    let langs = Languages { tgt: Some("fra".into()), ..Languages::default() };
    let ids = |text: &str, langs: &Languages| {
        tokenizer.encode_source(text, langs).unwrap().iter().map(|token| token.id).collect::<Vec<_>>()
    };
    let none = Languages::default();
    assert_eq!(ids("Hello", &langs), ids(">>fra<< Hello", &none));
    assert_eq!(ids(">>spa<< Hello", &langs), ids(">>spa<< Hello", &none));
}

#[test]
fn broken_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.json"), r#"{"model_type": "t5"}"#).unwrap();
    assert!(load(folder.path()).is_err());
    std::fs::write(folder.path().join("spiece.model"), b"not a model").unwrap();
    assert!(load(folder.path()).is_err());
    std::fs::write(folder.path().join("tokenizer.json"), "{}").unwrap();
    assert!(load(folder.path()).is_err());
}

#[test]
fn every_registered_class_is_known() {
    let encoders = ["bert", "roberta", "xlm-roberta", "electra", "longformer", "gpt2"];
    let composite =
        encoders.map(|name| json!({"model_type": "encoder-decoder", "encoder": {"model_type": name}}));
    let families = registry().iter().map(|family| json!({"model_type": family.model_type}));
    for config in families.chain(composite) {
        let registered = tokenizer_class(&ModelConfig::new(config.clone()));
        if registered.is_none_or(|name| name == "TokenizersBackend") {
            continue;
        }
        // an unknown class falls back to tokenizer.json
        match Tokenizer::load(&ModelFiles::new("empty", None, []), registered) {
            Err(Error::MissingFile { file, .. }) => {
                assert_ne!(file, "tokenizer.json", "{config}: {registered:?}");
            }
            Err(Error::Tokenizer(_)) | Ok(_) => {}
            Err(error) => panic!("{config}: {error}"),
        }
    }
}
