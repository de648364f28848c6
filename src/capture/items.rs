//! Items of a source that is no text, and the file that it comes from, in a capture file's metadata.

use std::collections::HashMap;
use std::sync::Arc;

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};

use super::Capture;
use super::axes::list;
use super::tensors::Parsed;
use crate::axis::{AxisItem, ItemKind, Media, PixelBox, all_token_ids};
use crate::image::{MAX_PIXELS, RgbPicture};
use crate::site::{Head, Kind, MAX_LAYERS};

/// Metadata field with a JSON list as long as the source: `{"start": s, "end": s}` for a frame, in seconds,
/// `{"x", "y", "w", "h"}` for a patch, in pixels of the picture, `{"class": name}` for a token before the
/// patches, and `{"rest": n}`, only as the last one, for `n` positions whose weight is summed.
pub const SOURCE_ITEMS: &str = "source_items";

/// Metadata field with a JSON object: the name of the source's file and its SHA-256.
pub const SOURCE_MEDIA: &str = "source_media";

/// Metadata field with the cross-attention heads that align: a JSON list of layers and heads.
pub const ALIGNMENT_HEADS: &str = "alignment_heads";

/// Tensor with the picture, `[height, width, 3]` of 8 bits, in a file that was asked to keep it.
pub const SOURCE_PICTURE: &str = "source.picture";

/// Returns the fields that describe a source that is no text.
pub(crate) fn source_metadata(capture: &Capture) -> Vec<(&'static str, String)> {
    let items = source_items(&capture.source.items).map(|list| (SOURCE_ITEMS, list));
    let heads: Vec<[usize; 2]> =
        capture.alignment_heads.iter().map(|head| [head.layer(), head.head]).collect();
    let heads = (!heads.is_empty()).then(|| (ALIGNMENT_HEADS, json!(heads).to_string()));
    let media = source_media(capture).map(|media| (SOURCE_MEDIA, media));
    items.into_iter().chain(media).chain(heads).collect()
}

/// Formats the items of a source; `None` if all are tokens.
fn source_items(items: &[AxisItem]) -> Option<String> {
    if all_token_ids(items).is_some() {
        return None;
    }
    let item = |item: &AxisItem| match item.kind {
        ItemKind::Frame { start, end } => json!({"start": start, "end": end}),
        ItemKind::Patch(place) => json!(place),
        ItemKind::Class => json!({"class": item.piece}),
        ItemKind::Rest { count } => json!({"rest": count}),
        ItemKind::Token { id } => json!({"token": item.piece, "id": id}),
    };
    Some(Value::from_iter(items.iter().map(item)).to_string())
}

fn source_media(capture: &Capture) -> Option<String> {
    serde_json::to_string(capture.media.as_ref()?).ok()
}

/// Reads the items of a source of `length` items; `None` if the file has none, or they are tokens.
pub fn read(fields: &HashMap<String, String>, length: Option<usize>) -> Parsed<Option<Vec<AxisItem>>> {
    let Some(found) = list::<Value>(fields, SOURCE_ITEMS)? else { return Ok(None) };
    let count = length.unwrap_or(found.len());
    if found.len() != count {
        return Err(format!("{SOURCE_ITEMS} has {} entries, the maps {count}", found.len()));
    }
    let item = |(at, value): (usize, &Value)| match (value.get("start"), value.get("rest")) {
        (None, None) if value.get("x").is_some() => patch(value).map(Some),
        (None, None) if value.get("class").is_some() => {
            let name =
                value["class"].as_str().ok_or_else(|| format!("{SOURCE_ITEMS}: {value} has no name"))?;
            Ok(Some(AxisItem::class(name)))
        }
        (Some(start), None) => {
            let [start, end] = [Some(start), value.get("end")].map(|time| time.and_then(Value::as_f64));
            let times = start.zip(end).filter(|(start, end)| 0.0 <= *start && start <= end && *end < 1e9);
            let (start, end) =
                times.ok_or_else(|| format!("{SOURCE_ITEMS}: {value} is no stretch of time"))?;
            Ok(Some(AxisItem::frame(start, end)))
        }
        (None, Some(rest)) if at + 1 == count => {
            let rest = rest.as_u64().filter(|rest| (1..1 << 32).contains(rest));
            let rest = rest.ok_or_else(|| format!("{SOURCE_ITEMS}: {value} is no number of positions"))?;
            Ok(Some(AxisItem::rest(rest as usize)))
        }
        (None, None) => Ok(None),
        _ => Err(format!("{SOURCE_ITEMS}: {value} cannot be item {at}")),
    };
    found.iter().enumerate().map(item).collect()
}

/// Reads the picture that the source's items are places of.
pub fn picture(view: &TensorView) -> Parsed<Arc<RgbPicture>> {
    let wrong = || {
        format!(
            "{SOURCE_PICTURE} has shape {:?} of {:?}, not [height, width, 3] of U8",
            view.shape(),
            view.dtype()
        )
    };
    let &[height, width, 3] = view.shape() else { return Err(wrong()) };
    if view.dtype() != Dtype::U8 {
        return Err(wrong());
    }
    if height.saturating_mul(width) as u64 > MAX_PIXELS {
        return Err(format!("{SOURCE_PICTURE} has {width} x {height} pixels, more than {MAX_PIXELS}"));
    }
    RgbPicture::new(width, height, view.data().to_vec()).map(Arc::new).ok_or_else(wrong)
}

/// Reads a patch.
fn patch(value: &Value) -> Parsed<AxisItem> {
    const MOST: f64 = 1e6;
    let place: PixelBox = serde_json::from_value(value.clone())
        .map_err(|e| format!("{SOURCE_ITEMS}: {value} is no patch: {e}"))?;
    let sides = [place.x, place.y, place.w, place.h];
    match sides.iter().all(|side| (0.0..=MOST).contains(side)) {
        true => Ok(AxisItem::patch(place)),
        false => Err(format!("{SOURCE_ITEMS}: {value} is no place in a picture")),
    }
}

/// Reads the file that the source comes from.
pub fn media(fields: &HashMap<String, String>) -> Parsed<Option<Media>> {
    let Some(text) = fields.get(SOURCE_MEDIA) else { return Ok(None) };
    let media: Media =
        serde_json::from_str(text).map_err(|e| format!("metadata {SOURCE_MEDIA} names no file: {e}"))?;
    Ok(Some(media))
}

/// Reads the cross-attention heads that align; none if the file does not name them.
pub fn alignment_heads(fields: &HashMap<String, String>) -> Parsed<Vec<Head>> {
    let pairs = list::<[usize; 2]>(fields, ALIGNMENT_HEADS)?.unwrap_or_default();
    match pairs.iter().find(|[layer, _]| *layer >= MAX_LAYERS) {
        Some(pair) => Err(format!("metadata {ALIGNMENT_HEADS} names the head {pair:?}")),
        None => Ok(pairs.into_iter().map(|[layer, head]| Head::new(Kind::Cross, layer, head)).collect()),
    }
}
