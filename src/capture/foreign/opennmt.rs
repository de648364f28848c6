//! Tables that OpenNMT-py prints with `-attn_debug`: `SENT` and `PRED` lines, then a row of source tokens and
//! a row for each target token, the largest weight marked with `*`.

use super::soft::{Lines, Side, SoftAlignment, skip_empty};
use super::table;
use crate::capture::tensors::Parsed;

/// Returns true if a line is `SENT 1: ...` or `PRED 1: ...`.
pub fn is_line(line: &str) -> bool {
    line.split_once(':').is_some_and(|(name, _)| {
        let (word, number) = name.rsplit_once(' ').unwrap_or_default();
        // Logs have a date and a level before it.
        ["SENT", "PRED"].iter().any(|start| word.ends_with(start)) && number.parse::<usize>().is_ok()
    })
}

/// Reads the next table.
///
/// # Errors
/// A table is broken.
pub fn next(lines: &mut Lines<'_>) -> Parsed<Option<SoftAlignment>> {
    loop {
        let Some((number, line)) = skip_empty(lines) else { return Ok(None) };
        if is_header(line) {
            let mut text = Vec::new();
            while let Some((_, line)) =
                lines.next_if(|(_, line)| !line.trim().is_empty() && (text.is_empty() || is_row(line)))
            {
                text.push(line);
            }
            if text.len() > 1 {
                let table = table::parse(&text.join("\n")).map_err(|why| format!("line {number}: {why}"))?;
                let side = |labels: Option<Vec<String>>| labels.map_or(Side::Unknown, Side::Tokens);
                let (source, target) = (side(table.columns), side(table.rows));
                return Ok(Some(SoftAlignment::new(source, target, table.weights)));
            }
        } else {
            lines.next();
        }
    }
}

/// Returns true for a line that may be the row of source tokens: not a labelled one, such as `PRED SCORE:
/// -0.4`.
fn is_header(line: &str) -> bool {
    line.starts_with(' ') && !is_row(line)
}

/// Returns true for a token and its weights.
fn is_row(line: &str) -> bool {
    let mut cells = line.split_whitespace().skip(1).peekable();
    cells.peek().is_some() && cells.all(|cell| cell.trim_start_matches('*').parse::<f32>().is_ok())
}
