//! The beams of a search and the list of runs: scores against transformers, and the keys that show a run.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use attn_tui::capture::{BeamTarget, Capture};
use attn_tui::engine::{Event, OpenOptions, Opened, Request, RunOptions, Worker, open};
use attn_tui::generate::{GenerationRun, generate_many};
use attn_tui::model::EncoderInput;
use attn_tui::nn::NoHook;
use attn_tui::progress::Unwatched;
use attn_tui::site::{Ablation, Head, Kind};
use attn_tui::tui::action::{Action, Effect};
use attn_tui::tui::runs::TargetOrigin;
use serde_json::Value;

use crate::made;
use crate::parity::{load, settings};
use crate::screens::{Driver, screen_text};

fn list(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

#[test]
fn finished_beams_and_their_scores_are_those_of_transformers() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/beams.json");
    let cases: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for case in cases.as_array().unwrap() {
        let name = case["model"].as_str().unwrap();
        let model = load(name).unwrap();
        let config = settings(name, &case["options"], &model);
        let source = list(&case["source_ids"]);
        let encoded = model.encode(EncoderInput::Ids(&source), &mut NoHook, &mut |_| Ok(())).unwrap();
        let run = GenerationRun { source: &source, encoded: &encoded, config: &config, hook: &mut NoHook };
        let text = generate_many(&model, vec![run], &mut |_, _| Ok(())).unwrap().remove(0);
        let expected = case["beams"].as_array().unwrap();
        assert_eq!(text.beams.len(), expected.len(), "{name}");
        assert_eq!(text.ids, text.beams[0].ids, "{name}");
        for (beam, expected) in text.beams.iter().zip(expected) {
            assert_eq!(beam.ids, list(&expected[0])[1..], "{name}");
            let score = expected[1].as_f64().unwrap() as f32;
            assert!((beam.score - score).abs() < 1e-4, "{name}: {} is not {score}", beam.score);
        }
    }
}

fn demo() -> Box<attn_tui::engine::Session> {
    let options = OpenOptions { model: "demo".into(), offline: true, ..OpenOptions::default() };
    let Ok(Opened::Model(session)) = open(&options, &Unwatched) else { panic!("no built-in model") };
    session
}

#[test]
fn a_beam_is_repeated_by_its_ids() {
    let session = demo();
    let run = RunOptions { source: "The old house is very big.".into(), ..RunOptions::default() };
    let capture = session.run(&run, &Unwatched).unwrap();
    assert_eq!(capture.beams.len(), 4);
    assert_eq!(capture.beams[0].target, capture.target);
    assert!(capture.beams.windows(2).all(|pair| pair[0].score >= pair[1].score));
    for beam in &capture.beams[1..] {
        assert_ne!(beam.target.text, capture.target.text);
        let again = RunOptions { prefix: beam.target.ids(), ..run.clone() };
        assert_eq!(session.run(&again, &Unwatched).unwrap().target, beam.target);
    }
}

#[test]
fn the_command_line_lists_beams() {
    let run = |args: &[&str]| {
        let place = ["beams", "demo", "-s", "The old house is very big."];
        Command::new(env!("CARGO_BIN_EXE_attn-tui")).args(place).args(args).output().unwrap()
    };
    let found: Value = serde_json::from_slice(&run(&["--json", "--beams", "3"]).stdout).unwrap();
    assert_eq!(found["schema"], "attn-tui beams 1");
    let rows = found["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    let options =
        RunOptions { source: "The old house is very big.".into(), beams: Some(3), ..RunOptions::default() };
    let capture = demo().run(&options, &Unwatched).unwrap();
    for (row, beam) in rows.iter().zip(&capture.beams) {
        assert_eq!(row["text"].as_str().unwrap(), beam.target.text);
        assert!((row["score"].as_f64().unwrap() as f32 - beam.score).abs() < 1e-5);
    }
    let greedy = run(&["--beams", "1"]);
    assert!(String::from_utf8_lossy(&greedy.stderr).contains("--beams 2 or more"));
}

/// Returns the made sentence as the first of three beams.
fn searched() -> Arc<Capture> {
    let mut capture = Capture::clone(&made::sentence());
    let beam = |drop: usize, score: f32| {
        let mut target = made::sentence().target.clone();
        target.items.remove(drop);
        target.text = format!("without {drop}");
        BeamTarget { target, score }
    };
    let first = BeamTarget { target: capture.target.clone(), score: -0.25 };
    capture.beams = vec![first, beam(1, -0.5), beam(2, -0.75)];
    Arc::new(capture)
}

#[test]
fn the_next_best_beam_is_three_keys_away_and_can_be_compared() {
    let mut driver = Driver::over(searched(), (120, 40));
    driver.press("<ctrl-r>");
    let screen = screen_text(&driver.draw());
    assert!(screen.contains("▸ beam 1 of 3 · score -0.250"), "{screen}");
    assert!(screen.contains("beam 2 of 3 · score -0.500") && screen.contains("without 1"), "{screen}");
    driver.press("<down><enter>");
    let Some(Effect::Ask(Request::Run(run))) = driver.asked.last() else { panic!("{:?}", driver.asked) };
    let ids = driver.app.runs.runs()[1].target.ids();
    assert_eq!((run.target.as_ref(), &run.prefix), (None, &ids));
    // the second beam arrives
    let mut second = Capture::clone(&made::sentence());
    second.target = driver.app.runs.runs()[1].target.clone();
    driver.act(Action::Engine(Event::Captured(Arc::new(second))));
    assert_eq!(driver.app.runs.runs().len(), 3);
    assert_eq!(driver.app.runs.runs()[1].describe(), "beam 2 of 3 · score -0.500");
    // its rival is kept, so that comparing the two runs no model
    let asked = driver.asked.len();
    driver.press("V<enter>");
    assert_eq!(driver.asked.len(), asked);
    assert_eq!(driver.app.view.name(), "Compare");
    let pinned = driver.app.views.compare.pinned.as_ref().unwrap();
    assert_eq!(pinned.target, made::sentence().target);
    // the third one has to run; the shown one stays
    driver.press("Vbeam 3<enter>");
    let Some(Effect::Ask(Request::Run(run))) = driver.asked.last() else { panic!("{:?}", driver.asked) };
    assert_eq!(run.prefix, driver.app.runs.runs()[2].target.ids());
    let mut third = Capture::clone(&made::sentence());
    third.target = driver.app.runs.runs()[2].target.clone();
    driver.act(Action::Engine(Event::Captured(Arc::new(third))));
    assert_eq!(driver.app.capture.as_ref().unwrap().target, driver.app.runs.runs()[1].target);
    assert_eq!(driver.app.run.options.prefix, ids);
    let pinned = driver.app.views.compare.pinned.as_ref().unwrap();
    assert_eq!(pinned.target, driver.app.runs.runs()[2].target);
}

#[test]
fn alternatives_and_forced_targets_become_runs_with_their_probability() {
    let mut driver = Driver::over(made::sentence(), (120, 40));
    driver.press("<ctrl-r>");
    assert!(screen_text(&driver.draw()).contains("search with 4 beams"));
    driver.press("search<enter>");
    let Some(Effect::Ask(Request::Run(run))) = driver.asked.last() else { panic!("{:?}", driver.asked) };
    assert_eq!(run.beams, Some(4));
    driver.act(Action::Engine(Event::Captured(made::sentence())));
    driver.press("jjb<down><enter>");
    let Some(Effect::Ask(Request::Run(run))) = driver.asked.last() else { panic!("{:?}", driver.asked) };
    let row = run.prefix.len() - 1;
    let mut branch = Capture::clone(&made::sentence());
    branch.target.items.remove(row);
    driver.act(Action::Engine(Event::Captured(Arc::new(branch))));
    let runs = driver.app.runs.runs();
    assert_eq!((runs.len(), runs[1].origin), (2, TargetOrigin::Branch { row }));
    let predictions = &made::sentence().predictions;
    let mean: f32 = predictions.iter().map(|p| p.probability.ln()).sum::<f32>() / predictions.len() as f32;
    assert!((runs[0].log_probability.unwrap() - mean).abs() < 1e-6);
    assert_eq!(runs[0].describe(), format!("generated · {mean:.3} nats a token"));
}

#[test]
fn a_predicted_token_beside_the_map_is_taken_by_a_click_and_enter() {
    use attn_tui::tui::layout::Hit;
    use ratatui::crossterm::event::{Event as Input, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
    let mut driver = Driver::over(made::sentence(), (120, 40));
    driver.draw();
    let hits = driver.app.layout.hits.clone();
    let (area, _) = hits.iter().find(|(_, hit)| *hit == Hit::Alternative(1)).expect("a second prediction");
    driver.send(Input::Mouse(MouseEvent {
        kind: MouseEventKind::Down(MouseButton::Left),
        column: area.x,
        row: area.y,
        modifiers: KeyModifiers::NONE,
    }));
    assert!(driver.asked.is_empty());
    driver.press("<enter>");
    let Some(Effect::Ask(Request::Run(run))) = driver.asked.last() else { panic!("{:?}", driver.asked) };
    let row = driver.app.selection.target_query;
    let taken = driver.app.capture.as_ref().unwrap().predictions[row].candidates[1].0.id;
    assert_eq!(run.prefix.last(), Some(&taken));
}

#[test]
fn ablations_are_those_of_the_shown_run_even_if_another_ran_since() {
    let (sender, events) = std::sync::mpsc::channel();
    let worker = Worker::spawn(move |event| sender.send(event).unwrap());
    let answer = |request: Request| {
        worker.send(request);
        events.iter().find(|event| !matches!(event, Event::Progress(_))).unwrap()
    };
    answer(Request::Open(OpenOptions { model: "demo".into(), offline: true, ..OpenOptions::default() }));
    let run = |source: &str| RunOptions { source: source.into(), ..RunOptions::default() };
    let shown = run("The old house is very big.");
    let off = vec![Ablation::Head(Head::new(Kind::Cross, 2, 4))];
    let without = Request::Ablate(RunOptions { ablations: off, forced_only: true, ..shown.clone() });
    let Event::Captured(capture) = answer(Request::Run(shown)) else { panic!("no capture") };
    let Event::Ablated(expected) = answer(without.clone()) else { panic!("no outcome") };
    assert_eq!((expected.forced.len(), &expected.generated), (capture.target.len(), &None));
    assert!(matches!(answer(Request::Run(run("I have a red car."))), Event::Captured(_)));
    let Event::Ablated(again) = answer(without) else { panic!("no outcome") };
    assert_eq!(again, expected);
}
