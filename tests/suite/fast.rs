//! `--fast-generate`: 8-bit weights for generation, never for the maps.

use std::process::Command;
use std::sync::Arc;

use attn_tui::capture::{Capture, Precision, read};
use attn_tui::engine::{OpenOptions, Opened, RunOptions, Session, open};
use attn_tui::model::EncoderInput;
use attn_tui::nn::NoHook;
use attn_tui::progress::Unwatched;

use crate::screens::{Driver, screen_text};
use crate::{made, parity};

const SENTENCES: [&str; 12] = [
    "The woman who lives near my parents is very tired.",
    "The children are playing in the garden.",
    "I did not know that he was your brother.",
    "We have to leave tomorrow morning.",
    "She gave him the book that he wanted.",
    "Where did you buy this car?",
    "It was raining when they came home.",
    "My father works in a big city.",
    "Tom wants to learn French this year.",
    "The old man who sold us the house has died.",
    "There is nothing to eat in the kitchen.",
    "You should have told me the truth.",
];

fn demo() -> Box<Session> {
    let options = OpenOptions { model: "demo".into(), offline: true, ..OpenOptions::default() };
    match open(&options, &Unwatched).unwrap() {
        Opened::Model(session) => session,
        Opened::Capture(_) => panic!("the demo is no capture"),
    }
}

/// Asserts that all maps and predictions are equal bit by bit.
fn assert_same(a: &Capture, b: &Capture, what: &str) {
    assert_eq!(a.all_heads(), b.all_heads(), "{what}");
    for ((site, x), (_, y)) in a.maps.sites().zip(b.maps.sites()) {
        assert_eq!(x.data(), y.data(), "{what}: {site}");
    }
    assert!(!a.predictions.is_empty(), "{what}");
    assert_eq!(a.predictions, b.predictions, "{what}");
}

#[test]
fn maps_of_a_given_target_are_the_same_to_the_last_bit() {
    let session = demo();
    let run = RunOptions {
        source: SENTENCES[0].into(),
        target: Some("La femme est fatiguée.".into()),
        predictions: true,
        ..RunOptions::default()
    };
    let plain = session.run(&run, &Unwatched).unwrap();
    let fast = session.run(&RunOptions { fast_generate: true, ..run }, &Unwatched).unwrap();
    assert_same(&plain, &fast, "given target");
    assert!(!fast.int8_target);
}

#[test]
fn texts_are_nearly_always_the_same_and_then_so_are_their_maps() {
    let session = demo();
    let folder = tempfile::tempdir().unwrap();
    let mut report = String::new();
    for beams in [1, 4] {
        let mut same = 0;
        for (number, source) in SENTENCES.into_iter().enumerate() {
            let run = RunOptions {
                source: source.into(),
                beams: Some(beams),
                predictions: true,
                ..RunOptions::default()
            };
            let plain = session.run(&run, &Unwatched).unwrap();
            let fast = session.run(&RunOptions { fast_generate: true, ..run }, &Unwatched).unwrap();
            assert!(fast.int8_target && !plain.int8_target);
            for (at, capture) in [&plain, &fast].into_iter().enumerate() {
                let path = folder.path().join(format!("{beams}-{number}-{at}.safetensors"));
                std::fs::write(&path, made::file_of(capture, Precision::F32)).unwrap();
                assert_eq!(read(&path).unwrap().int8_target, capture.int8_target);
            }
            if plain.target.ids() == fast.target.ids() {
                assert_same(&plain, &fast, source);
                same += 1;
            } else {
                report += &format!("{beams} beams: {}\n   not {}\n", fast.target.text, plain.target.text);
            }
        }
        assert!(same >= SENTENCES.len() * 3 / 4, "{same} texts of {}:\n{report}", SENTENCES.len());
    }
}

#[test]
fn the_explorer_says_so() {
    for (quick, title) in [
        (true, " attn-tui  made · 8-bit text · marian 3+3 × 6 heads"),
        (false, " attn-tui  made · marian 3+3 × 6 heads"),
    ] {
        let capture = Capture { int8_target: quick, ..(*made::sentence()).clone() };
        let mut driver = Driver::over(Arc::new(capture), (160, 30));
        let screen = screen_text(&driver.draw());
        assert!(screen.starts_with(&format!("|{title} ")), "{screen}");
    }
}

#[test]
fn every_family_has_a_decoder_of_8_bits_near_its_own() {
    for name in parity::fixtures() {
        let Ok(model) = parity::load(&name) else { continue };
        let Some(quick) = model.quantised() else { continue };
        let source: Vec<u32> = (5..14).collect();
        let encoded = model.encode(EncoderInput::Ids(&source), &mut NoHook, &mut |_| Ok(())).unwrap();
        let [exact, near] = [&model, &quick].map(|model| {
            let (ids, mut cache) = ([model.spec().start().unwrap()], model.cache());
            let states = model.decode(&ids, 1, &encoded, Some(&mut cache), &mut NoHook, &mut |_| Ok(()));
            let logits = model.logits(&states.unwrap()).unwrap();
            logits.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        });
        let length = |values: &[f32]| values.iter().map(|v| v * v).sum::<f32>().sqrt();
        let off: Vec<f32> = exact.iter().zip(&near).map(|(a, b)| a - b).collect();
        let share = length(&off) / length(&exact);
        assert!(share > 0.0 && share < 0.05, "{name}: off by {share} of the logits");
    }
}

#[test]
fn the_command_line_takes_it() {
    let run = |more: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_attn-tui"))
            .args(["show", "demo", "--offline", "--source", SENTENCES[1]])
            .args(more)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let (fast, plain) = (run(&["--fast-generate"]), run(&[]));
    assert!(fast.contains(" · text by 8-bit weights"), "{fast}");
    assert_eq!(fast.replace(" · text by 8-bit weights", ""), plain);
}
