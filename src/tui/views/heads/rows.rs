//! The list of heads that Heads shows.

use super::columns;
use crate::site::Head;
use crate::tui::app::App;

/// Returns the heads of the table, in its order.
pub fn rows(app: &App) -> Vec<Head> {
    let Some(capture) = &app.capture else { return Vec::new() };
    let mut heads =
        if app.reading.one_kind { capture.heads_of(app.selection.head.kind()) } else { capture.all_heads() };
    let column = columns::sorted(app);
    let value = |head: &Head| columns::value(app, *head, column).unwrap_or(f32::NEG_INFINITY);
    heads.sort_by(|a, b| {
        let order = value(b).total_cmp(&value(a));
        if app.views.heads.reverse { order.reverse() } else { order }.then(a.cmp(b))
    });
    heads
}
