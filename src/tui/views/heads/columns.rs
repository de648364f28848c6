//! Columns of the table of heads: all metrics, and evidence that needs further runs of the model.

use crate::analysis::metrics::HeadMetrics;
use crate::site::Head;
use crate::tui::app::App;
use crate::tui::widgets::picture::is_picture;

/// The metrics whose columns come first, the most telling ones.
const FIRST: [&str; 14] = [
    "far_mass",
    "far_ratio",
    "entropy",
    "mean_distance",
    "confidence",
    "offset",
    "offset_share",
    "sink",
    "special_mass",
    "previous",
    "effective_keys",
    "monotonicity",
    "coverage",
    "gini",
];

/// Importance of the head for the whole target.
pub const IMPORTANCE: &str = "importance";

/// Direct contribution of the head to the logit of the selected row's token.
pub const DIRECT: &str = "direct_logit";

/// The columns of evidence.
const EVIDENCE: [&str; 2] = [IMPORTANCE, DIRECT];

/// The metrics whose columns come first if the source is a picture.
const FIRST_OF_PICTURES: [&str; 6] =
    ["locality", "spread", "entropy", "confidence", "far_mass", "mean_distance"];

/// All columns by which the table can be sorted: the most telling metrics, the others, evidence.
pub fn order(app: &App) -> Vec<&'static str> {
    let seen = app.capture.as_ref().is_some_and(|capture| is_picture(capture));
    let first: &[&str] = if seen { &FIRST_OF_PICTURES } else { &[] };
    let metrics = HeadMetrics::COLUMNS.iter().map(|column| column.name);
    let mut order: Vec<&'static str> = Vec::new();
    for name in first.iter().copied().chain(FIRST).chain(metrics).chain(EVIDENCE) {
        if !order.contains(&name) {
            order.push(name);
        }
    }
    order
}

/// The column that the table is sorted by.
pub fn sorted(app: &App) -> &'static str {
    order(app).get(app.views.heads.sort).copied().unwrap_or(FIRST[0])
}

/// The columns as they show: the sorted one, evidence that is known, then the others.
pub fn shown(app: &App) -> Vec<&'static str> {
    let sorted = sorted(app);
    let known = app.evidence.heads.is_some();
    let evidence = EVIDENCE.into_iter().filter(|_| known);
    let others = order(app).into_iter().filter(|name| !EVIDENCE.contains(name));
    std::iter::once(sorted).chain(evidence.chain(others).filter(|name| *name != sorted)).collect()
}

/// Returns true if the values of a column are whole numbers.
pub fn is_whole(name: &str) -> bool {
    HeadMetrics::COLUMNS.iter().any(|column| column.name == name && column.whole)
}

/// Describes a column.
pub fn about(app: &App, name: &str) -> String {
    match name {
        IMPORTANCE => "how much the target depends on a factor on the head (gradient)".into(),
        DIRECT => format!("what the head adds directly to the logit of {}", app.predicted_token()),
        name => {
            let column = HeadMetrics::COLUMNS.iter().find(|column| column.name == name);
            column.map_or("", |column| column.about).into()
        }
    }
}

/// Returns the value of a head in a column.
pub fn value(app: &App, head: Head, name: &str) -> Option<f32> {
    let evidence = || app.evidence.heads.as_ref();
    match name {
        IMPORTANCE => evidence()?.importance(head),
        DIRECT => evidence()?.direct_logit(head, app.selection.target_query),
        name => app.survey.heads.get(&head)?.metrics.get(name),
    }
}
