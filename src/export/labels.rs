//! Axis labels, titles and captions.

use crate::analysis::align::words;
use crate::analysis::places::AxisNames;
use crate::axis::{AxisItem, ItemKind};
use crate::capture::{Capture, MapWeights};
use crate::export::table::Cell;
use crate::site::Kind;
use crate::terminal::printable;
use crate::text::word_starts;

/// Labels of the rows and columns of a map.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    /// One per query. Decoder rows show the token that the decoder is fed and the one that it predicts:
    /// `fed → predicted`.
    pub queries: Vec<String>,
    /// One per key.
    pub keys: Vec<String>,
}

impl Labels {
    /// Returns the labels for the maps of a kind.
    pub fn of(capture: &Capture, kind: Kind) -> Self {
        let keys = capture.keys(kind).iter().map(item_label).collect();
        let queries = match kind {
            Kind::Encoder => capture.queries(kind).iter().map(item_label).collect(),
            Kind::Decoder | Kind::Cross => decoder_rows(capture),
        };
        Self { queries, keys }
    }
}

fn decoder_rows(capture: &Capture) -> Vec<String> {
    let predicted = &capture.target.items;
    let fed = capture.decoder_input.iter().enumerate();
    fed.map(|(row, fed)| match predicted.get(row) {
        Some(next) => format!("{} → {}", item_label(fed), item_label(next)),
        None => item_label(fed),
    })
    .collect()
}

/// Returns the table cell of an item: its label, or nothing if there is no item.
pub fn item_cell(item: Option<&AxisItem>) -> Cell {
    item.map_or(Cell::Missing, |item| Cell::Text(item_label(item)))
}

/// Returns the axis label of an item: its text without surrounding spaces, or one `␣` per space if there is
/// nothing else.
pub fn item_label(item: &AxisItem) -> String {
    let label = crate::text::label(&item.piece);
    let trimmed = label.trim();
    if trimmed.is_empty() { "␣".repeat(label.chars().count().max(1)) } else { trimmed.to_string() }
}

/// Returns the names of an axis. Punctuation and special tokens are words of their own.
pub fn axis_names(items: &[AxisItem]) -> AxisNames {
    let apart = |item: &AxisItem| item.special || item.is_punctuation();
    let mut names = AxisNames::default();
    for (at, (item, starts)) in items.iter().zip(word_starts(items)).enumerate() {
        let name = item_label(item).to_lowercase();
        let joins = !starts && !apart(item) && at.checked_sub(1).is_some_and(|before| !apart(&items[before]));
        match names.words.last_mut().filter(|_| joins) {
            Some((range, word)) => {
                range.end = at + 1;
                word.push_str(&name);
            }
            None => names.words.push((at..at + 1, name.clone())),
        }
        names.items.push(name);
        if let ItemKind::Frame { start, end } = item.kind {
            names.seconds.push((start, end));
        }
    }
    names
}

/// Returns the number of the word that each token belongs to; `None` for special tokens. Words end at spaces.
/// In a vocabulary without word marks (letters, ideographs) every token is a word.
pub fn word_numbers(tokens: &[AxisItem]) -> Vec<Option<usize>> {
    let opens = |token: &AxisItem| crate::text::starts_word(&token.piece);
    let marked = tokens.iter().any(|token| !token.special && opens(token));
    words(tokens.iter().map(|token| (!token.special).then(|| !marked || opens(token))))
}

/// Returns the names of the queries of a kind: of the source, or of decoder rows, which go by the token that
/// they are fed and by the one that they predict.
pub fn query_names(capture: &Capture, kind: Kind) -> Vec<AxisNames> {
    match kind {
        Kind::Encoder => vec![axis_names(&capture.source.items)],
        Kind::Decoder | Kind::Cross => {
            vec![axis_names(&capture.decoder_input), axis_names(&capture.target.items)]
        }
    }
}

/// Returns the names of the keys of a kind.
pub fn key_names(capture: &Capture, kind: Kind) -> Vec<AxisNames> {
    vec![axis_names(capture.keys(kind))]
}

/// Returns the title of a site, such as `cross-attention, layer 2`.
pub fn site_title(kind: Kind, layer: usize) -> String {
    format!("{}, layer {layer}", kind_title(kind))
}

/// Returns the model part of a caption. It marks value-weighted maps, sampled targets, and targets
/// generated with 8-bit weights, which full precision might not have produced.
pub fn model_title(capture: &Capture) -> String {
    let shown = match capture.weights {
        MapWeights::Attention => "",
        MapWeights::Values => " · value-weighted",
    };
    let text = if capture.int8_target { " · text by 8-bit weights" } else { "" };
    let sampled = capture.sampled.map_or_else(String::new, |seed| format!(" · sampled, seed {seed}"));
    format!("{}{shown}{text}{sampled}", printable(&capture.model))
}

/// Returns the name of a kind for titles.
pub fn kind_title(kind: Kind) -> &'static str {
    match kind {
        Kind::Encoder => "encoder self-attention",
        Kind::Decoder => "decoder self-attention",
        Kind::Cross => "cross-attention",
    }
}

/// Returns a caption for the columns of a map.
pub fn keys_title(capture: &Capture, kind: Kind) -> String {
    match kind {
        Kind::Encoder if capture.has_windows(kind) => {
            format!("keys: {}, within windows", source_units(capture))
        }
        Kind::Encoder | Kind::Cross => format!("keys: {}", source_units(capture)),
        Kind::Decoder => "keys: tokens fed to the decoder".into(),
    }
}

/// Returns a caption for the rows of a map.
pub fn queries_title(capture: &Capture, kind: Kind) -> String {
    match kind {
        Kind::Encoder => format!("queries: {}", source_units(capture)),
        Kind::Decoder | Kind::Cross => "queries: fed → predicted".into(),
    }
}

/// Names what the source consists of.
fn source_units(capture: &Capture) -> &'static str {
    let of = |item: &AxisItem| match item.kind {
        ItemKind::Frame { .. } => Some("frames of the recording"),
        ItemKind::Patch(_) => Some("patches of the picture"),
        ItemKind::Token { .. } | ItemKind::Class | ItemKind::Rest { .. } => None,
    };
    capture.source.items.iter().find_map(of).unwrap_or("source tokens")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_end_before_punctuation() {
        let items: Vec<AxisItem> = ["▁The", "▁chil", "dren", "▁play", "ing", ".", "</s>"]
            .map(|piece| AxisItem::token(0, piece, piece == "</s>"))
            .into();
        let names = axis_names(&items);
        assert_eq!(names.items[..3], ["the", "chil", "dren"]);
        let words: Vec<(usize, &str)> =
            names.words.iter().map(|(range, name)| (range.len(), name.as_str())).collect();
        assert_eq!(words, [(1, "the"), (2, "children"), (2, "playing"), (1, "."), (1, "</s>")]);
    }
}
