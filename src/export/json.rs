//! JSON: tokens and maps as nested lists.

use std::io::{Error, Result, Write};

use serde::ser::{Error as _, SerializeSeq};
use serde::{Serialize, Serializer};

use crate::capture::Capture;
use crate::matrix::Matrix;
use crate::site::Head;
use crate::token::Token;

/// Writes heads as one JSON object, a map at a time: `format`, `model`, `model_type`, `weights` (`attention` or
/// `values`), `target_generated_with` where it was generated with weights of 8 bits, `source` and `target` (`text`,
/// `tokens`, `ids`), `decoder_input` (`tokens`, `ids`) and `maps`, a list of `kind`, `layer`, `head` and
/// `weights`, a list of rows; numbers have the shortest digits that give the same 32-bit number.
///
/// # Errors
/// Those of `out`, and a head that is not there.
pub fn write(capture: &Capture, heads: &[Head], out: &mut dyn Write) -> Result<()> {
    let document = Document {
        format: "attn-tui maps 1",
        model: &capture.model,
        model_type: &capture.model_type,
        weights: capture.weights.name(),
        target_generated_with: capture.int8_target.then_some("8-bit weights"),
        source: Tokens::of(Some(&capture.source.text), &capture.source.tokens),
        target: Tokens::of(Some(&capture.target.text), &capture.target.tokens),
        decoder_input: Tokens::of(None, &capture.decoder_input),
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
    source: Tokens<'a>,
    target: Tokens<'a>,
    decoder_input: Tokens<'a>,
    maps: Maps<'a>,
}

#[derive(Serialize)]
struct Tokens<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    tokens: Vec<&'a str>,
    ids: Vec<u32>,
}

impl<'a> Tokens<'a> {
    fn of(text: Option<&'a str>, tokens: &'a [Token]) -> Self {
        let pieces = tokens.iter().map(|token| token.piece.as_str()).collect();
        Self { text, tokens: pieces, ids: tokens.iter().map(|token| token.id).collect() }
    }
}

/// The list of maps, each asked for when its turn comes.
struct Maps<'a> {
    capture: &'a Capture,
    heads: &'a [Head],
}

impl Serialize for Maps<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.heads.len()))?;
        for &head in self.heads {
            let weights = Rows(self.capture.map(head).map_err(S::Error::custom)?);
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
    weights: Rows,
}

/// A map as a list of rows.
struct Rows(Matrix);

impl Serialize for Rows {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_seq((0..self.0.rows()).map(|i| self.0.row(i)))
    }
}
