//! Attention maps in the forms of other programs, and as people save them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use attn_tui::capture::{Capture, ReadOptions, read, read_with};
use attn_tui::error::Error;
use attn_tui::site::{Head, Kind};

/// The map of every sample: rows of three weights.
const ROWS: [[f32; 3]; 3] = [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]];

fn sample(name: &str) -> PathBuf {
    Path::new("tests/fixtures/captures/foreign").join(name)
}

fn opened(name: &str) -> Capture {
    read(&sample(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn rows(capture: &Capture, head: Head) -> Vec<Vec<f32>> {
    let map = capture.map(head).unwrap();
    (0..map.rows()).map(|row| map.row(row).to_vec()).collect()
}

fn pieces(items: &[attn_tui::axis::AxisItem]) -> Vec<&str> {
    items.iter().map(|item| item.piece.as_str()).collect()
}

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_attn-tui")).args(args).output().unwrap()
}

#[test]
fn soft_alignments_of_every_toolkit_open_with_their_tokens() {
    let head = Head::new(Kind::Cross, 0, 0);
    for (name, source, target, count) in [
        ("sockeye.txt", vec!["▁the", "▁house", "</s>"], vec!["▁das", "▁Haus", "</s>"], 3),
        ("nematus-zero-counts.txt", vec!["▁the", "▁house", "</s>"], vec!["▁das", "▁Haus", "</s>"], 3),
        ("fairseq-soft.txt", vec!["▁the", "▁house", "</s>"], vec!["▁das", "▁Haus", "</s>"], 3),
        ("onmtpy-debug.txt", vec!["▁the", "▁house", "</s>"], vec!["▁das", "▁Haus", "</s>"], 3),
        ("ct2.jsonl", vec!["▁the", "▁house", "</s>"], vec!["▁das", "▁Haus", "</s>"], 3),
        ("inseq.json", vec!["▁the", "▁house", "</s>"], vec!["▁das", "▁Haus", "</s>"], 3),
        ("marian-nbest-number.txt", vec!["#0", "#1", "#2"], vec!["▁1984", "</s>"], 2),
        ("marian-source-numbers2.txt", vec!["▁1984", "▁2001", "</s>"], vec!["▁1984", "▁2001", "</s>"], 3),
    ] {
        let capture = opened(name);
        assert_eq!(pieces(&capture.source.items), source, "{name}");
        assert_eq!(pieces(&capture.target.items), target, "{name}");
        let mut expected: Vec<Vec<f32>> = ROWS[..count].iter().map(|row| row.to_vec()).collect();
        if name == "marian-source-numbers2.txt" {
            expected[2] = vec![0.0, 0.0, 1.0];
        }
        assert_eq!(rows(&capture, head), expected, "{name}");
    }
    let second = opened("sockeye.txt@1");
    assert_eq!(rows(&second, head), [[0.6, 0.4], [0.1, 0.9]]);
    assert_eq!(pieces(&second.source.items), ["▁yes", "</s>"]);
    assert!(read(&sample("sockeye.txt@2")).unwrap_err().to_string().contains("sentences 0 to 1, not 2"));
    assert!(opened("inseq.json").notes[0].contains("attention"));
}

#[test]
fn what_is_no_row_of_weights_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let why = |text: &str| {
        let path = folder.path().join("x.txt");
        std::fs::write(&path, text).unwrap();
        read(&path).unwrap_err().to_string()
    };
    assert!(
        why("a b ||| c ||| 12,0.5 0.1,0.2\n").contains("line 1: the alignment: row 0 of head 0 sums to 12.5")
    );
    assert!(why("a ||| -1,2\n").contains("holds -1"));
    assert!(why("a ||| nan,0.5\n").contains("NaN"));
    assert!(why("a ||| 0.5,0.5 1\n").contains("different lengths"));
    assert!(why("\na ||| 0.5,0.5 ||| 0.2,0.8 ||| b\n").contains("line 2: 2 fields could be the weights"));
    assert!(why("0 ||| ja ||| 0 ||| yes ||| 2 2\n0.5 0.5\n").contains("ends within"));
    assert!(why("0 ||| ja ||| 0 ||| yes ||| 2 2\n3 4\n5 6\n").contains("sums to 7"));
    assert!(why("hello\nworld\n").contains("neither a model folder nor a file with attention maps"));
    std::fs::write(folder.path().join("hard"), "0-0 1-1 2-2\n").unwrap();
    assert!(matches!(read(&folder.path().join("hard")).unwrap_err(), Error::OtherFormat { .. }));
}

#[test]
fn arrays_without_a_kind_are_told_by_their_shape() {
    for name in [
        "arr0-4d.npz",
        "stack.npy",
        "tuple.pt",
        "tuple-protocol4.pkl",
        "fortran-protocol5.pkl",
        "fortran-big-endian.npy",
        "layer0.npz",
    ] {
        let capture = opened(name);
        assert_eq!(capture.kinds(), [Kind::Encoder], "{name}");
        assert_eq!((capture.layers(Kind::Encoder), capture.all_heads().len()), (2, 4), "{name}");
        assert_eq!(rows(&capture, Head::new(Kind::Encoder, 1, 1)), ROWS, "{name}");
        assert!(capture.notes[0].contains("read as encoder attention"), "{name}: {:?}", capture.notes);
        let options = ReadOptions { kind: Some(Kind::Cross), ..ReadOptions::default() };
        let cross = read_with(&sample(name), &options).unwrap();
        assert_eq!((cross.kinds(), cross.notes.len()), (vec![Kind::Cross], 0), "{name}");
    }
    let stacked = opened("st-stacked.safetensors");
    assert_eq!((stacked.kinds(), stacked.notes.len()), (vec![Kind::Cross], 0));
    assert_eq!(rows(&stacked, Head::new(Kind::Cross, 1, 0)), ROWS);
}

#[test]
fn steps_of_generation_become_rows_and_one_beam_is_shown() {
    let steps = opened("gen-steps.npz");
    assert_eq!((steps.layers(Kind::Cross), steps.target.len(), steps.source.len()), (2, 3, 3));
    assert_eq!(rows(&steps, Head::new(Kind::Cross, 1, 1)), ROWS);
    let beams = opened("beams.npz");
    assert_eq!((beams.layers(Kind::Cross), beams.all_heads().len()), (2, 4));
    assert!(beams.notes[0].contains("beam or sequence 0 of 3"), "{:?}", beams.notes);
    assert_eq!(rows(&beams, Head::new(Kind::Cross, 0, 0)), ROWS);
    assert!(opened("beams.npz@2").notes[0].contains("beam or sequence 2 of 3"));
    assert!(read(&sample("beams.npz@3")).unwrap_err().to_string().contains("sequences 0 to 2"));
}

#[test]
fn every_form_opens_in_every_command_and_says_how_it_was_read() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("x.safetensors");
    for file in std::fs::read_dir(sample("")).unwrap() {
        let file = file.unwrap().path();
        let name = file.to_str().unwrap();
        for args in [vec!["show", name], vec!["heads", name], vec!["doctor", name]] {
            let output = run(&args);
            assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        let output = run(&["export", name, "--force", "-o", out.to_str().unwrap()]);
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(read(&out).unwrap().all_heads(), read(&file).unwrap().all_heads(), "{name}");
    }
    let file = sample("arr0-4d.npz");
    let output = run(&["show", file.to_str().unwrap()]);
    let notes = String::from_utf8(output.stderr).unwrap();
    assert!(notes.starts_with("note: arr_0 names no kind: [layers, heads, queries, keys]"), "{notes}");
    let output = run(&["show", file.to_str().unwrap(), "--kind", "cross"]);
    assert!(output.status.success() && output.stderr.is_empty());
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("cross.0.0"));
}

#[test]
fn a_table_of_one_map_opens_with_its_labels() {
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        read(&path).unwrap_or_else(|error| panic!("{text}: {error}"))
    };
    let pandas =
        open("a.csv", ",the,house,</s>\ndas,0.7,0.2,0.1\n\"Haus, das\",0.1,0.8,0.1\n</s>,0.2,0.2,0.6\n");
    assert_eq!(pandas.kinds(), [Kind::Cross]);
    assert_eq!(rows(&pandas, Head::new(Kind::Cross, 0, 0)), ROWS);
    assert_eq!(pieces(&pandas.target.items), ["das", "Haus, das", "</s>"]);
    assert_eq!(pieces(&pandas.source.items), ["the", "house", "</s>"]);
    let causal = open("b.tsv", "1\t0\n0.5\t0.5\n");
    assert_eq!(causal.kinds(), [Kind::Decoder]);
    let wide = open("c.txt", "0.5 0.25 0.25\n0.25 0.5 0.25\n");
    assert_eq!(rows(&wide, Head::new(Kind::Cross, 0, 0)), [[0.5, 0.25, 0.25], [0.25, 0.5, 0.25]]);
    let numbered = open("d.csv", ",0,1,2\n0,0.7,0.2,0.1\n1,0.1,0.8,0.1\n2,0.2,0.2,0.6\n");
    assert_eq!(rows(&numbered, Head::new(Kind::Encoder, 0, 0)), ROWS);
}

#[test]
fn padding_is_marked_or_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.csv");
    std::fs::write(&path, "0.5,0.5,0,0\n0.25,0.75,0,0\n").unwrap();
    let marked = read(&path).unwrap();
    assert_eq!(pieces(&marked.source.items), ["#0", "#1", "<pad>", "<pad>"]);
    assert!(marked.source.items[2].special && !marked.source.items[1].special);
    assert!(marked.notes.iter().any(|note| note.contains("last 2 source positions are padding")));
    let options = ReadOptions { trim_padding: true, ..ReadOptions::default() };
    let trimmed = read_with(&path, &options).unwrap();
    assert_eq!(rows(&trimmed, Head::new(Kind::Cross, 0, 0)), [[0.5, 0.5], [0.25, 0.75]]);
    let output = run(&["show", path.to_str().unwrap(), "--trim-padding"]);
    assert!(output.status.success() && String::from_utf8_lossy(&output.stderr).contains("left out"));
}
