//! The table of heads and their metrics.

use crate::analysis::metrics::HeadMetrics;
use crate::analysis::roles::role;
use crate::capture::HeadRow;
use crate::export::table::{Cell, Table};
use crate::site::Head;

/// The columns that name a head.
pub const HEAD_COLUMNS: [&str; 3] = ["kind", "layer", "head"];

/// Lays heads out as a table with the [`HEAD_COLUMNS`] and the named metrics.
pub fn head_table(rows: &[HeadRow], metrics: &[&str]) -> Table {
    let mut table = Table::new(HEAD_COLUMNS.into_iter().chain(metrics.iter().copied()));
    for (head, values) in rows {
        let mut row = head_cells(*head).to_vec();
        let wanted =
            values.iter().zip(HeadMetrics::COLUMNS).filter(|(_, column)| metrics.contains(&column.name));
        row.extend(wanted.map(|(value, column)| match value {
            Some(value) if column.whole => Cell::Whole(*value as i64),
            value => Cell::number(*value),
        }));
        table.rows.push(row);
    }
    table
}

/// The columns that tell a head's role.
pub const ROLE_COLUMNS: [&str; 2] = ["role", "role_score"];

/// Appends those of [`ROLE_COLUMNS`] that are `wanted` to a table of `rows`.
pub fn add_roles(table: &mut Table, rows: &[HeadRow], wanted: impl Fn(&str) -> bool) {
    let [name, score] = ROLE_COLUMNS.map(wanted);
    let columns = ROLE_COLUMNS.iter().zip([name, score]).filter(|(_, wanted)| *wanted);
    table.columns.extend(columns.map(|(column, _)| column.to_string()));
    for (row, (_, values)) in table.rows.iter_mut().zip(rows) {
        let value = |name: &str| {
            let at = HeadMetrics::COLUMNS.iter().position(|column| column.name == name)?;
            *values.get(at)?
        };
        let found = role(value);
        if name {
            row.push(found.map_or(Cell::Missing, |found| Cell::Text(found.role.name.into())));
        }
        if score {
            row.push(Cell::number(found.map(|found| found.score)));
        }
    }
}

/// The cells of the [`HEAD_COLUMNS`].
pub fn head_cells(head: Head) -> [Cell; 3] {
    [Cell::Text(head.kind().name().into()), Cell::Whole(head.layer() as i64), Cell::Whole(head.head as i64)]
}
