//! Rows of the tables of a scan.

use crate::analysis::links::Link;
use crate::columns::ColumnTable;
use crate::site::{Head, Kind};

use super::measures::FarLink;

/// Returns the head of a row.
pub fn head(table: &ColumnTable, row: usize) -> Option<Head> {
    let kind: Kind = table.text("kind", row)?.parse().ok()?;
    Some(Head::new(kind, position(table, "layer", row)?, position(table, "head", row)?))
}

/// Returns the sentence and the head of a row.
pub fn sentence_head(table: &ColumnTable, row: usize) -> Option<(i64, Head)> {
    table.whole("sentence", row).zip(head(table, row))
}

/// Returns the link of a row, which is one of `head`.
pub fn link(table: &ColumnTable, row: usize, head: Head) -> Option<FarLink> {
    let text = |name: &str| table.text(name, row).map(String::from);
    Some(FarLink {
        link: Link {
            head,
            query: position(table, "query", row)?,
            key: position(table, "key", row)?,
            weight: table.number("weight", row)?,
            distance: table.number("distance", row),
        },
        query_token: text("query_token")?,
        predicted: text("predicted"),
        key_token: text("key_token")?,
    })
}

/// Returns an integer that is not negative.
fn position(table: &ColumnTable, name: &str, row: usize) -> Option<usize> {
    usize::try_from(table.whole(name, row)?).ok()
}
