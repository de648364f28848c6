//! Reading of captures in npz files, by conversion to a capture file.
//!
//! Names: `encoder.N`, `decoder.N`, `cross.N` as in the capture file, or all layers at once as
//! `encoder_attentions`, `decoder_attentions`, `cross_attentions` `[layers, heads, queries, keys]` (also
//! with a batch of one: `[layers, 1, heads, queries, keys]`), and `logits`; the metadata's lists as arrays
//! of strings or whole numbers (`source_tokens`, `source_ids`, ...), its texts as strings (`source`,
//! `target`, `model`, ...).

use std::collections::{HashMap, HashSet};
use std::io::{Cursor, Read};
use std::ops::Range;

use safetensors::tensor::Dtype;
use serde_json::{Map, Value, json};
use zip::ZipArchive;

use super::axes::MAX_ITEMS;
use super::tensors::{Parsed, width};
use crate::human;
use crate::site::{Kind, MAX_LAYERS};

/// Maximum number of members of an archive. A capture has a few for each layer.
const MAX_MEMBERS: usize = 100_000;

/// Maximum length of the header of an array in bytes.
const MAX_HEADER: usize = 1 << 16;

/// Returns true if a file is a zip archive, as npz files are.
pub fn is_npz(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04")
}

/// Returns how many bytes the arrays of a file of `size` bytes may unpack to. Small files can claim a thousand
/// times their size; maps of large files are seldom so sparse that they shrink to less than a sixty-fourth.
fn max_unpacked(size: u64) -> u64 {
    const SMALL: u64 = 10_000_000;
    (64 << 20) + 4 * size.min(SMALL) + 64 * size.saturating_sub(SMALL)
}

/// Converts an npz file to a capture file. Members that are no part of a capture, or not arrays of a known type,
/// are not unpacked.
pub fn to_safetensors(bytes: &[u8]) -> Parsed<Vec<u8>> {
    let bad = |e: zip::result::ZipError| format!("not an npz file: {e}");
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(bad)?;
    if archive.len() > MAX_MEMBERS {
        return Err(format!("it has {} members, more than the {MAX_MEMBERS} that are read", archive.len()));
    }
    let mut members = Vec::new();
    let mut unpacked = 0u64;
    for at in 0..archive.len() {
        let entry = archive.by_index_raw(at).map_err(bad)?;
        let name = entry.name().map_err(bad)?.into_owned();
        let Some(name) = name.strip_suffix(".npy").filter(|name| is_part(name)) else { continue };
        unpacked = unpacked.saturating_add(entry.size());
        members.push((at, name.to_string()));
    }
    let most = max_unpacked(bytes.len() as u64);
    if unpacked > most {
        return Err(format!(
            "its arrays unpack to {}, more than the {} that are read of a file of {}; numpy.savez, without \
             compression, has no such limit",
            human::bytes(unpacked),
            human::bytes(most),
            human::bytes(bytes.len() as u64)
        ));
    }
    let mut converted = Converted::default();
    for (at, name) in members {
        let mut entry = archive.by_index(at).map_err(bad)?;
        let size = entry.size();
        converted.add(&name, &mut entry, size).map_err(|why| format!("{name}: {why}"))?;
    }
    converted.finish()
}

/// Returns true if an array of that name is part of a capture.
fn is_part(name: &str) -> bool {
    const FIELDS: [&str; 6] = ["logits", "format", "model", "model_type", "weights", "special_ids"];
    const OF_SITES: [&str; 2] = ["values.", "contributions."];
    let site = OF_SITES.iter().find_map(|part| name.strip_prefix(part)).unwrap_or(name);
    FIELDS.contains(&name)
        || ["source", "target", "decoder_input"].iter().any(|axis| name.starts_with(axis))
        || Kind::ALL
            .iter()
            .any(|kind| site.strip_prefix(kind.name()).is_some_and(|rest| rest.starts_with(['.', '_'])))
}

/// The capture file under construction.
#[derive(Default)]
struct Converted {
    names: HashSet<String>,
    /// Entries of the header, by name of the tensor.
    header: Map<String, Value>,
    fields: HashMap<String, String>,
    data: Vec<u8>,
}

impl Converted {
    /// Adds an array of `size` bytes, header included.
    fn add(&mut self, name: &str, file: &mut impl Read, size: u64) -> Parsed<()> {
        let array = Array::read(file)?;
        let Some(element) = array.element() else { return Ok(()) };
        let expected = array.size(element).ok_or_else(|| format!("its shape is {:?}", array.shape))?;
        if size != (array.header + expected) as u64 {
            let shape = &array.shape;
            return Err(format!("{size} bytes are not those of an array {shape:?} of type {}", array.dtype));
        }
        let start = self.data.len();
        match element {
            Element::Float(dtype) => {
                read_to(file, expected, &mut self.data)?;
                self.add_tensors(name, dtype, &array, start..start + expected)
            }
            _ => {
                self.unique(name)?;
                let mut data = Vec::new();
                read_to(file, expected, &mut data)?;
                self.fields.insert(name.into(), array.field(element, &data)?);
                Ok(())
            }
        }
    }

    fn unique(&mut self, name: &str) -> Parsed<()> {
        match self.names.insert(name.into()) {
            true => Ok(()),
            false => Err(format!("{name} is there twice, under this or another name")),
        }
    }

    /// Adds the tensors of an array whose values are at `range` of the data: one, or one per layer.
    fn add_tensors(&mut self, name: &str, dtype: Dtype, array: &Array, range: Range<usize>) -> Parsed<()> {
        let kind = Kind::ALL.into_iter().find(|kind| name.strip_suffix("_attentions") == Some(kind.name()));
        let (Some(kind), [layers, shape @ ..]) = (kind, array.shape.as_slice()) else {
            return self.add_tensor(name, dtype, &array.shape, range);
        };
        if range.is_empty() {
            return Err(format!("it is empty: its shape is {:?}", array.shape));
        }
        if *layers > MAX_LAYERS {
            return Err(format!("it has {layers} layers, more than the {MAX_LAYERS} that are read"));
        }
        let size = range.len() / layers;
        for layer in 0..*layers {
            let start = range.start + layer * size;
            self.add_tensor(&format!("{kind}.{layer}"), dtype, shape, start..start + size)?;
        }
        Ok(())
    }

    fn add_tensor(&mut self, name: &str, dtype: Dtype, shape: &[usize], range: Range<usize>) -> Parsed<()> {
        self.unique(name)?;
        let entry =
            json!({"dtype": dtype.to_string(), "shape": shape, "data_offsets": [range.start, range.end]});
        self.header.insert(name.into(), entry);
        Ok(())
    }

    fn finish(mut self) -> Parsed<Vec<u8>> {
        self.header.insert("__metadata__".into(), json!(self.fields));
        let header = Value::Object(self.header).to_string();
        let mut file = self.data;
        file.splice(..0, (header.len() as u64).to_le_bytes().into_iter().chain(header.bytes()));
        Ok(file)
    }
}

/// Appends exactly `size` bytes of a file to `data`.
fn read_to(file: &mut impl Read, size: usize, data: &mut Vec<u8>) -> Parsed<()> {
    let before = data.len();
    data.reserve_exact(size);
    // One byte more, so that the archive checks the member's checksum at its end.
    file.take(size as u64 + 1).read_to_end(data).map_err(|e| e.to_string())?;
    if data.len() - before == size {
        Ok(())
    } else {
        Err("its size is not the one that the archive says".into())
    }
}

/// Element type of an array.
#[derive(Clone, Copy)]
enum Element {
    Float(Dtype),
    /// Integers of so many bytes.
    Whole(usize),
    /// Strings of so many characters.
    Text(usize),
}

/// Description of a NumPy array in row-major order.
struct Array {
    dtype: String,
    shape: Vec<usize>,
    /// Number of bytes before the values.
    header: usize,
}

impl Array {
    /// Reads the header of an .npy file, version 1 to 3.
    fn read(file: &mut impl Read) -> Parsed<Self> {
        let mut exactly = |size: usize| -> Parsed<Vec<u8>> {
            let mut bytes = vec![0; size];
            file.read_exact(&mut bytes).map_err(|e| match e.kind() {
                std::io::ErrorKind::UnexpectedEof => "the file is cut short".to_string(),
                _ => e.to_string(),
            })?;
            Ok(bytes)
        };
        let start = exactly(8)?;
        if !start.starts_with(b"\x93NUMPY") {
            return Err("not an .npy file".into());
        }
        let width = if start.get(6) == Some(&1) { 2 } else { 4 };
        let length = exactly(width)?.iter().rev().fold(0, |length, byte| length << 8 | usize::from(*byte));
        if length > MAX_HEADER {
            return Err(format!("its header has {length} bytes"));
        }
        let header = String::from_utf8_lossy(&exactly(length)?).into_owned();
        let after = |key: &str| Some(header.split_once(key)?.1.trim_start_matches([' ', ':']));
        let dtype =
            after("'descr'").and_then(|rest| rest.split('\'').nth(1)).ok_or("it has no simple type")?;
        if after("'fortran_order'").is_none_or(|rest| !rest.starts_with("False")) {
            return Err("it is column-major: save numpy.ascontiguousarray of it".into());
        }
        let dims = after("'shape'")
            .and_then(|rest| rest.strip_prefix('(')?.split_once(')'))
            .ok_or("it has no shape")?
            .0;
        let dims = dims.split(',').map(str::trim).filter(|dim| !dim.is_empty());
        let shape = dims
            .map(|dim| dim.parse().map_err(|_| format!("its shape has '{dim}'")))
            .collect::<Parsed<_>>()?;
        Ok(Self { dtype: dtype.into(), shape, header: 8 + width + length })
    }

    fn element(&self) -> Option<Element> {
        Some(match self.dtype.as_str() {
            "<f2" => Element::Float(Dtype::F16),
            "<f4" => Element::Float(Dtype::F32),
            "<f8" => Element::Float(Dtype::F64),
            "<i4" => Element::Whole(4),
            "<i8" => Element::Whole(8),
            other => Element::Text(other.strip_prefix("<U")?.parse().ok().filter(|&width| width > 0)?),
        })
    }

    /// Returns the number of values; `None` if it is too large for this machine.
    fn count(&self) -> Option<usize> {
        self.shape.iter().try_fold(1usize, |count, &dim| count.checked_mul(dim))
    }

    /// Returns the size of the values in bytes.
    fn size(&self, element: Element) -> Option<usize> {
        let width = match element {
            Element::Float(dtype) => width(dtype)?,
            Element::Whole(width) => width,
            Element::Text(width) => width.checked_mul(4)?,
        };
        self.count()?.checked_mul(width).filter(|size| size.checked_add(self.header).is_some())
    }

    /// Converts the values to a metadata field: a text, or a JSON list.
    fn field(&self, element: Element, data: &[u8]) -> Parsed<String> {
        if self.count().is_none_or(|count| count > MAX_ITEMS) {
            return Err(format!("its shape is {:?}, more than {MAX_ITEMS} entries", self.shape));
        }
        let values: Vec<Value> = match element {
            Element::Float(_) => Vec::new(),
            Element::Whole(width) => data.chunks_exact(width).map(whole).collect(),
            Element::Text(width) => {
                data.chunks_exact(width.saturating_mul(4)).map(text).collect::<Parsed<_>>()?
            }
        };
        Ok(match (self.shape.is_empty(), values.first()) {
            (true, Some(Value::String(text))) => text.clone(),
            (true, Some(value)) => value.to_string(),
            _ => Value::Array(values).to_string(),
        })
    }
}

fn whole(bytes: &[u8]) -> Value {
    let mut wide = if bytes.last().is_some_and(|&top| top >= 0x80) { [0xff; 8] } else { [0; 8] };
    for (to, from) in wide.iter_mut().zip(bytes) {
        *to = *from;
    }
    i64::from_le_bytes(wide).into()
}

/// A string in UTF-32, padded with zeros.
fn text(bytes: &[u8]) -> Parsed<Value> {
    let codes = bytes.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b));
    let text: Option<String> = codes.map(char::from_u32).collect();
    Ok(text.ok_or("a string is not Unicode")?.trim_end_matches('\0').into())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::write::SimpleFileOptions;

    use super::*;

    fn npy(dtype: &str, shape: &str, values: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}\n");
        let length = (header.len() as u16).to_le_bytes();
        [b"\x93NUMPY\x01\0", &length[..], header.as_bytes(), values].concat()
    }

    fn npz(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in members {
            archive.start_file(*name, SimpleFileOptions::default()).unwrap();
            archive.write_all(bytes).unwrap();
        }
        archive.finish().unwrap().into_inner()
    }

    fn zeros(shape: &str, count: usize) -> Vec<u8> {
        npy("<f4", shape, &vec![0; count * 4])
    }

    #[test]
    fn members_that_are_no_part_of_a_capture_are_not_unpacked() {
        let file = npz(&[
            ("cross.0.npy", zeros("(1, 2, 3)", 6)),
            ("junk.npy", b"no array".to_vec()),
            ("zeros.npy", vec![0; 100 << 20]),
        ]);
        assert!(file.len() < 1 << 20);
        let converted = to_safetensors(&file).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&converted).unwrap();
        assert_eq!(tensors.names(), ["cross.0"]);
    }

    #[test]
    fn arrays_that_unpack_to_far_more_than_the_file_are_refused() {
        let file = npz(&[("cross.0.npy", zeros("(1, 5000, 5000)", 25_000_000))]);
        let error = to_safetensors(&file).unwrap_err();
        assert!(error.contains("unpack to") && error.contains("numpy.savez"), "{error}");
    }

    #[test]
    fn a_map_under_two_names_is_refused() {
        let file = npz(&[
            ("cross.0.npy", zeros("(1, 1, 1)", 1)),
            ("cross_attentions.npy", zeros("(1, 1, 1, 1)", 1)),
        ]);
        assert!(to_safetensors(&file).unwrap_err().contains("cross.0 is there twice"));
    }

    #[test]
    fn sizes_that_contradict_each_other_are_refused() {
        let error = |array: Vec<u8>| to_safetensors(&npz(&[("cross_attentions.npy", array)])).unwrap_err();
        assert!(error(zeros("(1, 2, 3)", 5)).contains("are not those of an array"));
        assert!(error(zeros("(4294967296, 4294967296, 2)", 5)).contains("its shape is"));
        assert!(error(zeros("(5000, 1, 1, 1)", 5000)).contains("5000 layers"));
        assert!(error(zeros("(5, 1, 0, 1)", 0)).contains("is empty"));
        assert!(error(b"\x93NUMPY\x02\0\xff\xff\xff\xff".to_vec()).contains("its header has"));
        let ids = npy("<i4", "(300000,)", &vec![0; 1_200_000]);
        assert!(to_safetensors(&npz(&[("source_ids.npy", ids)])).unwrap_err().contains("entries"));
    }
}
