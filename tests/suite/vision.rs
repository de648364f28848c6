//! Vision models: picture files, scaling, pixel values, maps and ids are those of Pillow and transformers;
//! pictures as sources.
//!
//! `tests/fixtures/make_vision.py` describes the fixtures.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use attn_tui::analysis::attribution::AttributionMethod;
use attn_tui::axis::{ItemKind, PixelBox};
use attn_tui::capture::{
    Capture, Precision, Recorder, SiteLayout, read as read_capture, write, write_with_picture,
};
use attn_tui::checkpoint::ModelConfig;
use attn_tui::config::PixelProtocol;
use attn_tui::engine::{
    AttributionOptions, Event, ImageOptions, Masking, OpenOptions, Opened, Request, RunOptions, Session, open,
};
use attn_tui::error::{Error, PictureError, Result};
use attn_tui::files::{Bytes, ModelFile, ModelFiles};
use attn_tui::image::{DecodedPicture, ImageProcessor, Resampling, RgbPicture, Rotation, read, resize};
use attn_tui::model::{EncoderInput, Model, spec_of};
use attn_tui::nn;
use attn_tui::paint::overlay;
use attn_tui::progress::Unwatched;
use attn_tui::site::{Head, Kind, Site};
use attn_tui::tui::action::{Action, Effect};
use attn_tui::tui::cache::Cache;
use attn_tui::tui::pixels::{PaintedPicture, PixelGraphics, paint};
use candle_core::{Device, Tensor};
use ratatui::buffer::Buffer;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};

use crate::screens::{Driver, screen_text};

const MODELS: [&str; 10] = [
    "vit-trocr",
    "deit-trocr-f16",
    "vit-gpt2",
    "deit-bert",
    "vit-mbart",
    "donut",
    "donut-flags-f16",
    "nougat",
    "pix2struct",
    "pix2struct-flags-f16",
];
pub const PICTURES: [&str; 2] = ["line", "tall"];

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/vision")
}

pub fn parsed(path: PathBuf) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Tensors by name, with their shapes.
pub type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Returns the tensors of a file, and its metadata.
pub fn tensors(path: PathBuf) -> (Tensors, BTreeMap<String, Value>) {
    let bytes = std::fs::read(path).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let fields = header.metadata().clone().unwrap_or_default();
    let fields = fields.iter().map(|(key, text)| (key.clone(), serde_json::from_str(text).unwrap()));
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensors = file.iter().map(|(name, view)| {
        let data = view.data();
        let values: Vec<f32> = match view.dtype() {
            Dtype::U8 => data.iter().map(|&value| f32::from(value)).collect(),
            Dtype::F16 => {
                let halves = data.chunks_exact(2).map(|b| half::f16::from_le_bytes(b.try_into().unwrap()));
                halves.map(f32::from).collect()
            }
            _ => data.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect(),
        };
        (name.to_string(), (view.shape().to_vec(), values))
    });
    (tensors.collect(), fields.collect())
}

fn decoded(path: &Path) -> Result<DecodedPicture> {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    read(&ModelFile::Path(path.into()).bytes().unwrap(), &name)
}

pub fn picture(name: &str) -> RgbPicture {
    decoded(&root().join(format!("{name}.png"))).unwrap().picture
}

fn session(model: &Path) -> Result<Box<Session>> {
    let options = OpenOptions { model: model.display().to_string(), offline: true, ..OpenOptions::default() };
    match open(&options, &Unwatched)? {
        Opened::Model(session) => Ok(session),
        Opened::Capture(_) => panic!("a model"),
    }
}

pub fn fixture(model: &str) -> Box<Session> {
    session(&root().join(model).join("model")).unwrap()
}

pub fn image(name: &str) -> ImageOptions {
    ImageOptions { path: root().join(format!("{name}.png")), ..ImageOptions::default() }
}

pub fn run(image: ImageOptions) -> RunOptions {
    RunOptions { image: Some(image), ..RunOptions::default() }
}

/// Returns the largest difference of two lists.
pub fn difference(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let off = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    off.fold(0.0, |worst, off| if off.is_nan() { f32::INFINITY } else { worst.max(off) })
}

#[test]
fn scalings_are_those_of_pillow() {
    let filters = [
        ("nearest", Resampling::Nearest),
        ("lanczos", Resampling::Lanczos),
        ("bilinear", Resampling::Bilinear),
        ("bicubic", Resampling::Bicubic),
        ("box", Resampling::Box),
        ("hamming", Resampling::Hamming),
    ];
    let line = picture("line");
    let (expected, _) = tensors(root().join("scaled.safetensors"));
    for (name, (shape, values)) in &expected {
        let (filter, _) = name.split_once('.').unwrap();
        let filter = filters.iter().find(|(known, _)| *known == filter).unwrap().1;
        let scaled = resize(&line, shape[1], shape[0], filter);
        let found: Vec<f32> = scaled.values().iter().map(|&value| f32::from(value)).collect();
        // Sines may differ in their last digit.
        let most = if name.starts_with("lanczos") || name.starts_with("hamming") { 1.0 } else { 0.0 };
        let off = difference(&found, values);
        assert!(off <= most, "{name} is off by {off}");
    }
}

#[test]
fn picture_files_are_read_as_pillow_reads_them() {
    let (expected, _) = tensors(root().join("formats.safetensors"));
    for (file, (shape, values)) in &expected {
        let found = decoded(&root().join("formats").join(file)).unwrap();
        assert_eq!([found.picture.height(), found.picture.width(), 3], shape[..], "{file}");
        let rgb: Vec<f32> = found.picture.values().iter().map(|&value| f32::from(value)).collect();
        let lossy = file.ends_with("jpg") || file == "lossy.webp";
        let off = difference(&rgb, values);
        assert!(off <= if lossy { 6.0 } else { 0.0 }, "{file} is off by {off}");
        let note = found.notes.join(" ");
        let noted = match file.as_str() {
            "turned.jpg" => "90 degrees",
            "grey16.png" => "16 bits",
            "alpha.png" => "transparency",
            "cmyk.jpg" | "cmyk.tif" => "CMYK",
            _ => {
                assert_eq!(note, "", "{file}");
                ""
            }
        };
        assert!(note.contains(noted), "{file}: {note}");
    }
}

#[test]
fn broken_pictures_are_told() {
    let told = |bytes: &[u8]| match read(&Bytes::Shared(bytes.into()), "x.png") {
        Err(Error::Picture(error)) => error,
        other => panic!("{other:?}"),
    };
    assert!(matches!(told(b""), PictureError::Empty { .. }));
    assert!(matches!(told(b"no picture at all"), PictureError::NotAPicture { .. }));
    let formats = std::fs::read_dir(root().join("formats")).unwrap();
    for path in formats.map(|entry| entry.unwrap().path()) {
        let bytes = std::fs::read(&path).unwrap();
        for length in [9, 40, bytes.len() / 2] {
            // A file that breaks off is told, or what is there is read; nothing panics.
            if let Err(error) = read(&Bytes::Shared(bytes[..length.min(bytes.len())].into()), "x") {
                assert!(error.hint().is_some(), "{}", path.display());
            }
        }
    }
    // A header alone that claims 50,000 x 50,000 pixels.
    let mut bomb = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    bomb.extend(50_000u32.to_be_bytes().repeat(2));
    bomb.extend([8, 2, 0, 0, 0]);
    let crc = crc32(&bomb[12..]);
    bomb.extend(crc.to_be_bytes());
    bomb.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e");
    let error = told(&bomb);
    assert!(matches!(error, PictureError::TooLarge { .. } | PictureError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("100 million") || error.to_string().contains("memory"), "{error}");
}

/// Checksum of a PNG chunk.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(
            crc ^ u32::from(byte),
            |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 },
        )
    })
}

#[test]
fn pixel_values_are_those_of_the_image_processors() {
    let (expected, _) = tensors(root().join("processed.safetensors"));
    for (name, settings) in parsed(root().join("processors.json")).as_object().unwrap() {
        let processor = ImageProcessor::read(Some(settings.clone())).unwrap();
        // The tolerance is 2 of 255 before the values are normalised.
        let std = settings["image_std"].as_array().filter(|_| settings["do_normalize"] == json!(true));
        let std = std.map_or(1.0, |std| std.iter().filter_map(Value::as_f64).fold(1.0, f64::min)) as f32;
        for page in ["line", "tall", "page"] {
            let (shape, values) = &expected[&format!("{name}.{page}")];
            let found = processor.prepare(picture(page)).pixels;
            assert_eq!([3, found.height, found.width], shape[..], "{name} {page}");
            let off = difference(&found.values, values);
            assert!(off <= 2.1 / 255.0 / std, "{name} {page} is off by {off}");
        }
    }
}

/// Splits flattened patches, each `width` numbers, into the numbers of rows and columns, which come first in each
/// patch and count from 1, and the values.
pub fn flattened(values: &[f32], width: usize) -> ([usize; 2], Vec<f32>) {
    let last = &values[values.len() - width..];
    let patches = values.chunks_exact(width).flat_map(|patch| patch[2..].iter().copied());
    ([last[0] as usize, last[1] as usize], patches.collect())
}

/// Runs pixels and decoder ids. Returns every map, the logits and the encoder's input.
fn outputs(name: &str, pixels: &(Vec<usize>, Vec<f32>), ids: &[u32]) -> Result<BTreeMap<String, Vec<f32>>> {
    let files = std::fs::read_dir(root().join(name).join("model")).unwrap().map(|entry| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), ModelFile::Path(entry.path()))
    });
    let files = ModelFiles::new(name, None, files);
    let model = Model::load(&files, &Device::Cpu, &Unwatched)?;
    let (shape, values) = pixels;
    let states = match shape[..] {
        [_, width] => {
            let (grid, patches) = flattened(values, width);
            model.embed_patches(&patches, grid)?
        }
        _ => model.embed_pixels(values, [shape[1], shape[2]])?,
    };
    let mut recorder = Recorder::default();
    let encoded = model.encode(EncoderInput::States(&states), &mut recorder, &mut |_| Ok(()))?;
    let decoded = model.decode(ids, 1, &encoded, None, &mut recorder, &mut |_| Ok(()))?;
    let list = |values: &Tensor| nn::read(values, <[f32]>::to_vec);
    let mut found = BTreeMap::from([
        ("input".to_string(), list(&states)?),
        ("logits".to_string(), list(&model.logits(&decoded)?)?),
    ]);
    for (site, maps) in recorder.finish().0.sites() {
        found.insert(format!("{}.{}", site.kind, site.layer), maps.data().to_vec());
    }
    Ok(found)
}

#[test]
fn maps_and_logits_of_vision_models_are_those_of_transformers() {
    for name in MODELS {
        for page in PICTURES {
            let (mut expected, fields) = tensors(root().join(name).join(format!("{page}.safetensors")));
            let ids: Vec<u32> = serde_json::from_value(fields["decoder_input_ids"].clone()).unwrap();
            let pixels = expected.remove("pixels").unwrap();
            let found = outputs(name, &pixels, &ids).unwrap();
            assert!(found.keys().eq(expected.keys()), "{name} {page}");
            for (tensor, (_, reference)) in &expected {
                let off = difference(&found[tensor], reference);
                assert!(off < 1e-4, "{name} {page} {tensor} is off by {off}");
            }
        }
    }
}

#[test]
fn ids_generated_from_picture_files_are_those_of_transformers() {
    let mut cases = 0;
    for name in MODELS {
        let session = fixture(name);
        for case in parsed(root().join(name).join("generation.json")).as_array().unwrap() {
            let number = |key: &str| case["options"][key].as_u64().map(|n| n as usize);
            let prompt = case["options"]["prompt"].as_str().map(String::from);
            let picture = ImageOptions { prompt, ..image(case["picture"].as_str().unwrap()) };
            let run = RunOptions {
                beams: number("num_beams"),
                max_new_tokens: number("max_new_tokens"),
                ..run(picture)
            };
            let capture = session.run(&run, &Unwatched).unwrap();
            let start = capture.decoder_input[0].token_id().unwrap();
            let found: Vec<u32> = [start].into_iter().chain(capture.target.ids()).collect();
            assert_eq!(json!(found), case["ids"], "{name} {case}");
            cases += 1;
        }
    }
    assert_eq!(cases, 48);
}

fn line_capture() -> Capture {
    let run = RunOptions { target: Some("ab".into()), ..run(image("line")) };
    fixture("vit-trocr").run(&run, &Unwatched).unwrap()
}

#[test]
fn patches_are_places_of_the_original_picture() {
    let capture = line_capture();
    // 24 x 40 pixels in patches of 8 x 5: 3 rows of 8, after the class token.
    assert_eq!(capture.source.len(), 25);
    assert_eq!(
        (capture.source.items[0].kind, capture.source.items[0].piece.as_str()),
        (ItemKind::Class, "[CLS]")
    );
    let place = |at: usize| capture.source.items[at].place().unwrap();
    assert_eq!(place(1), PixelBox { x: 0.0, y: 0.0, w: 26.38, h: 12.33 });
    assert_eq!(place(9), PixelBox { x: 0.0, y: 12.33, w: 26.38, h: 12.33 });
    let last = place(24);
    assert!((last.x + last.w - 211.0).abs() < 0.02 && (last.y + last.h - 37.0).abs() < 0.02);
    // The text of a given target ends as a generated one.
    let pieces: Vec<&str> = capture.target.items.iter().map(|item| item.piece.as_str()).collect();
    assert_eq!(pieces, ["a", "b", "</s>"]);
}

#[test]
fn covered_patches_cost_what_transformers_says() {
    let session = fixture("vit-trocr");
    let run = RunOptions { target: Some("bc".into()), ..run(image("line")) };
    let source = session.source(&run).unwrap();
    let base = session.run_source(&source, &run, &Unwatched).unwrap();
    let expected = parsed(root().join("covered.json"));
    assert_eq!(json!(base.target.ids()), expected["target"]);
    let number = |value: &Value| value.as_u64().unwrap() as usize;
    for case in expected["cases"].as_array().unwrap() {
        let options =
            AttributionOptions { patches: number(&case["patches"]), ..AttributionOptions::default() };
        let method = AttributionMethod::Occlusion;
        let found = session.attribution(&base, &source, method, options, &Unwatched).unwrap();
        assert_eq!((found.source.rows(), found.source.cols()), (3, 25));
        for (row, loss) in case["losses"].as_array().unwrap().iter().enumerate() {
            let (ours, theirs) =
                (found.source.row(row)[number(&case["item"])], loss.as_f64().unwrap() as f32);
            assert!((ours - theirs).abs() < 1e-4, "{case}: {ours}");
            assert_eq!(found.source.row(row)[0], 0.0, "a class token has no place");
        }
        assert!(found.prefix.is_some());
    }
    let removed = AttributionOptions { masking: Masking::Removed, ..AttributionOptions::default() };
    let refused = session.attribution(&base, &source, AttributionMethod::Occlusion, removed, &Unwatched);
    assert!(refused.unwrap_err().to_string().contains("not removed"));
}

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

#[test]
fn the_recipe_for_python_writes_the_same_maps_and_the_picture() {
    // tests/fixtures/make_captures.py
    let read = read_capture(&root().join("../captures/readme-vision.safetensors")).unwrap();
    let ours = fixture("vit-trocr").run(&run(image("line")), &Unwatched).unwrap();
    assert_eq!(read.target.ids(), ours.target.ids());
    assert_eq!(read.picture, ours.picture);
    assert_eq!((read.source.len(), read.media.as_ref().unwrap().size), (25, Some([211, 37])));
    for (a, b) in read.source.items.iter().zip(&ours.source.items) {
        let [a, b] = [a, b].map(|item| item.place().unwrap_or_default());
        assert!((a.x - b.x).abs() < 0.02 && (a.w - b.w).abs() < 0.02 && (a.y - b.y).abs() < 0.02);
    }
    for head in ours.all_heads() {
        let off = difference(read.map(head).unwrap().as_slice(), ours.map(head).unwrap().as_slice());
        assert!(off < 1e-4, "{head} is off by {off}");
    }
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
fn a_turned_picture_has_other_places_and_a_note() {
    let turned = ImageOptions { rotation: Rotation::Quarter, ..image("line") };
    let capture = fixture("vit-trocr").run(&run(turned), &Unwatched).unwrap();
    assert_eq!(capture.media.as_ref().unwrap().size, Some([37, 211]));
    assert!(capture.notes[0].contains("turned by 90 degrees"), "{:?}", capture.notes);
}

#[test]
fn a_capture_of_a_picture_comes_back_and_keeps_the_picture_on_request() {
    let capture = line_capture();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("line.safetensors");
    let media = capture.media.clone().unwrap();
    assert_eq!((media.file.as_str(), media.size), ("line.png", Some([211, 37])));
    assert_eq!(media.sha256.as_ref().map(String::len), Some(64));
    for keep in [false, true] {
        let mut bytes = Vec::new();
        let write = if keep { write_with_picture } else { write };
        write(&capture, Precision::F16, SiteLayout::Large, &mut bytes).unwrap();
        std::fs::write(&path, &bytes).unwrap();
        let back = read_capture(&path).unwrap();
        assert_eq!((&back.source, &back.media), (&capture.source, &capture.media));
        assert_eq!(back.picture.is_some(), keep);
        if keep {
            assert_eq!(back.picture, capture.picture);
        }
        assert!(!String::from_utf8_lossy(&bytes).contains("fixtures"), "the picture's folder is named");
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let fields = header.metadata().clone().unwrap();
        let items: Value = serde_json::from_str(&fields["source_items"]).unwrap();
        assert_eq!(items[0], json!({"class": "[CLS]"}));
        assert_eq!(items[1], json!({"x": 0.0, "y": 0.0, "w": 26.38, "h": 12.33}));
    }
    let site = Site::new(Kind::Cross, 2);
    assert_eq!(capture.map(site.head(0)).unwrap().cols(), 25);
    assert!(capture.map(Head::new(Kind::Encoder, 1, 2)).is_ok());
}

#[test]
fn sources_of_another_kind_are_refused() {
    let session = fixture("vit-trocr");
    let text = RunOptions { source: "a text".into(), ..RunOptions::default() };
    let Err(Error::Picture(error)) = session.run(&text, &Unwatched) else { panic!("no error") };
    assert!(matches!(error, PictureError::Needed { .. }) && error.hint().contains("--image"));
    let options = OpenOptions { model: "demo".into(), offline: true, ..OpenOptions::default() };
    let Opened::Model(demo) = open(&options, &Unwatched).unwrap() else { panic!("a model") };
    let Err(Error::Picture(error)) = demo.run(&run(image("line")), &Unwatched) else { panic!("no error") };
    assert!(error.to_string().contains("reads text") && error.hint().contains("--source"), "{error}");
}

#[test]
fn vision_models_that_are_not_covered_say_what_they_need() {
    let why = |config: Value| spec_of(&ModelConfig::new(config)).unwrap_err().to_string();
    assert!(why(json!({"model_type": "florence2"})).contains("channel attention"));
    let composed = |encoder: Value, decoder: &str| {
        why(
            json!({"model_type": "vision-encoder-decoder", "encoder": encoder, "decoder": {"model_type": decoder}}),
        )
    };
    assert!(composed(json!({"model_type": "beit"}), "trocr").contains("relative positions"));
    assert!(composed(json!({"model_type": "swinv2"}), "mbart").contains("cosines"));
    assert!(composed(json!({"model_type": "vit", "patch_size": 300}), "trocr").contains("no patch"));
    assert!(composed(json!({"model_type": "vit", "num_channels": 1}), "trocr").contains("num_channels"));
    assert!(composed(json!({"model_type": "vit"}), "llama").contains("llama decoder"));
}

/// Runs the program and returns standard output and standard error.
pub fn program(arguments: &[&str]) -> (bool, String, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_attn-tui"))
        .args(arguments)
        .env_remove("HF_HOME")
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.success(), text(&out.stdout), text(&out.stderr))
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
