//! Vision models: picture files, scaling, pixel values, maps and ids are those of Pillow and transformers;
//! pictures as sources.
//!
//! `tests/fixtures/make_vision.py` describes the fixtures.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use attn_tui::analysis::attribution::AttributionMethod;
use attn_tui::axis::{ItemKind, PixelBox};
use attn_tui::capture::{
    Capture, Precision, Recorder, SiteLayout, read as read_capture, write, write_with_picture,
};
use attn_tui::checkpoint::ModelConfig;
use attn_tui::engine::{
    AttributionOptions, ImageOptions, Masking, OpenOptions, Opened, RunOptions, Session, open,
};
use attn_tui::error::{Error, PictureError, Result};
use attn_tui::files::{Bytes, ModelFile, ModelFiles};
use attn_tui::image::{DecodedPicture, ImageProcessor, Resampling, RgbPicture, Rotation, read, resize};
use attn_tui::model::{EncoderInput, Model, spec_of};
use attn_tui::nn;
use attn_tui::progress::Unwatched;
use attn_tui::site::{Head, Kind, Site};
use candle_core::{Device, Tensor};
use safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};

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

pub fn decoded(path: &Path) -> Result<DecodedPicture> {
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
            model.embed_patches(patches, grid)?
        }
        _ => model.embed_pixels(values.clone(), [shape[1], shape[2]])?,
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
