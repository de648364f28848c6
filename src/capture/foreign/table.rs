//! Tables of one map: CSV, TSV or columns between spaces, with or without labels, as NumPy, pandas and
//! spreadsheets write them.

use std::borrow::Cow;

use safetensors::tensor::Dtype;

use super::array::NamedArray;
use super::arrays::ArrayFile;
use crate::capture::axes::MAX_ITEMS;
use crate::capture::tensors::Parsed;

/// Header of the program's own tables of weights.
const OWN_HEADER: &str = "kind,layer,head,query,key,";

/// One map with the labels of its rows and columns.
#[derive(Debug, PartialEq)]
pub struct MapTable {
    /// Labels of the rows, if there are any.
    pub rows: Option<Vec<String>>,
    /// Labels of the columns, if there are any.
    pub columns: Option<Vec<String>>,
    /// The weights, row by row.
    pub weights: Vec<Vec<f32>>,
}

/// Returns true if the first lines of a text are a table of numbers.
pub fn is_table(head: &str, whole: bool) -> bool {
    let mut lines: Vec<&str> = head.lines().filter(|line| !line.trim().is_empty()).take(4).collect();
    // The last line of a part of a file may be cut off.
    if !whole && lines.len() > 1 && head.lines().count() <= lines.len() {
        lines.pop();
    }
    head.starts_with(OWN_HEADER) || parse(&lines.join("\n")).is_ok()
}

/// Reads a table as an array with labels.
///
/// # Errors
/// It is not a table of numbers, or rows have different lengths.
pub fn read(bytes: &[u8]) -> Parsed<ArrayFile<'_>> {
    let text = std::str::from_utf8(bytes).map_err(|_| "not UTF-8 text".to_string())?;
    let text = text.trim_start_matches('\u{feff}');
    if text.starts_with(OWN_HEADER) {
        return Err(
            "attn-tui's own table of weights; a capture is written with `attn-tui capture`, and maps with \
                    `attn-tui export -o maps.safetensors` or `.npz`"
                .into(),
        );
    }
    let table = parse(text)?;
    let shape = vec![table.weights.len(), table.weights.first().map_or(0, Vec::len)];
    let data = table.weights.iter().flatten().flat_map(|weight| weight.to_le_bytes()).collect();
    let array = NamedArray::new(String::new(), Dtype::F32, shape, Cow::Owned(data))?;
    let labels = match (table.rows, table.columns) {
        (Some(rows), Some(columns)) => Some([rows, columns]),
        _ => None,
    };
    Ok(ArrayFile { arrays: vec![array], labels, ..ArrayFile::default() })
}

/// Parses a table. Cells are separated by tabs, commas, semicolons, or else by spaces.
pub fn parse(text: &str) -> Parsed<MapTable> {
    let lines: Vec<(usize, &str)> = text
        .lines()
        .enumerate()
        .map(|(at, line)| (at + 1, line))
        .filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'))
        .take(MAX_ITEMS + 2)
        .collect();
    if lines.len() > MAX_ITEMS + 1 {
        return Err(format!("it has more than the {MAX_ITEMS} rows that are read"));
    }
    let (_, first) = *lines.first().ok_or("it has no rows")?;
    let separator = ['\t', ',', ';'].into_iter().find(|&separator| first.contains(separator));
    let mut rows = lines.iter().map(|&(number, line)| (number, cells(line, separator))).peekable();
    let numbers = |cells: &[String]| cells.iter().map(|cell| number(cell)).collect::<Option<Vec<f32>>>();
    let header = rows.next_if(|(_, cells)| is_header(cells));
    let (mut labels, mut weights) = (Vec::new(), Vec::new());
    for (line, cells) in rows {
        let wrong = || format!("line {line}: not a row of weights");
        // A row has a label if the header has, or if its first cell is no number.
        let with_label = labels.len() == weights.len() && !labels.is_empty()
            || (weights.is_empty() && has_labels(header.as_ref().map(|(_, cells)| cells.as_slice()), &cells));
        let (label, values) = match cells.split_first() {
            Some((label, values)) if with_label => (Some(label), values),
            _ => (None, cells.as_slice()),
        };
        let row = numbers(values).filter(|row| !row.is_empty()).ok_or_else(wrong)?;
        if weights.first().is_some_and(|first: &Vec<f32>| first.len() != row.len()) {
            return Err(format!("line {line}: {} weights, other rows have others", row.len()));
        }
        labels.extend(label.cloned());
        weights.push(row);
    }
    let width = weights.first().map(Vec::len).ok_or("it has no rows of weights")?;
    let columns = header.map(|(_, mut cells)| {
        if cells.len() == width + 1 {
            cells.remove(0);
        }
        cells
    });
    if let Some(columns) = columns.as_ref().filter(|columns| columns.len() != width) {
        return Err(format!("it has {} names of columns and {width} columns", columns.len()));
    }
    Ok(MapTable { rows: Some(labels).filter(|labels| !labels.is_empty()), columns, weights })
}

/// Returns true if the first row has the names of the columns: texts, or the numbers that pandas gives them.
fn is_header(cells: &[String]) -> bool {
    let counted = || cells.iter().enumerate().all(|(at, cell)| *cell == at.to_string());
    cells.first().is_some_and(String::is_empty)
        || cells.iter().skip(1).any(|cell| number(cell).is_none())
        || (cells.len() > 2 && counted())
}

/// Returns true if the first cell of the first row is a label.
fn has_labels(header: Option<&[String]>, cells: &[String]) -> bool {
    match (header, cells.first()) {
        (Some(header), _) if header.len() + 1 == cells.len() => true,
        (Some(header), Some(first)) if header.len() == cells.len() => {
            number(first).is_none() || header.first().is_some_and(|corner| corner.is_empty())
        }
        (_, Some(first)) => number(first).is_none(),
        (_, None) => false,
    }
}

/// A weight; `*` marks the largest of a row in OpenNMT-py's tables.
fn number(cell: &str) -> Option<f32> {
    let cell = cell.trim().trim_start_matches('*');
    let numeric = cell.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first));
    if numeric { cell.parse().ok() } else { ["nan", "inf"].contains(&cell).then_some(f32::NAN) }
}

/// The cells of a line. Cells between commas and the like may stand in quotes, doubled inside.
fn cells(line: &str, separator: Option<char>) -> Vec<String> {
    let Some(separator) = separator else {
        return line.split_whitespace().take(MAX_ITEMS + 2).map(String::from).collect();
    };
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = line.chars().peekable();
    while let Some(next) = chars.next() {
        match next {
            '"' if quoted && chars.next_if_eq(&'"').is_some() => cell.push('"'),
            '"' if quoted || cell.trim().is_empty() => {
                quoted = !quoted;
            }
            _ if next == separator && !quoted => {
                // A longer row is cut here, and refused as longer than the others or as too long an axis.
                if cells.len() < MAX_ITEMS + 2 {
                    cells.push(std::mem::take(&mut cell));
                }
                cell.clear();
            }
            _ => cell.push(next),
        }
    }
    cells.push(cell);
    cells.into_iter().map(|cell| cell.trim().to_string()).collect()
}
