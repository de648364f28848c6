//! Captures within a memory budget: maps that do not fit are recomputed, with equal results.

use std::cell::Cell;
use std::process::Command;
use std::sync::Arc;

use attn_tui::analysis::MapAxes;
use attn_tui::analysis::links::{LinkFilter, StrongLinks, links};
use attn_tui::analysis::metrics::{HeadMetrics, head_metrics, metrics};
use attn_tui::analysis::profile::{HeadProfile, ProfileAxes, STRONG_WEIGHT, THUMBNAIL};
use attn_tui::axis::{AxisItem, Sequence};
use attn_tui::capture::{Capture, MapStore, ReadOptions, SiteMaps, read_with};
use attn_tui::engine::{OpenOptions, Opened, RunOptions, open};
use attn_tui::nn::{CompactMaps, Visible};
use attn_tui::paint::{Pool, Region, pool};
use attn_tui::progress::Unwatched;
use attn_tui::site::{Kind, Site};
use attn_tui::tui::render::{RenderJob, RenderRequest, render};

/// Options with a limit on the memory for maps.
fn within(memory: Option<usize>) -> ReadOptions {
    ReadOptions { memory, ..ReadOptions::default() }
}

fn run(model: &str, source: &str, memory: Option<usize>) -> Capture {
    let options = OpenOptions { model: model.into(), offline: true, memory, ..OpenOptions::default() };
    let Opened::Model(session) = open(&options, &Unwatched).unwrap() else { panic!("a model") };
    let options = RunOptions {
        source: source.into(),
        target: Some("le chat dort dans le jardin".into()),
        profiles: true,
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
        assert!(bytes > 0 && large.maps.sites().all(|(_, maps)| maps.compact().is_none()));
        for budget in [0, 5000, bytes / 2] {
            let small = run(model, source, Some(budget));
            assert!(small.maps.sites().any(|(_, maps)| maps.compact().is_some()), "{model} in {budget}");
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

/// Compares every head's profile from the forward pass with the profile of its map.
#[test]
fn profiles_of_the_pass_are_those_of_the_maps() {
    let words = "the cat , which sleeps in the garden behind the old house , is the cat of the neighbours . ";
    let long = words.repeat(6);
    let fixture = |name: &str| format!("tests/fixtures/models/{name}/model");
    let mut seen = 0;
    for (model, source) in [
        ("demo".to_string(), words),
        ("demo".into(), &long),
        (fixture("t5"), words),
        (fixture("longt5-local"), &long),
        (fixture("longt5-tglobal"), &long),
    ] {
        for memory in [Some(0), None] {
            let capture = run(&model, source, memory);
            for head in capture.all_heads() {
                let maps = capture.maps.site(head.site).unwrap();
                let Some(profile) = maps.profile(head.head) else { continue };
                seen += 1;
                let kind = head.kind();
                let map = capture.map(head).unwrap();
                let context = MapAxes::new(kind, capture.queries(kind), capture.keys(kind));
                for far in [0.0, 4.0, 30.0] {
                    let (ours, theirs) = (metrics(profile, &context, far), head_metrics(&map, &context, far));
                    for column in HeadMetrics::COLUMNS.iter().filter(|column| column.name != "gini") {
                        let (a, b) = (ours.get(column.name), theirs.get(column.name));
                        let near = match (a, b) {
                            // the text repeats itself: keys with equal weights differ only by rounding
                            (Some(a), Some(b)) if column.name == "sink_key" => {
                                let got = |key: f32| profile.received[key as usize];
                                (got(a) - got(b)).abs() <= 1e-6 * got(b)
                            }
                            (Some(a), Some(b)) => (a - b).abs() <= 1e-5 * b.abs().max(1.0),
                            _ => a == b,
                        };
                        assert!(near, "{model} {head} {}: {a:?} and {b:?}", column.name);
                    }
                }
                for row in 0..map.rows() {
                    let max = map.row(row).iter().copied().fold(0.0, f32::max);
                    assert!((profile.row_max[row] - max).abs() < 1e-6, "{model} {head} row {row}");
                }
                for (how, picture) in
                    [(Pool::Max, profile.max_thumbnail()), (Pool::Mean, profile.mean_thumbnail())]
                {
                    let pooled = pool(&map, &Region::whole(&map), THUMBNAIL, THUMBNAIL, how);
                    assert_eq!((picture.rows(), picture.cols()), (pooled.rows(), pooled.cols()));
                    for (a, b) in picture.as_slice().iter().zip(pooled.as_slice()) {
                        assert!((a - b).abs() < 1e-6, "{model} {head} {how:?}: {a} and {b}");
                    }
                }
                for min_distance in [1.0, 5.0] {
                    let filter =
                        LinkFilter { min_distance, min_weight: STRONG_WEIGHT, ..LinkFilter::default() };
                    let ours =
                        StrongLinks::new(&context, [profile.rows, profile.keys], &filter).of(head, profile);
                    let theirs = links([(head, map.clone(), context)], &filter);
                    let places = |links: &[attn_tui::analysis::links::Link]| -> Vec<_> {
                        links.iter().map(|link| (link.query, link.key)).collect()
                    };
                    assert_eq!(places(&ours), places(&theirs), "{model} {head}");
                }
            }
        }
    }
    assert!(seen > 200, "{seen} profiles");
}

/// A number of tokens for which maps take too long to be computed between two frames.
const LONG: usize = 2100;

/// Makes a cross-attention head of [`LONG`] x [`LONG`] tokens that is recomputed from queries and keys.
fn long(budget: usize) -> Arc<Capture> {
    let noise = |step: f32| (0..LONG * 8).map(|at| (at as f32 * step).sin() * 2.0).collect::<Vec<f32>>();
    let compact = CompactMaps {
        heads: 1,
        key_heads: 1,
        queries: LONG,
        keys: LONG,
        width: 8,
        scale: 0.7,
        softcap: None,
        visible: Visible::All,
        bias: None,
        extra: None,
        part: Default::default(),
        masked: Vec::new(),
        query: noise(0.37),
        key: noise(0.91),
    };
    let tokens: Vec<AxisItem> =
        (0..LONG).map(|at| AxisItem::token(at as u32, format!("▁t{at}"), false)).collect();
    let axes = Arc::new(ProfileAxes::new(Kind::Cross, [LONG, LONG], &tokens));
    let profile = HeadProfile::of_compact(&compact, 0, &axes);
    let mut maps = MapStore::within(Some(budget));
    maps.insert(Site::new(Kind::Cross, 0), SiteMaps::of(compact).with_profiles(vec![profile]));
    Arc::new(Capture {
        model: "long".into(),
        model_type: "long".into(),
        architecture: Default::default(),
        source: Sequence { text: String::new(), items: tokens.clone() },
        target: Sequence { text: String::new(), items: tokens.clone() },
        decoder_input: tokens,
        predictions: Vec::new(),
        logits: None,
        maps,
        values: Default::default(),
        weights: Default::default(),
        media: None,
        picture: None,
        int8_target: false,
        beams: Vec::new(),
        session: None,
        sampled: None,
        sound: None,
        alignment_heads: Vec::new(),
        notes: Vec::new(),
    })
}

#[test]
fn missing_rows_of_a_large_map_are_computed_in_the_background() {
    let whole = LONG * LONG * 4;
    let head = Site::new(Kind::Cross, 0).head(0);
    let map = long(whole).map(head).unwrap();
    // the budget has room for the map: the visible rows come first, then all rows
    let capture = long(whole);
    assert!(!capture.maps.is_there(head) && capture.maps.fits(head));
    assert_eq!(capture.maps.rows(head, 700..760).unwrap(), map.part(700..760));
    assert_eq!(capture.maps.held(), 0);
    let job = |capture: &Arc<Capture>, picture| RenderJob {
        request: RenderRequest { serial: 1, head, picture },
        capture: Arc::clone(capture),
    };
    let asked = Cell::new(0);
    let until = |count: usize| {
        asked.set(0);
        let asked = &asked;
        move || asked.replace(asked.get() + 1) < count
    };
    // a cancelled request stores no map
    render(&job(&capture, None), until(1), |_| true);
    assert!(asked.get() == 2 && !capture.maps.is_there(head));
    render(&job(&capture, None), || true, |_| true);
    assert!(capture.maps.is_there(head) && capture.maps.held() == whole);
    assert_eq!(capture.map(head).unwrap(), map);
    // no room for the map: the cells of a window are computed row by row
    let capture = long(whole - 1);
    assert!(!capture.maps.fits(head));
    for how in [Pool::Max, Pool::Mean] {
        for window in [Region::new(0..LONG, 0..LONG), Region::new(33..1900, 100..2000)] {
            let expected = pool(&map, &window, 113, 190, how);
            let mut parts = Vec::new();
            render(
                &job(&capture, Some((window, (113, 190), how))),
                || true,
                |part| {
                    parts.push(part);
                    true
                },
            );
            let last = parts.pop().unwrap();
            assert!(last.complete && parts.iter().all(|part| !part.complete));
            assert_eq!(last.rows.unwrap(), expected);
        }
    }
    let picture = Some((Region::new(0..LONG, 0..LONG), (60, 60), Pool::Max));
    render(&job(&capture, picture), until(2), |part| {
        assert!(!part.complete, "all of it after two pieces");
        true
    });
    assert_eq!(capture.maps.held(), 0);
}

#[test]
fn maps_stay_in_the_file_if_they_exceed_the_budget() {
    let path = std::path::Path::new("tests/fixtures/captures/demo.safetensors");
    let whole = read_with(path, &within(Some(1 << 30))).unwrap();
    assert!(whole.maps.held() > 0);
    for budget in [0, whole.maps.held() / 2] {
        let small = read_with(path, &within(Some(budget))).unwrap();
        for head in whole.all_heads() {
            let map = whole.map(head).unwrap();
            assert_eq!(small.map(head).unwrap(), map);
            assert_eq!(small.maps.rows(head, 1..3).unwrap(), map.part(1..3));
            assert!(small.maps.held() <= budget, "{} of {budget} bytes", small.maps.held());
        }
        for (site, maps) in whole.maps.sites() {
            assert_eq!(small.maps.site(site).unwrap().data(), maps.data());
        }
    }
    // a file with an invalid weight is refused either way
    let mut bytes = std::fs::read(path).unwrap();
    let at = bytes.len() - 4;
    bytes[at..].copy_from_slice(&7f32.to_le_bytes());
    let folder = tempfile::tempdir().unwrap();
    let wrong = folder.path().join("wrong.safetensors");
    std::fs::write(&wrong, bytes).unwrap();
    let why = |memory| read_with(&wrong, &within(Some(memory))).unwrap_err().to_string();
    assert_eq!(why(0), why(1 << 30));
    assert!(why(0).contains("sums to"), "{}", why(0));
}

#[test]
fn export_converts_between_layouts() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(format!("{name}.safetensors"));
    let export = |model: &str, name: &str, more: &[&str]| {
        let program = Command::new(env!("CARGO_BIN_EXE_attn-tui"))
            .args(["export", model, "--output", path(name).to_str().unwrap()])
            .args(more)
            .output()
            .unwrap();
        (program.status.code(), String::from_utf8(program.stderr).unwrap())
    };
    let text = ["--source", "the cat sleeps", "--target", "le chat dort"];
    let compact = [&text[..], &["--layout", "compact"]].concat();
    assert_eq!(export("demo", "plain", &text).0, Some(0));
    assert_eq!(export("demo", "compact", &compact).0, Some(0));
    let compact = path("compact");
    let compact = compact.to_str().unwrap();
    assert_eq!(export(compact, "back", &[]).0, Some(0));
    assert_eq!(export(compact, "again", &["--layout", "compact"]).0, Some(0));
    let open = |name: &str| read_with(&path(name), &within(None)).unwrap();
    let plain = open("plain");
    for (name, compact) in [("compact", true), ("back", false), ("again", true)] {
        let capture = open(name);
        assert!(capture.maps.sites().all(|(_, maps)| maps.compact().is_some() == compact), "{name}");
        for head in plain.all_heads() {
            let (found, expected) = (capture.map(head).unwrap(), plain.map(head).unwrap());
            for (a, b) in found.as_slice().iter().zip(expected.as_slice()) {
                assert!((a - b).abs() < 1e-6, "{name} {head}: {a} and {b}");
            }
        }
    }
    let (code, why) = export(path("plain").to_str().unwrap(), "none", &["--layout", "compact"]);
    assert!(code == Some(2) && why.contains("holds only maps"), "{why}");
}
