//! Writing of capture files, one tensor after the other: maps that are not stored are computed in their
//! turn.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io::{Result, Write};

use safetensors::Dtype;
use serde_json::{Map, Value, json};

use super::assemble::{INT8_TARGET, SAMPLED, SESSION};
use super::file::FORMAT;
use super::items::{SOURCE_PICTURE, source_metadata};
use super::sound_strip::{BANDS, PEAKS};
use super::{Capture, SiteMaps, SoundStrip, compact_layout, sparse_layout};
use crate::axis::{AxisItem, all_token_ids, token_ids};
use crate::image::RgbPicture;
use crate::sys;

/// Number type of the maps in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits.
    #[default]
    F32,
    /// 16 bits: half the size, three decimal digits.
    F16,
}

impl Precision {
    fn dtype(self) -> Dtype {
        match self {
            Self::F32 => Dtype::F32,
            Self::F16 => Dtype::F16,
        }
    }
}

/// Layout of sites whose maps are not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SiteLayout {
    /// Maps, as at other sites.
    Plain,
    /// Compact form for maps of more than 16 MiB, if it is smaller; sparse form for maps of any size, if it is
    /// smaller.
    Large,
    /// Compact or sparse form for maps of any size.
    Compact,
}

/// Writes a capture file without the picture of a source, which [`write_with_picture`] keeps.
///
/// # Errors
/// Those of `out`.
pub fn write(capture: &Capture, precision: Precision, layout: SiteLayout, out: &mut dyn Write) -> Result<()> {
    write_tensors(capture, precision, layout, None, out)
}

/// [`write()`], with the picture that the source's items are places of, if there is one.
///
/// # Errors
/// Those of `out`.
pub fn write_with_picture(
    capture: &Capture,
    precision: Precision,
    layout: SiteLayout,
    out: &mut dyn Write,
) -> Result<()> {
    write_tensors(capture, precision, layout, capture.picture.as_deref(), out)
}

fn write_tensors(
    capture: &Capture,
    precision: Precision,
    layout: SiteLayout,
    picture: Option<&RgbPicture>,
    out: &mut dyn Write,
) -> Result<()> {
    let mut parts = Vec::new();
    let mut fields = metadata(capture);
    for (site, maps) in capture.maps.sites() {
        let takes = |bytes: usize| match layout {
            SiteLayout::Plain => false,
            SiteLayout::Large => SiteMaps::better_compact(maps.shape(), bytes),
            SiteLayout::Compact => true,
        };
        // The sparse form is lossless, and its columns record the windows.
        let shorter = |bytes: usize| match layout {
            SiteLayout::Plain => false,
            SiteLayout::Large => bytes < 4 * maps.shape().iter().product::<usize>(),
            SiteLayout::Compact => true,
        };
        if let Some(sparse) = maps.without_zeros().filter(|sparse| shorter(sparse.bytes())) {
            fields.insert(site.to_string(), sparse_layout::settings(sparse));
            for (name, values) in sparse_layout::indices(sparse) {
                parts.push(OutputTensor {
                    name: format!("{site}.{name}"),
                    shape: vec![values.len()],
                    dtype: Dtype::U32,
                    content: Content::Indices(values),
                });
            }
            let shape = vec![sparse.heads, sparse.columns.len()];
            parts.push(OutputTensor::new(format!("{site}.entries"), shape, precision, &sparse.weights));
            continue;
        }
        // The compact layout cannot express masked pairs.
        let compact = maps.compact().filter(|compact| compact.masked.is_empty() && takes(compact.bytes()));
        match compact {
            None => {
                let shape = maps.shape().to_vec();
                let dtype = precision.dtype();
                parts.push(OutputTensor {
                    name: site.to_string(),
                    shape,
                    dtype,
                    content: Content::Maps(maps),
                });
            }
            Some(compact) => {
                fields.insert(site.to_string(), compact_layout::settings(compact));
                for (name, shape, values) in compact_layout::tensors(compact) {
                    parts.push(OutputTensor::new(format!("{site}.{name}"), shape, Precision::F32, values));
                }
            }
        }
    }
    for (site, flow) in &capture.values {
        for (what, matrix) in [("values", &flow.norms), ("contributions", &flow.contributions)] {
            let shape = vec![matrix.rows(), matrix.cols()];
            parts.push(OutputTensor::new(format!("{what}.{site}"), shape, Precision::F32, matrix.as_slice()));
        }
    }
    if let Some(SoundStrip { bands, peaks }) = &capture.sound {
        let shape = vec![bands.rows(), bands.cols()];
        parts.push(OutputTensor::new(BANDS.into(), shape, Precision::F16, bands.as_slice()));
        parts.push(OutputTensor::new(PEAKS.into(), vec![1, peaks.len()], Precision::F16, peaks));
    }
    if let Some(logits) = &capture.logits {
        let shape = vec![logits.rows(), logits.cols()];
        parts.push(OutputTensor::new("logits".into(), shape, precision, logits.as_slice()));
    }
    if let Some(picture) = picture {
        parts.push(OutputTensor {
            name: SOURCE_PICTURE.into(),
            shape: vec![picture.height(), picture.width(), 3],
            dtype: Dtype::U8,
            content: Content::Bytes(picture.values()),
        });
    }
    // Wider types first, so that every tensor is aligned.
    parts.sort_by_key(|part| std::cmp::Reverse(part.dtype.bitsize()));
    out.write_all(&header(&parts, &fields))?;
    for part in &parts {
        match part.content {
            Content::Values(values) => out.write_all(&encode(values, part.precision()))?,
            Content::Bytes(bytes) => out.write_all(bytes)?,
            Content::Indices(values) => {
                out.write_all(&values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>())?;
            }
            Content::Maps(maps) => {
                for head in 0..maps.shape()[0] {
                    let map = maps.map(head);
                    let values = map.as_ref().map_or(&[][..], |map| map.as_slice());
                    out.write_all(&encode(values, part.precision()))?;
                }
            }
        }
    }
    Ok(())
}

struct OutputTensor<'a> {
    name: String,
    shape: Vec<usize>,
    dtype: Dtype,
    content: Content<'a>,
}

enum Content<'a> {
    Values(&'a [f32]),
    Bytes(&'a [u8]),
    Indices(&'a [u32]),
    Maps(&'a SiteMaps),
}

impl<'a> OutputTensor<'a> {
    fn new(name: String, shape: Vec<usize>, precision: Precision, values: &'a [f32]) -> Self {
        Self { name, shape, dtype: precision.dtype(), content: Content::Values(values) }
    }

    /// Number type of the values of [`Content::Values`] and [`Content::Maps`].
    fn precision(&self) -> Precision {
        if self.dtype == Dtype::F16 { Precision::F16 } else { Precision::F32 }
    }
}

/// Header of a safetensors file: its length and the table of tensors.
fn header(parts: &[OutputTensor], fields: &HashMap<String, String>) -> Vec<u8> {
    let mut entries = Map::new();
    entries.insert("__metadata__".into(), json!(fields.iter().collect::<BTreeMap<_, _>>()));
    let mut from = 0;
    for part in parts {
        let until = from + part.dtype.bitsize() / 8 * part.shape.iter().product::<usize>();
        let entry = json!({"dtype": part.dtype, "shape": part.shape, "data_offsets": [from, until]});
        entries.insert(part.name.clone(), entry);
        from = until;
    }
    let mut text = Value::Object(entries).to_string().into_bytes();
    text.resize(text.len().next_multiple_of(8), b' ');
    let mut header = (text.len() as u64).to_le_bytes().to_vec();
    header.append(&mut text);
    header
}

/// Encodes values in little-endian order, without a copy if they are stored so in memory.
pub(crate) fn encode(values: &[f32], precision: Precision) -> Cow<'_, [u8]> {
    match precision {
        Precision::F16 => values.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect(),
        Precision::F32 => match sys::as_bytes(values) {
            Some(bytes) => Cow::Borrowed(bytes),
            None => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        },
    }
}

fn metadata(capture: &Capture) -> HashMap<String, String> {
    let pieces = |items: &[AxisItem]| {
        Value::from(items.iter().map(|item| item.piece.clone()).collect::<Vec<_>>()).to_string()
    };
    let ids = |items: &[AxisItem]| Value::from(token_ids(items)).to_string();
    let source_ids = all_token_ids(&capture.source.items).map(|ids| Value::from(ids).to_string());
    let special: Vec<AxisItem> = [&capture.source.items, &capture.target.items, &capture.decoder_input]
        .into_iter()
        .flatten()
        .filter(|item| item.special)
        .cloned()
        .collect();
    HashMap::from_iter(
        [
            ("format", FORMAT.to_string()),
            ("model", capture.model.clone()),
            ("model_type", capture.model_type.clone()),
            ("weights", capture.weights.name().to_string()),
            ("source", capture.source.text.clone()),
            ("target", capture.target.text.clone()),
            ("target_ids", ids(&capture.target.items)),
            ("source_tokens", pieces(&capture.source.items)),
            ("target_tokens", pieces(&capture.target.items)),
            ("decoder_input_ids", ids(&capture.decoder_input)),
            ("decoder_input_tokens", pieces(&capture.decoder_input)),
            ("special_ids", ids(&special)),
        ]
        .into_iter()
        .chain(source_ids.map(|ids| ("source_ids", ids)))
        .chain(source_metadata(capture))
        .chain(capture.int8_target.then(|| (INT8_TARGET, "8-bit weights".to_string())))
        .chain(capture.sampled.map(|seed| (SAMPLED, seed.to_string())))
        .chain(capture.session.clone().map(|session| (SESSION, session)))
        .map(|(key, value)| (key.to_string(), value)),
    )
}
