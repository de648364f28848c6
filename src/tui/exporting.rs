//! Export of what the screen shows: any view with its selection, scale and theme, in any format.

use std::sync::Arc;

use super::app::App;
use super::export_job::{ExportJob, ShownContent};
use super::session_file::with_session;
use super::views::{ViewId, view};
use crate::export::drawing::Drawing;
use crate::export::figure::table::TitledTable;
use crate::export::figure::{FigureStyle, FigureTheme};
use crate::export::format::Format;
use crate::export::labels::model_title;
use crate::export::options::FigureKind;
use crate::export::select::HeadSelection;
use crate::export::table::{Cell, Table};
use crate::text::label;

/// Returns the job that writes what the screen shows; `None` without a capture.
pub fn job(app: &App, format: Format) -> Option<ExportJob> {
    let capture = match format {
        Format::Safetensors => with_session(app)?,
        _ => Arc::clone(app.capture.as_ref()?),
    };
    let theme = if app.theme.light { FigureTheme::Light } else { FigureTheme::Dark };
    let style = FigureStyle { theme, colormap: app.theme.colormap, scale: app.reading.scale, values: true };
    Some(ExportJob { shown: shown(app, format), capture, format, style, stem: stem(app) })
}

fn shown(app: &App, format: Format) -> ShownContent {
    let head = app.selection.head;
    if format == Format::Safetensors {
        return ShownContent::Maps(FigureKind::Map, HeadSelection::default(), None);
    }
    let of_layer =
        HeadSelection { kind: Some(head.kind()), layer: Some(head.layer()), head: Some(head.head) };
    let of_kind = HeadSelection { kind: Some(head.kind()), ..HeadSelection::default() };
    // A page of maps lets the reader choose the head, and data files hold exact maps.
    let maps =
        format == Format::Npz || (format == Format::Html && matches!(app.view, ViewId::Map | ViewId::Grid));
    match (view::drawing(app), app.view) {
        (_, ViewId::Grid) => ShownContent::Maps(FigureKind::Grid, of_kind, None),
        (_, ViewId::Map) if maps => ShownContent::Maps(FigureKind::Map, of_kind, None),
        (Some(drawing), _) if !maps => ShownContent::Drawing(Box::new(with_ablation(app, drawing))),
        (_, ViewId::Text) => ShownContent::Maps(FigureKind::Passage, of_layer, Some(app.selection.query())),
        _ => ShownContent::Maps(FigureKind::Map, of_layer, None),
    }
}

/// Adds the table of an ablation that shows below the view.
fn with_ablation(app: &App, drawing: Drawing) -> Drawing {
    let (Some(ablation), Some(capture)) = (&app.ablation, &app.capture) else { return drawing };
    let changes = ablation.changes(capture);
    if changes.is_empty() {
        return drawing;
    }
    let mut table = Table::new(["row", "token", "change", "likeliest_without"]);
    for (row, (token, change)) in capture.target.items.iter().zip(&changes).enumerate() {
        table.rows.push(vec![
            Cell::Whole(row as i64),
            Cell::Text(label(&token.piece)),
            Cell::Number(change.change),
            change.best.clone().map_or(Cell::Missing, Cell::Text),
        ]);
    }
    let titled = TitledTable {
        title: ablation.describe(),
        remark: "change of each token's log-probability in nats".into(),
        table,
    };
    Drawing::Beside(vec![drawing, Drawing::Table(titled)])
}

/// Returns the name of the file without its extension: the model, and the head or the view.
fn stem(app: &App) -> String {
    let model = app.capture.as_ref().map_or("attention", |capture| capture.model.as_str());
    let model = model.rsplit(['/', '\\']).next().unwrap_or(model);
    let what = match app.view {
        ViewId::Map => app.selection.head.to_string(),
        ViewId::Text | ViewId::Lines => format!("{}-{}", app.selection.head, app.view.name()),
        ViewId::Grid => format!("{}-{}", app.selection.head.kind(), app.view.name()),
        view => view.name().to_string(),
    };
    let safe = |c: char| if c.is_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '-' };
    format!("{model}-{what}").to_lowercase().chars().map(safe).collect()
}

/// Returns the name of the file that a format suggests.
pub fn file_name(app: &App, format: Format) -> String {
    format!("{}.{}", stem(app), format.extension())
}

/// Returns the part of a drawing's remark that all views share: the model, and how its maps are read.
pub fn remark(app: &App) -> String {
    let model = app.capture.as_ref().map_or_else(String::new, |capture| model_title(capture));
    let weighted = if app.is_weighed() { " · value-weighted" } else { "" };
    let words = if app.reading.words { " · words" } else { "" };
    let edited = app.edit_badge().map_or_else(String::new, |badge| format!(" · {badge}"));
    format!("{model}{weighted}{words}{edited}")
}
