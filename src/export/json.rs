//! JSON export: tokens, and maps as nested lists.

use std::io::{Error, Result, Write};

use serde::ser::{Error as _, SerializeSeq};
use serde::{Serialize, Serializer};

use super::options::Options;
use super::prepared::PreparedExport;
use crate::axis::{AxisItem, all_token_ids};
use crate::capture::Capture;
use crate::matrix::Matrix;
use crate::site::Head;

/// Extension of its files.
pub const EXTENSION: &str = "json";

/// Prepares the export of a capture.
///
/// # Errors
/// [`crate::error::Error::NoSuchHead`] if the selection is empty.
pub fn prepare<'a>(capture: &'a Capture, options: &Options) -> crate::error::Result<PreparedExport<'a>> {
    let heads = options.selection.heads(capture)?;
    Ok(PreparedExport::new(move |out| write(capture, &heads, out)))
}

/// Writes heads as one JSON object, one map at a time.
///
/// Its fields are `format`, `model`, `model_type`, `weights` (`attention` or `values`),
/// `target_generated_with` if the target was generated with 8-bit weights, `target_sampled_with_seed` if it
/// was sampled, `source` and `target` (`text`, `tokens`, `ids`), `decoder_input` (`tokens`, `ids`) and
/// `maps`, a list of `kind`, `layer`, `head` and `weights` (a list of rows). Numbers have the shortest digits
/// that read back as the same `f32`.
///
/// # Errors
/// Errors of `out`; a head that the capture lacks.
pub fn write(capture: &Capture, heads: &[Head], out: &mut dyn Write) -> Result<()> {
    let document = Document {
        format: "attn-tui maps 1",
        model: &capture.model,
        model_type: &capture.model_type,
        weights: capture.weights.name(),
        target_generated_with: capture.int8_target.then_some("8-bit weights"),
        target_sampled_with_seed: capture.sampled,
        source: TokenLists::of(Some(&capture.source.text), &capture.source.items),
        target: TokenLists::of(Some(&capture.target.text), &capture.target.items),
        decoder_input: TokenLists::of(None, &capture.decoder_input),
        maps: Maps { capture, heads },
    };
    serde_json::to_writer(&mut *out, &document).map_err(Error::from)?;
    writeln!(out)
}

#[derive(Serialize)]
struct Document<'a> {
    format: &'a str,
    model: &'a str,
    model_type: &'a str,
    weights: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_generated_with: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_sampled_with_seed: Option<u64>,
    source: TokenLists<'a>,
    target: TokenLists<'a>,
    decoder_input: TokenLists<'a>,
    maps: Maps<'a>,
}

#[derive(Serialize)]
struct TokenLists<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    tokens: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ids: Option<Vec<u32>>,
}

impl<'a> TokenLists<'a> {
    fn of(text: Option<&'a str>, tokens: &'a [AxisItem]) -> Self {
        let pieces = tokens.iter().map(|token| token.piece.as_str()).collect();
        Self { text, tokens: pieces, ids: all_token_ids(tokens) }
    }
}

/// The list of maps; each is fetched only when it is written.
struct Maps<'a> {
    capture: &'a Capture,
    heads: &'a [Head],
}

impl Serialize for Maps<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.heads.len()))?;
        for &head in self.heads {
            let weights = MapRows(self.capture.map(head).map_err(S::Error::custom)?);
            list.serialize_element(&Map {
                kind: head.kind().name(),
                layer: head.layer(),
                head: head.head,
                weights,
            })?;
        }
        list.end()
    }
}

#[derive(Serialize)]
struct Map {
    kind: &'static str,
    layer: usize,
    head: usize,
    weights: MapRows,
}

/// A map as a list of rows.
struct MapRows(Matrix);

impl Serialize for MapRows {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_seq((0..self.0.rows()).map(|i| self.0.row(i)))
    }
}
