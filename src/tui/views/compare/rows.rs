//! The list of heads that Compare shows.

use crate::site::Head;
use crate::tui::app::App;

/// Returns the heads with their changes, largest first.
pub fn rows(app: &App) -> Vec<(Head, f32)> {
    let Some(comparison) = app.views.compare.known() else { return Vec::new() };
    let kind = app.selection.head.kind();
    let listed = |head: &Head| !app.reading.one_kind || head.kind() == kind;
    comparison.changes.iter().filter(|(head, _)| listed(head)).copied().collect()
}
