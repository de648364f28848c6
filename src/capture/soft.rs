//! Alignments that Marian and Nematus write, as captures with cross-attention of one layer and one head.
//!
//! A file holds many sentences, in one of these forms; rows are target tokens, columns source tokens, both with the
//! end token:
//! - Marian, `--alignment soft`: a line a sentence, `target ||| 0.9,0.1 0.2,0.8`, a group of weights a row; in an
//!   n-best list `0 ||| target ||| 0.9,0.1 0.2,0.8 ||| F0= -1.2 ||| -0.4`. Marian does not write the source; put
//!   before the target (`source ||| target ||| ...`) it is read, too.
//! - Nematus, text: `0 ||| target ||| 0.5 ||| source ||| 2 2`, then a line a row with weights between spaces.
//! - Nematus, JSON: a line a sentence, `{"matrix": [[0.9, 0.1], ...], "source_sent": ..., "target_sent": ...}`.

use serde_json::Value;

use super::tensors::Parsed;
use super::{Capture, MapStore, MapWeights, SiteMaps, ValuesBySite};
use crate::axis::{AxisItem, Sequence};
use crate::checkpoint::Architecture;
use crate::site::{Kind, Site};

/// Alignment of one sentence.
#[derive(Debug, PartialEq)]
struct SentenceAlignment {
    source: Option<String>,
    target: String,
    rows: Vec<Vec<f32>>,
}

/// Reads sentence number `sentence`, from 0.
pub fn parse(bytes: &[u8], sentence: usize) -> Parsed<Capture> {
    let text = std::str::from_utf8(bytes).map_err(|_| "not UTF-8 text".to_string())?;
    let mut lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    let mut count = 0;
    while let Some(entry) = next(&mut lines)? {
        if count == sentence {
            return capture(entry);
        }
        count += 1;
    }
    Err(match count {
        0 => "there are no alignments in it".into(),
        _ => format!("it has sentences 0 to {}, not {sentence}", count - 1),
    })
}

/// Reads the next sentence; `None` at the end.
fn next<'a>(lines: &mut impl Iterator<Item = (usize, &'a str)>) -> Parsed<Option<SentenceAlignment>> {
    let Some((number, line)) = lines.find(|(_, line)| !line.is_empty()) else { return Ok(None) };
    let at = |why: String| format!("line {number}: {why}");
    let entry = if line.starts_with('{') {
        json(line).map_err(at)?
    } else {
        let fields: Vec<&str> = line.split("|||").map(str::trim).collect();
        match nematus(&fields) {
            Some((entry, count)) => SentenceAlignment { rows: rows_below(lines, count)?, ..entry },
            None => marian(&fields).ok_or_else(|| {
                at("neither Marian's `target ||| 0.9,0.1 ...` nor a head line of Nematus".into())
            })?,
        }
    };
    let width = entry.rows.first().map_or(0, Vec::len);
    if width == 0 || entry.rows.iter().any(|row| row.len() != width) {
        return Err(at("its rows of weights are empty or of different lengths".into()));
    }
    match entry.rows.iter().flatten().find(|weight| !weight.is_finite() || **weight < 0.0) {
        Some(bad) => Err(at(format!("{bad} is no weight"))),
        None => Ok(Some(entry)),
    }
}

/// Parses the head line of a sentence of Nematus, with the number of rows that follow.
fn nematus(fields: &[&str]) -> Option<(SentenceAlignment, usize)> {
    let &[number, target, _, source, counts] = fields else { return None };
    number.parse::<usize>().ok()?;
    let (columns, rows) = counts.split_once(' ')?;
    columns.trim().parse::<usize>().ok()?;
    let entry = SentenceAlignment { source: Some(source.into()), target: target.into(), rows: Vec::new() };
    Some((entry, rows.trim().parse().ok()?))
}

fn rows_below<'a>(lines: &mut impl Iterator<Item = (usize, &'a str)>, count: usize) -> Parsed<Vec<Vec<f32>>> {
    let row = |_| {
        let (number, line) = lines.next().ok_or("the file ends within a sentence")?;
        let weights: Option<Vec<f32>> = line.split_whitespace().map(|weight| weight.parse().ok()).collect();
        weights.ok_or_else(|| format!("line {number}: not a row of weights"))
    };
    (0..count).map(row).collect()
}

fn marian(fields: &[&str]) -> Option<SentenceAlignment> {
    let (at, rows) = fields.iter().enumerate().skip(1).find_map(|(at, field)| Some((at, groups(field)?)))?;
    let target = fields.get(at.checked_sub(1)?)?;
    // A number there is the sentence's, in an n-best list.
    let source =
        at.checked_sub(2).and_then(|at| fields.get(at)).filter(|text| text.parse::<usize>().is_err());
    Some(SentenceAlignment {
        source: source.map(|text| (*text).to_string()),
        target: (*target).to_string(),
        rows,
    })
}

/// `0.9,0.1 0.2,0.8`
fn groups(field: &str) -> Option<Vec<Vec<f32>>> {
    let group =
        |group: &str| group.split(',').map(|weight| weight.parse().ok()).collect::<Option<Vec<f32>>>();
    let rows: Vec<_> = field.split_whitespace().map(group).collect::<Option<_>>()?;
    (!rows.is_empty()).then_some(rows)
}

fn json(line: &str) -> Parsed<SentenceAlignment> {
    let value: Value = serde_json::from_str(line).map_err(|e| format!("not a JSON object: {e}"))?;
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(|text| text.trim().to_string());
    let row = |row: &Value| -> Option<Vec<f32>> {
        row.as_array()?.iter().map(|weight| Some(weight.as_f64()? as f32)).collect()
    };
    let matrix = value.get("matrix").and_then(Value::as_array);
    let rows = matrix.and_then(|rows| rows.iter().map(row).collect::<Option<Vec<_>>>());
    Ok(SentenceAlignment {
        source: text("source_sent"),
        target: text("target_sent").unwrap_or_default(),
        rows: rows.ok_or("it has no rows of numbers named matrix")?,
    })
}

fn capture(entry: SentenceAlignment) -> Parsed<Capture> {
    let (queries, keys) = (entry.rows.len(), entry.rows.first().map_or(0, Vec::len));
    let mut maps = MapStore::default();
    maps.insert(Site::new(Kind::Cross, 0), SiteMaps::new(1, queries, keys, entry.rows.concat()));
    let source = entry.source.unwrap_or_default();
    let target = Sequence { items: tokens(&entry.target, queries), text: plain(&entry.target) };
    let start = AxisItem::token(0, "<start>", true);
    let fed = std::iter::once(start).chain(target.items.iter().cloned()).take(queries);
    Ok(Capture {
        model: "soft alignment".into(),
        model_type: String::new(),
        architecture: Architecture::default(),
        decoder_input: fed.collect(),
        source: Sequence { items: tokens(&source, keys), text: plain(&source) },
        target,
        predictions: Vec::new(),
        logits: None,
        maps,
        values: ValuesBySite::new(),
        weights: MapWeights::Attention,
        int8_target: false,
        sampled: None,
    })
}

/// Joins the subwords of a text.
fn plain(text: &str) -> String {
    if text.contains('▁') {
        return text.replace(' ', "").replace('▁', " ").trim().to_string();
    }
    text.replace("@@ ", "")
}

/// Splits a text at spaces into `count` tokens, adding the end token if there is one token too few. If the
/// numbers do not match, tokens are numbered.
fn tokens(text: &str, count: usize) -> Vec<AxisItem> {
    let mut pieces = pieces(text);
    if pieces.len() + 1 == count && pieces.last().is_none_or(|last| last != "</s>") && !pieces.is_empty() {
        pieces.push("</s>".into());
    }
    if pieces.len() != count {
        pieces = (0..count).map(|at| format!("#{at}")).collect();
    }
    let token = |(id, piece): (usize, String)| {
        let special = piece == "</s>";
        AxisItem::token(id as u32, piece, special)
    };
    pieces.into_iter().enumerate().map(token).collect()
}

/// Splits a text into pieces with `▁` at the beginnings of words; `@@` marks pieces that continue.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::Head;

    fn read(text: &str, sentence: usize) -> Capture {
        parse(text.as_bytes(), sentence).unwrap()
    }

    fn spelt(tokens: &[AxisItem]) -> Vec<&str> {
        tokens.iter().map(|token| token.piece.as_str()).collect()
    }

    #[test]
    fn marian_writes_a_group_a_row() {
        let text =
            "das Haus ||| 0.7,0.2,0.1 0.1,0.8,0.1 0,0.25,0.75\n\n1 ||| ja ||| 1 1 ||| F0= -1 ||| -0.5\n";
        let first = read(text, 0);
        assert_eq!(first.map(Head::new(Kind::Cross, 0, 0)).unwrap().row(1), [0.1, 0.8, 0.1]);
        assert_eq!(spelt(&first.target.items), ["▁das", "▁Haus", "</s>"]);
        assert_eq!(spelt(&first.decoder_input), ["<start>", "▁das", "▁Haus"]);
        assert_eq!(spelt(&first.source.items), ["#0", "#1", "#2"]);
        assert_eq!(spelt(&read(text, 1).target.items), ["▁ja", "</s>"]);
        assert!(parse(text.as_bytes(), 2).unwrap_err().contains("0 to 1"));
        let source = read("the hou@@ se ||| ▁das ▁Haus ||| 1,0,0 0,1,0\n", 0);
        assert_eq!(spelt(&source.source.items), ["▁the", "▁hou", "se"]);
        assert_eq!((source.source.text.as_str(), source.target.text.as_str()), ("the house", "das Haus"));
    }

    #[test]
    fn nematus_writes_a_line_a_row_or_json() {
        let text =
            "0 ||| ja ||| 0.5 ||| yes ||| 2 2\n0.75 0.25\n0.5 0.5\n\n1 ||| nein ||| 0.5 ||| no ||| 1 1\n1\n";
        let first = read(text, 0);
        assert_eq!(first.map(Head::new(Kind::Cross, 0, 0)).unwrap().row(0), [0.75, 0.25]);
        assert_eq!(spelt(&first.source.items), ["▁yes", "</s>"]);
        assert_eq!(spelt(&read(text, 1).source.items), ["▁no"]);
        let json =
            r#"{"id": 0, "source_sent": "yes", "target_sent": "ja", "matrix": [[0.75, 0.25], [0.5, 0.5]]}"#;
        assert_eq!(
            *read(json, 0).maps.site(Site::new(Kind::Cross, 0)).unwrap().data(),
            [0.75, 0.25, 0.5, 0.5]
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let why = |text: &str| parse(text.as_bytes(), 0).unwrap_err();
        assert!(why("").contains("no alignments"));
        assert!(why("\nhello\n").starts_with("line 2"));
        assert!(why("a ||| 0.5,0.5 1\n").contains("different lengths"));
        assert!(why("a ||| -1,2\n").contains("-1 is no weight"));
        assert!(why("0 ||| ja ||| 0 ||| yes ||| 2 2\n0.5 0.5\n").contains("ends within"));
        assert!(why("{\"matrix\": 3}").contains("matrix"));
    }
}
