//! Mutated files for every reader. None may panic, abort, take a second for each file or use a gigabyte.
//!
//! Each reader runs in a process of its own, whose memory is limited, over cases that a seed draws. By
//! default all readers together take about 20 s. `ATTN_TUI_FUZZ_SECONDS` sets the time for each reader and
//! `ATTN_TUI_FUZZ_SEED` the first seed; a failure tells the seed of its case.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use attn_tui::capture;
use attn_tui::checkpoint::ModelConfig;
use attn_tui::files::{ModelFile, ModelFiles};
use attn_tui::model::{Model, Weights, spec_of, tokenizer_class};
use attn_tui::progress::Unwatched;
use attn_tui::text::{Languages, Tokenizer};
use serde_json::{Value, json};

use crate::tokenizers::model_files;

/// Time for each reader in seconds, unless the environment sets another.
const SECONDS: u64 = 3;

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

const READERS: [Reader; 8] = [
    Reader { name: "safetensors", read: safetensors },
    Reader { name: "npz", read: npz },
    Reader { name: "alignments", read: alignments },
    Reader { name: "pickle", read: pickle },
    Reader { name: "tokenizer", read: tokenizer },
    Reader { name: "sentencepiece", read: sentencepiece },
    Reader { name: "config", read: config },
    Reader { name: "weights", read: weights },
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
    let _ = writeln!(std::io::stderr(), "{name}: {} cases", seed - first);
}

/// Random numbers from a seed (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `end`, or 0 if `end` is 0.
    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }
}

/// Changes bytes, numbers and pieces of a file, one to four times.
fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        let length = random.below(bytes.len() - at).min(1 << random.below(12));
        match random.below(8) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
            1 if !bytes.is_empty() => bytes[at] = random.pick(&[0, 1, 0x7f, 0x80, 0xff, b'{', b'\"']),
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..at + length)),
            4 => {
                let piece = bytes[at..at + length].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, piece);
            }
            5 if at + 8 <= bytes.len() => {
                let number = random.pick(&[0, 1, u64::MAX, 1 << 31, 1 << 32, 1 << 40, i64::MAX as u64]);
                bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
            }
            6 => {
                let noise: Vec<u8> = (0..length.min(64)).map(|_| random.next() as u8).collect();
                bytes.splice(at..at, noise);
            }
            _ => {
                // another digit where the text has a number
                let digits: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at].is_ascii_digit()).collect();
                if let Some(&at) = digits.get(random.below(digits.len())) {
                    let number =
                        random.pick(&["0", "-1", "9", "4294967296", "1099511627776", "1e308", "NaN"]);
                    bytes.splice(at..=at, number.bytes());
                }
            }
        }
    }
}

/// Changes values of a JSON text, one to three times; sometimes its bytes instead.
fn mutate_json(random: &mut Random, text: &[u8]) -> Vec<u8> {
    let Ok(mut value) = serde_json::from_slice::<Value>(text) else { return text.to_vec() };
    if random.below(4) == 0 {
        let mut bytes = text.to_vec();
        mutate(random, &mut bytes);
        return bytes;
    }
    for _ in 0..=random.below(3) {
        mutate_value(random, &mut value);
    }
    serde_json::to_vec(&value).unwrap()
}

fn mutate_value(random: &mut Random, value: &mut Value) {
    match value {
        Value::Object(fields) if !fields.is_empty() && random.below(12) > 0 => {
            let name = fields.keys().nth(random.below(fields.len())).unwrap().clone();
            match random.below(10) {
                0 => drop(fields.remove(&name)),
                1 => drop(fields.insert(format!("{name}x"), fields[&name].clone())),
                _ => mutate_value(random, &mut fields[&name]),
            }
        }
        Value::Array(items) if !items.is_empty() && random.below(12) > 0 => {
            let at = random.below(items.len());
            match random.below(10) {
                0 => drop(items.remove(at)),
                1 => items.insert(at, items[at].clone()),
                _ => mutate_value(random, &mut items[at]),
            }
        }
        other => {
            let numbers = [0, 1, -1, 2, 127, 1 << 20, 1 << 31, 1 << 32, 1 << 40, i64::MAX];
            *other = match random.below(8) {
                0 => Value::Null,
                1 => json!([]),
                2 => json!({}),
                3 => json!(random.pick(&["", "x", "\u{1b}]0;x\u{7}", "▁", "[[[((("])),
                4 => json!(random.pick(&[0.5, -1e9, 1e300, 1e-300])),
                5 => json!(random.below(2) == 0),
                _ => json!(random.pick(&numbers)),
            }
        }
    }
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

/// Replaces the header of a safetensors file by a mutated one, or mutates the bytes.
fn mutate_safetensors(random: &mut Random, mut bytes: Vec<u8>) -> Vec<u8> {
    if random.below(3) == 0 {
        mutate(random, &mut bytes);
        return bytes;
    }
    let end = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header = mutate_json(random, &bytes[8..end]);
    [&(header.len() as u64).to_le_bytes()[..], &header, &bytes[end..]].concat()
}

fn safetensors(random: &mut Random, folder: &Path) {
    let file = random.pick(&["captures/readme-t5.safetensors", "captures/readme-demo.safetensors"]);
    let bytes = mutate_safetensors(random, bytes_of(file));
    open_capture(folder, "x.safetensors", &bytes);
}

/// Packs files as a ZIP archive, after a mutation of one of them.
fn repack(random: &mut Random, archive: &[u8], change: impl Fn(&str) -> bool) -> Vec<u8> {
    use std::io::Read;
    let mut source = zip::ZipArchive::new(std::io::Cursor::new(archive)).unwrap();
    let mut target = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let changed: Vec<usize> =
        (0..source.len()).filter(|&at| change(&source.by_index(at).unwrap().name().unwrap())).collect();
    let changed = random.pick(&changed);
    for at in 0..source.len() {
        let mut file = source.by_index(at).unwrap();
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        if at == changed {
            // The header or the program comes first; the rest is numbers.
            let rest = content.split_off(content.len().min(128 << random.below(6)));
            mutate(random, &mut content);
            content.extend(rest);
        }
        let options =
            zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        target.start_file(file.name().unwrap().into_owned(), options).unwrap();
        target.write_all(&content).unwrap();
    }
    target.finish().unwrap().into_inner()
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

fn config(random: &mut Random, folder: &Path) {
    let family = random.pick(&["t5-flags", "bart-flags", "led-flags", "m2m_100-flags", "prophetnet-flags"]);
    let base = format!("models/{family}/model");
    let bytes = mutate_json(random, &bytes_of(&format!("{base}/config.json")));
    if ModelConfig::parse(&bytes).is_ok() {
        let files = model_files(&fixture(&base));
        open_weights(&with(files, "config.json", folder.join("config.json"), &bytes));
    }
}
