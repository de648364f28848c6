//! JSON: Nematus' alignments, CTranslate2's results and Inseq's attributions, an object a line or one object;
//! and nested lists of any attention maps by name.

use std::borrow::Cow;

use safetensors::tensor::Dtype;
use serde_json::{Map, Value};

use super::array::NamedArray;
use super::arrays::{self, ArrayFile};
use super::inseq;
use super::nested::array;
use super::soft::{Side, SoftAlignment, capture};
use crate::capture::tensors::Parsed;
use crate::capture::{Capture, ReadOptions};

/// Maximum number of values of a file.
const MAX_VALUES: usize = 2_000_000;

/// Reads the object of number `wanted` in the file, from 0.
///
/// # Errors
/// The file is not JSON, has fewer objects, or the object has no maps.
pub fn read(bytes: &[u8], wanted: usize, options: &ReadOptions) -> Parsed<Capture> {
    let text = std::str::from_utf8(bytes).map_err(|_| "not UTF-8 text".to_string())?;
    let text = text.trim_start_matches('\u{feff}');
    // A parsed value takes many times the room of its text, an object most.
    let values = text.bytes().map(|byte| match byte {
        b',' | b'[' => 1,
        b'{' => 4,
        _ => 0,
    });
    if values.sum::<usize>() > MAX_VALUES {
        return Err(format!(
            "it has more than the {MAX_VALUES} values that are read; larger maps open as npz"
        ));
    }
    let mut count = 0;
    for (at, value) in serde_json::Deserializer::from_str(text).into_iter::<Value>().enumerate() {
        let value = value.map_err(|e| format!("not valid JSON: {e}"))?;
        let entries = match &value {
            // A list of results, or the matrix itself.
            Value::Array(list) if list.iter().all(Value::is_object) => list.len(),
            Value::Object(object) => inseq::sequences(object).map_or(1, Vec::len),
            _ => 1,
        };
        if wanted < count + entries {
            return entry(&value, wanted - count, options).map_err(|why| format!("object {at}: {why}"));
        }
        count += entries;
    }
    Err(match count {
        0 => "there is no JSON in it".into(),
        _ => format!("it has sentences 0 to {}, not {wanted}", count - 1),
    })
}

/// Reads one result of a value that has several.
fn entry(value: &Value, at: usize, options: &ReadOptions) -> Parsed<Capture> {
    match value {
        Value::Array(list) if list.iter().all(Value::is_object) => {
            entry(list.get(at).unwrap_or(&Value::Null), 0, options)
        }
        Value::Object(object) => {
            if let Some(sequences) = inseq::sequences(object) {
                return capture(inseq::read(sequences.get(at).unwrap_or(&Value::Null), object)?);
            }
            if object.get("format").and_then(Value::as_str) == Some("attn-tui maps 1") {
                return Err(
                    "attn-tui's own JSON of maps; `attn-tui export -o maps.safetensors` or `.npz` writes \
                            files that open"
                        .into(),
                );
            }
            match alignment(object)? {
                Some(found) => capture(found),
                None => arrays::capture(named(object)?, 0, options),
            }
        }
        list => {
            let array = array(list).ok_or("it has no rows of numbers")?;
            let file = ArrayFile { arrays: vec![array_named("", array)?], ..ArrayFile::default() };
            arrays::capture(file, 0, options)
        }
    }
}

/// The alignment of Nematus (`matrix`) or of CTranslate2 (`attention`), of one sentence.
fn alignment(object: &Map<String, Value>) -> Parsed<Option<SoftAlignment>> {
    let Some(matrix) = ["matrix", "attention"].into_iter().find_map(|name| object.get(name)) else {
        return Ok(None);
    };
    let (shape, values) = array(matrix).ok_or("its rows of numbers are broken")?;
    // CTranslate2 returns a list of hypotheses.
    let (width, rows, note) = match shape[..] {
        [rows, width] => (width, rows, None),
        [1, rows, width] => (width, rows, None),
        [hypotheses, rows, width] if object.contains_key("hypotheses") => {
            (width, rows, Some(format!("the best of {hypotheses} hypotheses is shown")))
        }
        _ => return Ok(None),
    };
    let rows: Vec<Vec<f32>> = values.chunks(width.max(1)).take(rows).map(<[f32]>::to_vec).collect();
    let find = |names: &[&str]| names.iter().find_map(|name| side(object.get(*name)?));
    let source = find(&["source_sent", "source", "source_tokens", "src"]).unwrap_or(Side::Unknown);
    let target = find(&["target_sent", "target", "target_tokens", "hypotheses", "tokens", "tgt"]);
    let mut found = SoftAlignment::new(source, target.unwrap_or(Side::Unknown), rows);
    found.notes.extend(note);
    Ok(Some(found))
}

/// A text, tokens, or the first of several lists of tokens.
fn side(value: &Value) -> Option<Side> {
    match value {
        Value::String(text) => Some(Side::Text(text.trim().into())),
        Value::Array(items) => match items.first()? {
            Value::Array(_) => side(items.first()?),
            _ => {
                let tokens = items.iter().map(|item| item.as_str().map(String::from));
                tokens.collect::<Option<_>>().map(Side::Tokens)
            }
        },
        _ => None,
    }
}

/// Nested lists of numbers as arrays, and texts and lists as fields.
fn named(object: &Map<String, Value>) -> Parsed<ArrayFile<'static>> {
    let mut file = ArrayFile::default();
    for (name, value) in object {
        match array(value).filter(|(shape, _)| shape.len() > 1) {
            Some(array) => file.arrays.push(array_named(name, array)?),
            None => {
                let text = value.as_str().map_or_else(|| value.to_string(), String::from);
                file.fields.insert(name.clone(), text);
            }
        }
    }
    Ok(file)
}

fn array_named(name: &str, (shape, values): (Vec<usize>, Vec<f32>)) -> Parsed<NamedArray<'static>> {
    let data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    NamedArray::new(name.into(), Dtype::F32, shape, Cow::Owned(data))
}
