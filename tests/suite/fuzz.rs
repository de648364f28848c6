//! Mutated files for every reader. None may panic, abort, take longer than 20 s or use a gigabyte.
//!
//! Each reader runs in a process of its own, whose memory is limited, over cases that a seed draws. By
//! default all readers together take about 30 s. `ATTN_TUI_FUZZ_SECONDS` sets the time for each reader and
//! `ATTN_TUI_FUZZ_SEED` the first seed; a failure tells the seed of its case. The number of files that a
//! reader saw is printed (`--nocapture`), and added to the file that `ATTN_TUI_FUZZ_LOG` names.

mod mutation;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use attn_tui::capture;
use attn_tui::checkpoint::ModelConfig;
use attn_tui::columns::ParquetFile;
use attn_tui::corpus::CorpusFiles;
use attn_tui::files::{ModelFile, ModelFiles};
use attn_tui::generate::GenerationConfig;
use attn_tui::model::{Model, Weights, spec_of, tokenizer_class};
use attn_tui::progress::Unwatched;
use attn_tui::text::{Languages, Tokenizer};
use serde_json::{Value, json};

use self::mutation::{Random, mutate, mutate_file, mutate_json, mutate_safetensors, repack};
use crate::tokenizers::model_files;

/// Time for each reader in seconds, unless the environment sets another.
const SECONDS: u64 = 2;

/// Longest time for one file, with a debug build on a busy machine in mind.
const SLOWEST: Duration = Duration::from_secs(20);

/// Largest address space of a reader's process, in KiB.
const ADDRESS_SPACE: u64 = 6 << 20;

/// Largest resident memory of a reader's process, in bytes.
const MEMORY: u64 = 1 << 30;

/// A reader of files.
struct Reader {
    name: &'static str,
    /// Reads case number `seed`, with `folder` for its file. The result does not matter, only that there is
    /// one.
    read: fn(random: &mut Random, folder: &Path),
}

const READERS: [Reader; 13] = [
    Reader { name: "safetensors", read: safetensors },
    Reader { name: "npz", read: npz },
    Reader { name: "alignments", read: alignments },
    Reader { name: "foreign", read: foreign },
    Reader { name: "pickle", read: pickle },
    Reader { name: "tokenizer", read: tokenizer },
    Reader { name: "vocabulary", read: vocabulary },
    Reader { name: "sentencepiece", read: sentencepiece },
    Reader { name: "config", read: config },
    Reader { name: "generation", read: generation },
    Reader { name: "weights", read: weights },
    Reader { name: "tour", read: tour },
    Reader { name: "corpora", read: corpora },
];

#[test]
fn safetensors_captures() {
    survives("safetensors");
}

#[test]
fn npz_captures() {
    survives("npz");
}

#[test]
fn soft_alignments() {
    survives("alignments");
}

#[test]
fn captures_of_other_programs() {
    survives("foreign");
}

#[test]
fn vocabularies() {
    survives("vocabulary");
}

#[test]
fn generation_settings() {
    survives("generation");
}

#[test]
fn tours() {
    survives("tour");
}

#[test]
fn corpora_of_every_format() {
    survives("corpora");
}

#[test]
fn pickles() {
    survives("pickle");
}

#[test]
fn tokenizer_json() {
    survives("tokenizer");
}

#[test]
fn sentencepiece_models() {
    survives("sentencepiece");
}

#[test]
fn configurations() {
    survives("config");
}

#[test]
fn safetensors_weights() {
    survives("weights");
}

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// Runs a reader in a process of its own.
fn survives(reader: &str) {
    let folder = tempfile::tempdir().unwrap();
    let this = std::env::current_exe().unwrap();
    let mut command = if cfg!(target_os = "linux") {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit -v {ADDRESS_SPACE}; exec \"$0\" \"$@\"")]).arg(&this);
        shell
    } else {
        Command::new(&this)
    };
    let mut child = command
        .args(["--exact", "fuzz::process", "--nocapture", "--test-threads=1"])
        .env("ATTN_TUI_FUZZ_READER", reader)
        .env("ATTN_TUI_FUZZ_FOLDER", folder.path())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
        .spawn()
        .unwrap();
    let case = || std::fs::read_to_string(folder.path().join("case")).unwrap_or_default();
    let (mut last, mut since) = (case(), Instant::now());
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if case() != last {
            (last, since) = (case(), Instant::now());
        } else if since.elapsed() > SLOWEST + Duration::from_secs(20) {
            child.kill().unwrap();
            panic!("{reader}, seed {last}: no end");
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
    let lines: Vec<_> = log.lines().rev().take(30).collect();
    let tail = lines.into_iter().rev().collect::<Vec<_>>().join("\n");
    assert!(status.success(), "{reader}, seed {}: {status}\n{tail}", case());
    let count = std::fs::read_to_string(folder.path().join("count")).unwrap_or_default();
    assert!(count.parse::<u64>().is_ok_and(|count| count > 0), "{reader} saw no file");
    println!("{reader}: {count} files");
    if let Some(log) = std::env::var_os("ATTN_TUI_FUZZ_LOG") {
        let mut log = std::fs::File::options().create(true).append(true).open(log).unwrap();
        writeln!(log, "{reader}: {count} files").unwrap();
    }
}

/// The process of a reader; without its variables a test that does nothing.
#[test]
fn process() {
    let Ok(name) = std::env::var("ATTN_TUI_FUZZ_READER") else { return };
    let folder = PathBuf::from(std::env::var_os("ATTN_TUI_FUZZ_FOLDER").unwrap());
    let reader = READERS.iter().find(|reader| reader.name == name).unwrap();
    let first = variable("ATTN_TUI_FUZZ_SEED", 0);
    let end = Instant::now() + Duration::from_secs(variable("ATTN_TUI_FUZZ_SECONDS", SECONDS));
    let mut seed = first;
    while Instant::now() < end {
        std::fs::write(folder.join("case"), seed.to_string()).unwrap();
        let start = Instant::now();
        (reader.read)(&mut Random(seed), &folder);
        assert!(start.elapsed() < SLOWEST, "seed {seed} took {:?}", start.elapsed());
        let peak = attn_tui::sys::peak_memory().unwrap_or(0);
        assert!(peak < MEMORY, "seed {seed} took the memory to {peak} bytes");
        seed += 1;
    }
    std::fs::write(folder.join("count"), (seed - first).to_string()).unwrap();
}

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(path)
}

fn bytes_of(path: &str) -> Vec<u8> {
    std::fs::read(fixture(path)).unwrap()
}

/// Reads a capture file and looks at one map of each site.
fn open_capture(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    let Ok(capture) = capture::read(&path) else { return };
    for kind in attn_tui::site::Kind::ALL {
        for head in capture.heads_of(kind).into_iter().take(4) {
            let _ = capture.map(head).and_then(|_| capture.profile(head));
        }
    }
}

fn safetensors(random: &mut Random, folder: &Path) {
    let file = random.pick(&[
        "captures/readme-t5.safetensors",
        "captures/readme-demo.safetensors",
        "vision/donut/windows.safetensors",
    ]);
    let bytes = mutate_safetensors(random, bytes_of(file));
    open_capture(folder, "x.safetensors", &bytes);
}

fn npz(random: &mut Random, folder: &Path) {
    let mut bytes = bytes_of("captures/stacked.npz");
    if random.below(3) == 0 {
        mutate(random, &mut bytes);
    } else {
        bytes = repack(random, &bytes, |_| true);
    }
    open_capture(folder, "x.npz", &bytes);
}

fn alignments(random: &mut Random, folder: &Path) {
    let mut text = random
        .pick(&[
            "0 ||| ja nein ||| 0.5 ||| yes no ||| 3 3\n0.75 0.25 0\n0.5 0.25 0.25\n0 0 1\n\n",
            "yes ||| ja ||| 0.9,0.1 0.2,0.8\nno ||| nein ||| 0.25,0.75 1,0\n",
            "0 ||| ja ||| F0= -1.2 ||| -1.2 ||| 0.9,0.1 0.2,0.8\n",
            r#"{"source": "yes", "target": "ja", "matrix": [[0.5, 0.5], [0.25, 0.75]]}"#,
        ])
        .as_bytes()
        .to_vec();
    mutate(random, &mut text);
    open_capture(folder, "x.align", &text);
}

/// Picks a file of a folder whose name `is` accepts.
fn pick_file(random: &mut Random, folder: &str, is: impl Fn(&str) -> bool) -> String {
    let entries = std::fs::read_dir(fixture(folder)).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| is(name))
        .collect();
    names.sort();
    random.pick(&names)
}

fn foreign(random: &mut Random, folder: &Path) {
    let name = pick_file(random, "captures/foreign", |_| true);
    let bytes = mutate_file(random, &name, bytes_of(&format!("captures/foreign/{name}")));
    open_capture(folder, &name, &bytes);
}

/// Replaces one file of a model.
fn with(mut files: ModelFiles, name: &str, path: PathBuf, bytes: &[u8]) -> ModelFiles {
    std::fs::write(&path, bytes).unwrap();
    files.files.insert(name.into(), ModelFile::Path(path));
    ModelFiles::new("x", None, files.files)
}

/// Opens the weights of a model and compares them with its configuration, as `doctor` does.
fn open_weights(files: &ModelFiles) {
    let Ok(weights) = Weights::open(files, &Unwatched) else { return };
    let (_, _) = (weights.parameters(), weights.dtypes());
    if let Ok(spec) = files.config().and_then(spec_of) {
        let _ = Model::check(&spec, weights);
        let _ = Model::load(files, &candle_core::Device::Cpu, &Unwatched);
    }
}

fn pickle(random: &mut Random, folder: &Path) {
    let name = "pytorch_model.bin";
    let mut bytes = bytes_of("models/marian-bin/model/pytorch_model.bin");
    if random.below(3) == 0 {
        mutate(random, &mut bytes);
    } else {
        bytes = repack(random, &bytes, |name| name.ends_with("data.pkl"));
    }
    let files = model_files(&fixture("models/marian-bin/model"));
    open_weights(&with(files, name, folder.join(name), &bytes));
}

fn weights(random: &mut Random, folder: &Path) {
    let name = "model.safetensors";
    let bytes = mutate_safetensors(random, bytes_of("models/t5-flags/model/model.safetensors"));
    let files = model_files(&fixture("models/t5-flags/model"));
    open_weights(&with(files, name, folder.join(name), &bytes));
}

/// Loads a tokenizer and uses it.
fn open_tokenizer(files: &ModelFiles) {
    let Ok(config) = files.config() else { return };
    let Ok(tokenizer) = Tokenizer::load(files, tokenizer_class(config)) else { return };
    let langs = Languages::default();
    for text in ["Hello, world! 12", "naïve ﬁ\u{3000}日本 😀\u{301}\n", ""] {
        let _ = tokenizer.encode_source(text, &langs);
        let _ = tokenizer.encode_target(text, &langs);
    }
    let _ = (tokenizer.decode_target(&[0, 1, 5, u32::MAX]), tokenizer.languages().len());
}

fn tokenizer(random: &mut Random, folder: &Path) {
    let base = random.pick(&["bart-json", "nllb-json", "pegasus-json", "blenderbot-json"]);
    let names = ["tokenizer.json", "tokenizer.json", "tokenizer_config.json"];
    let name = random.pick(&names);
    let base = format!("tokenizers/{base}");
    let bytes = mutate_json(random, &bytes_of(&format!("{base}/{name}")));
    open_tokenizer(&with(model_files(&fixture(&base)), name, folder.join(name), &bytes));
}

fn sentencepiece(random: &mut Random, folder: &Path) {
    let (base, name) = random.pick(&[("marian", "source.spm"), ("nllb-json", "sentencepiece.bpe.model")]);
    let base = format!("tokenizers/{base}");
    let mut bytes = bytes_of(&format!("{base}/{name}"));
    mutate(random, &mut bytes);
    let mut files = model_files(&fixture(&base));
    files.files.remove("tokenizer.json");
    open_tokenizer(&with(files, name, folder.join(name), &bytes));
}

fn vocabulary(random: &mut Random, folder: &Path) {
    let base = random.pick(&[
        "bart",
        "bert",
        "blenderbot-small",
        "codet5",
        "fsmt",
        "m2m100",
        "prophetnet",
        "marian",
    ]);
    let base = format!("tokenizers/{base}");
    let is_text = |name: &str| !["config.json", "expected.json"].contains(&name) && !name.ends_with(".model");
    let name = pick_file(random, &base, is_text);
    let bytes = mutate_file(random, &name, bytes_of(&format!("{base}/{name}")));
    open_tokenizer(&with(model_files(&fixture(&base)), &name, folder.join(&name), &bytes));
}

fn generation(random: &mut Random, _: &Path) {
    let settings = json!({
        "num_beams": 4, "max_length": 20, "max_new_tokens": 9, "min_length": 2, "min_new_tokens": 3,
        "length_penalty": 0.6, "early_stopping": "never", "decoder_start_token_id": 2, "eos_token_id": [2, 3],
        "forced_bos_token_id": 4, "forced_eos_token_id": [2], "bad_words_ids": [[5], [6, 7]],
        "suppress_tokens": [8], "begin_suppress_tokens": [9], "no_repeat_ngram_size": 3,
        "encoder_no_repeat_ngram_size": 2, "repetition_penalty": 1.3, "encoder_repetition_penalty": 0.7,
        "sequence_bias": [[[5, 6], -1.5]], "exponential_decay_length_penalty": [4, 1.2],
        "renormalize_logits": true, "do_sample": true, "temperature": 0.7, "top_k": 5, "top_p": 0.9,
    });
    let bytes = mutate_json(random, &serde_json::to_vec(&settings).unwrap());
    let Ok(settings) = serde_json::from_slice::<Value>(&bytes) else { return };
    let files = model_files(&fixture("models/bart-flags/model"));
    let config = files.config().unwrap();
    let spec = spec_of(config).unwrap();
    if let Ok(settings) = GenerationConfig::read(Some(&settings), config, &spec) {
        assert!(settings.beams * settings.max_length <= 8192, "{} x {}", settings.beams, settings.max_length);
    }
}

fn tour(random: &mut Random, _: &Path) {
    let name = random.pick(&["1-one-vector", "5-cross-attention", "7-distance", "8-try-it"]);
    let path = format!("assets/tour/{name}.md");
    let mut bytes = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    mutate(random, &mut bytes);
    let _ = attn_tui::tour::parse("x.md", &String::from_utf8_lossy(&bytes));
}

fn corpora(random: &mut Random, folder: &Path) {
    let name = random.pick(&[
        "pairs.parquet",
        "nested.parquet",
        "gzip.parquet",
        "pairs.parquet",
        "pairs.csv",
        "pairs.tsv",
        "nested.jsonl",
        "pairs.jsonl.gz",
        "pairs.jsonl.zst",
    ]);
    let mut bytes = bytes_of(&format!("corpora/{name}"));
    mutate(random, &mut bytes);
    let path = folder.join(name);
    std::fs::write(&path, &bytes).unwrap();
    if let Ok(corpus) = (CorpusFiles { source: path.clone(), ..CorpusFiles::default() }).open() {
        assert!(corpus.take(10_000).filter(Result::is_err).count() < 2, "{name}: goes on after an error");
    }
    if name.ends_with("parquet")
        && let Ok(file) = ParquetFile::open(&path)
    {
        let names = file.names();
        let _ = file.read(&names.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

fn config(random: &mut Random, folder: &Path) {
    let family = random.pick(&["t5-flags", "bart-flags", "led-flags", "m2m_100-flags", "prophetnet-flags"]);
    let base = format!("models/{family}/model");
    let bytes = mutate_json(random, &bytes_of(&format!("{base}/config.json")));
    if ModelConfig::parse(&bytes).is_ok() {
        let files = model_files(&fixture(&base));
        open_weights(&with(files, "config.json", folder.join("config.json"), &bytes));
    }
}
