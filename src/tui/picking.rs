//! The rows that the explorer prints when it is left with the selection.

use super::app::App;
use super::selected;
use super::views::ViewId;
use crate::analysis::metrics::HeadMetrics;
use crate::export::table::{Cell, Table};
use crate::site::{Head, Kind};

/// Returns the selected rows: of a list of heads the marked ones, or else the selected one, with their metrics; of
/// the links the selected one; elsewhere the weights of the selected query, the strongest first.
pub fn rows(app: &App) -> Table {
    match app.view {
        ViewId::Heads | ViewId::Grid | ViewId::Compare => heads(app),
        ViewId::Links => weights(app, true),
        _ => weights(app, false),
    }
}

fn head_cells(head: Head) -> [Cell; 3] {
    [Cell::Text(head.kind().name().into()), Cell::Whole(head.layer() as i64), Cell::Whole(head.head as i64)]
}

fn heads(app: &App) -> Table {
    let metrics = HeadMetrics::COLUMNS.iter().map(|column| column.name);
    let mut table = Table::new(["kind", "layer", "head"].into_iter().chain(metrics));
    let marked: Vec<Head> = app.marks.iter().copied().collect();
    let heads = if marked.is_empty() { vec![app.selection.head] } else { marked };
    for head in heads {
        let facts = app.survey.heads.get(&head);
        let cells = HeadMetrics::COLUMNS.iter().map(|column| {
            match facts.and_then(|facts| facts.metrics.get(column.name)) {
                Some(value) if column.whole => Cell::Whole(value as i64),
                value => Cell::number(value),
            }
        });
        table.rows.push(head_cells(head).into_iter().chain(cells).collect());
    }
    table
}

fn weights(app: &App, one: bool) -> Table {
    let mut table = Table::new([
        "kind",
        "layer",
        "head",
        "weight",
        "query",
        "query_token",
        "predicted",
        "key",
        "key_token",
    ]);
    let (head, query) = (app.selection.head, app.query());
    let predicted = app.predicted(query).filter(|_| head.kind() != Kind::Encoder);
    let predicted = predicted.map_or(Cell::Missing, |(label, _)| Cell::Text(label.clone()));
    let row = selected::shown_row(app).unwrap_or_default();
    let mut keys: Vec<usize> =
        (0..row.len()).filter(|&key| row[key] > 0.0 && (!one || key == app.key())).collect();
    keys.sort_by(|&a, &b| row[b].total_cmp(&row[a]));
    for key in keys {
        let place = [
            Cell::Number(row[key]),
            Cell::Whole(app.queries().token_of(query) as i64),
            Cell::Text(app.queries().label(query).into()),
            predicted.clone(),
            Cell::Whole(app.keys().token_of(key) as i64),
            Cell::Text(app.keys().label(key).into()),
        ];
        table.rows.push(head_cells(head).into_iter().chain(place).collect());
    }
    table
}
