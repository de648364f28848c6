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
    let class = r#"{"language_codes": "multi", "tokenizer_class": "PLBartTokenizer", "tgt_lang": "python"}"#;
    let folder = changed("plbart-multi", &[("tokenizer_config.json", class)]);
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

/// Copies a fixture to a new folder and writes further files into it.
fn changed(name: &str, files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let from = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tokenizers")).join(name);
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    for (file, content) in files {
        std::fs::write(folder.path().join(file), content).unwrap();
    }
    folder
}

fn source_ids(tokenizer: &Tokenizer, text: &str, langs: &Languages) -> Vec<u32> {
    tokenizer.encode_source(text, langs).unwrap().iter().map(|token| token.id).collect()
}

fn target_ids(tokenizer: &Tokenizer, text: &str, langs: &Languages) -> Vec<u32> {
    tokenizer.encode_target(text, langs).unwrap().iter().map(|token| token.id).collect()
}

#[test]
fn languages_may_be_added_tokens() {
    // as mREBEL: the target language of tokenizer_config.json is an added token; ids are those of
    // transformers 5.24
    let config = r#"{"tokenizer_class": "MBart50Tokenizer", "src_lang": "en_XX", "tgt_lang": "tp_XX"}"#;
    let special = r#"{"additional_special_tokens": ["<triplet>", "tp_XX"]}"#;
    let added = r#"{"<triplet>": 449, "tp_XX": 450}"#;
    let folder = changed(
        "mbart50",
        &[
            ("tokenizer_config.json", config),
            ("special_tokens_map.json", special),
            ("added_tokens.json", added),
        ],
    );
    let tokenizer = load(folder.path()).unwrap();
    let none = Languages::default();
    tokenizer.check_default_languages().unwrap();
    assert_eq!(source_ids(&tokenizer, "hello", &none), [399, 240, 365, 12, 2]);
    assert_eq!(target_ids(&tokenizer, "hello", &none), [450, 240, 365, 12, 2]);
    assert_eq!(tokenizer.forced_bos(&none).unwrap(), Some(450));
    assert_eq!(tokenizer.forced_bos(&pair("en_XX", "<triplet>")).unwrap(), Some(449));
    let languages = tokenizer.languages();
    assert!(languages.contains(&"tp_XX".into()) && !languages.contains(&"<triplet>".into()));
    assert!(tokenizer.forced_bos(&pair("en_XX", "xx_XX")).is_err());
    // a start token that is the target language's tag is not forced once more
    std::fs::write(folder.path().join("generation_config.json"), r#"{"decoder_start_token_id": 450}"#)
        .unwrap();
    assert_eq!(load(folder.path()).unwrap().forced_bos(&none).unwrap(), None);

    let folder = changed("nllb-json", &[("added_tokens.json", r#"{"tyv": 508}"#)]);
    let tokenizer = load(folder.path()).unwrap();
    assert_eq!(source_ids(&tokenizer, "hello", &pair("tyv", "tyv")), [508, 128, 284, 284, 280, 2]);
    assert_eq!(tokenizer.forced_bos(&pair("tyv", "tyv")).unwrap(), Some(508));
}

#[test]
fn default_languages_without_a_tag_are_told() {
    let config = r#"{"tokenizer_class": "MBart50Tokenizer", "tgt_lang": "xx_XX"}"#;
    let folder = changed("mbart50", &[("tokenizer_config.json", config)]);
    let error = load(folder.path()).unwrap().check_default_languages().unwrap_err();
    assert!(matches!(error, Error::Language { language, .. } if language == "xx_XX"));
}

#[test]
fn a_bpe_under_a_unigram_class_is_read_as_it_stands() {
    let pipeline = json!({
        "version": "1.0",
        "added_tokens": [],
        "normalizer": null,
        "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}},
        },
        "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true},
        "model": {
            "type": "BPE",
            "unk_token": "<unk>",
            "vocab": {"<pad>": 0, "</s>": 1, "<unk>": 2, "▁": 3, "a": 4, "b": 5, "ab": 6, "▁ab": 7},
            "merges": [["a", "b"], ["▁", "ab"]],
        },
    });
    let folder = tempfile::tempdir().unwrap();
    let write =
        |name: &str, value: &Value| std::fs::write(folder.path().join(name), value.to_string()).unwrap();
    write("config.json", &json!({"model_type": "t5"}));
    write("tokenizer_config.json", &json!({"tokenizer_class": "T5Tokenizer", "eos_token": "</s>"}));
    write("tokenizer.json", &pipeline);
    let tokenizer = load(folder.path()).unwrap();
    assert_eq!(source_ids(&tokenizer, "ab b", &Languages::default()), [7, 3, 5, 1]);
    assert!(tokenizer.notes().iter().any(|note| note.contains("BPE")));
    assert!(fixture("t5").notes().is_empty() && fixture("t5-v4").notes().is_empty());
    assert!(fixture("nllb").notes().is_empty() && fixture("gpt2").notes().is_empty());

    // a SentencePiece model of type BPE under that class: transformers' ids, and a note
    std::fs::remove_file(folder.path().join("tokenizer.json")).unwrap();
    let model =
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tokenizers/nllb/sentencepiece.bpe.model");
    std::fs::copy(model, folder.path().join("spiece.model")).unwrap();
    let notes = load(folder.path()).unwrap().notes().to_vec();
    assert!(notes.iter().any(|note| note.contains("SentencePiece itself")), "{notes:?}");
}

#[test]
fn missing_tokenizer_files_are_named_with_all_that_would_serve() {
    let folder = changed("marian", &[]);
    std::fs::remove_file(folder.path().join("target.spm")).unwrap();
    let Err(error) = load(folder.path()) else { panic!("it opens without target.spm") };
    assert!(matches!(&error, Error::NoTokenizer { file, .. } if file == "target.spm"));
    assert!(error.to_string().contains("source.spm, target.spm and vocab.json"), "{error}");
    assert!(error.hint().unwrap().contains("--tokenizer"));
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
        if registered.is_none_or(|name| ["TokenizersBackend", "PreTrainedTokenizerFast"].contains(&name)) {
            continue;
        }
        // an unknown class falls back to tokenizer.json
        match Tokenizer::load(&ModelFiles::new("empty", None, []), registered) {
            Err(Error::NoTokenizer { file, .. }) => {
                assert_ne!(file, "tokenizer.json", "{config}: {registered:?}");
            }
            Err(Error::Tokenizer(_)) | Ok(_) => {}
            Err(error) => panic!("{config}: {error}"),
        }
    }
}
