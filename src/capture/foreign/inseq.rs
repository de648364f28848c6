//! Attributions of Inseq (`out.save("file.json")`): `source_attributions` `[source, target]` of each
//! sequence.

use serde_json::{Map, Value};

use super::nested::array;
use super::soft::{Side, SoftAlignment};
use crate::capture::tensors::Parsed;

/// The sequences of a file of Inseq.
pub fn sequences(object: &Map<String, Value>) -> Option<&Vec<Value>> {
    attributes(object).get("sequence_attributions")?.as_array()
}

/// The attributes of an object, which newer files hold one level deeper.
fn attributes(object: &Map<String, Value>) -> &Map<String, Value> {
    object.get("attributes").and_then(Value::as_object).unwrap_or(object)
}

/// Reads one sequence of `file`.
///
/// # Errors
/// It has no source attributions of one number a pair of tokens.
pub fn read(sequence: &Value, file: &Map<String, Value>) -> Parsed<SoftAlignment> {
    let sequence = sequence.as_object().map(attributes).ok_or("a sequence of Inseq is no object")?;
    let scores = sequence.get("source_attributions").filter(|scores| !scores.is_null()).ok_or(
        "Inseq's attributions of a decoder-only model have no source; encoder-decoder models have \
         source_attributions",
    )?;
    let numbers = scores.as_object().map_or(Some(scores), |object| {
        ["data", "__ndarray__", "array"].iter().find_map(|name| object.get(*name))
    });
    let numbers = numbers
        .filter(|numbers| !numbers.is_string())
        .ok_or("Inseq's attributions are compressed: save them with out.save(path, use_primitives=True)")?;
    let (shape, values) = array(numbers).ok_or("its source_attributions are no nested lists of numbers")?;
    let [source, target] = shape[..] else {
        return Err(format!(
            "Inseq's source_attributions of shape {shape:?} have more than [source, target]: save \
             out.aggregate() of them"
        ));
    };
    let rows: Vec<Vec<f32>> = (0..target)
        .map(|row| (0..source).filter_map(|key| values.get(key * target + row).copied()).collect())
        .collect();
    let number = |name: &str| sequence.get(name).and_then(Value::as_u64).map(|at| at as usize);
    let mut pieces = tokens(sequence.get("target"));
    // The target may begin with a prefix that was not attributed.
    let (start, end) =
        (number("attr_pos_start").unwrap_or(0), number("attr_pos_end").unwrap_or(pieces.len()));
    if pieces.len() != target && start < end && end <= pieces.len() {
        pieces = pieces.get(start..end).unwrap_or_default().to_vec();
    }
    let side = |tokens: Vec<String>| if tokens.is_empty() { Side::Unknown } else { Side::Tokens(tokens) };
    let mut found = SoftAlignment::new(side(tokens(sequence.get("source"))), side(pieces), rows);
    let method = attributes(file).get("info").and_then(|info| info.get("attribution_method"));
    let method = method.and_then(Value::as_str).unwrap_or("an unnamed method");
    found.notes.push(format!("source attributions of Inseq by {method}, a row a target token"));
    Ok(found)
}

/// The tokens of one side: texts, or objects with `token`.
fn tokens(side: Option<&Value>) -> Vec<String> {
    let items = side.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let token = |item: &Value| {
        let object = item.as_object().map(attributes);
        let text = object.map_or(Some(item), |object| object.get("token"));
        text.and_then(Value::as_str).map(String::from)
    };
    items.iter().filter_map(token).collect()
}
