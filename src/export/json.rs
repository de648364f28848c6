//! JSON: tokens and maps as nested lists.

use serde_json::{Map, Value, json};

use super::select::Selection;
use super::table::number;
use crate::capture::Capture;
use crate::error::Result;
use crate::matrix::Matrix;
use crate::token::Token;

/// The chosen heads as one JSON object: `format`, `model`, `model_type`, `weights` (`attention` or
/// `values`), `source` and `target` (`text`,
/// `tokens`, `ids`), `decoder_input` (`tokens`, `ids`) and `maps`, a list of `kind`, `layer`, `head` and
/// `weights`, a list of rows.
///
/// # Errors
/// [`crate::error::Error::NoSuchHead`] when nothing is chosen.
pub fn render(capture: &Capture, selection: &Selection) -> Result<Vec<u8>> {
    let mut maps = Vec::new();
    for head in selection.heads(capture)? {
        let weights = rows(&capture.map(head)?);
        maps.push(json!({
            "kind": head.kind().name(), "layer": head.layer(), "head": head.head, "weights": weights,
        }));
    }
    let mut object = Map::new();
    object.insert("format".into(), "attn-tui maps 1".into());
    object.insert("model".into(), capture.model.as_str().into());
    object.insert("model_type".into(), capture.model_type.as_str().into());
    object.insert("weights".into(), capture.weights.name().into());
    if capture.quick_target {
        object.insert("target_generated_with".into(), "8-bit weights".into());
    }
    object.insert("source".into(), sequence(Some(&capture.source.text), &capture.source.tokens));
    object.insert("target".into(), sequence(Some(&capture.target.text), &capture.target.tokens));
    object.insert("decoder_input".into(), sequence(None, &capture.decoder_input));
    object.insert("maps".into(), maps.into());
    Ok((Value::Object(object).to_string() + "\n").into_bytes())
}

fn sequence(text: Option<&str>, tokens: &[Token]) -> Value {
    let mut object = Map::new();
    if let Some(text) = text {
        object.insert("text".into(), text.into());
    }
    let pieces: Vec<_> = tokens.iter().map(|token| token.piece.as_str()).collect();
    let ids: Vec<_> = tokens.iter().map(|token| token.id).collect();
    object.insert("tokens".into(), pieces.into());
    object.insert("ids".into(), ids.into());
    Value::Object(object)
}

/// A map as a list of rows.
pub fn rows(map: &Matrix) -> Value {
    (0..map.rows()).map(|i| map.row(i).iter().map(|&weight| number(weight)).collect::<Value>()).collect()
}
