//! Soft alignments: one map of cross-attention a sentence, with the texts, as translation toolkits print
//! them.

use crate::axis::{AxisItem, Sequence};
use crate::capture::axes::MAX_ITEMS;
use crate::capture::tensors::{Parsed, check_weights};
use crate::capture::{Capture, MapStore, MapWeights, SiteMaps, ValuesBySite};
use crate::checkpoint::Architecture;
use crate::site::{Kind, Site};

/// A text beside a map.
#[derive(Clone, Debug, PartialEq)]
pub enum Side {
    /// A text with spaces between its tokens, with or without the end token.
    Text(String),
    /// Tokens.
    Tokens(Vec<String>),
    /// The file does not say it.
    Unknown,
}

impl From<&str> for Side {
    fn from(text: &str) -> Self {
        Side::Text(text.into())
    }
}

/// The soft alignment of one sentence.
#[derive(Clone, Debug, PartialEq)]
pub struct SoftAlignment {
    /// Source: the columns.
    pub source: Side,
    /// Target: the rows.
    pub target: Side,
    /// Weights, row by row.
    pub rows: Vec<Vec<f32>>,
    /// Notes on how it was read.
    pub notes: Vec<String>,
}

impl SoftAlignment {
    /// Creates an alignment without notes.
    pub fn new(source: Side, target: Side, rows: Vec<Vec<f32>>) -> Self {
        Self { source, target, rows, notes: Vec::new() }
    }
}

/// Lines with their numbers, from 1.
pub type Lines<'a> = std::iter::Peekable<Box<dyn Iterator<Item = (usize, &'a str)> + 'a>>;

/// Reads alignment number `sentence` of a text file, from 0. `next` reads one from the lines, `None` at the
/// end.
///
/// # Errors
/// Those of `next`, for the alignments up to that number; there is no such sentence; its weights are not
/// weights.
pub fn read_numbered<'a>(
    bytes: &'a [u8],
    sentence: usize,
    next: impl Fn(&mut Lines<'a>) -> Parsed<Option<SoftAlignment>>,
) -> Parsed<Capture> {
    let text = std::str::from_utf8(bytes).map_err(|_| "not UTF-8 text".to_string())?;
    let text = text.trim_start_matches('\u{feff}');
    let lines: Box<dyn Iterator<Item = (usize, &'a str)> + 'a> =
        Box::new(text.lines().enumerate().map(|(at, line)| (at + 1, line.trim_end())));
    let mut lines = lines.peekable();
    let mut count = 0;
    while let Some(found) = next(&mut lines)? {
        if count == sentence {
            return capture(found);
        }
        count += 1;
    }
    Err(match count {
        0 => "there are no alignments in it".into(),
        _ => format!("it has sentences 0 to {}, not {sentence}", count - 1),
    })
}

/// Skips empty lines; returns the next line without taking it.
pub fn skip_empty<'a>(lines: &mut Lines<'a>) -> Option<(usize, &'a str)> {
    while lines.next_if(|(_, line)| line.trim().is_empty()).is_some() {}
    lines.peek().copied()
}

/// Parses weights between spaces; `None` if a cell is no number.
pub fn row(line: &str) -> Option<Vec<f32>> {
    line.split_whitespace().map(|weight| weight.parse().ok()).collect()
}

/// Checks that rows are of one length and are weights.
pub fn check(rows: &[Vec<f32>]) -> Parsed<()> {
    let width = rows.first().map_or(0, Vec::len);
    if rows.len() > MAX_ITEMS || width > MAX_ITEMS {
        return Err(format!(
            "a map of {} x {width} is larger than the {MAX_ITEMS} that are read",
            rows.len()
        ));
    }
    if width == 0 || rows.iter().any(|row| row.len() != width) {
        return Err("its rows of weights are empty or of different lengths".into());
    }
    check_weights("the alignment", &rows.concat(), 0, rows.len(), width)
}

/// The capture of one alignment: cross-attention of one layer and one head.
///
/// # Errors
/// Its weights are not weights.
pub fn capture(found: SoftAlignment) -> Parsed<Capture> {
    let SoftAlignment { source, target, rows, notes } = found;
    check(&rows)?;
    let (queries, keys) = (rows.len(), rows.first().map_or(0, Vec::len));
    let mut maps = MapStore::default();
    maps.insert(Site::new(Kind::Cross, 0), SiteMaps::new(1, queries, keys, rows.concat()));
    let target = sequence(&target, queries);
    let start = AxisItem::token(0, "<start>", true);
    let fed = std::iter::once(start).chain(target.items.iter().cloned()).take(queries);
    Ok(Capture {
        model: "soft alignment".into(),
        model_type: String::new(),
        architecture: Architecture::default(),
        decoder_input: fed.collect(),
        source: sequence(&source, keys),
        target,
        predictions: Vec::new(),
        logits: None,
        maps,
        values: ValuesBySite::new(),
        weights: MapWeights::Attention,
        media: None,
        picture: None,
        int8_target: false,
        beams: Vec::new(),
        session: None,
        sampled: None,
        sound: None,
        alignment_heads: Vec::new(),
        notes,
    })
}

fn sequence(side: &Side, count: usize) -> Sequence {
    let (pieces, text) = match side {
        Side::Text(text) => (pieces(text), plain(text)),
        Side::Tokens(tokens) if tokens.iter().any(|token| is_marked(token)) => {
            (tokens.clone(), plain(&tokens.join(" ")))
        }
        Side::Tokens(tokens) => (tokens.iter().map(|token| word(token)).collect(), tokens.join(" ")),
        Side::Unknown => (Vec::new(), String::new()),
    };
    Sequence { items: items(pieces, count), text }
}

/// Returns true if a token shows where words begin or go on, as subwords do.
fn is_marked(token: &str) -> bool {
    ["▁", "Ġ", "##", "@@"].iter().any(|mark| token.contains(mark))
}

/// The piece of a token that is a whole word.
fn word(token: &str) -> String {
    if token.starts_with('<') { token.into() } else { format!("▁{token}") }
}

/// Removes the subword markers from a text.
fn plain(text: &str) -> String {
    if text.contains('▁') {
        return text.replace(' ', "").replace('▁', " ").trim().to_string();
    }
    text.replace("@@ ", "")
}

/// The items of `count` positions: the pieces, with the end token if there is a position for it; numbered
/// items if the text was detokenized and no longer shows its tokens.
fn items(mut pieces: Vec<String>, count: usize) -> Vec<AxisItem> {
    if pieces.len() + 1 == count && pieces.last().is_none_or(|last| last != "</s>") && !pieces.is_empty() {
        pieces.push("</s>".into());
    }
    if pieces.len() != count {
        pieces = (0..count).map(|at| format!("#{at}")).collect();
    }
    let item = |(id, piece): (usize, String)| {
        let special = ["</s>", "<s>", "<pad>", "<blank>"].contains(&piece.as_str());
        AxisItem::token(id as u32, piece, special)
    };
    pieces.into_iter().enumerate().map(item).collect()
}

/// Splits a text at spaces into pieces that begin with `▁` at the start of words, also if the text marks
/// the inside of words with `@@`.
fn pieces(text: &str) -> Vec<String> {
    let marked = text.contains('▁');
    let mut inside = false;
    let piece = |piece: &str| {
        let (body, goes_on) = piece.strip_suffix("@@").map_or((piece, false), |body| (body, true));
        let opens = !marked && !inside && piece != "</s>";
        inside = goes_on;
        if opens { format!("▁{body}") } else { body.to_string() }
    };
    text.split_whitespace().map(piece).collect()
}
