//! Soft alignments of Marian: `marian-decoder --alignment soft`, a line a sentence, rows between spaces,
//! weights between commas.
//!
//! - `target ||| 0.9,0.1 0.2,0.8`, or with the source that a user put before it, `source ||| target |||
//!   0.9,0.1 ...`
//! - n-best lists: `0 ||| target ||| 0.9,0.1 0.2,0.8 ||| F0= -1.2 ||| -0.4`

use super::soft::{Side, SoftAlignment, check};
use crate::capture::axes::MAX_ITEMS;
use crate::capture::tensors::Parsed;

/// Separator of the fields.
pub const SEPARATOR: &str = "|||";

/// Maximum number of fields of a line.
const MAX_FIELDS: usize = 16;

/// Parses a line.
///
/// # Errors
/// No field holds weights, or several may.
pub fn parse(line: &str) -> Parsed<SoftAlignment> {
    let fields: Vec<&str> = line.split(SEPARATOR).map(str::trim).collect();
    if fields.len() > MAX_FIELDS {
        return Err(format!("it has {} fields; at most {MAX_FIELDS} are read", fields.len()));
    }
    let (at, rows) = weights(&fields)?;
    let target = fields.get(at - 1).copied().unwrap_or_default();
    // A number before the target is the sentence's in an n-best list, whose scores follow the weights.
    let numbered = |text: &&str| text.parse::<usize>().is_ok() && at + 1 < fields.len();
    let source = at.checked_sub(2).and_then(|at| fields.get(at)).filter(|text| !numbered(text));
    let source = source.map_or(Side::Unknown, |text| (*text).into());
    Ok(SoftAlignment::new(source, target.into(), rows))
}

/// Rows of weights, and the position of their field. A text may consist of numbers, too, so of the fields
/// that could be weights the one with the longest rows is taken.
fn weights(fields: &[&str]) -> Parsed<(usize, Vec<Vec<f32>>)> {
    let mut found: Vec<_> =
        fields.iter().enumerate().skip(1).filter_map(|(at, field)| Some((at, rows(field)?))).collect();
    let width = |rows: &[Vec<f32>]| rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest = found.iter().map(|(_, rows)| width(rows)).max().unwrap_or(0);
    found.retain(|(_, rows)| width(rows) == widest);
    let narrow = |found: &mut Vec<(usize, Vec<Vec<f32>>)>, keep: &dyn Fn(usize, &[Vec<f32>]) -> bool| {
        if found.len() > 1 && found.iter().any(|(at, rows)| keep(*at, rows)) {
            found.retain(|(at, rows)| keep(*at, rows));
        }
    };
    // Features and a score follow the weights of an n-best list, nothing those of other lines.
    narrow(&mut found, &|at, _| {
        let before_features = fields.get(at + 1).is_none_or(|next| next.contains("= "));
        before_features && fields.get(at - 1).is_some_and(|before| !before.contains("= "))
    });
    narrow(&mut found, &|_, rows| check(rows).is_ok());
    // The softmax over one token is 1.
    let is_one = |weight: &f32| (weight - 1.0).abs() < 0.02;
    if widest == 1 && found.len() == 1 && !found.iter().flat_map(|(_, rows)| rows).flatten().all(is_one) {
        return Err("its numbers are no weights: a row of a single weight would be 1".into());
    }
    match found.len() {
        0 => Err("neither Marian's `target ||| 0.9,0.1 ...` nor a header of Nematus or Sockeye".into()),
        1 => found.pop().ok_or_else(|| "no weights".into()),
        count => Err(format!(
            "{count} fields could be the weights: write it as `source ||| target ||| 0.9,0.1 0.2,0.8`"
        )),
    }
}

/// Parses `0.9,0.1 0.2,0.8`.
fn rows(field: &str) -> Option<Vec<Vec<f32>>> {
    let row = |row: &str| row.split(',').map(|weight| weight.parse().ok()).collect::<Option<Vec<f32>>>();
    let rows: Vec<_> = field.split_whitespace().take(MAX_ITEMS + 1).map(row).collect::<Option<_>>()?;
    (1..=MAX_ITEMS).contains(&rows.len()).then_some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(line: &str) -> (Side, Side, Vec<Vec<f32>>) {
        let SoftAlignment { source, target, rows, .. } = parse(line).unwrap();
        (source, target, rows)
    }

    #[test]
    fn the_field_with_the_longest_rows_holds_the_weights() {
        let rows = vec![vec![0.7, 0.2, 0.1], vec![0.1, 0.8, 0.1]];
        assert_eq!(
            opened("0 ||| 1984 ||| 0.7,0.2,0.1 0.1,0.8,0.1 ||| F0= -1.2 ||| -0.4"),
            (Side::Unknown, "1984".into(), rows.clone())
        );
        assert_eq!(
            opened("1984 2001 ||| 1984 2001 ||| 0.7,0.2,0.1 0.1,0.8,0.1"),
            ("1984 2001".into(), "1984 2001".into(), rows.clone())
        );
        assert_eq!(opened("1984 ||| 1984 ||| 0.7,0.2,0.1 0.1,0.8,0.1").0, "1984".into());
        assert_eq!(opened("the house ||| 1,000 ||| 0.5,0.5").1, "1,000".into());
    }

    #[test]
    fn one_source_token_gives_rows_of_one_weight() {
        assert_eq!(
            opened("1 ||| ja ||| 1 1 ||| F0= -1 ||| -0.5"),
            (Side::Unknown, "ja".into(), vec![vec![1.0], vec![1.0]])
        );
        assert_eq!(opened("ja ||| 1 1"), (Side::Unknown, "ja".into(), vec![vec![1.0], vec![1.0]]));
    }

    #[test]
    fn numbers_without_commas_are_no_weights() {
        for line in ["ja nein ||| 0.75 0.25 0.5 0.5", "yes ||| ja ||| 0.4", "ja ||| 0"] {
            assert!(parse(line).unwrap_err().contains("no weights"), "{line}");
        }
    }

    #[test]
    fn what_is_ambiguous_is_refused() {
        assert!(parse("a ||| 0.5,0.5 ||| 0.2,0.8 ||| b").unwrap_err().contains("2 fields"));
        assert!(parse("a ||| b").is_err());
    }
}
