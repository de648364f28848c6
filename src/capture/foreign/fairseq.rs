//! Soft alignments of fairseq: the `A-` lines of `fairseq-generate --print-alignment soft`, with the sources
//! of the `S-` lines and the tokens of the `H-` lines.

use std::collections::HashMap;

use super::soft::{Side, SoftAlignment, capture, check};
use crate::capture::Capture;
use crate::capture::axes::MAX_ITEMS;
use crate::capture::tensors::Parsed;

/// Returns true if a line is one of fairseq's.
pub fn is_line(line: &str) -> bool {
    parts(line).is_some()
}

/// Splits `A-7<tab>text` into the letter, the sentence and the text.
fn parts(line: &str) -> Option<(char, usize, &str)> {
    let (name, text) = line.split_once(['\t', ' '])?;
    let (letter, number) = name.split_once('-')?;
    let letter = letter.chars().next().filter(|found| letter.len() == 1 && "STHDPAE".contains(*found))?;
    Some((letter, number.parse().ok()?, text.trim()))
}

/// Reads the alignment of number `wanted` in the file, from 0.
///
/// # Errors
/// There is no such line, or it holds no weights.
pub fn read(bytes: &[u8], wanted: usize) -> Parsed<Capture> {
    let text = std::str::from_utf8(bytes).map_err(|_| "not UTF-8 text".to_string())?;
    let lines: Vec<_> =
        text.lines().enumerate().filter_map(|(at, line)| Some((at + 1, parts(line)?))).collect();
    let alignments: Vec<_> = lines.iter().filter(|(_, (letter, ..))| *letter == 'A').collect();
    let Some(&&(number, (_, sentence, weights))) = alignments.get(wanted) else {
        return Err(match alignments.len() {
            0 => {
                "fairseq's output without `A-` lines: run fairseq-generate with --print-alignment soft".into()
            }
            count => format!("it has alignments 0 to {}, not {wanted}", count - 1),
        });
    };
    // An n-best list has several hypotheses of a sentence, each with its alignment, in the same order.
    let rank = alignments.iter().take(wanted).filter(|(_, (_, other, _))| *other == sentence).count();
    let mut texts: HashMap<char, Vec<&str>> = HashMap::new();
    for (_, (letter, of, text)) in &lines {
        if *of == sentence {
            texts.entry(*letter).or_default().push(text);
        }
    }
    let row = |row: &str| row.split(',').map(|weight| weight.parse().ok()).collect::<Option<Vec<f32>>>();
    let rows: Option<Vec<_>> = weights.split_whitespace().take(MAX_ITEMS + 1).map(row).collect();
    let Some(rows) = rows else {
        let why = if weights.contains('-') {
            "hard alignments, pairs without weights: run fairseq-generate with --print-alignment soft"
        } else {
            "not rows of weights"
        };
        return Err(format!("line {number}: {why}"));
    };
    check(&rows).map_err(|why| format!("line {number}: {why}"))?;
    let line = |letter: char, at: usize| texts.get(&letter).and_then(|texts| texts.get(at)).copied();
    let source = line('S', 0).map_or(Side::Unknown, Side::from);
    // A hypothesis has its score before the text.
    let hypothesis = line('H', rank).and_then(|text| text.split_once(['\t', ' '])).map(|(_, text)| text);
    let target = hypothesis.or_else(|| line('T', 0)).map_or(Side::Unknown, Side::from);
    capture(SoftAlignment::new(source, target, rows))
}
