//! Vision models whose patches merge (Donut) or vary in number (Pix2Struct): items, maps of windows, commands.

use std::path::Path;

use attn_tui::axis::{AxisItem, PixelBox};
use attn_tui::capture::{Capture, Precision, SiteLayout, read as read_capture, write};
use attn_tui::checkpoint::ModelConfig;
use attn_tui::engine::{ImageOptions, OpenOptions, Opened, RunOptions, open};
use attn_tui::error::Error;
use attn_tui::image::PatchProcessor;
use attn_tui::model::spec_of;
use attn_tui::progress::Unwatched;
use attn_tui::site::{Ablation, Head, Kind, RowEdit, Site};
use serde_json::{Value, json};

use super::vision::{
    PICTURES, difference, fixture, flattened, image, parsed, picture, program, root, run, tensors,
};

fn donut_run() -> RunOptions {
    RunOptions { target: Some("ab".into()), ..run(image("line")) }
}

#[test]
fn patches_in_variable_numbers_are_those_of_the_image_processor() {
    for name in ["pix2struct", "pix2struct-flags-f16"] {
        let settings = parsed(root().join(name).join("model/preprocessor_config.json"));
        let processor = PatchProcessor::read(Some(&settings)).unwrap();
        for page in PICTURES {
            let (expected, _) = tensors(root().join(name).join(format!("{page}.safetensors")));
            let (shape, values) = &expected["pixels"];
            let (grid, values) = flattened(values, shape[1]);
            let found = processor.prepare(&picture(page));
            assert_eq!((found.grid, found.places.len()), (grid, shape[0]), "{name} {page}");
            // Without normalisation values go up to 255.
            let most = values.iter().fold(1f32, |most, value| most.max(value.abs()));
            let off = difference(&found.values, &values) / most;
            assert!(off < 1e-5, "{name} {page} is off by {off}");
        }
    }
}

#[test]
fn items_of_merging_patches_are_those_of_the_last_stage() {
    let session = fixture("donut");
    let capture = session.run(&donut_run(), &Unwatched).unwrap();
    // 54 x 43 pixels in patches of 4, which merge twice: 4 rows of 3. The line is 7 pixels high in the middle.
    assert_eq!(capture.source.len(), 12);
    let places: Vec<_> = capture.source.items.iter().map(|item| item.place()).collect();
    assert!(places[..3].iter().chain(&places[9..]).all(Option::is_none), "{places:?}");
    let place = places[4].unwrap();
    assert!(place.x > 70.0 && place.x + place.w < 160.0 && place.h > 20.0, "{place:?}");
    let heads: Vec<usize> = (0..6).map(|layer| capture.heads(Site::new(Kind::Encoder, layer))).collect();
    assert_eq!(heads, [2, 2, 1, 1, 1, 4]);
    assert!(session.info().notes.iter().any(|note| note.contains("windows")));
    assert_eq!(session.info().heads, (4, 4));
    // In its first layer a window sees nothing of the other end of the page.
    let map = capture.map(Head::new(Kind::Encoder, 0, 1)).unwrap();
    assert_eq!((map.rows(), map.row(0)[11]), (12, 0.0));
    assert!(map.row(4).iter().sum::<f32>() > 0.5);
}

#[test]
fn maps_within_windows_are_kept_without_their_zeros() {
    let model = root().join("donut/model").display().to_string();
    let options = OpenOptions { model, offline: true, memory: Some(0), ..OpenOptions::default() };
    let Opened::Model(session) = open(&options, &Unwatched).unwrap() else { panic!("a model") };
    let whole = fixture("donut").run(&donut_run(), &Unwatched).unwrap();
    let capture = session.run(&donut_run(), &Unwatched).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page.safetensors");
    for (layout, sparse) in [(SiteLayout::Compact, true), (SiteLayout::Plain, false)] {
        let mut bytes = Vec::new();
        write(&capture, Precision::F32, layout, &mut bytes).unwrap();
        std::fs::write(&path, &bytes).unwrap();
        let back = read_capture(&path).unwrap();
        for layer in 0..6 {
            let site = Site::new(Kind::Encoder, layer);
            assert_eq!(back.maps.site(site).unwrap().without_zeros().is_some(), sparse, "{site}");
            for head in 0..whole.heads(site) {
                let maps = [&whole, &capture, &back].map(|capture| capture.map(site.head(head)).unwrap());
                assert_eq!(maps[0].as_slice(), maps[1].as_slice(), "{site}");
                assert_eq!(maps[0].as_slice(), maps[2].as_slice(), "{site}");
            }
        }
    }
}

#[test]
fn windows_are_known_and_told() {
    let capture = fixture("donut").run(&donut_run(), &Unwatched).unwrap();
    // 14 x 11 patches, 4 x 4 of them an item, in windows of 3 x 3 that every other layer shifts by one patch.
    let window = |layer: usize, query: usize| capture.window(Site::new(Kind::Encoder, layer), query);
    assert_eq!(window(0, 0), Some(&[0, 1, 3, 4][..]));
    assert_eq!(window(0, 11), Some(&[10, 11][..]));
    // Patches at the far edges are in the window, but apart.
    assert_eq!(window(1, 0), Some(&[0][..]));
    assert_eq!(window(5, 0), Some(&[0, 1, 2, 3, 4, 5, 6, 7, 8][..]));
    assert_eq!(window(5, 11), Some(&[9, 10, 11][..]));
    assert_eq!((window(5, 12), capture.window(Site::new(Kind::Cross, 0), 0)), (None, None));
    assert!(capture.has_windows(Kind::Encoder) && !capture.has_windows(Kind::Decoder));
    let map = capture.map(Head::new(Kind::Encoder, 5, 2)).unwrap();
    assert!(map.row(0)[9..].iter().chain(&map.row(11)[..9]).all(|&weight| weight == 0.0));
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let mut bytes = Vec::new();
    write(&capture, Precision::F32, SiteLayout::Large, &mut bytes).unwrap();
    std::fs::write(path("page.safetensors"), &bytes).unwrap();
    let back = read_capture(Path::new(&path("page.safetensors"))).unwrap();
    assert_eq!(back.window(Site::new(Kind::Encoder, 5), 11), Some(&[9, 10, 11][..]));
    assert!(back.notes.iter().any(|note| note.contains("within windows")), "{:?}", back.notes);
    let page = path("page.safetensors");
    let head = ["--kind", "encoder", "--layer", "5", "--head", "2"];
    for (view, said) in
        [(&["--view", "text", "--query", "4"][..], "within its windows: 9 of 12"), (&[], "within windows")]
    {
        let file = path(&format!("{}.svg", view.len()));
        let (good, _, err) = program(&[&["export", &page, "-o", &file], &head[..], view].concat());
        assert!(good && std::fs::read_to_string(&file).unwrap().contains(said), "{said}: {err}");
    }
    let (good, out, err) = program(&[&["show", &page], &head[..]].concat());
    assert!(good && out.contains("keys: patches of the picture, within windows"), "{out} {err}");
    let (good, _, err) = program(&["capture", "demo-ocr", "--kind", "cross", "-o", &path("a.safetensors")]);
    assert!(!good && err.contains("a model records every kind"), "{err}");
}

#[test]
fn sparse_maps_of_another_program_are_read() {
    let folder = root().join("donut");
    let back = read_capture(&folder.join("windows.safetensors")).unwrap();
    let (maps, _) = tensors(folder.join("line.safetensors"));
    for layer in 0..6 {
        let site = Site::new(Kind::Encoder, layer);
        assert_eq!(back.maps.site(site).unwrap().data().to_vec(), maps[&site.to_string()].1, "{site}");
    }
}

#[test]
fn a_prompt_comes_before_a_given_text() {
    let picture = ImageOptions { prompt: Some("<s>ab".into()), ..image("line") };
    let options = RunOptions { target: Some("c".into()), ..run(picture) };
    let pieces = |items: &[AxisItem]| items.iter().map(|item| item.piece.clone()).collect::<Vec<_>>();
    let capture = fixture("donut").run(&options, &Unwatched).unwrap();
    assert_eq!(pieces(&capture.decoder_input), ["<s>", "a", "b", "c"]);
    assert_eq!(pieces(&capture.target.items), ["a", "b", "c", "</s>"]);
    let (good, _, err) = program(&["show", "demo", "-s", "a", "--prompt", "x", "--kind", "cross"]);
    assert!(!good && err.contains("cannot see a picture"), "{err}");
}

#[test]
fn the_doctor_opens_models_of_pictures() {
    for name in ["donut", "nougat", "pix2struct"] {
        let (good, out, err) = program(&["doctor", &root().join(name).join("model").display().to_string()]);
        assert!(good && out.contains("opens      yes"), "{name}: {out} {err}");
        assert_eq!(out.contains("at most"), name != "pix2struct", "{out}");
    }
}

#[test]
fn parts_of_windows_are_ablated_and_what_has_no_meaning_there_is_refused() {
    let session = fixture("donut");
    let intact = session.run(&donut_run(), &Unwatched).unwrap();
    let head = Head::new(Kind::Encoder, 3, 0);
    let link = Ablation::Link { head, query: 4, key: 3 };
    assert!(intact.map(head).unwrap().row(4)[3] > 0.0);
    let ablated = RunOptions { ablations: vec![link], ..donut_run() };
    let capture = session.run(&ablated, &Unwatched).unwrap();
    let [before, after] = [&intact, &capture].map(|capture| capture.map(head).unwrap());
    assert_eq!(after.row(4)[3], 0.0);
    assert!(after.row(4)[4] > before.row(4)[4] && after.row(5) == before.row(5));
    let last = Site::new(Kind::Cross, 1).head(0);
    let cross = |capture: &Capture| capture.map(last).unwrap().as_slice().to_vec();
    for part in [Ablation::Head(head), Ablation::Site(head.site)] {
        let ablated = RunOptions { ablations: vec![part], ..donut_run() };
        let capture = session.run(&ablated, &Unwatched).unwrap();
        assert_eq!(capture.map(head).unwrap().as_slice(), before.as_slice());
        assert!(difference(&cross(&capture), &cross(&intact)) > 1e-4, "{part:?}");
    }
    let edit = RowEdit { head, query: 4, weights: vec![0.0; 12].into() };
    let edited = RunOptions { edits: vec![edit], ..donut_run() };
    let source = session.source(&donut_run()).unwrap();
    let (_, run) = session.run_intact(&source, &donut_run(), &Unwatched).unwrap();
    let Err(error) = session.run_ablated(&run, &edited, &Unwatched) else { panic!("no error") };
    assert!(matches!(error, Error::NotForModel { .. }) && error.to_string().contains("merge"), "{error}");
    let values = RunOptions { values: true, ..donut_run() };
    let Err(error) = session.run(&values, &Unwatched) else { panic!("no error") };
    assert!(matches!(error, Error::NotForModel { .. }) && error.to_string().contains("windows"), "{error}");
}

#[test]
fn places_of_variable_patches_cover_the_picture() {
    let capture = fixture("pix2struct").run(&run(image("tall")), &Unwatched).unwrap();
    let places: Vec<PixelBox> = capture.source.items.iter().map(|item| item.place().unwrap()).collect();
    let all = places.iter().copied().reduce(PixelBox::union).unwrap();
    assert!(all.x == 0.0 && all.y == 0.0 && (all.w - 23.0).abs() < 0.02 && (all.h - 81.0).abs() < 0.02);
}

#[test]
fn commands_take_pictures_whose_patches_merge_or_vary_in_number() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["donut", "pix2struct"] {
        let model = root().join(name).join("model").display().to_string();
        let line = root().join("line.png").display().to_string();
        let svg = folder.path().join(format!("{name}.svg")).display().to_string();
        let head = ["--kind", "encoder", "--layer", "1", "--head", "0"];
        for (command, more) in [
            ("show", &head[..]),
            ("heads", &["--csv"]),
            ("links", &["--json"]),
            ("rollout", &["--json"]),
            ("knockout", &["--kind", "encoder", "--csv"]),
            ("align", &["--json"]),
            ("export", &["--kind", "cross", "--layer", "1", "--head", "0", "--query", "1", "-o", &svg]),
        ] {
            let arguments = [&[command, &model, "--image", &line, "-t", "ab"], more].concat();
            let (good, out, err) = program(&arguments);
            assert!(good && (command == "export" || !out.is_empty()), "{arguments:?}: {err}");
        }
        assert!(std::fs::read_to_string(&svg).unwrap().contains("data:image/png;base64,"));
    }
}

#[test]
fn settings_of_stages_that_contradict_each_other_are_told() {
    let why = |more: Value| {
        let mut encoder = json!({"model_type": "donut-swin"});
        encoder.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let config = json!({
            "model_type": "vision-encoder-decoder", "encoder": encoder, "decoder": {"model_type": "mbart"},
        });
        spec_of(&ModelConfig::new(config)).unwrap_err().to_string()
    };
    assert!(why(json!({"depths": [2, 2]})).contains("2 depths do not fit 4 num_heads"));
    assert!(why(json!({"depths": []})).contains("depths"));
    assert!(why(json!({"window_size": 0})).contains("window_size is 0"));
    assert!(why(json!({"mlp_ratio": -1.0})).contains("mlp_ratio"));
    assert!(why(json!({"use_absolute_embeddings": true})).contains("use_absolute_embeddings"));
    assert!(why(json!({"num_heads": [3, 5, 12, 24]})).contains("no multiple of 5 heads"));
}
