//! Trained models agree with transformers: maps, logits and ids.

use std::path::{Path, PathBuf};

use attn_tui::capture::{self, Capture, Precision};
use attn_tui::engine::{OpenOptions, Opened, RunOptions, Session, open};
use attn_tui::progress::Unwatched;

use crate::made;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/real")
}

fn session(model: &str) -> Box<Session> {
    let options = OpenOptions { model: model.into(), offline: true, ..OpenOptions::default() };
    match open(&options, &Unwatched).unwrap() {
        Opened::Model(session) => session,
        Opened::Capture(_) => panic!("{model} opened as a capture"),
    }
}

fn references(folder: &str) -> Vec<Capture> {
    let mut paths: Vec<_> = std::fs::read_dir(fixtures().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "safetensors"))
        .collect();
    paths.sort();
    paths.iter().map(|path| capture::read(path).unwrap()).collect()
}

/// Returns the largest difference over all maps.
fn map_difference(a: &Capture, b: &Capture) -> f32 {
    assert_eq!(a.all_heads(), b.all_heads());
    let pairs = a.maps.sites().zip(b.maps.sites());
    pairs
        .map(|((site, x), (_, y))| {
            assert_eq!(x.shape(), y.shape(), "{site}");
            let (x, y) = (x.data(), y.data());
            let differences = x.iter().zip(y.iter()).map(|(x, y)| (x - y).abs());
            differences.fold(0.0, f32::max)
        })
        .fold(0.0, f32::max)
}

fn check(model: &str, folder: &str, beams: Option<usize>) {
    let session = session(model);
    let references = references(folder);
    assert!(!references.is_empty());
    for reference in references {
        let source = reference.source.text.clone();
        let generated = RunOptions { source: source.clone(), beams, logits: true, ..RunOptions::default() };
        let ours = session.run(&generated, &Unwatched).unwrap();
        assert_eq!(ours.source.ids(), reference.source.ids(), "{source}");
        assert_eq!(ours.target.ids(), reference.target.ids(), "{source}");
        assert_eq!(ours.target.text, reference.target.text, "{source}");
        let input = |capture: &Capture| attn_tui::axis::token_ids(&capture.decoder_input);
        assert_eq!(input(&ours), input(&reference), "{source}");
        let difference = map_difference(&ours, &reference);
        assert!(difference < 1e-4, "{source}: maps differ by {difference}");
        let (a, b) = (ours.logits.unwrap(), reference.logits.unwrap());
        let logits = a.as_slice().iter().zip(b.as_slice()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(logits < 2e-3, "{source}: logits differ by {logits}");
    }
}

#[test]
fn the_demo_model_equals_the_reference() {
    check("demo", "demo", Some(1));
}

#[test]
fn the_demo_model_finds_the_same_texts_with_its_own_four_beams() {
    check("demo", "demo", None);
}

#[test]
fn a_bart_model_equals_the_reference() {
    check(&fixtures().join("bart-g2p-us/model").display().to_string(), "bart-g2p-us", None);
}

#[test]
fn a_blenderbot_model_equals_the_reference() {
    check(&fixtures().join("transliterate-ar-en/model").display().to_string(), "transliterate-ar-en", None);
}

#[test]
fn a_given_target_takes_the_same_path() {
    let session = session("demo");
    for reference in references("demo") {
        let run = RunOptions {
            source: reference.source.text.clone(),
            target: Some(reference.target.text.clone()),
            ..RunOptions::default()
        };
        let ours = session.run(&run, &Unwatched).unwrap();
        assert_eq!(ours.target.ids(), reference.target.ids());
        assert!(map_difference(&ours, &reference) < 1e-4);
    }
}

#[test]
fn a_capture_file_gives_back_what_was_written() {
    let run = RunOptions {
        source: "Good morning.".into(),
        logits: true,
        predictions: true,
        ..RunOptions::default()
    };
    let capture = session("demo").run(&run, &Unwatched).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    attn_tui::files::save(&path, &made::file_of(&capture, Precision::F32), false).unwrap();
    let back = capture::read(&path).unwrap();
    assert_eq!(back.source, capture.source);
    assert_eq!(back.target, capture.target);
    assert_eq!(back.decoder_input, capture.decoder_input);
    assert_eq!(back.logits, capture.logits);
    assert_eq!((back.model, back.model_type), (capture.model.clone(), capture.model_type.clone()));
    assert_eq!(capture.predictions.len(), capture.target.len());
    assert_eq!(back.predictions.len(), capture.target.len());
    for (back, ours) in back.predictions.iter().zip(&capture.predictions) {
        assert_eq!(back.probability, ours.probability);
    }
    for head in capture.all_heads() {
        assert_eq!(back.maps.map(head), capture.maps.map(head));
    }
    let again = attn_tui::files::save(&path, b"x", false).unwrap_err();
    assert!(again.to_string().ends_with("x.safetensors already exists"), "{again}");
    let half = made::file_of(&capture, Precision::F16);
    attn_tui::files::save(&path, &half, true).unwrap();
    assert!(map_difference(&capture::read(&path).unwrap(), &capture) < 5e-4);
}

#[test]
fn a_silenced_head_changes_what_follows_and_a_silenced_link_is_zero() {
    use attn_tui::site::{Ablation, Head, Kind};
    let session = session("demo");
    let reference = &references("demo")[0];
    let run = |ablations: Vec<Ablation>| {
        let target = Some(reference.target.text.clone());
        let source = reference.source.text.clone();
        session.run(&RunOptions { source, target, ablations, ..RunOptions::default() }, &Unwatched).unwrap()
    };
    let plain = run(vec![]);
    let head = Head::new(Kind::Encoder, 1, 4);
    let without = run(vec![Ablation::Head(head)]);
    // with an ablation, attention runs step by step: equal up to rounding
    let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
    let (before, after) = (plain.map(head).unwrap(), without.map(head).unwrap());
    assert!(near(before.as_slice(), after.as_slice()), "its own map stays");
    let later = Head::new(Kind::Encoder, 2, 0);
    assert_ne!(plain.map(later).unwrap(), without.map(later).unwrap());
    let cross = Head::new(Kind::Cross, 2, 1);
    let cut = run(vec![Ablation::Link { head: cross, query: 3, key: 3 }]).map(cross).unwrap();
    assert_eq!(cut.get(3, 3), Some(0.0));
    assert!((cut.row(3).iter().sum::<f32>() - 1.0).abs() < 1e-5);
    assert!(near(cut.row(2), plain.map(cross).unwrap().row(2)));
}

#[test]
fn generation_goes_on_with_parts_switched_off() {
    use attn_tui::site::{Ablation, Kind, Site};
    let session = session("demo");
    let ablations: Vec<Ablation> =
        (0..3).map(|layer| Ablation::Site(Site::new(Kind::Cross, layer))).collect();
    let source = references("demo")[0].source.text.clone();
    let translate = |ablations: Vec<Ablation>, beams| {
        let run = RunOptions {
            source: source.clone(),
            beams: Some(beams),
            ablations,
            max_new_tokens: Some(20),
            ..RunOptions::default()
        };
        session.run(&run, &Unwatched).unwrap().target.text
    };
    assert_ne!(translate(ablations.clone(), 1), translate(vec![], 1));
    assert_ne!(translate(ablations, 4), translate(vec![], 4));
}
