//! The tables of attention traced through all layers.

use crate::analysis::merge::CrossRollout;
use crate::capture::Capture;
use crate::export::labels::item_cell;
use crate::export::table::{Cell, Table};
use crate::matrix::Matrix;
use crate::site::Kind;

/// Tabulates for each decoder position its shares from source and prefix, and its strongest source token.
pub fn share_table(capture: &Capture, both: &CrossRollout) -> Table {
    let mut table = Table::new([
        "row",
        "fed",
        "predicted",
        "source_share",
        "prefix_share",
        "top_key",
        "top_token",
        "top_share",
    ]);
    for (row, from_source) in both.source_shares().into_iter().enumerate() {
        let (key, weight) = largest(both.source.row(row));
        table.rows.push(vec![
            Cell::Whole(row as i64),
            item_cell(capture.decoder_input.get(row)),
            item_cell(capture.target.items.get(row)),
            Cell::Number(from_source),
            Cell::Number(both.prefix.row(row).iter().sum()),
            Cell::Whole(key as i64),
            item_cell(capture.source.items.get(key)),
            Cell::Number(weight),
        ]);
    }
    table
}

/// Tabulates for each position its share from itself and the position that it draws most from.
pub fn stack_table(capture: &Capture, kind: Kind, map: &Matrix) -> Table {
    let mut table = Table::new(["row", "token", "own_share", "top_key", "top_token", "top_share"]);
    for row in 0..map.rows() {
        let weights = map.row(row);
        let (key, weight) = largest(weights);
        table.rows.push(vec![
            Cell::Whole(row as i64),
            item_cell(capture.queries(kind).get(row)),
            Cell::number(map.get(row, row)),
            Cell::Whole(key as i64),
            item_cell(capture.keys(kind).get(key)),
            Cell::Number(weight),
        ]);
    }
    table
}

/// Returns the index and value of the largest weight, the first of equal ones.
fn largest(row: &[f32]) -> (usize, f32) {
    let cells = row.iter().copied().enumerate();
    cells.reduce(|best, next| if next.1 > best.1 { next } else { best }).unwrap_or((0, 0.0))
}
