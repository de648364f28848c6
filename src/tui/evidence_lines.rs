//! Lines that state the evidence about the selected head below its map.

use super::app::App;
use super::widgets::cells::{fit, width};
use crate::matrix::Matrix;
use crate::site::Kind;

/// Agreement (Kendall's tau-b) of a ranking of source tokens with the ranking by leave-one-out, by the losses of
/// the target without each of them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RankAgreement {
    /// Of the means over the rows.
    pub whole: Option<f32>,
    /// Of the selected row.
    pub row: Option<f32>,
    /// Mean of random rankings.
    pub random: Option<f32>,
}

impl RankAgreement {
    /// Measures the selected head's map of cross-attention; `None` if the losses are not known.
    pub fn of_head(app: &App) -> Option<Self> {
        let losses = app.evidence.losses.as_ref()?;
        let (head, row) = (app.selection.head, app.selection.target_query);
        let weights = app.rows(head, |_| row..row + 1).filter(|_| head.kind() == Kind::Cross)?;
        let whole = app.map(head).and_then(|map| losses.left_out.tau(&map));
        let row = if weights.rows() > 0 { losses.left_out.row_tau(row, weights.row(0)) } else { None };
        Some(Self { whole, row, random: losses.random })
    }

    /// Measures scores of source tokens, `[target, source]`; `None` if the losses are not known.
    pub fn of_scores(app: &App, scores: &Matrix) -> Option<Self> {
        let losses = app.evidence.losses.as_ref()?;
        let row = app.selection.target_query;
        let of_row = if row < scores.rows() { losses.left_out.row_tau(row, scores.row(row)) } else { None };
        Some(Self { whole: losses.left_out.tau(scores), row: of_row, random: losses.random })
    }

    /// States the agreement of what `ranks` names in at most `columns` columns.
    pub fn line(&self, ranks: &str, columns: usize) -> String {
        let tau = |tau: Option<f32>| tau.map_or_else(|| "undefined".into(), |tau| format!("{tau:.2}"));
        let row = self.row.map_or_else(String::new, |row| format!(", of this row {row:.2}"));
        let numbers = format!("tau {}{row}; random {}", tau(self.whole), tau(self.random));
        let wordings = [
            format!("{ranks} ranks the source as leave-one-out does: {numbers}"),
            format!("{ranks} as leave-one-out: {numbers}"),
            numbers,
        ];
        let fitting = wordings.iter().find(|text| width(text) <= columns);
        fit(fitting.unwrap_or(&wordings[2]), columns)
    }
}

/// Returns the number of lines below the selected head's map.
pub fn line_count(app: &App) -> u16 {
    let kind = app.selection.head.kind();
    u16::from(app.evidence.losses.is_some() && kind == Kind::Cross) + u16::from(direct_logit(app).is_some())
}

/// Returns the lines below the selected head's map, whose `agreement` was measured, each of at most `columns`
/// columns.
pub fn lines(app: &App, agreement: Option<RankAgreement>, columns: usize) -> Vec<String> {
    let weighed = if app.is_weighed() { ", value-weighted," } else { "" };
    let head = app.selection.head;
    let agreement = agreement.map(|agreement| agreement.line(&format!("{head}{weighed}"), columns));
    let direct = direct_logit(app).map(|(part, logit)| {
        let token = app.predicted_token();
        let long = format!("{head} adds {part:+.2} directly to the logit of {token}, {logit:.2} in all");
        let short = format!("direct logit {part:+.2} of {logit:.2}");
        fit(if width(&long) <= columns { &long } else { &short }, columns)
    });
    agreement.into_iter().chain(direct).collect()
}

/// Returns what the selected head adds directly to the logit of the selected row's token, and the logit.
fn direct_logit(app: &App) -> Option<(f32, f32)> {
    let heads = app.evidence.heads.as_ref()?;
    let row = app.selection.target_query;
    let logit = *heads.direct.as_ref().ok()?.logit.get(row)?;
    Some((heads.direct_logit(app.selection.head, row)?, logit))
}
