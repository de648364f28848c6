//! Content of Heads as a drawing.

use super::columns::{is_whole, shown, sorted, value};
use super::rows::rows;
use crate::export::drawing::Drawing;
use crate::export::figure::table::TitledTable;
use crate::export::table::{Cell, Table};
use crate::tui::app::App;
use crate::tui::exporting::remark;

/// Returns the table with the columns of all metrics, that of the sorted metric first.
pub fn drawing(app: &App) -> Option<Drawing> {
    let sorted = sorted(app);
    let metrics = shown(app);
    let mut table = Table::new(std::iter::once("head").chain(metrics.iter().copied()));
    for head in rows(app) {
        let cells = metrics.iter().map(|name| match value(app, head, name) {
            Some(value) if is_whole(name) => Cell::Whole(value as i64),
            value => Cell::number(value),
        });
        table.rows.push(std::iter::once(Cell::Text(head.to_string())).chain(cells).collect());
    }
    let title = format!("heads by {sorted}");
    let far = format!("far: beyond {} tokens", app.reading.distance);
    Some(Drawing::Table(TitledTable { title, remark: format!("{} · {far}", remark(app)), table }))
}
