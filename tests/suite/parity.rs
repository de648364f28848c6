//! Every fixture model agrees with transformers: maps and logits within 1e-4, generated ids exactly.
//!
//! `tests/fixtures/make_models.py` describes the folders.

mod ablations;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use attn_tui::capture::{MapStore, Recorder, SiteMaps};
use attn_tui::checkpoint::ModelConfig;
use attn_tui::files::{ModelFile, ModelFiles};
use attn_tui::generate::{GenerationConfig, GenerationRun, generate_many};
use attn_tui::model::{EncoderInput, Model};
use attn_tui::nn::{CompactMaps, Hook, MapForm, NoHook};
use attn_tui::progress::Unwatched;
use attn_tui::site::{Kind, Site};
use attn_tui_kernels::simd::Level;
use candle_core::{Device, Tensor};
use safetensors::SafeTensors;
use serde_json::Value;

const TOLERANCE: f32 = 1e-4;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models")
}

/// Fixtures that together use every kind of kernel.
pub const FEW: &str = "t5,bart,longt5-tglobal,marian,t5gemma";

/// Environment variable that selects fixtures when a test runs this binary again.
pub const ONLY: &str = "ATTN_TUI_TEST_ONLY";

/// Returns the names of the fixtures, sorted.
pub fn fixtures() -> Vec<String> {
    let folders = std::fs::read_dir(root()).unwrap().map(|entry| entry.unwrap());
    let mut names: Vec<String> = folders
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(names.len() > 10, "the fixtures are missing");
    if let Ok(only) = std::env::var(ONLY) {
        names.retain(|name| only.split(',').any(|one| one == name));
    }
    names
}

/// Returns the files of a fixture's model.
pub fn files(name: &str) -> ModelFiles {
    let files = std::fs::read_dir(root().join(name).join("model")).unwrap().map(|entry| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), ModelFile::Path(entry.path()))
    });
    ModelFiles::new(name, None, files)
}

/// Returns the device for the models: the CPU, or the GPU that `ATTN_TUI_TEST_DEVICE` names in a build with
/// it.
fn device() -> Device {
    match std::env::var("ATTN_TUI_TEST_DEVICE").as_deref() {
        Ok("cuda") => Device::new_cuda(0).unwrap(),
        Ok("metal") => Device::new_metal(0).unwrap(),
        _ => Device::Cpu,
    }
}

/// Loads a fixture's model.
pub fn load(name: &str) -> Result<Model, String> {
    Model::load(&files(name), &device(), &Unwatched).map_err(|error| format!("{name}: {error}"))
}

/// Returns the folder with the expected numbers: the fixture's own, or the original's for a copy in another
/// format.
fn numbers(name: &str) -> PathBuf {
    match std::fs::read_to_string(root().join(name).join("same_as")) {
        Ok(original) => root().join(original.trim()),
        Err(_) => root().join(name),
    }
}

/// A result with the program's error type.
pub type Result<T, E = attn_tui::error::Error> = std::result::Result<T, E>;

/// Progress callback that never cancels.
fn on(_: usize) -> Result<()> {
    Ok(())
}

/// A reference file: tensors `[.., rows, columns]` with all rows or those listed.
pub struct Reference {
    tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    source: Vec<u32>,
    decoder: Vec<u32>,
    rows: Value,
}

impl Reference {
    fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let metadata = header.metadata().clone().unwrap();
        let ids = |key: &str| serde_json::from_str(&metadata[key]).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let tensors = tensors.iter().map(|(name, view)| {
            let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
            (name.to_string(), (view.shape().to_vec(), values.collect()))
        });
        Self {
            tensors: tensors.collect(),
            source: ids("source_ids"),
            decoder: ids("decoder_input_ids"),
            rows: metadata.get("rows").map_or(Value::Null, |rows| serde_json::from_str(rows).unwrap()),
        }
    }

    /// Returns the rows that the tensors of this kind have.
    fn rows(&self, kind: &str, all: usize) -> Vec<usize> {
        match self.rows.get(kind) {
            None => (0..all).collect(),
            Some(rows) => rows.as_array().unwrap().iter().map(|row| row.as_u64().unwrap() as usize).collect(),
        }
    }
}

/// Returns the largest difference between `[blocks, all rows, columns]` and a reference that has only `rows`.
fn difference(ours: &[f32], all: usize, rows: &[usize], shape: &[usize], expected: &[f32]) -> f32 {
    let columns = shape[shape.len() - 1];
    let blocks = expected.len() / (rows.len() * columns);
    assert_eq!(ours.len(), blocks * all * columns, "the shape is not {shape:?}");
    let mut worst = 0f32;
    for block in 0..blocks {
        for (i, row) in rows.iter().enumerate() {
            for column in 0..columns {
                let got = ours[(block * all + row) * columns + column];
                let want = expected[(block * rows.len() + i) * columns + column];
                let off = (got - want).abs();
                worst = if off.is_nan() { f32::INFINITY } else { worst.max(off) };
            }
        }
    }
    worst
}

/// Loads the reference with a fixture's shortest texts.
pub fn shortest(name: &str) -> Reference {
    Reference::read(&root().join(name).join("9x7.safetensors"))
}

/// Runs the model over a reference's ids. Returns the row count and values of every map and of the logits.
pub fn outputs(model: &Model, reference: &Reference) -> Result<BTreeMap<String, (usize, Vec<f32>)>> {
    let mut recorder = Recorder::default();
    let encoded = model.encode(EncoderInput::Ids(&reference.source), &mut recorder, &mut on)?;
    let states = model.decode(&reference.decoder, 1, &encoded, None, &mut recorder, &mut on)?;
    let logits = model.logits(&states)?.flatten_all()?.to_vec1::<f32>()?;
    let (maps, _) = recorder.finish();
    let mut found = BTreeMap::from([("logits".to_string(), (reference.decoder.len(), logits))]);
    for (site, map) in maps.sites() {
        found.insert(format!("{}.{}", site.kind, site.layer), (map.shape()[1], map.data().to_vec()));
    }
    Ok(found)
}

/// Runs the model over a reference's ids and describes the differences.
pub fn compare(model: &Model, reference: &Reference) -> Result<String> {
    let found = outputs(model, reference)?;
    let mut report = String::new();
    if !found.keys().eq(reference.tensors.keys()) {
        let (ours, theirs): (Vec<_>, Vec<_>) = (found.keys().collect(), reference.tensors.keys().collect());
        writeln!(report, "  sites are {ours:?}, not {theirs:?}").unwrap();
    }
    for (name, (shape, expected)) in &reference.tensors {
        let Some((all, ours)) = found.get(name) else { continue };
        let kind = name.split('.').next().unwrap_or(name);
        let off = difference(ours, *all, &reference.rows(kind, *all), shape, expected);
        if off > TOLERANCE {
            writeln!(report, "  {name} is off by {off}").unwrap();
        }
    }
    Ok(report)
}

#[test]
fn maps_and_logits_are_those_of_transformers() {
    let mut report = String::new();
    for name in fixtures() {
        let model = match load(&name) {
            Ok(model) => model,
            Err(error) => {
                writeln!(report, "{error}").unwrap();
                continue;
            }
        };
        let mut captures: Vec<PathBuf> = std::fs::read_dir(numbers(&name))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "safetensors"))
            .collect();
        captures.sort();
        assert!(!captures.is_empty(), "{name} has no reference");
        for path in captures {
            let case = path.file_stem().unwrap().to_string_lossy();
            match compare(&model, &Reference::read(&path)) {
                Ok(off) if off.is_empty() => {}
                Ok(off) => writeln!(report, "{name} {case}:\n{off}").unwrap(),
                Err(error) => writeln!(report, "{name} {case}: {error}").unwrap(),
            }
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

#[test]
fn a_pass_that_ends_with_its_last_maps_has_the_same() {
    let mut shorter = 0;
    for name in fixtures() {
        let model = load(&name).unwrap();
        let source: Vec<u32> = (0..40).map(|i| 5 + i % 20).collect();
        let (_, layers) = model.spec().layers();
        let end = Site::new(Kind::Cross, layers - 1);
        let passes = [Recorder::default(), Recorder::default().ending_at(end)].map(|mut recorder| {
            let encoded = model.encode(EncoderInput::Ids(&source), &mut recorder, &mut on).unwrap();
            let states = model.decode(&source[..12], 1, &encoded, None, &mut recorder, &mut on).unwrap();
            (recorder.finish().0, states.flatten_all().unwrap().to_vec1::<f32>().unwrap())
        });
        let [(whole, states), (ended, others)] = passes;
        shorter += usize::from(states != others);
        assert_eq!(whole.sites().count(), ended.sites().count(), "{name}");
        for (site, maps) in whole.sites() {
            assert_eq!(maps.data(), ended.site(site).unwrap().data(), "{name} {site}");
        }
    }
    assert!(shorter > 10, "only {shorter} passes did end");
}

/// Keeps no map, but what it follows from.
#[derive(Default)]
struct CompactOnly(MapStore);

impl Hook for CompactOnly {
    fn wants(&self, _: Site) -> bool {
        true
    }

    fn intervenes(&self, _: Site) -> bool {
        false
    }

    fn map_form(&self, _: Site, _: [usize; 3], _: Option<usize>) -> MapForm {
        MapForm::Compact
    }

    fn compact(&mut self, site: Site, maps: CompactMaps) -> Result<()> {
        assert_eq!(maps.check(), Ok(()), "{site}");
        self.0.insert(site, SiteMaps::of(maps));
        Ok(())
    }

    fn weights(&mut self, site: Site, weights: &Tensor) -> Result<()> {
        let (heads, queries, keys) = weights.dims3()?;
        self.maps(site, [heads, queries, keys], weights.flatten_all()?.to_vec1::<f32>()?.into())
    }

    fn maps(&mut self, site: Site, [heads, queries, keys]: [usize; 3], maps: Arc<[f32]>) -> Result<()> {
        self.0.insert(site, SiteMaps::new(heads, queries, keys, maps));
        Ok(())
    }
}

#[test]
fn encoders_take_ready_states_as_they_take_ids() {
    for name in fixtures() {
        let model = load(&name).unwrap();
        let source = [5, 6, 7, 8, 9, 10, 11];
        let embedded = model.embed_source(&source).unwrap();
        let encode = |input| {
            let mut recorder = Recorder::default();
            let states = model.encode(input, &mut recorder, &mut on).unwrap();
            let states = states.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let maps = recorder.finish().0;
            let maps: Vec<_> = maps.sites().map(|(site, maps)| (site, maps.data().to_vec())).collect();
            (states, maps)
        };
        assert!(encode(EncoderInput::States(&embedded)) == encode(EncoderInput::Ids(&source)), "{name}");
    }
}

#[test]
fn maps_computed_again_are_those_of_the_pass() {
    for name in fixtures() {
        let model = load(&name).unwrap();
        let fits =
            |count: &usize| model.encode(EncoderInput::Ids(&vec![5; *count]), &mut NoHook, &mut on).is_ok();
        let most = [90, 60].into_iter().find(fits).unwrap_or(40) as u32;
        let source: Vec<u32> = (0..most).map(|i| 5 + i % 20).collect();
        let (mut whole, mut again) = (Recorder::default(), CompactOnly::default());
        for hook in [&mut whole as &mut dyn Hook, &mut again] {
            let encoded = model.encode(EncoderInput::Ids(&source), hook, &mut on).unwrap();
            model.decode(&source[..30], 1, &encoded, None, hook, &mut on).unwrap();
        }
        let (whole, again) = (whole.finish().0, again.0);
        for (site, maps) in whole.sites() {
            let other = again.site(site).unwrap();
            // their decoder has a position bias made from its states, or no softmax of products
            let kept = name.contains("prophetnet") && site.kind == Kind::Decoder || name == "recurrent";
            assert_eq!(other.compact().is_none(), kept, "{name} {site}");
            for (a, b) in maps.data().iter().zip(other.data().iter()) {
                assert!((a - b).abs() < 1e-5, "{name} {site}: {a}, {b}");
            }
        }
    }
}

/// Unix only, since other systems do not truncate a mapped file.
#[cfg(unix)]
#[test]
fn a_second_pass_gives_the_same_and_a_settled_model_needs_no_file() {
    let folder = tempfile::tempdir().unwrap();
    for (name, file) in files("t5").files {
        let ModelFile::Path(path) = file else { panic!("{name} is not on disk") };
        std::fs::copy(path, folder.path().join(name)).unwrap();
    }
    let names = files("t5").files.into_keys();
    let here = names.map(|name| (name.clone(), ModelFile::Path(folder.path().join(name))));
    let files = ModelFiles::new("t5", None, here);
    let model = Model::load(&files, &Device::Cpu, &Unwatched).unwrap();
    let reference = Reference::read(&root().join("t5/9x7.safetensors"));
    let first = outputs(&model, &reference).unwrap();
    assert!(first == outputs(&model, &reference).unwrap(), "packed weights give other numbers");
    model.settle(|| true);
    let weights = std::fs::File::options().write(true).open(folder.path().join("model.safetensors")).unwrap();
    weights.set_len(0).unwrap();
    assert!(first == outputs(&model, &reference).unwrap(), "the file was needed");
}

#[test]
fn every_instruction_set_and_number_of_threads_gives_the_numbers() {
    if std::env::var(ONLY).is_ok() {
        return;
    }
    for level in Level::available() {
        for threads in ["1", "2", "7"] {
            let done = Command::new(std::env::current_exe().unwrap())
                .args(["parity::maps_and_logits_are_those_of_transformers", "--exact"])
                .env("ATTN_TUI_KERNELS", level.name())
                .env("RAYON_NUM_THREADS", threads)
                .env(ONLY, FEW)
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&done.stdout);
            assert!(done.status.success() && text.contains("1 passed"), "{} {threads}: {text}", level.name());
        }
    }
}

/// Without the program's kernels, candle's operations give the same numbers, as they must on a GPU.
#[test]
fn candle_alone_gives_the_numbers_and_the_ids() {
    if std::env::var(ONLY).is_ok() {
        return;
    }
    for test in [
        "maps_and_logits_are_those_of_transformers",
        "generated_ids_are_those_of_transformers",
        "maps_computed_again_are_those_of_the_pass",
    ] {
        let done = Command::new(std::env::current_exe().unwrap())
            .args([&format!("parity::{test}"), "--exact"])
            .env("ATTN_TUI_KERNELS", "candle")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success() && text.contains("1 passed"), "{test}: {text}");
    }
}

/// Returns the generation settings of a case: its options over generation_config.json, or else config.json.
pub fn settings(name: &str, options: &Value, model: &Model) -> GenerationConfig {
    let files = files(name);
    let own = files.json("generation_config.json").unwrap();
    let mut config = files.json("config.json").unwrap().unwrap();
    let mut generation = own.clone();
    let fields = generation.as_mut().unwrap_or(&mut config).as_object_mut().unwrap();
    for (key, value) in options.as_object().unwrap() {
        fields.insert(key.clone(), value.clone());
    }
    GenerationConfig::read(generation.as_ref(), &ModelConfig::new(config), model.spec()).unwrap()
}

/// Generates a target. Returns its ids, and the number of steps.
pub fn generate(
    model: &Model,
    source: &[u32],
    encoded: &Tensor,
    config: &GenerationConfig,
    hook: &mut dyn Hook,
) -> (Vec<u32>, usize) {
    let mut steps = 0;
    let texts = generate_many(model, vec![GenerationRun { source, encoded, config, hook }], &mut |_, _| {
        steps += 1;
        Ok(())
    });
    (texts.unwrap().remove(0).ids, steps)
}

fn list(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

#[test]
fn generated_ids_are_those_of_transformers() {
    let mut report = String::new();
    let mut cases = 0;
    for name in fixtures() {
        let Ok(text) = std::fs::read_to_string(root().join(&name).join("generation.json")) else { continue };
        let Ok(model) = load(&name) else { continue };
        let list_of_cases: Value = serde_json::from_str(&text).unwrap();
        for case in list_of_cases.as_array().unwrap() {
            let settings = settings(&name, &case["options"], &model);
            let source = list(&case["source_ids"]);
            let encoded = model.encode(EncoderInput::Ids(&source), &mut NoHook, &mut on).unwrap();
            let (ids, _) = generate(&model, &source, &encoded, &settings, &mut NoHook);
            let ids: Vec<u32> = std::iter::once(settings.start).chain(ids).collect();
            let expected = list(&case["ids"]);
            if ids != expected {
                writeln!(report, "{name} {}:\n  {ids:?}\nnot {expected:?}", case["name"]).unwrap();
            }
            cases += 1;
        }
    }
    assert!(report.is_empty(), "\n{report}");
    assert!(cases > 50, "{cases} cases only");
}
