//! Texts to copy: the selected weight, row or list, each with the model, the head and the tokens.

use super::app::App;
use super::reproduce::command_line;
use super::selected::{shown, shown_row};
use super::views::ViewId;
use super::views::links::rows::{LinkRow, rows};
use crate::export::ansi::Colors;
use crate::export::table::{Cell, Table};
use crate::site::Kind;

/// A format of copied rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyFormat {
    /// Lines of text.
    Text,
    /// CSV with a header line.
    Csv,
    /// A JSON array.
    Json,
    /// The command line that prints what is on the screen.
    Command,
}

impl CopyFormat {
    /// Every format, in the order of the list.
    pub const ALL: [CopyFormat; 4] = [Self::Text, Self::Csv, Self::Json, Self::Command];

    /// Returns the name and the description in the list.
    pub fn info(self) -> (&'static str, &'static str) {
        match self {
            Self::Text => ("text", "aligned columns"),
            Self::Csv => ("csv", "comma-separated, with a header line"),
            Self::Json => ("json", "an array with one object per row"),
            Self::Command => ("command", "the command line that prints what is on the screen"),
        }
    }
}

/// Formats the selected weight as a line of text: the model, the head, the query with what it predicts, the
/// key and the weight.
pub fn value_text(app: &App) -> Option<String> {
    let weight = *shown_row(app)?.get(app.key())?;
    let (query, key) = (app.query_name(app.query()), app.keys().name(app.key()));
    let edited = if app.is_edited(app.selection.query()) { " (edited)" } else { "" };
    Some(format!("{} {} {query} ← {key} {weight:.6}{edited}", model(app), app.selection.head))
}

/// Formats the rows that the view lists: the links of Links, elsewhere the weights of the selected query.
pub fn rows_text(app: &App, format: CopyFormat) -> Option<String> {
    let table = || if app.view == ViewId::Links { links_table(app) } else { row_table(app) };
    Some(match format {
        CopyFormat::Text => table()?.render(Colors::None),
        CopyFormat::Csv => table()?.to_csv(),
        CopyFormat::Json => table()?.to_json(),
        CopyFormat::Command => command_line(app)? + "\n",
    })
}

/// Formats the selected map as a tab-separated table with token labels; `None` for a very large map.
pub fn map_text(app: &App) -> Option<String> {
    const MOST: usize = 1 << 20;
    if app.queries().len().saturating_mul(app.keys().len()) > MOST {
        return None;
    }
    let map = shown(app)?;
    let mut out = format!("{} {}", model(app), app.selection.head);
    for unit in &app.keys().units {
        out.push('\t');
        out.push_str(&unit.label);
    }
    out.push('\n');
    for (query, unit) in app.queries().units.iter().enumerate().take(map.rows()) {
        out.push_str(&unit.label);
        for weight in map.row(query) {
            out.push_str(&format!("\t{weight:.6}"));
        }
        out.push('\n');
    }
    Some(out)
}

/// Columns of copied rows, named as those of the commands.
const COLUMNS: [&str; 10] =
    ["model", "kind", "layer", "head", "query", "query_token", "predicted", "key", "key_token", "weight"];

fn model(app: &App) -> String {
    app.capture.as_ref().map_or_else(String::new, |capture| capture.model.clone())
}

/// Tabulates the weights of the selected query, one row per key.
fn row_table(app: &App) -> Option<Table> {
    let weights = shown_row(app)?;
    let query = app.query();
    let queries = app.queries().units.get(query)?;
    let kind = app.selection.head.kind();
    let predicted = app.predicted(query).filter(|_| kind != Kind::Encoder).map(|(label, _)| label.clone());
    let mut table = Table::new(COLUMNS);
    for (key, weight) in app.keys().units.iter().zip(weights) {
        table.rows.push(vec![
            Cell::Text(model(app)),
            Cell::Text(kind.name().into()),
            Cell::Whole(app.selection.head.layer() as i64),
            Cell::Whole(app.selection.head.head as i64),
            Cell::Whole(queries.tokens.start as i64),
            Cell::Text(queries.label.clone()),
            predicted.clone().map_or(Cell::Missing, Cell::Text),
            Cell::Whole(key.tokens.start as i64),
            Cell::Text(key.label.clone()),
            Cell::Number(weight),
        ]);
    }
    Some(table)
}

/// Tabulates the listed links.
fn links_table(app: &App) -> Option<Table> {
    let rows = rows(app);
    let columns = [&COLUMNS[..], &["distance", "rank", "ranked", "value_weighted"]].concat();
    let mut table = Table::new(columns);
    table.rows = rows.iter().map(|row| link_cells(app, row)).collect();
    (!rows.is_empty()).then_some(table)
}

fn link_cells(app: &App, row: &LinkRow) -> Vec<Cell> {
    let kind = row.head.kind();
    let (queries, keys) = (app.axes.queries(kind), app.axes.keys(kind));
    let predicted = app.prediction_label(kind, row.pair.queries.start);
    let hidden = |is_key: bool, token: usize| app.hidden_label(kind, is_key, token);
    let rank = |rank: Option<usize>| rank.map_or(Cell::Missing, |rank| Cell::Whole(rank as i64));
    vec![
        Cell::Text(model(app)),
        Cell::Text(kind.name().into()),
        Cell::Whole(row.head.layer() as i64),
        Cell::Whole(row.head.head as i64),
        Cell::Whole(row.pair.queries.start as i64),
        Cell::Text(hidden(false, row.pair.queries.start).unwrap_or_else(|| queries.text(&row.pair.queries))),
        predicted.map_or(Cell::Missing, Cell::Text),
        Cell::Whole(row.pair.keys.start as i64),
        Cell::Text(hidden(true, row.pair.keys.start).unwrap_or_else(|| keys.text(&row.pair.keys))),
        Cell::Number(row.weight),
        Cell::number(row.distance),
        rank(row.rank.map(|(rank, _)| rank)),
        rank(row.rank.map(|(_, ranked)| ranked)),
        Cell::number(row.value_weighted),
    ]
}
