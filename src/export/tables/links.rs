//! The table of links.

use std::ops::Range;

use super::heads::{HEAD_COLUMNS, head_cells};
use crate::analysis::pairs::{Pair, PairLink};
use crate::axis::AxisItem;
use crate::capture::Capture;
use crate::export::labels::item_label;
use crate::export::table::{Cell, Table};
use crate::site::Kind;

/// The columns of a link in every table of links, those of its head aside.
pub const LINK_COLUMNS: [&str; 7] =
    ["weight", "distance", "query", "query_token", "predicted", "key", "key_token"];

/// The columns of links between words of one text.
const PAIR_COLUMNS: [&str; 5] = ["rank", "ranked", "value_weighted", "query_len", "key_len"];

/// Tabulates links, one a row.
pub fn link_table(capture: &Capture, links: &[PairLink]) -> Table {
    let mut table = Table::new(HEAD_COLUMNS.into_iter().chain(LINK_COLUMNS).chain(PAIR_COLUMNS));
    table.rows = links.iter().map(|link| row(capture, link)).collect();
    table
}

fn row(capture: &Capture, link: &PairLink) -> Vec<Cell> {
    let kind = link.head.kind();
    let label = |items: &[AxisItem], place: &Range<usize>| match items.get(place.clone()) {
        Some(items) => Cell::Text(items.iter().map(item_label).collect()),
        None => Cell::Missing,
    };
    let Pair { queries, keys } = &link.pair;
    let predicted = if kind == Kind::Encoder { Cell::Missing } else { label(&capture.target.items, queries) };
    let mut row = head_cells(link.head).to_vec();
    row.extend([
        Cell::Number(link.weight.weight),
        Cell::number(link.distance),
        Cell::Whole(queries.start as i64),
        label(capture.queries(kind), queries),
        predicted,
        Cell::Whole(keys.start as i64),
        label(capture.keys(kind), keys),
        Cell::Whole(link.weight.rank as i64),
        Cell::Whole(link.weight.ranked as i64),
        Cell::number(link.value_weighted),
        Cell::Whole(queries.len() as i64),
        Cell::Whole(keys.len() as i64),
    ]);
    row
}
