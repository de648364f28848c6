//! Commands and the explorer over pictures.

use std::path::Path;
use std::sync::Arc;

use attn_tui::config::PixelProtocol;
use attn_tui::engine::{Event, ImageOptions, OpenOptions, Opened, Request, RunOptions, open};
use attn_tui::error::Error;
use attn_tui::image::{Resampling, resize};
use attn_tui::paint::overlay;
use attn_tui::progress::Unwatched;
use attn_tui::scan::Scan;
use attn_tui::site::{Head, Kind};
use attn_tui::tui::action::{Action, Effect};
use attn_tui::tui::cache::Cache;
use attn_tui::tui::pixels::{PaintedPicture, PixelGraphics, paint};
use ratatui::buffer::Buffer;
use serde_json::{Value, json};

use crate::scans::texts;
use crate::screens::{Driver, screen_text};
use crate::vision::{decoded, program, root};

#[test]
fn covering_a_word_costs_its_letters() {
    // The last word of the built-in picture.
    let word = "88,0,72,32";
    let (good, out, err) = program(&["knockout", "demo-ocr", "--cover", word, "--json"]);
    assert!(good, "{err}");
    let rows: Value = serde_json::from_str(&out).unwrap();
    let drop = |at: usize| rows[at]["drop"].as_f64().unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 15);
    let word: f64 = (9..15).map(drop).sum();
    assert!(word > 5.0 && drop(0).abs() < 1.0, "{out}");
    let (good, out, err) = program(&["show", "demo-ocr", "--cover", "0,0,320,32"]);
    assert!(good && !out.contains("bridge"), "{out} {err}");
    for (arguments, why) in [
        (vec!["show", "demo-ocr", "--cover", "400,0,8,8"], "outside of bridge.png, which has 320 x 32"),
        (vec!["show", "demo-ocr", "--cover", "1,2,3"], "left, top, width, height"),
        (vec!["knockout", "demo-ocr", "--cover", "0,0,8,8", "--kind", "cross"], "one by one"),
        (vec!["show", "demo", "--cover", "0,0,8,8"], "cannot see a picture"),
    ] {
        let (good, _, err) = program(&arguments);
        assert!(!good && err.contains(why), "{arguments:?}: {err}");
    }
}

#[test]
fn two_pictures_are_compared_patch_by_patch() {
    let (good, out, err) = program(&["compare", "demo-ocr", "--with-image", "demo-ocr/key.png", "--json"]);
    assert!(good, "{err}");
    let heads: Value = serde_json::from_str(&out).unwrap();
    let heads = &heads["rows"];
    assert_eq!(heads.as_array().unwrap().len(), 60);
    let change = heads[0]["divergence"].as_f64().unwrap();
    assert!((0.3..=2f64.ln()).contains(&change), "{out}");
    let (good, out, err) =
        program(&["compare", "demo-ocr", "--with-cover", "88,0,72,32", "--kind", "encoder"]);
    assert!(good && out.lines().count() == 25, "{out} {err}");
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (good, _, err) = program(&["capture", "demo-ocr", "-o", &path("a.safetensors")]);
    assert!(good, "{err}");
    let with =
        ["compare", "demo-ocr", "--image", "demo-ocr/bridge.png", "--with", &path("a.safetensors"), "--csv"];
    let (good, out, err) = program(&with);
    let same =
        |line: &str| line.rsplit_once(',').is_some_and(|(_, change)| change.parse::<f32>().unwrap() < 1e-4);
    assert!(good && out.lines().skip(1).all(same), "{out} {err}");
}

/// The explorer over the built-in reader's first picture.
fn seeing(size: (u16, u16)) -> Driver {
    let options = OpenOptions { model: "demo-ocr".into(), offline: true, ..OpenOptions::default() };
    let Opened::Model(session) = open(&options, &Unwatched).unwrap() else { panic!("a model") };
    let run = RunOptions { predictions: true, profiles: true, ..RunOptions::default() };
    let mut driver = Driver::new(size);
    driver.act(Action::Engine(Event::Opened(Box::new(session.info().clone()))));
    driver.act(Action::Engine(Event::Captured(Arc::new(session.run(&run, &Unwatched).unwrap()))));
    driver.app.selection.head = Head::new(Kind::Cross, 2, 2);
    driver.app.selection.set_query(9);
    driver.asked.clear();
    driver
}

#[test]
fn grid_lights_the_picture_by_each_head() {
    let mut driver = seeing((120, 40));
    driver.press("3");
    let buffer = driver.draw();
    let text = screen_text(&buffer);
    assert!(text.contains("where each looks for b → r") && text.contains("local 0."), "{text}");
    assert!(!text.contains("far 0."), "{text}");
    // The patch at 104,0 takes nearly all of the weight of head 2.2 in this row.
    let scale = driver.app.theme.colormap;
    let bright = driver.app.theme.rgb(scale.color(1.0));
    let cells = |buffer: &Buffer| buffer.content.iter().filter(|cell| cell.symbol() == "▀").count();
    assert!(cells(&buffer) >= 18 * 18, "small pictures: {}", cells(&buffer));
    assert!(buffer.content.iter().all(|cell| cell.fg != bright), "strokes stay visible under the colour");
    driver.press("4");
    let text = screen_text(&driver.draw());
    assert!(text.contains("by locality") && text.contains("spread"), "{text}");
    driver.press("5");
    let text = screen_text(&driver.draw());
    assert!(text.contains("– ") && text.contains("self-attention beyond"), "{text}");
}

#[test]
fn a_key_covers_a_patch_and_runs_again() {
    let mut driver = seeing((120, 40));
    let patch = driver.app.capture.as_ref().unwrap().source.items[14].place().unwrap();
    driver.app.selection.source_key = 14;
    driver.press("_");
    let asked = |driver: &Driver| match driver.asked.last() {
        Some(Effect::Ask(Request::Run(run))) => run.image.clone().unwrap(),
        other => panic!("{other:?}"),
    };
    let image = asked(&driver);
    assert_eq!((image.covered.as_slice(), image.path.to_str()), (&[patch][..], Some("demo-ocr/bridge.png")));
    assert!(driver.app.views.compare.pinned.is_some());
    driver.press("_");
    assert!(asked(&driver).covered.is_empty(), "the second time uncovers it");
    driver.app.selection.source_key = 0;
    driver.press("_");
    assert!(driver.app.notice.as_ref().unwrap().contains("only a patch"), "{:?}", driver.app.notice);
}

#[test]
fn a_patch_is_covered_only_while_a_run_shows_it() {
    let mut driver = seeing((120, 40));
    let covered = |driver: &Driver| driver.app.run.options.image.as_ref().unwrap().covered.len();
    driver.app.selection.source_key = 14;
    for end in [Event::Failed(Error::Text("no".into())), Event::Cancelled] {
        driver.press("_");
        assert_eq!(covered(&driver), 1);
        driver.act(Action::Engine(end));
        assert_eq!(covered(&driver), 0, "the run did not come about");
        driver.app.overlays.clear();
    }
    driver.press("_");
    driver.press("_");
    driver.press("_");
    driver.act(Action::Engine(Event::Cancelled));
    assert_eq!(covered(&driver), 1, "a newer run goes on");
}

#[test]
fn patching_says_that_it_is_for_texts() {
    let mut driver = seeing((120, 40));
    driver.press("9");
    let text = screen_text(&driver.draw());
    assert!(text.contains("this model sees") && text.contains("_ covers the selected patch"), "{text}");
    driver.press("@");
    assert!(driver.app.overlays.is_empty());
    assert_eq!(driver.app.notice.as_deref(), Some("only runs on texts are patched"));
}

#[test]
fn the_picture_is_drawn_in_pixels_with_its_weights() {
    let mut driver = seeing((120, 40));
    driver.app.pixels =
        PixelGraphics { choice: PixelProtocol::Kitty, cell: Some((10, 20)), ..PixelGraphics::default() };
    driver.press("2");
    driver.draw();
    let [shown] = &driver.app.layout.pictures[..] else { panic!("{:?}", driver.app.layout.pictures) };
    let area = shown.area();
    let PaintedPicture::Rgb(painted) = paint::paint(&driver.app, &mut Cache::default(), shown).unwrap()
    else {
        panic!("any colours")
    };
    assert_eq!(
        (painted.width(), painted.height()),
        (usize::from(area.width) * 10, usize::from(area.height) * 20)
    );
    let capture = driver.app.capture.clone().unwrap();
    let original =
        resize(capture.picture.as_ref().unwrap(), painted.width(), painted.height(), Resampling::Bilinear);
    let scale = painted.width() as f64 / 320.0;
    let middle = |at: usize| {
        let [x, y] = capture.source.items[at].place().unwrap().centre();
        ((x * scale) as usize, (y * scale) as usize)
    };
    let theme = &driver.app.theme;
    let map = capture.map(driver.app.selection.head).unwrap();
    let row = map.row(9);
    let largest = row.iter().copied().fold(0.0, f32::max);
    for at in [14, 40, 60] {
        let (x, y) = middle(at);
        let level =
            driver.app.reading.scale.unit(row[at], driver.app.reading.scale.top(largest, largest, 81));
        let wanted = overlay(original.pixel(x, y), theme.weight_color(level), level);
        assert_eq!(painted.pixel(x, y), wanted, "patch {at}");
    }
    driver.press("<ctrl-g>");
    driver.draw();
    assert!(driver.app.layout.pictures.is_empty(), "cells were asked for");
}

#[test]
fn commands_take_pictures() {
    let model = root().join("vit-trocr/model").display().to_string();
    let line = root().join("line.png").display().to_string();
    let run = |command: &[&str], more: &[&str]| {
        let arguments = [command, &[&model, "--image", &line, "-t", "ab"], more].concat();
        let (good, out, err) = program(&arguments);
        assert!(good, "{arguments:?}: {err}");
        out
    };
    let map = run(&["show"], &["--kind", "cross", "--layer", "1", "--head", "0"]);
    assert!(map.contains("[CLS]") && map.contains("</s>"), "{map}");
    assert!(run(&["heads"], &["--csv"]).lines().count() > 10);
    run(&["links"], &["--json"]);
    run(&["rollout"], &["--json"]);
    run(&["knockout"], &["--kind", "cross", "--csv"]);
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("list.jsonl");
    std::fs::write(&list, format!("{}\n", json!({"image": line, "target": "ab"}))).unwrap();
    let (good, out, err) = program(&["heads", &model, "--source-file", &list.display().to_string(), "--csv"]);
    assert!(good && out.lines().count() > 10, "{err}");
    let (good, _, err) = program(&["show", &model, "-s", "text", "--kind", "cross"]);
    assert!(!good && err.contains("needs a picture") && err.contains("hint"), "{err}");
    // The example of the built-in model does not stand in for a text.
    std::fs::write(&list, "{\"source\": \"a text\"}\n").unwrap();
    let lines = list.display().to_string();
    for arguments in [["show", "demo-ocr", "-s", "a text"], ["heads", "demo-ocr", "--source-file", &lines]] {
        let (good, _, err) = program(&arguments);
        assert!(!good && err.contains("needs a picture"), "{arguments:?}: {err}");
    }
}

#[test]
fn the_built_in_reader_reads_its_pictures() {
    let options = OpenOptions { model: "demo-ocr".into(), offline: true, ..OpenOptions::default() };
    let Opened::Model(session) = open(&options, &Unwatched).unwrap() else { panic!("a model") };
    // Greedy ids of transformers 5.24.
    for (path, text, ids) in [
        (None, "The old bridge", "55 75 72 224 82 79 71 224 69 85 76 71 74 72 2"),
        (
            Some("demo-ocr/key.png"),
            "Where is my key?",
            "58 75 72 85 72 224 76 86 224 80 92 224 78 72 92 34 2",
        ),
    ] {
        let image = path.map(|path| ImageOptions { path: path.into(), ..ImageOptions::default() });
        let run = RunOptions { image, ..RunOptions::default() };
        let capture = session.run(&run, &Unwatched).unwrap();
        assert_eq!(capture.target.text, text);
        let found: Vec<String> = capture.target.ids().iter().map(u32::to_string).collect();
        assert_eq!(found.join(" "), ids, "{text}");
        assert_eq!(capture.media.unwrap().size, Some([320, 32]));
    }
}

#[test]
fn words_of_a_picture_have_boxes_from_left_to_right() {
    let (good, out, err) = program(&["align", "demo-ocr", "--json"]);
    assert!(good, "{err}");
    let words: Value = serde_json::from_str(&out).unwrap();
    let words = words.as_array().unwrap();
    let text: Vec<&str> = words.iter().map(|word| word["word"].as_str().unwrap()).collect();
    assert_eq!(text, ["The", "old", "bridge"]);
    let lefts: Vec<f64> = words.iter().map(|word| word["point_x"].as_f64().unwrap()).collect();
    assert!(lefts.is_sorted(), "{lefts:?}");
    for word in words {
        let [x, w] = ["x", "w"].map(|side| word[side].as_f64().unwrap());
        assert!(x >= 0.0 && w > 0.0 && x + w <= 320.0, "{word}");
        assert!((0.0..=1.0).contains(&word["confidence"].as_f64().unwrap()), "{word}");
    }
    let (good, out, _) = program(&["align", "demo-ocr", "--format", "hocr"]);
    assert!(good && out.contains("ocrx_word") && out.contains("bbox 0 0 320 32"), "{out}");
    let folder = tempfile::tempdir().unwrap();
    let gold = folder.path().join("gold.json").display().to_string();
    std::fs::write(&gold, serde_json::to_string(words).unwrap()).unwrap();
    let (good, out, err) = program(&["align", "demo-ocr", "--gold", &gold, "--csv"]);
    assert!(good && out.lines().skip(1).all(|line| line.ends_with(",1")), "{out} {err}");
    let (good, out, _) = program(&["align", "demo-ocr", "--gold", &gold, "--per-head", "--csv"]);
    assert!(good && out.starts_with("layer,head,locality,iou") && out.lines().count() == 19, "{out}");
    let (good, _, err) = program(&["align", "demo-ocr", "--format", "srt"]);
    assert!(!good && err.contains("this is a picture"), "{err}");
}

#[test]
fn boxes_and_rows_are_drawn_over_the_picture() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    for name in ["words.svg", "words.png", "words.html"] {
        let (good, _, err) = program(&["align", "demo-ocr", "-o", &path(name)]);
        assert!(good, "{name}: {err}");
    }
    let svg = std::fs::read_to_string(path("words.svg")).unwrap();
    assert!(svg.contains("data:image/png;base64,") && svg.contains(">bridge</text>"));
    // The frame, the picture and a box for each of three words.
    assert_eq!(svg.matches("fill=\"none\" stroke").count(), 3);
    let page = std::fs::read_to_string(path("words.html")).unwrap();
    assert!(page.contains("<span id=\"w2\"") && page.contains("id=\"b2\"") && !page.contains("<script"));
    let png = decoded(Path::new(&path("words.png"))).unwrap().picture;
    assert!(png.width() > 1280 && png.height() > 128, "{png:?}");
    let row = ["--kind", "cross", "--layer", "1", "--head", "5", "--query", "2", "-o"];
    let (good, _, err) = program(&[&["export", "demo-ocr"], &row[..], &[&path("row.svg")]].concat());
    assert!(good, "{err}");
    let svg = std::fs::read_to_string(path("row.svg")).unwrap();
    assert!(svg.contains("data:image/png;base64,") && svg.contains("[CLS]"));
}

#[test]
fn a_bad_picture_or_a_text_is_an_error_of_its_row_alone() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad.png");
    std::fs::write(&bad, "no picture").unwrap();
    let good = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/vision/line.png");
    let rows = [
        serde_json::json!({"image": good}),
        serde_json::json!({"image": bad}),
        serde_json::json!({"source": "a text"}),
        serde_json::json!({"image": good}),
    ];
    let file = folder.path().join("rows.jsonl");
    std::fs::write(&file, rows.map(|row| row.to_string()).join("\n")).unwrap();
    let out = folder.path().join("scan");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_attn-tui"));
    command
        .args(["scan", "demo-ocr", "--max-new-tokens", "4", "--source-file"])
        .arg(&file)
        .arg("-o")
        .arg(&out);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let errors = texts(&Scan::open(&out).unwrap(), "sentences", "error");
    let [None, Some(picture), Some(text), None] = errors.as_slice() else { panic!("{errors:?}") };
    assert!(picture.contains("bad.png"), "{picture}");
    assert!(text.contains("needs a picture"), "{text}");

    // The scan is continued where the last row has the same picture, and refused where it has another.
    let append = |row: serde_json::Value| {
        let rows = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("{rows}\n{row}")).unwrap();
    };
    append(serde_json::json!({"image": bad}));
    append(serde_json::json!({"image": good}));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(texts(&Scan::open(&out).unwrap(), "sentences", "error").len(), 6);
    let rows = std::fs::read_to_string(&file).unwrap();
    let (before, _) = rows.rsplit_once('\n').unwrap();
    std::fs::write(&file, format!("{before}\n{}", serde_json::json!({"image": bad}))).unwrap();
    let output = command.output().unwrap();
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && why.contains("another"), "{why}");
}
