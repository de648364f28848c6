//! Long recordings, and words of recordings with their times.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use attn_tui::axis::ItemKind;
use attn_tui::engine::{AudioOptions, RunOptions, TranscribedWindow};
use attn_tui::error::Error;
use attn_tui::generate::{Fallback, Verdict, compression_ratio};
use attn_tui::progress::{Progress, Unwatched, Watch};
use attn_tui::site::{Ablation, Kind, Site};
use serde_json::Value;

use crate::speech::{json, root, run, samples, session, speech, wav};

/// Writes a recording of several windows.
fn long_recording(folder: &Path) -> AudioOptions {
    let path = folder.join("long.wav");
    let data: Vec<u8> =
        samples().repeat(7).iter().flat_map(|x| ((x * 32768.0) as i16).to_le_bytes()).collect();
    std::fs::write(&path, wav(1, 16, 16_000, 1, &data)).unwrap();
    AudioOptions { path, ..AudioOptions::default() }
}

#[test]
fn windows_are_judged_as_transformers_judges_them() {
    let folder = tempfile::tempdir().unwrap();
    let long = long_recording(folder.path());
    let expected = json(root().join("multilingual/fallback.json"));
    let list = |value: &Value| -> Vec<u32> { serde_json::from_value(value.clone()).unwrap() };
    for case in expected["ratios"].as_array().unwrap() {
        let vocabulary = case["vocabulary"].as_u64().unwrap() as usize;
        let (ours, theirs) =
            (compression_ratio(&list(&case["ids"]), vocabulary), case["ratio"].as_f64().unwrap());
        // Programs that write zlib's format do not compress alike to the byte.
        let bytes = (list(&case["ids"]).len() * if vocabulary < 65_536 { 2 } else { 3 }) as f64;
        let (ours, theirs) = (bytes / ours, bytes / theirs);
        assert!((ours - theirs).abs() <= 3.0 + 0.03 * theirs, "{ours} bytes, zlib makes {theirs}");
    }
    for case in expected["cases"].as_array().unwrap() {
        let threshold = |name: &str| case["thresholds"][format!("{name}_threshold")].as_f64();
        let fallback = Fallback {
            temperatures: vec![0.0],
            compression_ratio: threshold("compression_ratio"),
            log_probability: threshold("logprob"),
            no_speech: threshold("no_speech"),
        };
        let (mut windows, mut found) = (Vec::new(), Vec::new());
        let each = |window: TranscribedWindow| {
            windows.push((window.measures.unwrap(), window.verdict));
            found.extend(window.segments);
            Ok(())
        };
        let beams = case["beams"].as_u64().map(|beams| beams as usize);
        let options = RunOptions { beams, ..run(long.clone()) };
        session("multilingual").transcribe(&options, &fallback, &Unwatched, each).unwrap();
        let expected = case["windows"].as_array().unwrap();
        assert_eq!(windows.len(), expected.len());
        for ((ours, verdict), theirs) in windows.iter().zip(expected) {
            let off = |ours: f64, name: &str| (ours - theirs[name].as_f64().unwrap()).abs();
            let bytes = list(&theirs["tokens"]).len() as f64;
            let compressed = bytes / theirs["compression_ratio"].as_f64().unwrap();
            assert!((bytes / ours.compression_ratio - compressed).abs() <= 3.0, "{ours:?}, {theirs}");
            assert!(off(ours.log_probability, "log_probability") < 1e-4, "{ours:?}, {theirs}");
            assert!(off(ours.no_speech, "no_speech") < 1e-6, "{ours:?}, {theirs}");
            let wanted = match (theirs["again"].as_bool(), theirs["left_out"].as_bool()) {
                (_, Some(true)) => Verdict::LeftOut,
                (Some(true), _) => Verdict::Again,
                _ => Verdict::Kept,
            };
            assert_eq!(*verdict, wanted, "{ours:?}, {theirs}");
        }
        let texts: Vec<Vec<u32>> = found.iter().map(|segment| segment.tokens.clone()).collect();
        let theirs = case["segments"].as_array().unwrap().iter().map(|segment| list(&segment["tokens"]));
        let theirs: Vec<_> = theirs.collect();
        assert_eq!(texts[..theirs.len()], theirs);
    }
}

/// Counts the runs of the encoder.
#[derive(Default)]
struct EncoderRuns(AtomicUsize);

impl Watch for EncoderRuns {
    fn progress(&self, progress: Progress) {
        self.0.fetch_add(usize::from(progress == Progress::Encode), Ordering::Relaxed);
    }
}

#[test]
fn a_window_is_encoded_once_for_all_temperatures() {
    let folder = tempfile::tempdir().unwrap();
    let options = run(long_recording(folder.path()));
    let fallback =
        Fallback { temperatures: vec![0.0, 0.4, 0.8], log_probability: Some(0.0), ..Fallback::default() };
    let (watch, mut windows) = (EncoderRuns::default(), Vec::new());
    let each = |window: TranscribedWindow| {
        windows.push((window.temperature, window.verdict));
        Ok(())
    };
    session("multilingual").transcribe(&options, &fallback, &watch, each).unwrap();
    assert!(windows.len() > 3 && windows.iter().all(|window| *window == (Some(0.8), Verdict::Again)));
    assert_eq!(watch.0.into_inner(), windows.len());
}

#[test]
fn the_probability_of_no_speech_and_the_language_are_those_of_the_ablated_model() {
    const FIRST_STAMP: usize = 109;
    const LANGUAGES: [&str; 3] = ["en", "de", "fr"];
    let folder = tempfile::tempdir().unwrap();
    let long = long_recording(folder.path());
    let fallback = Fallback { log_probability: Some(-1e9), no_speech: Some(1.0), ..Fallback::default() };
    let measured = |ablations: Vec<Ablation>| {
        let options = RunOptions { ablations, logits: true, ..run(long.clone()) };
        let mut windows = Vec::new();
        let each = |window: TranscribedWindow| {
            let row = window.capture.logits.as_ref().unwrap().row(0).to_vec();
            windows.push((window.measures.unwrap().no_speech, row, window.capture.notes.concat()));
            Ok(())
        };
        session("multilingual").transcribe(&options, &fallback, &Unwatched, each).unwrap();
        windows
    };
    let [intact, ablated] =
        [vec![], vec![Ablation::Site(Site::new(Kind::Cross, 0)), Ablation::Site(Site::new(Kind::Cross, 2))]]
            .map(measured);
    for windows in [&intact, &ablated] {
        for (at, (no_speech, row, notes)) in windows.iter().enumerate() {
            let share = |id: usize, of: &mut dyn Iterator<Item = f32>| {
                f64::from(row[id].exp()) / of.map(|score| f64::from(score.exp())).sum::<f64>()
            };
            let expected = share(FIRST_STAMP - 2, &mut row.iter().copied());
            assert!((no_speech - expected).abs() < 1e-6, "{no_speech}, {expected}");
            let shares = [102, 103, 104].map(|id| share(id, &mut row[102..105].iter().copied()));
            let best = (0..3).max_by(|&a, &b| shares[a].total_cmp(&shares[b])).unwrap();
            let note = format!("language detected: {} {:.1} %", LANGUAGES[best], 100.0 * shares[best]);
            assert_eq!(notes.contains(&note), at == 0, "{note}, {notes}");
        }
    }
    assert!((intact[0].0 - ablated[0].0).abs() > 1e-5, "{}, {}", intact[0].0, ablated[0].0);
}

#[test]
fn two_recordings_are_compared_second_by_second() {
    let folder = tempfile::tempdir().unwrap();
    let long = long_recording(folder.path()).path.display().to_string();
    let (model, short) = ("tests/fixtures/speech/multilingual/model", "tests/fixtures/speech/speech.wav");
    let compared = |with: &[&str]| -> Value {
        let out =
            program(&[&["compare", model, "--audio", short, "--src-lang", "de", "--json"], with].concat());
        serde_json::from_str::<Value>(&out).unwrap()["rows"].clone()
    };
    let changes = |rows: &Value| -> Vec<f64> {
        rows.as_array().unwrap().iter().map(|row| row["divergence"].as_f64().unwrap()).collect()
    };
    let same = changes(&compared(&["--with-audio", short]));
    assert!(!same.is_empty() && same.iter().all(|change| *change < 1e-6), "{same:?}");
    let other = changes(&compared(&["--with-audio", &long]));
    assert_eq!(other.len(), same.len());
    assert!(other[0] > 1e-3 && other[0] <= 2f64.ln(), "{other:?}");
}

#[test]
fn a_window_beyond_a_threshold_is_sampled_at_the_next_temperature() {
    let folder = tempfile::tempdir().unwrap();
    let long = long_recording(folder.path());
    let tried = |fallback: Fallback, seed: u64| {
        let mut windows = Vec::new();
        let each = |window: TranscribedWindow| {
            windows.push((window.temperature, window.capture.sampled, window.capture.target.ids()));
            Ok(())
        };
        let options = RunOptions { seed, ..run(long.clone()) };
        session("multilingual").transcribe(&options, &fallback, &Unwatched, each).unwrap();
        windows
    };
    let never =
        Fallback { temperatures: vec![0.0, 0.4, 0.8], log_probability: Some(0.0), ..Fallback::default() };
    let sampled = tried(never.clone(), 3);
    assert!(sampled.iter().all(|(temperature, seed, _)| (*temperature, *seed) == (Some(0.8), Some(3))));
    assert_eq!(sampled, tried(never.clone(), 3), "the seed alone decides");
    assert_ne!(sampled, tried(never.clone(), 4));
    let always = tried(Fallback { log_probability: Some(-1e9), ..never }, 3);
    assert!(always.iter().all(|(temperature, seed, _)| (*temperature, *seed) == (Some(0.0), None)));
}

#[test]
fn segments_of_long_recordings_are_those_of_transformers() {
    let folder = tempfile::tempdir().unwrap();
    let long = long_recording(folder.path());
    for name in ["multilingual", "english-bin-f16"] {
        let options = run(long.clone());
        let (mut found, mut windows) = (Vec::new(), Vec::new());
        let each = |window: TranscribedWindow| {
            assert!(window.kept <= window.capture.target.len());
            windows.push(window.capture.source.items[0].kind);
            found.extend(window.segments);
            Ok(())
        };
        session(name).transcribe(&options, &Fallback::default(), &Unwatched, each).unwrap();
        let expected = json(root().join(name).join("long.json"));
        let expected = expected.as_array().unwrap();
        assert_eq!(found.len(), expected.len(), "{name}: {found:?}");
        for (found, expected) in found.iter().zip(expected) {
            let tokens: Vec<u32> = serde_json::from_value(expected["tokens"].clone()).unwrap();
            assert_eq!(found.tokens, tokens, "{name}");
            for (got, key) in [(found.start, "start"), (found.end, "end")] {
                assert!((got - expected[key].as_f64().unwrap()).abs() < 1e-6, "{name} {key}: {got}");
            }
        }
        assert!(windows.len() > 3 && matches!(windows[0], ItemKind::Frame { start: 0.0, .. }), "{windows:?}");
    }
    let none = session("moonshine").transcribe(&run(speech()), &Fallback::default(), &Unwatched, |_| Ok(()));
    assert!(matches!(none, Err(Error::Usage(_))));
}

#[test]
fn heads_are_ranked_by_the_times_of_words() {
    const CAPTURE: &str = "crates/demo-speech/speech.safetensors";
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/captures");
    std::fs::copy(captures.join("speech-words.json"), path("gold.json")).unwrap();
    let rank = ["align", CAPTURE, "--find-heads", "--json", "--gold", &path("gold.json")];
    let ranked: Value = serde_json::from_str(&program(&rank)).unwrap();
    let ranked = ranked.as_array().unwrap();
    let errors: Vec<f64> = ranked.iter().map(|row| row["error"].as_f64().unwrap()).collect();
    // 24 heads in two readings, 8 of them in the list of the model's authors.
    assert_eq!((ranked.len(), ranked.iter().filter(|row| row["config"] == "yes").count()), (48, 16));
    assert!(errors.is_sorted() && errors[0] < 0.1 && errors[47] > 0.3, "{errors:?}");
    assert_eq!(ranked[0]["reading"], "predicts");
    assert!(ranked.iter().all(|row| row["sharpness"].as_f64().is_some_and(|sharpness| sharpness > 0.5)));

    let model = root().join("english-bin-f16/model").display().to_string();
    let sound = root().join("speech.wav").display().to_string();
    let line = |target: &str| serde_json::json!({"audio": sound, "target": target}).to_string();
    std::fs::write(path("talks.jsonl"), [line(" ab cd ef"), line(" g hi")].join("\n")).unwrap();
    let batch = ["align", &model, "--source-file", &path("talks.jsonl")];
    let words: Value = serde_json::from_str(&program(&[&batch[..], &["--json"]].concat())).unwrap();
    let words = words.as_array().unwrap();
    let listed: Vec<_> =
        words.iter().map(|row| (row["recording"].as_u64().unwrap(), row["word"].as_str().unwrap())).collect();
    assert_eq!(listed, [(0, "ab"), (0, "cd"), (0, "ef"), (1, "g"), (1, "hi")]);
    assert_eq!(words[0]["file"], "speech.wav");
    program(&[&batch[..], &["--find-heads", "--write-config", &path("generation_config.json")]].concat());
    let config = json(path("generation_config.json").into());
    assert_eq!(config["no_timestamps_token_id"], 108);
    assert!(
        config["alignment_heads"].as_array().is_some_and(|heads| !heads.is_empty() && heads[0].is_array())
    );

    let text = program(&["align", "tests/fixtures/captures/demo.safetensors", "--find-heads", "--json"]);
    let text: Value = serde_json::from_str(&text).unwrap();
    let rates: Vec<f64> = text.as_array().unwrap().iter().map(|row| row["aer"].as_f64().unwrap()).collect();
    assert!(rates.len() > 10 && rates.is_sorted() && rates[0] < 0.6, "{rates:?}");
}

/// Runs the program and returns its standard output.
fn program(arguments: &[&str]) -> String {
    let done = Command::new(env!("CARGO_BIN_EXE_attn-tui"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(arguments)
        .output()
        .unwrap();
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn times_of_words_are_those_of_the_reference_within_one_frame() {
    const CAPTURE: &str = "crates/demo-speech/speech.safetensors";
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/captures");
    let reference = json(folder.join("speech-words.json"));
    let heads = reference["heads"].as_str().unwrap();
    let align = ["align", CAPTURE, "--heads", heads];
    let found: Value = serde_json::from_str(&program(&[&align[..], &["--json"]].concat())).unwrap();
    let (found, expected) = (found.as_array().unwrap(), reference["words"].as_array().unwrap());
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found["word"], expected["word"]);
        for time in ["start", "end"] {
            let [got, want] = [found, expected].map(|word| word[time].as_f64().unwrap());
            assert!((got - want).abs() < 0.0201, "{} {time}: {got}, {want}", expected["word"]);
        }
    }
    let subtitles = program(&[&align[..], &["--format", "srt"]].concat());
    assert!(subtitles.starts_with("1\n00:00:00,000 --> 00:00:0"), "{subtitles}");
    assert!(subtitles.contains("He might even have been made amiable\n"), "{subtitles}");
    let fed = program(&[&align[..], &["--convention", "fed", "--csv"]].concat());
    assert!(fed.starts_with("word,start,end,confidence\nHe,"), "{fed}");
    // Frames have no copies and no special tokens, but a rest.
    let heads: Value = serde_json::from_str(&program(&["heads", CAPTURE, "--json"])).unwrap();
    let head = &heads.as_array().unwrap()[0];
    assert!(head["special_mass"].is_null());
    assert!(head["rest_mass"].as_f64().is_some_and(|mass| (0.0..=1.0).contains(&mass)), "{head}");
}
