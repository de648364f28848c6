//! The list of heads that Corpus shows.

use crate::scan::Distribution;
use crate::site::Head;
use crate::tui::app::App;

/// Returns the heads with their distributions, the largest mean first.
pub fn rows(app: &App) -> Vec<(Head, &Distribution)> {
    let Some((_, found)) = &app.views.corpus.distributions else { return Vec::new() };
    let kind = app.selection.head.kind();
    let shown = |head: &Head| !app.reading.one_kind || head.kind() == kind;
    let mut rows: Vec<_> =
        found.heads.iter().filter(|(head, _)| shown(head)).map(|(head, found)| (*head, found)).collect();
    let mean = |found: &Distribution| found.spread.mean().unwrap_or(f32::NEG_INFINITY);
    rows.sort_by(|a, b| mean(b.1).total_cmp(&mean(a.1)).then(a.0.cmp(&b.0)));
    rows
}
