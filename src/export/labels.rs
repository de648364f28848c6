//! Tokens as the words on a picture's axes.

use crate::capture::{Capture, MapWeights};
use crate::site::Kind;
use crate::token::Token;

/// The words on a map's axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    /// One a row. Decoder rows tell what the decoder is fed and what it predicts: `fed → predicted`.
    pub queries: Vec<String>,
    /// One a column.
    pub keys: Vec<String>,
}

impl Labels {
    /// The labels of a kind's maps.
    pub fn of(capture: &Capture, kind: Kind) -> Self {
        let keys = capture.keys(kind).iter().map(token_label).collect();
        let queries = match kind {
            Kind::Encoder => capture.queries(kind).iter().map(token_label).collect(),
            Kind::Decoder | Kind::Cross => decoder_rows(capture),
        };
        Self { queries, keys }
    }
}

fn decoder_rows(capture: &Capture) -> Vec<String> {
    let predicted = &capture.target.tokens;
    let fed = capture.decoder_input.iter().enumerate();
    fed.map(|(row, fed)| match predicted.get(row) {
        Some(next) => format!("{} → {}", token_label(fed), token_label(next)),
        None => token_label(fed),
    })
    .collect()
}

/// A token as it is written on an axis: its label without the space before a word.
pub fn token_label(token: &Token) -> String {
    let label = crate::text::label(&token.piece);
    let trimmed = label.trim();
    if trimmed.is_empty() { "␣".repeat(label.chars().count().max(1)) } else { trimmed.to_string() }
}

/// What a map is, for titles: `cross-attention, layer 2, head 4`.
pub fn site_title(kind: Kind, layer: usize) -> String {
    format!("{}, layer {layer}", kind_title(kind))
}

/// Where a capture's maps come from, for captions: the model, what the maps show unless it is the weights, and whether
/// the text is one that the model may not have said.
pub fn model_title(capture: &Capture) -> String {
    let shown = match capture.weights {
        MapWeights::Attention => "",
        MapWeights::Values => " · value-weighted",
    };
    let text = if capture.int8_target { " · text by 8-bit weights" } else { "" };
    format!("{}{shown}{text}", capture.model)
}

/// What a kind is, for titles.
pub fn kind_title(kind: Kind) -> &'static str {
    match kind {
        Kind::Encoder => "encoder self-attention",
        Kind::Decoder => "decoder self-attention",
        Kind::Cross => "cross-attention",
    }
}

/// What a map's columns are, for captions.
pub fn keys_title(kind: Kind) -> &'static str {
    match kind {
        Kind::Encoder | Kind::Cross => "keys: source tokens",
        Kind::Decoder => "keys: what the decoder was fed",
    }
}

/// What a map's rows are, for captions.
pub fn queries_title(kind: Kind) -> &'static str {
    match kind {
        Kind::Encoder => "queries: source tokens",
        Kind::Decoder | Kind::Cross => "queries: fed → predicted",
    }
}
