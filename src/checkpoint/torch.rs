//! Reader of the two containers of `torch.save`: a zip archive with a pickle and one file a storage, and the
//! older stream of pickles followed by the storages; and of plain pickles of NumPy's arrays.

use std::collections::{HashMap, HashSet};
use std::io::Cursor;
use std::ops::Range;

use super::pickle::{MOST_TENSORS, Pickle, PickleValue, PickledArray, PickledTensor, TensorDtype, ValueId};
use crate::error::{Error, Result};

/// A tensor in a file: a strided view of its bytes.
#[derive(Clone, Debug)]
pub struct StoredTensor {
    pub name: String,
    pub dtype: TensorDtype,
    pub shape: Vec<usize>,
    /// Strides in elements; `None` if the elements lie in row-major order without gaps.
    pub strides: Option<Vec<usize>>,
    /// Bytes of the file from the tensor's first element to its last.
    pub range: Range<usize>,
}

/// End of the first pickle in the older format: the number 0x1950a86a20f9469cfc6c and a stop.
const OLD_MAGIC: [u8; 13] = [0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];

/// A `torch.save` file: its pickle, and the bytes of each storage by key.
struct TorchFile<'a> {
    pickle: Pickle<'a>,
    /// Position of the pickle in the file.
    pickle_start: usize,
    storages: HashMap<String, Range<usize>>,
}

/// Lists the tensors of a `torch.save` file in the order of the state dict.
///
/// # Errors
/// [`Error::BadFile`] if it is not such a file, is cut off, or refers to storages out of bounds or to Python
/// objects that no state dict has.
pub fn read(file: &str, bytes: &[u8]) -> Result<Vec<StoredTensor>> {
    let stored = open(bytes).and_then(|opened| tensors(&opened)).and_then(|stored| {
        check_size(&stored, bytes.len())?;
        Ok(stored)
    });
    stored.map_err(|why| Error::BadFile { file: file.into(), why })
}

/// The tensors and texts of a `torch.save` file of any tuples, lists and dicts, named by their path: `1.0`
/// for item 0 of item 1, `cross_attentions.2` for item 2 of a dict's entry.
#[derive(Debug, Default)]
pub struct NestedTensors {
    /// The tensors.
    pub tensors: Vec<StoredTensor>,
    /// Texts, and lists of texts and whole numbers as JSON.
    pub texts: Vec<(String, String)>,
}

/// Lists the tensors and texts of a `torch.save` file of any tuples, lists and dicts.
///
/// # Errors
/// One line about what is wrong, as for [`read`].
pub fn read_nested(bytes: &[u8]) -> std::result::Result<NestedTensors, String> {
    let opened = open(bytes)?;
    let mut walk = Walk { file: &opened, steps: 0, found: NestedTensors::default() };
    walk.visit(opened.pickle.root(), String::new(), 0)?;
    check_size(&walk.found.tensors, bytes.len())?;
    Ok(walk.found)
}

/// Returns true if a file starts and ends like a plain pickle, of protocols 2 to 5.
pub fn is_pickle(bytes: &[u8]) -> bool {
    matches!(bytes, [0x80, 2..=5, .., b'.'])
}

/// Returns true if a file starts like the older format of `torch.save`.
pub fn is_old_format(bytes: &[u8]) -> bool {
    old_magic(bytes).is_some()
}

/// Returns the position of the magic number of the older format.
fn old_magic(bytes: &[u8]) -> Option<usize> {
    bytes.windows(OLD_MAGIC.len()).take(16).position(|head| head == OLD_MAGIC)
}

fn open(bytes: &[u8]) -> std::result::Result<TorchFile<'_>, String> {
    if bytes.starts_with(b"PK") {
        read_zip(bytes)
    } else if let Some(magic) = old_magic(bytes) {
        read_old(bytes, magic + OLD_MAGIC.len())
    } else if is_pickle(bytes) {
        Ok(TorchFile { pickle: Pickle::read(bytes)?, pickle_start: 0, storages: HashMap::new() })
    } else if bytes.is_empty() {
        Err("the file is empty".into())
    } else if bytes.starts_with(b"version https://git-lfs") {
        Err("a Git LFS pointer, not the file itself (`git lfs pull` fetches it)".into())
    } else {
        Err("not a file of torch.save (neither a zip archive nor the older format)".into())
    }
}

/// A walk over nested values.
struct Walk<'f, 'a> {
    file: &'f TorchFile<'a>,
    steps: usize,
    found: NestedTensors,
}

impl Walk<'_, '_> {
    /// Nesting of the values that are visited.
    const MOST_DEPTH: usize = 4;
    /// Values that are visited: a hostile file may hold one list many times.
    const MOST_STEPS: usize = 1 << 18;

    fn visit(
        &mut self,
        value: &PickleValue<'_>,
        path: String,
        depth: usize,
    ) -> std::result::Result<(), String> {
        self.steps += 1;
        if self.steps > Self::MOST_STEPS {
            return Err(format!("it holds more than {} values", Self::MOST_STEPS));
        }
        let join = |name: &str| if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
        let file = self.file;
        match value {
            PickleValue::Tensor(tensor) => {
                let tensor = file.locate(&path, PickledTensor::clone(tensor))?;
                self.found.tensors.push(tensor);
            }
            PickleValue::Array(Some(array)) => {
                let tensor = file.locate_array(path, array);
                self.found.tensors.push(tensor);
            }
            PickleValue::Text(text) => self.found.texts.push((path, (*text).to_string())),
            PickleValue::Tuple(items) | PickleValue::List(items) if depth < Self::MOST_DEPTH => {
                let plain = |id: &ValueId| match file.pickle.value(*id) {
                    PickleValue::Text(text) => Some(serde_json::Value::from(*text)),
                    PickleValue::Int(int) => Some((*int).into()),
                    _ => None,
                };
                if let Some(values) = items.iter().map(plain).collect::<Option<Vec<_>>>() {
                    self.found.texts.push((path, serde_json::Value::Array(values).to_string()));
                    return Ok(());
                }
                for (at, &item) in items.iter().enumerate() {
                    self.visit(file.pickle.value(item), join(&at.to_string()), depth + 1)?;
                }
            }
            PickleValue::Dict(entries) if depth < Self::MOST_DEPTH => {
                for &(key, value) in entries {
                    let name = match file.pickle.value(key) {
                        PickleValue::Text(text) => join(text),
                        PickleValue::Int(int) => join(&int.to_string()),
                        _ => continue,
                    };
                    self.visit(file.pickle.value(value), name, depth + 1)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn read_zip(bytes: &[u8]) -> std::result::Result<TorchFile<'_>, String> {
    let broken = |e: zip::result::ZipError| format!("a broken zip archive (cut off?): {e}");
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(broken)?;
    if archive.len() > MOST_TENSORS + 16 {
        return Err(format!(
            "an archive of {} members, more than the {MOST_TENSORS} tensors that are read",
            archive.len()
        ));
    }
    let mut spans = HashMap::new();
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(broken)?;
        let name = entry.name().map_err(broken)?.into_owned();
        if entry.compression() != zip::CompressionMethod::Stored {
            return Err(format!("'{name}' is compressed; torch.save stores its entries as they are"));
        }
        let span = entry.data_start().and_then(|start| span(start, entry.compressed_size(), bytes.len()));
        spans.insert(name.clone(), span.ok_or_else(|| format!("'{name}' lies beyond the end of the file"))?);
    }
    let root = spans
        .keys()
        .find_map(|name| name.strip_suffix("data.pkl").filter(|p| p.is_empty() || p.ends_with('/')));
    let root = root.ok_or("a zip archive without data.pkl: not made by torch.save")?;
    if spans.get(&format!("{root}byteorder")).is_some_and(|span| bytes.get(span.clone()) == Some(b"big")) {
        return Err("written on a big-endian machine".into());
    }
    let span = spans.get(&format!("{root}data.pkl")).cloned().unwrap_or_default();
    let pickle = Pickle::read(bytes.get(span.clone()).unwrap_or_default())?;
    let data = format!("{root}data/");
    let storages =
        spans.iter().filter_map(|(name, span)| Some((name.strip_prefix(&data)?.into(), span.clone())));
    Ok(TorchFile { pickle, pickle_start: span.start, storages: storages.collect() })
}

/// Reads what follows the magic number: the pickles of protocol, system and state; a pickle with the keys of
/// the storages; for each key its length in elements (8 bytes) and its elements.
fn read_old(bytes: &[u8], mut at: usize) -> std::result::Result<TorchFile<'_>, String> {
    let mut next = || -> std::result::Result<(usize, Pickle<'_>), String> {
        let start = at;
        let pickle = Pickle::read(bytes.get(start..).unwrap_or_default())?;
        at += pickle.used;
        Ok((start, pickle))
    };
    next()?;
    next()?;
    let (pickle_start, state) = next()?;
    let (_, keys) = next()?;
    let PickleValue::List(keys_in_order) = keys.root() else {
        return Err("the list of storages is missing".into());
    };
    let mut sizes = HashMap::new();
    for storage in state.storages() {
        sizes.insert(storage.key, storage.dtype.size());
    }
    let mut spans = HashMap::new();
    for &key in keys_in_order {
        let PickleValue::Text(key) = *keys.value(key) else {
            return Err("a storage's key is no text".into());
        };
        let cut = || format!("cut off in storage {key}");
        let header = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()).ok_or_else(cut)?;
        let Some(size) = sizes.get(key) else {
            return Err(format!("storage {key} belongs to no tensor"));
        };
        let len = u64::from_le_bytes(*header).checked_mul(*size as u64).ok_or_else(cut)?;
        let span = span(at as u64 + 8, len, bytes.len()).ok_or_else(cut)?;
        at = span.end;
        spans.insert(key.to_string(), span);
    }
    Ok(TorchFile { pickle: state, pickle_start, storages: spans })
}

fn span(start: u64, len: u64, file: usize) -> Option<Range<usize>> {
    let end = start.checked_add(len).filter(|&end| end <= file as u64)?;
    Some(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
}

/// Keys under which training scripts store the state dict.
const NESTED: [&str; 4] = ["state_dict", "model_state_dict", "model", "module"];

fn named<'a>(pickle: &Pickle<'a>) -> std::result::Result<Vec<(&'a str, PickledTensor<'a>)>, String> {
    let mut dict = pickle.root();
    for _ in 0..4 {
        let PickleValue::Dict(items) = dict else { return Err("it holds no state dict".into()) };
        let named = items.iter().filter_map(|&item| named_tensor(pickle, item));
        let named: Vec<_> = named.take(MOST_TENSORS + 1).collect();
        if named.len() > MOST_TENSORS {
            return Err(format!("it holds more than {MOST_TENSORS} tensors"));
        }
        if !named.is_empty() {
            return Ok(named);
        }
        let nested = NESTED.iter().find_map(|wanted| {
            let is = |&&(key, _): &&(ValueId, ValueId)| {
                matches!(pickle.value(key), PickleValue::Text(key) if key == wanted)
            };
            items.iter().find(is).map(|&(_, value)| pickle.value(value))
        });
        dict = nested.ok_or("it holds no tensors by name")?;
    }
    Err("it holds no tensors by name".into())
}

fn named_tensor<'a>(
    pickle: &Pickle<'a>,
    (key, value): (ValueId, ValueId),
) -> Option<(&'a str, PickledTensor<'a>)> {
    match (pickle.value(key), pickle.value(value)) {
        (&PickleValue::Text(name), PickleValue::Tensor(tensor)) => Some((name, PickledTensor::clone(tensor))),
        _ => None,
    }
}

fn tensors(file: &TorchFile<'_>) -> std::result::Result<Vec<StoredTensor>, String> {
    named(&file.pickle)?.into_iter().map(|(name, tensor)| file.locate(name, tensor)).collect()
}

impl TorchFile<'_> {
    fn locate(&self, name: &str, tensor: PickledTensor<'_>) -> std::result::Result<StoredTensor, String> {
        let key = tensor.storage.key;
        let span = self.storages.get(key);
        let span = span.cloned().ok_or_else(|| format!("tensor '{name}': storage {key} is missing"))?;
        locate(name, tensor, span)
    }

    fn locate_array(&self, name: String, array: &PickledArray) -> StoredTensor {
        let PickledArray { dtype, shape, column_major, bytes } = array.clone();
        let strides = (column_major && shape.len() > 1).then(|| {
            let products = shape.iter().scan(1, |product, &side| {
                let stride = *product;
                *product *= side;
                Some(stride)
            });
            products.collect()
        });
        let start = self.pickle_start;
        StoredTensor { name, dtype, shape, strides, range: start + bytes.start..start + bytes.end }
    }
}

/// Checks that the tensors are not much larger than their file. Overlapping and repeating views could make
/// them so.
fn check_size(stored: &[StoredTensor], file_size: usize) -> std::result::Result<(), String> {
    const SMALL: usize = 16 << 20;
    let distinct: HashSet<_> =
        stored.iter().map(|tensor| (tensor.range.start, &tensor.shape, &tensor.strides)).collect();
    let elements = |shape: &[usize]| shape.iter().fold(1usize, |product, &len| product.saturating_mul(len));
    let total = distinct.iter().map(|(_, shape, _)| elements(shape)).fold(0usize, usize::saturating_add);
    // A file of one byte an element can hold no more elements than bytes.
    if total > file_size.saturating_mul(2).saturating_add(SMALL) {
        return Err(format!("its views of storages have {total} elements, far more than the file holds"));
    }
    Ok(())
}

/// Locates a tensor within the span of its storage.
///
/// # Errors
/// The tensor leaves its storage.
fn locate(
    name: &str,
    tensor: PickledTensor<'_>,
    span: Range<usize>,
) -> std::result::Result<StoredTensor, String> {
    let PickledTensor { storage, offset, shape, strides } = tensor;
    let outside = || format!("tensor '{name}' of shape {shape:?} leaves its storage (file cut off?)");
    let size = storage.dtype.size();
    let base = storage.view.map_or(0, |(start, _)| start);
    let first = base.checked_add(offset).and_then(|at| at.checked_mul(size)).ok_or_else(outside)?;
    let reach = if shape.contains(&0) {
        Some(0)
    } else {
        let last = shape
            .iter()
            .zip(&strides)
            .try_fold(0usize, |sum, (&len, &stride)| sum.checked_add((len - 1).checked_mul(stride)?));
        last.and_then(|last| last.checked_add(1)?.checked_mul(size))
    };
    let start = span.start.checked_add(first).ok_or_else(outside)?;
    let end = reach
        .and_then(|reach| start.checked_add(reach))
        .filter(|&end| end <= span.end)
        .ok_or_else(outside)?;
    let strides = (!row_major(&shape, &strides)).then_some(strides);
    Ok(StoredTensor { name: name.into(), dtype: storage.dtype, shape, strides, range: start..end })
}

fn row_major(shape: &[usize], strides: &[usize]) -> bool {
    let mut expected = 1usize;
    shape.iter().zip(strides).rev().all(|(&len, &stride)| {
        let fits = len == 1 || stride == expected;
        expected = expected.saturating_mul(len);
        fits
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(start: usize, shape: &[usize], strides: Option<Vec<usize>>) -> StoredTensor {
        StoredTensor {
            name: format!("{start}"),
            dtype: TensorDtype::F32,
            shape: shape.to_vec(),
            strides,
            range: start..start + 4,
        }
    }

    #[test]
    fn views_of_the_same_bytes_make_no_large_model() {
        let tied = [tensor(0, &[1000, 1000], None), tensor(0, &[1000, 1000], None)];
        assert!(check_size(&tied, 4_000_000).is_ok());
        let expanded = [tensor(0, &[1 << 20, 1 << 10], Some(vec![0, 0]))];
        assert!(check_size(&expanded, 100).unwrap_err().contains("far more than the file holds"));
        let shifted: Vec<_> = (0..100).map(|at| tensor(4 * at, &[1000, 1000], None)).collect();
        assert!(check_size(&shifted, 4_000_400).is_err());
    }
}
