//! Content of Flow as a drawing.

use super::draw::header;
use super::shares::shares;
use crate::export::drawing::Drawing;
use crate::export::figure::table::TitledTable;
use crate::export::table::{Cell, Table};
use crate::tui::app::App;
use crate::tui::exporting::remark;

/// Returns the shares of the selected decoder row as a table, the largest first.
pub fn drawing(app: &App) -> Option<Drawing> {
    let shares = shares(app).ok()?;
    let mut table = Table::new(["side", "position", "token", "share"]);
    let sides = [("source", &app.axes.source, &shares.source), ("prefix", &app.axes.input, &shares.prefix)];
    let mut rows: Vec<(f32, Vec<Cell>)> = Vec::new();
    for (side, axis, row) in sides {
        for (place, &share) in row.iter().enumerate().filter(|(_, share)| **share > 0.0) {
            let cells = vec![
                Cell::Text(side.into()),
                Cell::Whole(axis.token_of(place) as i64),
                Cell::Text(axis.label(place).into()),
                Cell::Number(share),
            ];
            rows.push((share, cells));
        }
    }
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    table.rows = rows.into_iter().map(|(_, cells)| cells).collect();
    let (from_source, from_prefix) = shares.totals();
    let totals = format!("{from_source:.3} from the source, {from_prefix:.3} from the prefix");
    let remark = format!("{} · {totals}", remark(app));
    Some(Drawing::Table(TitledTable { title: header(app), remark, table }))
}
