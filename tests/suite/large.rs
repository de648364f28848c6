//! Models larger than memory open, say so, and read only what a pass uses.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use attn_tui::files::{ModelFile, ModelFiles};
use attn_tui::model::{EncoderInput, Model};
use attn_tui::nn::{NoHook, read};
use attn_tui::progress::Unwatched;
use candle_core::Device;
use safetensors::SafeTensors;
use serde_json::{Value, json};

use crate::parity;

/// The mixture of experts among the fixtures.
const FIXTURE: &str = "nllb-moe";

/// Factors on the widths of the fixture: of feed-forward blocks, and of the states.
type Factors = [usize; 2];

/// Widths of the fixture, and the factor that applies to each.
const WIDTHS: [(&str, usize, usize); 3] =
    [("encoder_ffn_dim", 20, 0), ("decoder_ffn_dim", 16, 0), ("d_model", 18, 1)];

/// Shapes of the fixture's tensors by name, made wider.
fn shapes(factors: Factors) -> BTreeMap<String, Vec<usize>> {
    let ModelFile::Path(path) = &parity::files(FIXTURE).files["model.safetensors"] else { panic!("a file") };
    let bytes = std::fs::read(path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let factor = |len: usize| WIDTHS.iter().find(|(_, width, _)| *width == len).map_or(1, |at| factors[at.2]);
    let wider = |&len: &usize| len * factor(len);
    let shape = |shape: &[usize]| shape.iter().map(wider).collect();
    tensors.iter().map(|(name, view)| (name.to_string(), shape(view.shape()))).collect()
}

/// Fills a folder with the files of the wider fixture, except for its weights. Returns them.
fn write_others(folder: &Path, factors: Factors) -> ModelFiles {
    let original = parity::files(FIXTURE);
    let mut config: Value = serde_json::from_slice(&original.need("config.json").unwrap()).unwrap();
    for (field, width, factor) in WIDTHS {
        config[field] = json!(width * factors[factor]);
    }
    let names = original.files.keys().filter(|name| *name != "model.safetensors");
    for name in names.clone() {
        std::fs::write(folder.join(name), &original.need(name).unwrap()[..]).unwrap();
    }
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    let file = |name: &String| (name.clone(), ModelFile::Path(folder.join(name)));
    ModelFiles::new(FIXTURE, None, names.map(file))
}

/// Writes a safetensors file of zeros in bfloat16 that takes hardly any space on the disk. Returns the offset
/// of each tensor.
fn write_zeros<'a>(
    path: &Path,
    tensors: impl IntoIterator<Item = (&'a String, &'a Vec<usize>)>,
) -> BTreeMap<String, u64> {
    let (mut header, mut starts, mut end) = (serde_json::Map::new(), BTreeMap::new(), 0);
    for (name, shape) in tensors {
        let start = end;
        end += 2 * shape.iter().product::<usize>() as u64;
        header.insert(name.clone(), json!({"dtype": "BF16", "shape": shape, "data_offsets": [start, end]}));
        starts.insert(name.clone(), start);
    }
    let mut header = Value::Object(header).to_string();
    header += &" ".repeat(header.len().next_multiple_of(8) - header.len());
    let mut file = File::create(path).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(header.as_bytes()).unwrap();
    let data = 8 + header.len() as u64;
    file.set_len(data + end).unwrap();
    starts.values_mut().for_each(|start| *start += data);
    starts
}

/// With weights of zeros, all tokens take the first two experts. The other experts lie at the end of the file,
/// which is cut off there: an access to them would end the program.
#[cfg(unix)]
#[test]
fn experts_that_no_token_takes_are_never_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = write_others(folder.path(), [1024, 1]);
    let path = folder.path().join("model.safetensors");
    let all = shapes([1024, 1]);
    let idle = |name: &str| ["expert_2", "expert_3"].iter().any(|expert| name.contains(expert));
    let (idle, used): (Vec<_>, Vec<_>) = all.iter().partition(|(name, _)| idle(name));
    assert!(idle.len() > 10 && idle.iter().any(|(name, _)| name.ends_with(".bias")), "{idle:?}");
    let end = idle[0].0.clone();
    let starts = write_zeros(&path, used.into_iter().chain(idle));
    files.files.insert("model.safetensors".into(), ModelFile::Path(path.clone()));
    let model = Model::load(&files, &Device::Cpu, &Unwatched).unwrap();
    File::options().write(true).open(&path).unwrap().set_len(starts[&end]).unwrap();
    let on = &mut |_| Ok(());
    for _ in 0..2 {
        let encoded = model.encode(EncoderInput::Ids(&[5, 6, 7, 8]), &mut NoHook, on).unwrap();
        let states = model.decode(&[2, 5, 6], 1, &encoded, None, &mut NoHook, on).unwrap();
        let logits = model.logits(&states).unwrap();
        assert!(read(&logits, |logits| logits.iter().all(|logit| *logit == 0.0)).unwrap());
    }
    model.settle(|| true);
}

/// More than a terabyte, as far as the file's size goes. Linux only: other systems' temporary folders may not
/// take files with holes.
#[cfg(target_os = "linux")]
#[test]
fn a_model_larger_than_memory_opens_in_shards_and_doctor_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = write_others(folder.path(), [1 << 21, 64]);
    let all = shapes([1 << 21, 64]);
    let mut map = serde_json::Map::new();
    for shard in 0..4 {
        let name = format!("model-{}-of-4.safetensors", shard + 1);
        let tensors = all.iter().enumerate().filter(|(at, _)| at % 4 == shard).map(|(_, tensor)| tensor);
        let tensors: Vec<_> = tensors.collect();
        map.extend(tensors.iter().map(|(tensor, _)| ((*tensor).clone(), json!(name))));
        let path = folder.path().join(&name);
        write_zeros(&path, tensors);
        files.files.insert(name, ModelFile::Path(path));
    }
    let index = folder.path().join("model.safetensors.index.json");
    std::fs::write(&index, json!({ "weight_map": map }).to_string()).unwrap();
    files.files.insert("model.safetensors.index.json".into(), ModelFile::Path(index));
    let model = Model::load(&files, &Device::Cpu, &Unwatched).unwrap();
    let memory = model.memory();
    assert!(memory.weights > 1 << 40 && !memory.fits(), "{memory:?}");
    model.settle(|| true);
    let done =
        Command::new(env!("CARGO_BIN_EXE_attn-tui")).arg("doctor").arg(folder.path()).output().unwrap();
    let report = String::from_utf8(done.stdout).unwrap();
    let line = report.lines().find(|line| line.starts_with("memory")).unwrap_or_else(|| panic!("{report}"));
    assert!(line.contains("only") && line.contains("stay in their files"), "{line}");
    assert!(report.contains("all tensors are present with the right shapes"), "{report}");
}
