//! Captures within a budget of bytes: what does not fit is computed again, and is the same.

use std::process::Command;

use attn_tui::capture::Capture;
use attn_tui::engine::{OpenOptions, Opened, RunOptions, open};
use attn_tui::progress::Unwatched;

fn run(model: &str, source: &str, memory: Option<usize>) -> Capture {
    let options = OpenOptions { model: model.into(), offline: true, memory, ..OpenOptions::default() };
    let Opened::Model(session) = open(&options, &Unwatched).unwrap() else { panic!("a model") };
    let options = RunOptions {
        source: source.into(),
        target: Some("le chat dort dans le jardin".into()),
        ..RunOptions::default()
    };
    session.run(&options, &Unwatched).unwrap()
}

#[test]
fn a_tiny_budget_gives_the_maps_of_a_large_one() {
    for model in ["demo", "tests/fixtures/models/t5/model"] {
        let source = "the cat sleeps in the garden behind the old house";
        let large = run(model, source, Some(1 << 30));
        let bytes = large.maps.held();
        assert!(bytes > 0 && large.maps.sites().all(|(_, maps)| maps.recipe().is_none()));
        for budget in [0, 5000, bytes / 2] {
            let small = run(model, source, Some(budget));
            assert!(small.maps.sites().any(|(_, maps)| maps.recipe().is_some()), "{model} in {budget}");
            for _ in 0..2 {
                for head in large.all_heads() {
                    let (found, expected) = (small.map(head).unwrap(), large.map(head).unwrap());
                    for (a, b) in found.as_slice().iter().zip(expected.as_slice()) {
                        assert!((a - b).abs() < 1e-6, "{model} {head}: {a} and {b}");
                    }
                    assert!(small.maps.held() <= budget, "{} of {budget} bytes", small.maps.held());
                }
            }
        }
    }
}

#[test]
fn the_command_line_takes_a_size() {
    let program = |size: &str| {
        Command::new(env!("CARGO_BIN_EXE_attn-tui"))
            .args(["show", "tests/fixtures/captures/demo.safetensors", "--memory", size])
            .output()
            .unwrap()
    };
    let (some, none) = (program("1.5M"), program("0"));
    assert!(some.status.success() && some.stdout == none.stdout);
    let wrong = program("plenty");
    assert_eq!(wrong.status.code(), Some(2));
    let text = String::from_utf8(wrong.stderr).unwrap();
    assert!(text.contains("--memory <SIZE>") && text.contains("512M or 2G"), "{text}");
}
