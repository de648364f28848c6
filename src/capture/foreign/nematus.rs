//! Soft alignments of Nematus, OpenNMT (`-save_attention`) and Sockeye: a header line and a line a row.
//!
//! - Nematus: `0 ||| target ||| score ||| source ||| columns rows`; OpenNMT writes `0 0` for the counts
//! - Sockeye: `0 ||| target ||| score ||| source ||| source words ||| target words`, rows up to an empty line
//! - Nematus as JSON: a line a sentence, `{"matrix": [[0.9, 0.1], ...], "source_sent": ..., "target_sent":
//!   ...}`

use super::marian::SEPARATOR;
use super::soft::{Lines, SoftAlignment, row};
use crate::capture::axes::MAX_ITEMS;
use crate::capture::tensors::Parsed;

/// Reads the rows below a header, if `line` is one.
///
/// # Errors
/// The rows end early, or are not weights.
pub fn read<'a>(line: &str, lines: &mut Lines<'a>) -> Option<Parsed<SoftAlignment>> {
    let fields: Vec<&str> = line.split(SEPARATOR).map(str::trim).collect();
    let (source, target, count) = match fields[..] {
        [number, target, _, source, counts] => {
            let (columns, rows) = counts.split_once(' ')?;
            number.parse::<usize>().ok()?;
            columns.trim().parse::<usize>().ok()?;
            (source, target, rows.trim().parse().ok()?)
        }
        [_, target, score, source, columns, rows] => {
            score.parse::<f32>().ok()?;
            columns.parse::<usize>().ok()?;
            rows.parse::<usize>().ok()?;
            // The counts are of words, without the end token that has a row.
            (source, target, 0)
        }
        _ => return None,
    };
    let rows = if count == 0 { rows_until_empty(lines) } else { rows_below(lines, count) };
    Some(rows.map(|rows| SoftAlignment::new(source.into(), target.into(), rows)))
}

/// Reads `count` rows.
fn rows_below(lines: &mut Lines<'_>, count: usize) -> Parsed<Vec<Vec<f32>>> {
    let mut rows = Vec::new();
    if count > MAX_ITEMS {
        return Err(format!("{count} rows are more than the {MAX_ITEMS} that are read"));
    }
    for _ in 0..count {
        let (number, line) = lines.next().ok_or("the file ends within a sentence")?;
        rows.push(row(line).ok_or_else(|| format!("line {number}: not a row of weights"))?);
    }
    Ok(rows)
}

/// Reads rows up to an empty line, the next header or the end.
fn rows_until_empty(lines: &mut Lines<'_>) -> Parsed<Vec<Vec<f32>>> {
    let mut rows = Vec::new();
    while let Some((number, line)) =
        lines.next_if(|(_, line)| !line.trim().is_empty() && !line.contains(SEPARATOR))
    {
        if rows.len() == MAX_ITEMS {
            return Err(format!("line {number}: more rows than the {MAX_ITEMS} that are read"));
        }
        rows.push(row(line).ok_or_else(|| format!("line {number}: not a row of weights"))?);
    }
    if rows.is_empty() { Err("the file ends within a sentence".into()) } else { Ok(rows) }
}
