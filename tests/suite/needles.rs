//! Needles: sentences planted in long sources, and the heads that read them.

use std::process::Command;

use attn_tui::analysis::needles::cross_scores;
use attn_tui::axis::AxisItem;
use attn_tui::engine::{Haystack, Needle, RunOptions};
use attn_tui::progress::Unwatched;
use attn_tui::site::Kind;
use serde_json::Value;

use crate::evidence::session;

fn filler() -> Vec<String> {
    ["The house is old.", "A cat sleeps.", "We have two books."].map(String::from).to_vec()
}

/// The text of some items, without marks of word boundaries.
fn text(items: &[AxisItem]) -> String {
    items.iter().map(|item| item.piece.replace(['▁', 'Ġ'], " ")).collect::<String>().trim().to_string()
}

#[test]
fn the_needle_is_where_it_was_planted() {
    // Byte-level, SentencePiece with and without language tags.
    for name in ["t5", "bart", "m2m_100", "pegasus"] {
        let session = session(name);
        let needle = Needle::plain("The woman is very tired.");
        let run = RunOptions::default();
        let alone = session.source(&RunOptions { source: needle.text.clone(), ..run.clone() }).unwrap();
        let alone: Vec<AxisItem> = alone.items().iter().filter(|item| !item.special).cloned().collect();
        let mut starts = Vec::new();
        for depth in [0.0, 0.5, 1.0] {
            let Haystack { run, needle: at, length } =
                session.haystack(&filler(), &needle, 60, depth, &run).unwrap();
            let source = session.source(&run).unwrap();
            assert_eq!(source.items().len(), length, "{name}");
            assert!((45..=60).contains(&length), "{name}: {length}");
            assert_eq!(text(&source.items()[at.clone()]), text(&alone), "{name} at depth {depth}");
            assert_eq!(run.target.as_deref(), Some(needle.text.as_str()));
            starts.push(at.start);
        }
        assert!(starts[0] <= 1 && starts[0] < starts[1] && starts[1] < starts[2], "{name}: {starts:?}");
    }
}

#[test]
fn a_template_stands_around_the_filler() {
    let session = session("t5");
    let needle = Needle {
        text: "The code is red.".into(),
        target: "red".into(),
        template: "question: which code? context: {context}".into(),
    };
    let haystack = session.haystack(&filler(), &needle, 50, 0.0, &RunOptions::default()).unwrap();
    assert!(haystack.run.source.starts_with("question: which code? context: The code is red. The house"));
    let source = session.source(&haystack.run).unwrap();
    assert_eq!(text(&source.items()[haystack.needle]), "The code is red.");
    let refused = |needle: &Needle, filler: &[String], length| {
        session.haystack(filler, needle, length, 0.0, &RunOptions::default()).unwrap_err().to_string()
    };
    assert!(refused(&needle, &filler(), 5).contains("no room"));
    assert!(refused(&needle, &[], 50).contains("no filler"));
    let bare = Needle { template: "no place".into(), ..needle.clone() };
    assert!(refused(&bare, &filler(), 50).contains("{context}"));
}

fn needles(arguments: &[&str]) -> std::process::Output {
    let arguments = [&["needles", "demo", "--threads", "2"], arguments].concat();
    Command::new(env!("CARGO_BIN_EXE_attn-tui")).args(arguments).output().unwrap()
}

#[test]
fn the_command_scores_every_head_at_every_length_and_depth() {
    let folder = tempfile::tempdir().unwrap();
    let templates = folder.path().join("needles.jsonl");
    std::fs::write(&templates, "{\"needle\": \"The cat is sleeping.\", \"target\": \"Le chat dort.\"}\n")
        .unwrap();
    let path = templates.to_str().unwrap();
    let output = needles(&["--lengths", "40,64", "--depths", "0,1", "--templates", path, "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["schema"], "attn-tui needles 1");
    let rows = json["rows"].as_array().unwrap();
    // 18 heads of the encoder and 18 of cross-attention.
    assert_eq!(rows.len(), 36 * 4);
    assert!(rows.iter().all(|row| row["needles"] == 1));
    assert!(rows.iter().filter(|row| row["kind"] == "encoder").all(|row| row["retrieval"].is_null()));

    // The same run through the library gives the same numbers.
    let options = attn_tui::engine::OpenOptions { model: "demo".into(), ..Default::default() };
    let attn_tui::engine::Opened::Model(session) = attn_tui::engine::open(&options, &Unwatched).unwrap()
    else {
        panic!("the demo is a model")
    };
    let best = rows
        .iter()
        .filter(|row| row["kind"] == "cross" && row["length"] == 40 && row["depth"] == 0.0)
        .max_by(|a, b| a["mass"].as_f64().unwrap().total_cmp(&b["mass"].as_f64().unwrap()))
        .unwrap();
    let lines: Vec<String> =
        vec!["The train left the station a few minutes late and nobody seemed to mind.".into()];
    let needle = Needle { target: "Le chat dort.".into(), ..Needle::plain("The cat is sleeping.") };
    let haystack = session.haystack(&lines, &needle, 22, 0.0, &RunOptions::default()).unwrap();
    let capture = session.run(&haystack.run, &Unwatched).unwrap();
    // A sentence that is read for its translation draws most of the weight of an aligning head.
    let mass = capture
        .heads_of(Kind::Cross)
        .into_iter()
        .map(|head| {
            let map = capture.map(head).unwrap();
            cross_scores(&map, &haystack.needle, &capture.source.items, &capture.target.items).mass
        })
        .fold(0.0, f32::max);
    assert!(mass > 0.7 && best["mass"].as_f64().unwrap() > 0.5, "{mass} {best}");
}

#[test]
fn the_model_may_write_itself() {
    let folder = tempfile::tempdir().unwrap();
    let templates = folder.path().join("needles.txt");
    std::fs::write(&templates, "The cat is sleeping.\n{\"needle\": \"We have two books.\"}\n").unwrap();
    let path = templates.to_str().unwrap();
    let common = ["--lengths", "32", "--depths", "0", "--templates", path, "--json"];
    let rows = |more: &[&str]| {
        let output = needles(&[&common[..], more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        json["rows"].as_array().unwrap().clone()
    };
    let (forced, written) = (rows(&[]), rows(&["--generate", "--beams", "1"]));
    assert_eq!((forced.len(), written.len()), (36, 36));
    assert!(forced.iter().all(|row| row["needles"] == 2 && row.get("recall").is_none()));
    // A translation has none of the English words.
    assert!(written.iter().all(|row| row["recall"].as_f64().unwrap() < 0.5));
    assert_ne!(forced[20]["mass"], written[20]["mass"]);
}

#[test]
fn the_table_names_the_best_head_and_wrong_input_is_told() {
    let output = needles(&["--lengths", "48", "--depths", "0.5", "--top", "2"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("retrieval score of cross."), "{text}");
    assert!(text.contains("kind") && text.contains("mass_ratio"), "{text}");
    for (arguments, says) in [
        (&["--lengths", "0"][..], "number of tokens"),
        (&["--depths", "2"][..], "from 0 to 1"),
        (&["-s", "text"][..], "makes its own texts"),
        (&["--lengths", "3"][..], "no room"),
        (&["--lengths", "32", "--head", "9.9"][..], "no such head"),
        (&["--templates", "/nowhere.jsonl"][..], "nowhere.jsonl"),
    ] {
        let output = needles(arguments);
        assert!(!output.status.success(), "{arguments:?}");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains(says), "{arguments:?}: {error}");
    }
}
