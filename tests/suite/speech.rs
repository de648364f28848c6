//! Speech models: sound files, features, maps and ids are those of transformers; recordings as sources.
//!
//! `tests/fixtures/make_speech.py` describes the fixtures.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use attn_tui::audio::{
    FeatureExtractor, FeatureFile, Features, FilterBanks, LogMel, Recording, SampleFeatures, SoundWindow,
    read, resample,
};
use attn_tui::axis::ItemKind;
use attn_tui::capture::comparison::Comparison;
use attn_tui::capture::{Precision, Recorder, SiteLayout, write};
use attn_tui::engine::{AudioOptions, OpenOptions, Opened, RunOptions, Session, open};
use attn_tui::error::{AudioError, Error, Result};
use attn_tui::files::{Bytes, ModelFile, ModelFiles};
use attn_tui::generate::SpeechTask;
use attn_tui::model::{EncoderInput, FrontEndSpec, Model, SignalKind};
use attn_tui::nn;
use attn_tui::progress::Unwatched;
use attn_tui::site::{Ablation, Head, Kind, Site};
use candle_core::{Device, Tensor};
use safetensors::SafeTensors;
use serde_json::Value;

/// Models of OpenAI's Whisper.
const WHISPERS: [&str; 3] = ["multilingual", "english-bin-f16", "large-sharded-f16"];

/// Models of other families, which `tests/fixtures/make_speech_families.py` describes.
const OTHERS: [&str; 4] = ["moonshine", "moonshine-f16", "speech_to_text", "speech_to_text-f16"];

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/speech")
}

pub fn json(path: PathBuf) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Tensors by name, with their shapes.
type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Returns the tensors of a file, and its metadata.
fn tensors(path: PathBuf) -> (Tensors, Value) {
    let bytes = std::fs::read(path).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let fields = header.metadata().clone().unwrap_or_default();
    let parse = |text: &String| serde_json::from_str::<Value>(text).unwrap();
    let fields = fields.iter().map(|(key, text)| (key.clone(), parse(text))).collect();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensors = file.iter().map(|(name, view)| {
        let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
        (name.to_string(), (view.shape().to_vec(), values.collect()))
    });
    (tensors.collect(), Value::Object(fields))
}

pub fn session(model: &str) -> Box<Session> {
    let folder = root().join(model).join("model");
    let options =
        OpenOptions { model: folder.display().to_string(), offline: true, ..OpenOptions::default() };
    match open(&options, &Unwatched).unwrap() {
        Opened::Model(session) => session,
        Opened::Capture(_) => panic!("a model"),
    }
}

pub fn speech() -> AudioOptions {
    AudioOptions { path: root().join("speech.wav"), ..AudioOptions::default() }
}

pub fn run(audio: AudioOptions) -> RunOptions {
    RunOptions { audio: Some(audio), ..RunOptions::default() }
}

/// The samples of `speech.wav`.
pub fn samples() -> Vec<f32> {
    let bytes = ModelFile::Path(root().join("speech.wav")).bytes().unwrap();
    read(bytes, "speech.wav", &WHOLE).unwrap().samples
}

const WHOLE: SoundWindow = SoundWindow { from: 0.0, seconds: 30.0, channel: None };

/// Writes a WAV file in memory: format 1 for integers, 3 for floats.
pub fn wav(format: u16, bits: u16, rate: u32, channels: u16, data: &[u8]) -> Vec<u8> {
    let frame = channels * bits / 8;
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + data.len() as u32).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0");
    [format, channels].into_iter().for_each(|n| bytes.extend(n.to_le_bytes()));
    [rate, rate * u32::from(frame)].into_iter().for_each(|n| bytes.extend(n.to_le_bytes()));
    [frame, bits].into_iter().for_each(|n| bytes.extend(n.to_le_bytes()));
    bytes.extend(b"data");
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend(data);
    bytes
}

fn decode(bytes: Vec<u8>, window: &SoundWindow) -> Result<Recording> {
    read(Bytes::Shared(bytes.into()), "talk.wav", window)
}

#[test]
fn features_are_those_of_transformers() {
    let (expected, _) = tensors(root().join("features.safetensors"));
    let configs = json(root().join("features.json"));
    for (name, config) in configs.as_object().unwrap() {
        let (shape, values) = &expected[name];
        let mel = LogMel::read(&FeatureFile::new(Some(config.clone())), shape[0]).unwrap();
        let found = mel.features(&samples());
        assert_eq!([found.bins, found.frames], shape[..], "{name}");
        let off = (0..found.frames)
            .flat_map(|frame| (0..found.bins).map(move |bin| (frame, bin)))
            .map(|(frame, bin)| {
                let (got, want) =
                    (found.values[frame * found.bins + bin], values[bin * found.frames + frame]);
                (got - want).abs()
            })
            .fold(0f32, f32::max);
        assert!(off < 1e-4, "{name} is off by {off}");
    }
}

#[test]
fn filter_banks_are_those_of_transformers() {
    let (expected, _) = tensors(root().join("fbank.safetensors"));
    for (name, config) in json(root().join("fbank.json")).as_object().unwrap() {
        let (shape, values) = &expected[name];
        let banks = FilterBanks::read(&FeatureFile::new(Some(config.clone())), shape[1], 30).unwrap();
        let found = banks.features(&samples());
        // 1.3 s are 20,800 samples, of which the fixture has the first frames.
        assert_eq!((found.frames, found.bins), (128, shape[1]), "{name}");
        let off = found.values.iter().zip(values).map(|(got, want)| (got - want).abs()).fold(0f32, f32::max);
        assert!(off < 5e-4, "{name} is off by {off}");
        assert_eq!(banks.features(&samples()[..399]).frames, 0);
    }
    let other =
        FeatureFile::new(Some(serde_json::json!({"feature_extractor_type": "WhisperFeatureExtractor"})));
    assert!(FilterBanks::read(&other, 80, 30).unwrap_err().to_string().contains("WhisperFeatureExtractor"));
}

/// Returns the largest difference between some rows of `[blocks, all, columns]` and a reference that holds them.
fn difference(found: &[f32], all: usize, rows: &[usize], (shape, expected): &(Vec<usize>, Vec<f32>)) -> f32 {
    let columns = shape[shape.len() - 1];
    assert_eq!(found.len() / (all * columns), expected.len() / (rows.len() * columns), "{shape:?}");
    let mut worst = 0f32;
    for (at, want) in expected.iter().enumerate() {
        let (block, row, column) = (at / columns / rows.len(), rows[at / columns % rows.len()], at % columns);
        let off = (found[(block * all + row) * columns + column] - want).abs();
        worst = if off.is_nan() { f32::INFINITY } else { worst.max(off) };
    }
    worst
}

/// Runs features and decoder ids. Returns the row count and the values of every map, of the logits and of the
/// encoder's input.
fn outputs(name: &str, samples: &[f32], ids: &[u32]) -> Result<BTreeMap<String, (usize, Vec<f32>)>> {
    let files = std::fs::read_dir(root().join(name).join("model")).unwrap().map(|entry| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), ModelFile::Path(entry.path()))
    });
    let files = ModelFiles::new(name, None, files);
    let model = Model::load(&files, &Device::Cpu, &Unwatched)?;
    let Some(FrontEndSpec::Convolutions(front_end)) = model.spec().front_end() else {
        panic!("no front end")
    };
    let file = FeatureFile::new(files.json("preprocessor_config.json")?);
    let features: Features = match front_end.signal {
        SignalKind::LogMel => FeatureExtractor::LogMel(LogMel::read(&file, front_end.bins)?),
        SignalKind::FilterBanks => {
            FeatureExtractor::FilterBanks(FilterBanks::read(&file, front_end.bins, 30)?)
        }
        SignalKind::Samples => FeatureExtractor::Samples(SampleFeatures::read(&file, 30)?),
    }
    .features(samples);
    let states = model.embed_features(&features.values, [features.frames, features.bins])?;
    let mut recorder = Recorder::default();
    let encoded = model.encode(EncoderInput::States(&states), &mut recorder, &mut |_| Ok(()))?;
    let decoded = model.decode(ids, 1, &encoded, None, &mut recorder, &mut |_| Ok(()))?;
    let list = |values: &Tensor| nn::read(values, <[f32]>::to_vec);
    let mut found = BTreeMap::from([
        ("input".to_string(), (states.dim(1)?, list(&states)?)),
        ("logits".to_string(), (ids.len(), list(&model.logits(&decoded)?)?)),
    ]);
    for (site, maps) in recorder.finish().0.sites() {
        found.insert(format!("{}.{}", site.kind, site.layer), (maps.shape()[1], maps.data().to_vec()));
    }
    Ok(found)
}

#[test]
fn maps_and_logits_are_those_of_transformers() {
    let whispers = WHISPERS.map(|name| (name, [("130x9", 1), ("200x40", 2)]));
    let others = OTHERS.map(|name| (name, [("13x9", 1), ("26x40", 2)]));
    for (name, cases) in whispers.into_iter().chain(others) {
        for (case, times) in cases {
            let (expected, fields) = tensors(root().join(name).join(format!("{case}.safetensors")));
            let ids: Vec<u32> = serde_json::from_value(fields["decoder_input_ids"].clone()).unwrap();
            let found = outputs(name, &samples().repeat(times), &ids).unwrap();
            assert!(found.keys().eq(expected.keys()), "{name} {case}");
            for (tensor, reference) in &expected {
                let (all, values) = &found[tensor];
                let kind = tensor.split('.').next().unwrap();
                let rows: Vec<usize> = match fields["rows"].get(kind) {
                    Some(rows) => serde_json::from_value(rows.clone()).unwrap(),
                    None => (0..*all).collect(),
                };
                let off = difference(values, *all, &rows, reference);
                assert!(off < 1e-4, "{name} {case} {tensor} is off by {off}");
            }
        }
    }
}

#[test]
fn generated_ids_and_languages_are_those_of_transformers() {
    let mut cases = 0;
    for name in WHISPERS.into_iter().chain(OTHERS) {
        let session = session(name);
        for case in json(root().join(name).join("generation.json")).as_array().unwrap() {
            let options = &case["options"];
            let number = |key: &str| options.get(key).and_then(Value::as_u64).map(|n| n as usize);
            let text = |key: &str| options.get(key).and_then(Value::as_str).map(String::from);
            let audio = AudioOptions {
                task: text("task").map(|task| task.parse::<SpeechTask>().unwrap()),
                timestamps: options.get("return_timestamps") == Some(&Value::Bool(true)),
                ..speech()
            };
            let run = RunOptions {
                src_lang: text("language"),
                beams: number("num_beams"),
                max_new_tokens: number("max_new_tokens"),
                ..run(audio)
            };
            let capture = session.run(&run, &Unwatched).unwrap();
            let mut ids = vec![capture.decoder_input[0].token_id().unwrap()];
            ids.extend(capture.target.ids());
            let expected: Vec<u32> = serde_json::from_value(case["ids"].clone()).unwrap();
            assert_eq!(ids, expected, "{name} {}", case["name"]);
            let detected = capture.notes.iter().find_map(|note| note.strip_prefix("language detected: "));
            assert_eq!(detected.is_some(), case.get("languages").is_some(), "{name} {}", case["name"]);
            if let (Some(found), Some(shares)) = (detected, case.get("languages")) {
                let shares = shares.as_array().unwrap().iter().map(|share| share.as_f64().unwrap());
                let mut expected: Vec<_> = shares.zip(["en", "de", "fr"]).collect();
                expected.sort_by(|a, b| b.0.total_cmp(&a.0));
                let expected = expected.iter().map(|(share, code)| format!("{code} {:.1} %", 100.0 * share));
                assert_eq!(found, expected.collect::<Vec<_>>().join(", "));
            }
            cases += 1;
        }
    }
    assert!(cases > 12, "{cases} cases only");
}

#[test]
fn the_axis_shows_the_frames_of_the_sound_and_one_rest() {
    let session = session("multilingual");
    let options =
        RunOptions { target: Some("ab".into()), predictions: true, profiles: true, ..run(speech()) };
    let folded = session.run(&options, &Unwatched).unwrap();
    let audio = AudioOptions { padding: true, ..speech() };
    let whole = session.run(&RunOptions { audio: Some(audio), ..options.clone() }, &Unwatched).unwrap();
    // 1.3 s are 130 hops of 10 ms and 65 positions of 20 ms.
    assert_eq!((folded.source.len(), whole.source.len()), (66, 100));
    assert_eq!(folded.source.items[64].kind, ItemKind::Frame { start: 1.28, end: 1.3 });
    assert_eq!(folded.source.items[65].kind, ItemKind::Rest { count: 35 });
    assert_eq!(folded.predictions, whole.predictions);
    assert_eq!(folded.shape(Kind::Encoder), (65, 66));
    for head in whole.all_heads() {
        let (folded, whole) = (folded.map(head).unwrap(), whole.map(head).unwrap());
        let rows = if head.kind() == Kind::Encoder { 65 } else { whole.rows() };
        assert_eq!(folded.rows(), rows, "{head}");
        for row in 0..rows {
            if head.kind() == Kind::Decoder {
                assert_eq!(folded.row(row), whole.row(row), "{head}");
                continue;
            }
            assert_eq!(folded.row(row)[..65], whole.row(row)[..65], "{head}");
            let rest: f32 = whole.row(row)[65..].iter().sum();
            assert!((folded.row(row)[65] - rest).abs() < 1e-5, "{head}");
            assert!((folded.row(row).iter().sum::<f32>() - 1.0).abs() < 1e-5, "{head}");
        }
    }
    let head = Head::new(Kind::Cross, 1, 0);
    let profile = folded.profile(head).unwrap();
    assert!((profile.received.iter().sum::<f64>() - profile.rows as f64).abs() < 1e-3);
    // A link to the rest is one to all positions after the sound.
    let cut = |key| vec![Ablation::Link { head, query: 2, key }];
    let source = session.source(&options).unwrap();
    let off = RunOptions { ablations: cut(65), ..options.clone() };
    let capture = session.run(&off, &Unwatched).unwrap();
    assert_eq!(capture.map(head).unwrap().get(2, 65), Some(0.0));
    let (_, intact) = session.run_intact(&source, &options, &Unwatched).unwrap();
    let ablated = session.run_ablated(&intact, &off, &Unwatched).unwrap();
    assert_eq!(ablated.forced, capture.predictions);
    let values = RunOptions { values: true, ..options };
    assert!(matches!(session.run(&values, &Unwatched), Err(Error::Usage(_))));
}

#[test]
fn capture_files_keep_frames_and_the_name_of_the_recording() {
    let session = session("english-bin-f16");
    let options = RunOptions { target: Some("ab".into()), ..run(speech()) };
    let capture = session.run(&options, &Unwatched).unwrap();
    let mut bytes = Vec::new();
    write(&capture, Precision::F32, SiteLayout::Large, &mut bytes).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("talk.safetensors");
    std::fs::write(&path, &bytes).unwrap();
    let back = attn_tui::capture::read(&path).unwrap();
    assert_eq!((&back.source, &back.target, &back.media), (&capture.source, &capture.target, &capture.media));
    let site = Site::new(Kind::Encoder, 0);
    assert_eq!(back.map(site.head(1)).unwrap(), capture.map(site.head(1)).unwrap());
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let fields = header.metadata().clone().unwrap();
    assert!(!fields.contains_key("source_ids"));
    let items: Value = serde_json::from_str(&fields["source_items"]).unwrap();
    assert_eq!(items[3], serde_json::json!({"start": 0.06, "end": 0.08}));
    assert_eq!(items[65], serde_json::json!({"rest": 35}));
    let media: Value = serde_json::from_str(&fields["source_media"]).unwrap();
    assert_eq!(media["file"], "speech.wav");
    assert_eq!(media["sha256"].as_str().map(str::len), Some(64));
    assert!(!String::from_utf8_lossy(&bytes).contains("fixtures"), "the recording's folder is named");
}

#[test]
fn recordings_are_compared_although_their_rest_has_no_row() {
    let session = session("english-bin-f16");
    let options = RunOptions { target: Some("ab".into()), ..run(speech()) };
    let capture = session.run(&options, &Unwatched).unwrap();
    let comparison = Comparison::new(&capture, &capture).unwrap();
    assert!(comparison.changes.iter().any(|(head, _)| head.kind() == Kind::Encoder));
    assert!(comparison.changes.iter().all(|(_, change)| *change == 0.0));
}

#[test]
fn every_kind_of_wav_gives_the_same_samples() {
    let tone: Vec<f64> = (0..800).map(|n| (f64::from(n) * 0.05).sin() * 0.7).collect();
    let bytes = |of: &dyn Fn(f64) -> Vec<u8>| tone.iter().flat_map(|&x| of(x)).collect::<Vec<u8>>();
    let forms: [(u16, u16, f32, Vec<u8>); 6] = [
        (1, 8, 0.01, bytes(&|x| vec![((x * 128.0).round() + 128.0) as u8])),
        (1, 16, 1e-4, bytes(&|x| ((x * 32768.0) as i16).to_le_bytes().to_vec())),
        (1, 24, 1e-6, bytes(&|x| ((x * 8_388_608.0) as i32).to_le_bytes()[..3].to_vec())),
        (1, 32, 1e-6, bytes(&|x| ((x * 2_147_483_648.0) as i32).to_le_bytes().to_vec())),
        (3, 32, 1e-7, bytes(&|x| (x as f32).to_le_bytes().to_vec())),
        (3, 64, 1e-7, bytes(&|x| x.to_le_bytes().to_vec())),
    ];
    for (format, bits, tolerance, data) in forms {
        let found = decode(wav(format, bits, 16_000, 1, &data), &WHOLE).unwrap();
        assert_eq!((found.samples.len(), found.rate, found.channels), (800, 16_000, 1), "{format} {bits}");
        for (got, want) in found.samples.iter().zip(&tone) {
            assert!((got - *want as f32).abs() <= tolerance, "{format} {bits}: {got}, {want}");
        }
    }
}

#[test]
fn channels_windows_and_rates_are_chosen() {
    let data: Vec<u8> = (0..8000i16).flat_map(|n| [n, -3 * n]).flat_map(i16::to_le_bytes).collect();
    let stereo = wav(1, 16, 8000, 2, &data);
    let left = SoundWindow { channel: Some(0), from: 0.5, seconds: 0.25 };
    let found = decode(stereo.clone(), &left).unwrap();
    assert_eq!((found.samples.len(), found.channels, found.length), (2000, 2, Some(1.0)));
    assert_eq!(found.samples[0], 4000.0 / 32768.0);
    let mean = decode(stereo.clone(), &WHOLE).unwrap();
    assert_eq!(mean.samples[1000], -1000.0 / 32768.0);
    assert_eq!(resample(&mean.samples, 8000, 16_000).len(), 16_000);
    let error = |window: SoundWindow| decode(stereo.clone(), &window).unwrap_err();
    let third = error(SoundWindow { channel: Some(2), ..WHOLE });
    assert!(matches!(third, Error::Audio(AudioError::NoChannel { channel: 2, count: 2, .. })));
    let beyond = error(SoundWindow { from: 1.5, ..WHOLE });
    assert!(matches!(beyond, Error::Audio(AudioError::BeyondEnd { seconds, .. }) if seconds == 1.0));
}

#[test]
fn files_that_cannot_be_heard_are_refused_with_a_reason() {
    let refused = |bytes: Vec<u8>| match decode(bytes, &WHOLE) {
        Err(Error::Audio(error)) => {
            assert!(!error.hint().is_empty());
            error
        }
        other => panic!("{other:?}"),
    };
    assert!(matches!(refused(Vec::new()), AudioError::Empty { .. }));
    assert!(matches!(
        refused(wav(1, 16, 16_000, 1, &[])),
        AudioError::Empty { .. } | AudioError::Damaged { .. }
    ));
    assert!(matches!(refused(b"no sound, only words\n".repeat(200)), AudioError::NotAudio { .. }));
    let nan = wav(3, 32, 16_000, 1, &[0.5f32, f32::NAN].map(f32::to_le_bytes).concat().repeat(40));
    assert!(matches!(refused(nan), AudioError::NotNumbers { .. }));
    let rate = wav(1, 16, 1, 1, &[0; 64]);
    assert!(matches!(refused(rate), AudioError::Damaged { .. }));
    // Half of a file is heard as far as it goes.
    let mut half = wav(1, 16, 16_000, 1, &[1; 64_000]);
    half.truncate(32_044);
    assert!((decode(half, &WHOLE).unwrap().seconds() - 1.0).abs() < 0.1);
}

#[test]
fn a_text_is_no_recording_and_a_recording_no_text() {
    let speech_model = session("multilingual");
    let text = RunOptions { source: "Hello.".into(), ..RunOptions::default() };
    let error = speech_model.run(&text, &Unwatched).unwrap_err();
    assert!(matches!(error, Error::Audio(AudioError::Needed { .. })));
    let options = OpenOptions { model: "demo".into(), offline: true, ..OpenOptions::default() };
    let Opened::Model(demo) = open(&options, &Unwatched).unwrap() else { panic!("a model") };
    let error = demo.run(&run(speech()), &Unwatched).unwrap_err();
    assert!(matches!(error, Error::Audio(AudioError::NotHeard { .. })));
    let nowhere = AudioOptions { path: "nowhere.wav".into(), ..AudioOptions::default() };
    assert!(matches!(speech_model.run(&run(nowhere), &Unwatched), Err(Error::Io { .. })));
    let shared: Arc<[u8]> = std::fs::read(root().join("speech.wav")).unwrap().into();
    let input = AudioOptions { bytes: Some(shared), ..AudioOptions::default() };
    let source = speech_model.source(&run(input)).unwrap();
    assert_eq!(source.sequence().text, "standard input");
    assert_eq!(source.media().unwrap().file, "standard input");
}

/// Correlation of two sounds.
fn correlation(a: &[f32], b: &[f32]) -> f32 {
    let pairs = || a.iter().zip(b);
    let sum = |of: &dyn Fn(f32, f32) -> f32| pairs().map(|(x, y)| of(*x, *y)).sum::<f32>();
    sum(&|x, y| x * y) / (sum(&|x, _| x * x) * sum(&|_, y| y * y)).sqrt()
}

#[test]
fn other_formats_give_the_sound() {
    let expected = &samples()[..6400];
    let file = |name: &str| {
        let bytes = ModelFile::Path(root().join("formats").join(name)).bytes().unwrap();
        // Nothing but the contents tells the format.
        read(bytes, "sound", &WHOLE)
    };
    assert_eq!(file("speech.flac").unwrap().samples, expected);
    // The silence that primes a decoder is left out.
    for name in ["speech.mp3", "speech.ogg", "speech.m4a"] {
        let found = file(name).unwrap();
        assert_eq!((found.rate, found.channels), (16_000, 1), "{name}");
        let correlation = correlation(expected, &found.samples);
        assert!(correlation > 0.9, "{name}: {correlation}");
    }
    let error = |name: &str| match file(name) {
        Err(Error::Audio(error)) => error,
        other => panic!("{other:?}"),
    };
    assert!(matches!(error("speech.opus"), AudioError::Codec { codec, .. } if codec == "Opus"));
    assert!(matches!(error("video.mp4"), AudioError::NoTrack { .. }));
}

#[test]
fn a_window_has_the_samples_that_decoding_from_the_begin_gives() {
    for name in ["glide.flac", "glide.mp3", "glide.ogg", "glide.m4a"] {
        let file = || ModelFile::Path(root().join("formats").join(name)).bytes().unwrap();
        let whole = read(file(), name, &WHOLE).unwrap();
        for from in [1.5, 2.73, whole.seconds() - 0.2] {
            let part = read(file(), name, &SoundWindow { from, ..WHOLE }).unwrap();
            let first = (from * f64::from(whole.rate)).round() as usize;
            assert_eq!(part.samples.len(), whole.samples.len() - first, "{name} from {from}");
            assert_eq!(part.samples, whole.samples[first..], "{name} from {from}");
            assert_eq!(part.length, whole.length, "{name}");
        }
        let beyond = read(file(), name, &SoundWindow { from: 9.0, ..WHOLE });
        assert!(matches!(beyond, Err(Error::Audio(AudioError::BeyondEnd { .. }))), "{name}");
    }
    let data: Vec<u8> = (0..80_000i32).flat_map(|n| ((n * 7919 % 30_011) as i16).to_le_bytes()).collect();
    let long = wav(1, 16, 8000, 1, &data);
    let part = decode(long.clone(), &SoundWindow { from: 7.25, seconds: 0.5, channel: None }).unwrap();
    let whole = decode(long, &WHOLE).unwrap();
    assert_eq!(part.samples, whole.samples[58_000..62_000]);
    assert_eq!(part.length, Some(10.0));
}
