//! The sparse layout of the capture file: maps of a site without their zeros.
//!
//! Tensors `{site}.offsets` `[queries + 1]` and `{site}.columns` `[entries]` of whole numbers, and
//! `{site}.entries` `[heads, entries]`, the weights: those of query `q` are entries `offsets[q]` up to
//! `offsets[q + 1]`, each with the key `columns[entry]`, ascending within a query. The metadata field `{site}`
//! is a JSON object with the number of `keys`.

use std::collections::HashMap;

use safetensors::Dtype;
use safetensors::tensor::SafeTensors;
use serde_json::{Value, json};

use super::assemble::MAX_HEADS;
use super::axes::MAX_ITEMS;
use super::tensors::{Parsed, check_weights, decode};
use crate::nn::SparseMaps;
use crate::site::Site;

/// Names and values of the tensors of whole numbers.
pub(super) fn indices(maps: &SparseMaps) -> [(&'static str, &[u32]); 2] {
    [("offsets", &maps.offsets), ("columns", &maps.columns)]
}

/// The metadata field of the site.
pub(super) fn settings(maps: &SparseMaps) -> String {
    json!({ "keys": maps.keys }).to_string()
}

/// Reads the sparse maps of a site.
pub(super) fn read(site: Site, file: &SafeTensors, fields: &HashMap<String, String>) -> Parsed<SparseMaps> {
    let field = fields.get(&site.to_string());
    let field = field.ok_or_else(|| format!("{site}.entries comes without the metadata field {site}"))?;
    let settings: Value = serde_json::from_str(field).map_err(|e| format!("metadata field {site}: {e}"))?;
    let keys = settings["keys"].as_u64().filter(|keys| (1..=MAX_ITEMS as u64).contains(keys));
    let keys = keys.ok_or_else(|| format!("metadata field {site}: keys is no number of items"))? as usize;
    let tensor = |name: &str| {
        let name = format!("{site}.{name}");
        file.tensor(&name).map(|view| (name.clone(), view)).map_err(|_| format!("{name} is not there"))
    };
    let whole = |name: &str| {
        let (name, view) = tensor(name)?;
        match (view.dtype(), view.shape()) {
            (Dtype::U32, [_]) => {
                Ok(view.data().as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect())
            }
            (dtype, shape) => Err(format!("{name} has shape {shape:?} of {dtype:?}, not a list of U32")),
        }
    };
    let (name, view) = tensor("entries")?;
    let &[heads, _] = view.shape() else {
        return Err(format!("{name} has shape {:?}, not [heads, entries]", view.shape()));
    };
    let weights = decode(&name, &view)?;
    let maps = SparseMaps { heads, keys, offsets: whole("offsets")?, columns: whole("columns")?, weights };
    maps.check().map_err(|why| format!("{site}: {why}"))?;
    let queries = maps.queries();
    if queries > MAX_ITEMS || heads > MAX_HEADS {
        return Err(format!("{site}: {heads} heads of {queries} queries are more than are read"));
    }
    for at in 0..heads * queries {
        let (head, query) = (at / queries, at % queries);
        let row = maps.entries(query);
        let row = head * maps.columns.len() + row.start..head * maps.columns.len() + row.end;
        check_weights(&name, &maps.weights[row.clone()], at, queries, row.len())?;
    }
    Ok(maps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::Kind;

    fn read_back(keys: &str, offsets: &[u32], columns: &[u32], weights: &[f32]) -> Parsed<SparseMaps> {
        let bytes = |values: &[u32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        let floats: Vec<u8> = weights.iter().flat_map(|value| value.to_le_bytes()).collect();
        let site = Site::new(Kind::Encoder, 1);
        let fields = HashMap::from([(site.to_string(), format!("{{\"keys\": {keys}}}"))]);
        let (offset_bytes, column_bytes) = (bytes(offsets), bytes(columns));
        let view = |dtype, shape, data| safetensors::tensor::TensorView::new(dtype, shape, data).unwrap();
        let tensors = [
            ("encoder.1.offsets", view(Dtype::U32, vec![offsets.len()], &offset_bytes)),
            ("encoder.1.columns", view(Dtype::U32, vec![columns.len()], &column_bytes)),
            ("encoder.1.entries", view(Dtype::F32, vec![1, weights.len()], &floats)),
        ];
        let file = safetensors::serialize(tensors, None::<HashMap<String, String>>).unwrap();
        read(site, &SafeTensors::deserialize(&file).unwrap(), &fields)
    }

    #[test]
    fn damaged_parts_are_told() {
        assert!(read_back("3", &[0, 1, 2], &[2, 0], &[1.0, 0.5]).is_ok());
        assert!(read_back("2", &[0, 1, 2], &[2, 0], &[1.0, 0.5]).unwrap_err().contains("keys below 2"));
        assert!(read_back("0", &[0, 1, 2], &[2, 0], &[1.0, 0.5]).unwrap_err().contains("no number"));
        assert!(read_back("3", &[0, 2, 1], &[2, 0], &[1.0, 0.5]).unwrap_err().contains("offsets"));
        assert!(read_back("3", &[0, 1, 2], &[2, 0], &[1.0, -0.5]).unwrap_err().contains("-0.5"));
        assert!(read_back("3", &[0, 2, 2], &[0, 2], &[1.0, 0.5]).unwrap_err().contains("sums to 1.5"));
    }
}
