//! Reading of captures in npz files, by conversion to a capture file.
//!
//! Names: `encoder.N`, `decoder.N`, `cross.N` as in the capture file, or all layers at once as
//! `encoder_attentions`, `decoder_attentions`, `cross_attentions` `[layers, heads, queries, keys]` (also
//! with a batch of one: `[layers, 1, heads, queries, keys]`), and `logits`; the metadata's lists as arrays
//! of strings or whole numbers (`source_tokens`, `source_ids`, ...), its texts as strings (`source`,
//! `target`, `model`, ...).

use std::collections::HashMap;
use std::io::{Cursor, Read};

use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;
use zip::ZipArchive;

use super::tensors::Parsed;
use crate::site::Kind;

/// Returns true if a file is a zip archive, as npz files are.
pub fn is_npz(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04")
}

/// Converts an npz file to a capture file. Entries that are not arrays of a known type are ignored.
pub fn to_safetensors(bytes: &[u8]) -> Parsed<Vec<u8>> {
    let bad = |e: zip::result::ZipError| format!("not an npz file: {e}");
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(bad)?;
    let mut tensors = Vec::new();
    let mut fields = HashMap::new();
    for at in 0..archive.len() {
        let mut entry = archive.by_index(at).map_err(bad)?;
        let name = entry.name().map_err(bad)?.into_owned();
        let Some(name) = name.strip_suffix(".npy") else { continue };
        let mut data = Vec::new();
        entry.read_to_end(&mut data).map_err(|e| format!("{name}: {e}"))?;
        let array = Array::parse(data).map_err(|why| format!("{name}: {why}"))?;
        match array.kind() {
            Some(Element::Float(dtype)) => tensors.extend(array.layers(name, dtype)?),
            Some(element) => {
                fields.insert(name.to_string(), array.field(element)?);
            }
            None => {}
        }
    }
    let views = tensors
        .iter()
        .map(|tensor| Ok((tensor.name.as_str(), tensor.view()?)))
        .collect::<Parsed<Vec<_>>>()?;
    safetensors::serialize(views, Some(fields)).map_err(|e| e.to_string())
}

/// One tensor of the capture file.
struct NpzTensor {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    data: Vec<u8>,
}

impl NpzTensor {
    fn view(&self) -> Parsed<TensorView<'_>> {
        TensorView::new(self.dtype, self.shape.clone(), &self.data).map_err(|e| format!("{}: {e}", self.name))
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

/// A NumPy array in row-major order.
struct Array {
    dtype: String,
    shape: Vec<usize>,
    data: Vec<u8>,
}

impl Array {
    /// Reads an .npy file, version 1 to 3.
    fn parse(mut file: Vec<u8>) -> Parsed<Self> {
        let short = || "the file is cut short".to_string();
        let version = *file.get(6).ok_or_else(short)?;
        if !file.starts_with(b"\x93NUMPY") {
            return Err("not an .npy file".into());
        }
        let (start, length) = if version == 1 {
            let bytes = file.get(8..10).and_then(|b| b.try_into().ok()).ok_or_else(short)?;
            (10, usize::from(u16::from_le_bytes(bytes)))
        } else {
            let bytes = file.get(8..12).and_then(|b| b.try_into().ok()).ok_or_else(short)?;
            (12, u32::from_le_bytes(bytes) as usize)
        };
        let end = start + length;
        let header = String::from_utf8_lossy(file.get(start..end).ok_or_else(short)?).into_owned();
        let data = file.split_off(end);
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
        Ok(Self { dtype: dtype.into(), shape, data })
    }

    fn kind(&self) -> Option<Element> {
        Some(match self.dtype.as_str() {
            "<f2" => Element::Float(Dtype::F16),
            "<f4" => Element::Float(Dtype::F32),
            "<f8" => Element::Float(Dtype::F64),
            "<i4" => Element::Whole(4),
            "<i8" => Element::Whole(8),
            other => Element::Text(other.strip_prefix("<U")?.parse().ok().filter(|&width| width > 0)?),
        })
    }

    /// Converts the array to tensors of the capture file: one, or one per layer.
    fn layers(self, name: &str, dtype: Dtype) -> Parsed<Vec<NpzTensor>> {
        let kind = Kind::ALL.into_iter().find(|kind| name.strip_suffix("_attentions") == Some(kind.name()));
        let (Some(kind), [layers, shape @ ..]) = (kind, self.shape.as_slice()) else {
            return Ok(vec![NpzTensor { name: name.into(), dtype, shape: self.shape, data: self.data }]);
        };
        let size = self.data.len() / layers.max(&1);
        if size == 0 {
            return Err(format!("{name} is empty: its shape is {:?}", self.shape));
        }
        let parts = self.data.chunks(size).enumerate();
        Ok(parts
            .map(|(layer, data)| NpzTensor {
                name: format!("{kind}.{layer}"),
                dtype,
                shape: shape.to_vec(),
                data: data.to_vec(),
            })
            .collect())
    }

    /// Converts the array to a metadata field: a text, or a JSON list.
    fn field(&self, element: Element) -> Parsed<String> {
        let values: Vec<Value> = match element {
            Element::Float(_) => Vec::new(),
            Element::Whole(width) => self.data.chunks_exact(width).map(whole).collect(),
            Element::Text(width) => {
                self.data.chunks_exact(width.saturating_mul(4)).map(text).collect::<Parsed<_>>()?
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
