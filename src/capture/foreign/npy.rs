//! NumPy arrays: `.npy` files, versions 1 to 3, and what the entries of an `.npz` file hold.

use std::borrow::Cow;

use safetensors::tensor::Dtype;
use serde_json::Value;

use super::array::NamedArray;
use super::arrays::ArrayFile;
use crate::capture::axes::MAX_ITEMS;
use crate::capture::tensors::Parsed;

/// Reason for refusing arrays of objects.
pub const OBJECTS: &str = "it holds Python objects instead of numbers: save each array under its own name, with \
                           numpy.savez(file, **{\"cross_attentions.0\": ...})";

/// First bytes of an `.npy` file.
pub const MAGIC: &[u8] = b"\x93NUMPY";

/// Reads an `.npy` file with one map or a stack of maps.
pub fn read(bytes: &[u8]) -> Parsed<ArrayFile<'_>> {
    let mut file = ArrayFile::default();
    let header = Header::parse(bytes)?;
    if header.holds_objects() {
        return Err(OBJECTS.into());
    }
    header.add_to(&mut file, "", Cow::Borrowed(bytes))?;
    match file.arrays.is_empty() {
        true => Err("it holds no floats, and attention weights are floats".into()),
        false => Ok(file),
    }
}

/// Brings values of `width` bytes whose first axis runs fastest into row-major order.
fn row_major(values: &[u8], shape: &[usize], width: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(values.len());
    let mut index = vec![0; shape.len()];
    for _ in 0..values.len() / width.max(1) {
        let at = index.iter().zip(shape).rev().fold(0, |at, (&index, &side)| at * side + index);
        out.extend_from_slice(values.get(at * width..(at + 1) * width).unwrap_or_default());
        for (index, &side) in index.iter_mut().zip(shape).rev() {
            *index += 1;
            if *index < side {
                break;
            }
            *index = 0;
        }
    }
    out
}

/// Type of the elements of an array.
#[derive(Clone, Copy)]
enum ElementType {
    Float(Dtype),
    /// Whole numbers of this many bytes.
    Whole(usize),
    /// Strings of this many characters.
    Text(usize),
    /// Python objects.
    Object,
    /// Any other type.
    Other,
}

/// The header of an array.
pub struct Header {
    element: ElementType,
    /// Shape of the array.
    pub shape: Vec<usize>,
    /// Position of the values.
    start: usize,
    /// Number of bytes of the values.
    size: usize,
    /// True if the first axis runs fastest (Fortran's order).
    column_major: bool,
    /// True if the first byte of a value is the highest.
    big_endian: bool,
}

impl Header {
    /// Longest header that is read.
    const MOST: usize = 1 << 16;

    /// Reads the header at the start of `file`.
    ///
    /// # Errors
    /// It is cut short, or not a header.
    pub fn parse(file: &[u8]) -> Parsed<Self> {
        let short = || "the file is cut short".to_string();
        if !file.starts_with(MAGIC) {
            return Err("not an .npy file".into());
        }
        let (start, length) = if file.get(6) == Some(&1) {
            let bytes = file.get(8..10).and_then(|b| b.try_into().ok()).ok_or_else(short)?;
            (10, usize::from(u16::from_le_bytes(bytes)))
        } else {
            let bytes = file.get(8..12).and_then(|b| b.try_into().ok()).ok_or_else(short)?;
            (12, u32::from_le_bytes(bytes) as usize)
        };
        if length > Self::MOST {
            return Err(format!("its header of {length} bytes is too long"));
        }
        let text = String::from_utf8_lossy(file.get(start..start + length).ok_or_else(short)?);
        let after = |key: &str| Some(text.split_once(key)?.1.trim_start_matches([' ', ':']));
        let dtype =
            after("'descr'").and_then(|rest| rest.split('\'').nth(1)).ok_or("it has no simple type")?;
        let dims = after("'shape'")
            .and_then(|rest| rest.strip_prefix('(')?.split_once(')'))
            .ok_or("it has no shape")?
            .0;
        let dims = dims.split(',').map(str::trim).filter(|dim| !dim.is_empty());
        let shape: Vec<usize> = dims
            .map(|dim| dim.parse().map_err(|_| format!("its shape has '{dim}'")))
            .collect::<Parsed<_>>()?;
        let column_major = after("'fortran_order'").is_none_or(|rest| !rest.starts_with("False"));
        let element = ElementType::of(dtype);
        let big_endian = dtype.starts_with('>');
        let size = shape.iter().try_fold(element.size(), |size, &side| size.checked_mul(side));
        let size = size.ok_or_else(|| format!("its shape {shape:?} is too large"))?;
        Ok(Self { element, shape, start: start + length, size, column_major, big_endian })
    }

    /// Returns true if the elements are Python objects, such as arrays of different shapes.
    pub fn holds_objects(&self) -> bool {
        matches!(self.element, ElementType::Object)
    }

    /// Size of the whole array with its header, in bytes; `None` for a type that is left out.
    pub fn bytes(&self) -> Option<usize> {
        match self.element {
            ElementType::Object | ElementType::Other => None,
            _ => self.start.checked_add(self.size),
        }
    }

    /// Adds the array in `file`, which starts with this header, to the arrays or the fields of `found`.
    pub fn add_to<'a>(&self, found: &mut ArrayFile<'a>, name: &str, file: Cow<'a, [u8]>) -> Parsed<()> {
        let end = self.start.saturating_add(self.size);
        if file.len() < end {
            return Err(format!("it is cut short: shape {:?} takes {} bytes", self.shape, self.size));
        }
        let file = match self.big_endian {
            true => Cow::Owned(self.little_endian(file.into_owned())),
            false => file,
        };
        match self.element {
            ElementType::Float(dtype) => {
                let data = match file {
                    file if self.column_major && self.shape.len() > 1 => {
                        let values = file.get(self.start..end).unwrap_or_default();
                        Cow::Owned(row_major(values, &self.shape, self.element.size()))
                    }
                    Cow::Borrowed(bytes) => Cow::Borrowed(bytes.get(self.start..end).unwrap_or_default()),
                    Cow::Owned(mut bytes) => {
                        bytes.truncate(end);
                        bytes.drain(..self.start);
                        Cow::Owned(bytes)
                    }
                };
                found.arrays.push(NamedArray::new(name.into(), dtype, self.shape.clone(), data)?);
            }
            ElementType::Object | ElementType::Other => {}
            element => {
                let field = self.field(element, file.get(self.start..end).unwrap_or_default())?;
                found.fields.insert(name.into(), field);
            }
        }
        Ok(())
    }

    /// Turns the bytes of every value around.
    fn little_endian(&self, mut file: Vec<u8>) -> Vec<u8> {
        let width = match self.element {
            ElementType::Text(_) => 4,
            element => element.size(),
        };
        if let Some(values) = file.get_mut(self.start..).filter(|_| width > 0) {
            values.chunks_exact_mut(width).for_each(<[u8]>::reverse);
        }
        file
    }

    /// Formats the array as a metadata field: a text, or a JSON list.
    fn field(&self, element: ElementType, data: &[u8]) -> Parsed<String> {
        if self
            .shape
            .iter()
            .try_fold(1usize, |count, &side| count.checked_mul(side))
            .is_none_or(|n| n > MAX_ITEMS)
        {
            return Err(format!("its shape is {:?}, more than {MAX_ITEMS} entries", self.shape));
        }
        let values: Vec<Value> = match element {
            ElementType::Whole(width) => data.chunks_exact(width).map(whole).collect(),
            ElementType::Text(width) => {
                data.chunks_exact(width.saturating_mul(4)).map(text).collect::<Parsed<_>>()?
            }
            ElementType::Float(_) | ElementType::Object | ElementType::Other => Vec::new(),
        };
        Ok(match (self.shape.is_empty(), values.first()) {
            (true, Some(Value::String(text))) => text.clone(),
            (true, Some(value)) => value.to_string(),
            _ => Value::Array(values).to_string(),
        })
    }
}

impl ElementType {
    fn of(dtype: &str) -> Self {
        // The order of bytes is a matter of the header.
        let dtype = &*dtype.replace('>', "<");
        let text = |dtype: &str| dtype.strip_prefix("<U")?.parse().ok().filter(|&width: &usize| width > 0);
        match dtype {
            "<f2" => ElementType::Float(Dtype::F16),
            "<f4" => ElementType::Float(Dtype::F32),
            "<f8" => ElementType::Float(Dtype::F64),
            "<i4" => ElementType::Whole(4),
            "<i8" => ElementType::Whole(8),
            "|O" => ElementType::Object,
            other => text(other).map_or(ElementType::Other, ElementType::Text),
        }
    }

    /// Bytes of a value.
    fn size(self) -> usize {
        match self {
            ElementType::Float(Dtype::F16) => 2,
            ElementType::Float(Dtype::F32) => 4,
            ElementType::Float(_) => 8,
            ElementType::Whole(width) => width,
            ElementType::Text(width) => width.saturating_mul(4),
            ElementType::Object | ElementType::Other => 0,
        }
    }
}

fn whole(bytes: &[u8]) -> Value {
    let mut wide = if bytes.last().is_some_and(|&top| top >= 0x80) { [0xff; 8] } else { [0; 8] };
    for (to, from) in wide.iter_mut().zip(bytes) {
        *to = *from;
    }
    i64::from_le_bytes(wide).into()
}

/// Decodes a string in UTF-32, padded with zeros.
fn text(bytes: &[u8]) -> Parsed<Value> {
    let codes = bytes.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b));
    let text: Option<String> = codes.map(char::from_u32).collect();
    Ok(text.ok_or("a string is not Unicode")?.trim_end_matches('\0').into())
}
