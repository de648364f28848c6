//! A model's tensors by name, from safetensors or `torch.save` files, whole or in shards.

mod matrices;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use candle_core::{DType, Device, DeviceLocation, Tensor};

use super::recognise;
use super::tensor_values::{gather, to_f32};
use crate::checkpoint::pickle::TensorDtype;
use crate::checkpoint::{torch, weights};
use crate::error::{Error, Result};
use crate::files::{Bytes, ModelFiles};
use crate::nn::Weight;
use crate::progress::{Progress, Watch};

/// The tensors of a model by name. Values are read when they are needed.
pub struct Weights {
    files: Vec<Bytes>,
    entries: BTreeMap<String, TensorEntry>,
    state: Mutex<WeightsState>,
    /// True if only names and shapes are checked; every tensor then reads as zeros.
    shapes_only: bool,
    /// True if matrices in their files may be packed by later products.
    packs: bool,
}

/// Number of missing and misshapen tensors after which a check of names and shapes gives up.
const MAX_PROBLEMS: usize = 1000;

#[derive(Default)]
struct WeightsState {
    used: BTreeSet<String>,
    /// Files and offsets of the tensors used.
    seen: BTreeSet<(usize, usize)>,
    /// Missing and misshapen tensors, if only names and shapes are checked.
    problems: Vec<String>,
    /// Tensors read so far. They are known by their location, since tied weights have several names.
    made: HashMap<(TensorLocation, DeviceLocation), Tensor>,
    matrices: HashMap<TensorLocation, Weight>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct TensorLocation {
    file: usize,
    range: Range<usize>,
    shape: Vec<usize>,
    strides: Option<Vec<usize>>,
}

#[derive(Clone, Debug)]
struct TensorEntry {
    dtype: TensorDtype,
    location: TensorLocation,
}

impl TensorEntry {
    fn is_float(&self) -> bool {
        !matches!(self.dtype, TensorDtype::Other { .. })
    }

    /// Returns the bytes in the tensor's file, from its first element to its last.
    fn bytes<'a>(&self, file: Option<&'a Bytes>) -> &'a [u8] {
        file.and_then(|bytes| bytes.get(self.location.range.clone())).unwrap_or_default()
    }

    /// Reads the tensor `name` from its file, in row-major order.
    fn read(&self, file: Option<&Bytes>, name: &str) -> Result<Vec<f32>> {
        let values = to_f32(self.bytes(file), &self.dtype).ok_or_else(|| self.no_floats(name))?;
        Ok(match &self.location.strides {
            None => values,
            // In files that transformers writes, such a tensor is small or a transposed matrix.
            Some(strides) => gather(&values, &self.location.shape, strides),
        })
    }

    fn no_floats(&self, name: &str) -> Error {
        Error::Weights(format!("tensor '{name}' holds {}, not floating-point numbers", self.dtype.name()))
    }
}

impl Weights {
    /// Opens the model's weights and reads the names and shapes of its tensors.
    ///
    /// # Errors
    /// [`Error::MissingFile`] if there are no weights, or a shard is missing;
    /// [`Error::BadFile`] for a file that cannot be read; [`Error::UnmergedAdapter`], [`Error::Quantised`] or
    /// [`Error::HalfModel`] for what is not a whole model; [`Error::Cancelled`].
    pub fn open(files: &ModelFiles, watch: &dyn Watch) -> Result<Self> {
        let form = weights::READABLE
            .into_iter()
            .find(|form| files.has(form))
            .ok_or_else(|| nothing_to_read(files))?;
        let mut weights = Self {
            files: Vec::new(),
            entries: BTreeMap::new(),
            state: Mutex::default(),
            shapes_only: false,
            packs: true,
        };
        if form.ends_with(weights::INDEX) {
            let index = index(files, form)?;
            let shards: BTreeSet<_> = index.values().cloned().collect();
            for shard in &shards {
                watch.check()?;
                weights.add(files, shard)?;
            }
            if let Some((name, shard)) =
                index.iter().find(|(name, _)| !weights.entries.contains_key(plain(name)))
            {
                return Err(Error::Weights(format!(
                    "{form} promises '{name}' in {shard}, which does not have it"
                )));
            }
        } else {
            weights.add(files, form)?;
        }
        let tensors = weights.entries.iter().map(|(name, entry)| (name.as_str(), entry.dtype.name()));
        if let Some(error) = recognise::refusal(&files.name, files.config().ok(), tensors) {
            return Err(error);
        }
        watch.progress(Progress::Load { done: 0, total: weights.entries.len() });
        Ok(weights)
    }

    /// Returns weights that check names and shapes only: tensors read as zeros, and what is wrong with them
    /// is kept for [`Weights::problems`].
    pub fn shapes_only(mut self) -> Self {
        self.shapes_only = true;
        self
    }

    /// Returns weights whose matrices stay in their files: products do not pack them.
    pub fn unpacked(self) -> Self {
        Self { packs: false, ..self }
    }

    /// Returns the missing and misshapen tensors since [`Weights::shapes_only`], in the order in which they
    /// were needed.
    pub fn problems(&self) -> Vec<String> {
        self.state().problems.clone()
    }

    /// Returns a tensor of zeros that takes no memory.
    fn stand_in(&self, shape: &[usize], device: &Device) -> Result<Tensor> {
        Ok(Tensor::zeros((), DType::F32, device)?.broadcast_as(shape)?)
    }

    /// Notes a problem with a tensor of `shape` and continues, if only names and shapes are checked, unless
    /// the configuration has nothing to do with the checkpoint.
    fn tolerate<T>(&self, result: Result<T>, shape: &[usize]) -> Result<Option<T>> {
        match result {
            Err(Error::Weights(why)) if self.shapes_only && self.is_plausible(shape) => {
                let problems = &mut self.state().problems;
                problems.push(why);
                if problems.len() > MAX_PROBLEMS {
                    let last = problems.last().map_or("", String::as_str);
                    return Err(Error::Weights(format!(
                        "{MAX_PROBLEMS} tensors do not fit; the next: {last}"
                    )));
                }
                Ok(None)
            }
            result => result.map(Some),
        }
    }

    /// Returns true if a tensor of `shape` is not much larger than those of the checkpoint.
    fn is_plausible(&self, shape: &[usize]) -> bool {
        let elements =
            |shape: &[usize]| shape.iter().fold(1usize, |product, &len| product.saturating_mul(len));
        let largest = self.entries.values().map(|entry| elements(&entry.location.shape)).max().unwrap_or(0);
        elements(shape) / 16 <= largest.max(1 << 16)
    }

    /// Removes the prefix that a wrapper has put before all names, if the tensor `probe` exists only with a
    /// prefix.
    pub fn unwrap_names(&mut self, probe: &str) {
        if self.entries.contains_key(probe) {
            return;
        }
        let ending = format!(".{probe}");
        let Some(wrapped) = self.entries.keys().find(|name| name.ends_with(&ending)) else { return };
        let front = wrapped[..wrapped.len() - probe.len()].to_string();
        let entries = std::mem::take(&mut self.entries).into_iter();
        let bare = |name: String| name.strip_prefix(&front).map(str::to_string).unwrap_or(name);
        self.entries = entries.map(|(name, entry)| (bare(name), entry)).collect();
    }

    fn add(&mut self, files: &ModelFiles, name: &str) -> Result<()> {
        let bytes = files.need(name)?;
        let stored = if name.ends_with(".safetensors") {
            safetensors(name, &bytes)?
        } else {
            torch::read(name, &bytes)?
        };
        let file = self.files.len();
        for tensor in stored {
            let location =
                TensorLocation { file, range: tensor.range, shape: tensor.shape, strides: tensor.strides };
            self.entries
                .entry(plain(&tensor.name).to_owned())
                .or_insert(TensorEntry { dtype: tensor.dtype, location });
        }
        self.files.push(bytes);
        Ok(())
    }

    /// Returns the name of the first float tensor that holds NaN or, if none does, infinity.
    pub fn damaged(&self) -> Option<&str> {
        let first = |is_bad: fn(&f32) -> bool| {
            let floats = self.entries.iter().filter(|(_, entry)| entry.is_float());
            let mut bad =
                floats.filter(|(name, entry)| self.read(name, entry).is_ok_and(|all| all.iter().any(is_bad)));
            bad.next().map(|(name, _)| name.as_str())
        };
        first(|value| value.is_nan()).or_else(|| first(|value| value.is_infinite()))
    }

    /// Returns the names of all tensors, sorted, without the prefix `module.`.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Returns a tensor's shape, or `None` if there is no tensor of that name.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.entries.get(name).map(|entry| entry.location.shape.as_slice())
    }

    /// Returns the number of weights: elements of all float tensors, counting shared bytes once.
    pub fn parameters(&self) -> usize {
        self.largest_of_each_place(|entry| {
            entry.location.shape.iter().fold(1usize, |product, &len| product.saturating_mul(len))
        })
    }

    /// Returns the bytes of all float tensors in their files, counting shared bytes once.
    pub fn size(&self) -> u64 {
        self.largest_of_each_place(|entry| entry.location.range.len()) as u64
    }

    /// Sums a size of the float tensors: of those that begin at the same byte, the largest.
    fn largest_of_each_place(&self, size: impl Fn(&TensorEntry) -> usize) -> usize {
        let mut places = BTreeMap::new();
        for entry in self.entries.values().filter(|entry| entry.is_float()) {
            let place = (entry.location.file, entry.location.range.start);
            let largest = places.entry(place).or_insert(0);
            *largest = size(entry).max(*largest);
        }
        places.into_values().fold(0, usize::saturating_add)
    }

    /// Counts the tensors of each number type: `float32`, `float16`, `bfloat16`, ...
    pub fn dtypes(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for entry in self.entries.values() {
            *counts.entry(entry.dtype.name()).or_default() += 1;
        }
        counts
    }

    /// Returns the number of tensors used so far.
    pub fn taken(&self) -> usize {
        self.state().used.len()
    }

    /// Returns the first of `names` that exists, as a float32 tensor of `shape` on `device`. All of `names`
    /// count as used, since they name one parameter. The same tensor is read once, whatever its names.
    ///
    /// # Errors
    /// [`Error::Weights`] if none of the names exists, the shape differs, or it is not a float tensor.
    pub fn get(&self, names: &[String], shape: &[usize], device: &Device) -> Result<Tensor> {
        let found = self.get_optional(names, shape, device)?.ok_or_else(|| missing(names));
        self.tolerate(found, shape)?.map_or_else(|| self.stand_in(shape, device), Ok)
    }

    /// Like [`Weights::get`], but returns `None` if none of `names` exists.
    ///
    /// # Errors
    /// As [`Weights::get`], except for a missing tensor.
    pub fn get_optional(&self, names: &[String], shape: &[usize], device: &Device) -> Result<Option<Tensor>> {
        if self.shapes_only {
            return match self.tolerate(self.find(names, shape), shape)? {
                Some(None) => Ok(None),
                _ => self.stand_in(shape, device).map(Some),
            };
        }
        let Some((name, entry)) = self.find(names, shape)? else { return Ok(None) };
        let key = (entry.location.clone(), device.location());
        if let Some(tensor) = self.state().made.get(&key) {
            return Ok(Some(tensor.clone()));
        }
        let values = self.read(name, entry)?;
        let tensor = Tensor::from_vec(values, shape, device)
            .map_err(|e| Error::Weights(format!("tensor '{name}' does not fit the device: {e}")))?;
        self.state().made.insert(key, tensor.clone());
        Ok(Some(tensor))
    }

    /// Locks the state. It must not be locked while values are read, as the reading threads may lock it, too.
    fn state(&self) -> MutexGuard<'_, WeightsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds the first of `names` that exists, and counts all of them as used.
    fn find(&self, names: &[String], shape: &[usize]) -> Result<Option<(&String, &TensorEntry)>> {
        let Some((name, entry)) = names.iter().find_map(|name| self.entries.get_key_value(name)) else {
            return Ok(None);
        };
        if entry.location.shape != shape {
            let found = &entry.location.shape;
            return Err(Error::Weights(format!(
                "tensor '{name}' has shape {found:?}, the configuration says {shape:?}"
            )));
        }
        let mut state = self.state();
        state.used.extend(names.iter().filter(|name| self.entries.contains_key(*name)).cloned());
        state.seen.insert((entry.location.file, entry.location.range.start));
        Ok(Some((name, entry)))
    }

    /// Lists the float tensors that were not used, under this or another name of the same bytes, except those
    /// whose name matches a pattern in `ignored` (`*` stands for any characters).
    pub fn unused(&self, ignored: &[&str]) -> Vec<String> {
        let state = self.state();
        self.entries
            .iter()
            .filter(|(name, entry)| {
                entry.is_float()
                    && !state.used.contains(*name)
                    && !state.seen.contains(&(entry.location.file, entry.location.range.start))
                    && !ignored.iter().any(|pattern| fits(pattern, name))
            })
            .map(|(name, _)| name.clone())
            .collect()
    }

    fn read(&self, name: &str, entry: &TensorEntry) -> Result<Vec<f32>> {
        entry.read(self.files.get(entry.location.file), name)
    }
}

fn missing(names: &[String]) -> Error {
    let (first, others) = names.split_first().map_or(("", names), |(first, others)| (first.as_str(), others));
    let also =
        if others.is_empty() { String::new() } else { format!(" (also looked for: {})", others.join(", ")) };
    Error::Weights(format!("tensor '{first}' is missing{also}"))
}

/// Removes the prefix that `DataParallel` puts before every name.
fn plain(name: &str) -> &str {
    name.strip_prefix("module.").unwrap_or(name)
}

fn nothing_to_read(files: &ModelFiles) -> Error {
    let found = files.files.keys().find_map(|file| {
        let adapter = || file.starts_with(weights::ADAPTER).then_some("an adapter to another model");
        let format = weights::unreadable_format(file).or_else(adapter)?;
        Some(format!("; its {file} is {format}, which cannot be read"))
    });
    let wanted = "model.safetensors or pytorch_model.bin (or either in shards with its .index.json)";
    Error::MissingFile { model: files.name.clone(), file: format!("{wanted}{}", found.unwrap_or_default()) }
}

/// Reads the shard of each tensor from an index.
fn index(files: &ModelFiles, name: &str) -> Result<BTreeMap<String, String>> {
    let index = files.json(name)?.unwrap_or_default();
    let map = index.get("weight_map").cloned().unwrap_or_default();
    serde_json::from_value(map)
        .map_err(|e| Error::BadFile { file: name.into(), why: format!("no usable \"weight_map\": {e}") })
}

fn safetensors(file: &str, bytes: &[u8]) -> Result<Vec<torch::StoredTensor>> {
    let bad = |why: String| Error::BadFile { file: file.into(), why };
    if bytes.starts_with(b"version https://git-lfs") {
        return Err(bad("a Git LFS pointer, not the file itself (`git lfs pull` fetches it)".into()));
    }
    let parsed = safetensors::SafeTensors::read_metadata(bytes);
    let (header, metadata) = parsed.map_err(|e| bad(format!("not a whole safetensors file: {e}")))?;
    let data = header + 8;
    if bytes.len() != data + metadata.data_len() {
        let promised = data + metadata.data_len();
        return Err(bad(format!("cut off: {} bytes, its header promises {promised}", bytes.len())));
    }
    let stored = metadata.tensors().into_iter().map(|(name, info)| {
        let dtype = match info.dtype {
            safetensors::Dtype::F32 => TensorDtype::F32,
            safetensors::Dtype::F64 => TensorDtype::F64,
            safetensors::Dtype::F16 => TensorDtype::F16,
            safetensors::Dtype::BF16 => TensorDtype::BF16,
            other => TensorDtype::Other { name: other.to_string(), size: other.bitsize().div_ceil(8) },
        };
        let (start, end) = info.data_offsets;
        torch::StoredTensor {
            name,
            dtype,
            shape: info.shape.clone(),
            strides: None,
            range: data + start..data + end,
        }
    });
    Ok(stored.collect())
}

/// Returns true if `name` matches `pattern`, in which `*` stands for any characters.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => name.strip_prefix(head).is_some_and(|rest| {
            (0..=rest.len()).any(|at| rest.get(at..).is_some_and(|rest| fits(tail, rest)))
        }),
    }
}
