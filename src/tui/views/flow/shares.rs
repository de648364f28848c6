//! Shares of the selected decoder row that come from the source and from the prefix, by the view's method.

use std::borrow::Cow;

use super::state::FlowMethod;
use crate::analysis::merge::{Merge, merge};
use crate::capture::Capture;
use crate::matrix::Matrix;
use crate::site::{Kind, Site};
use crate::tui::app::App;
use crate::tui::reading::{Axis, Reading, Special, read_row, read_rows};

/// Shares of one decoder row.
pub struct FlowShares<'a> {
    /// Share of each unit of the source.
    pub source: Vec<f32>,
    /// Share of each unit of the prefix.
    pub prefix: Vec<f32>,
    /// Shares of all rows, for the pictures: of the source and of the prefix.
    pub maps: Option<FlowMaps<'a>>,
}

/// Maps of the source and of the prefix, with one row for each decoder row.
pub type FlowMaps<'a> = (Cow<'a, Matrix>, Cow<'a, Matrix>);

/// Reason why there are no shares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoShares {
    /// They are being computed, or cannot be computed, for this reason.
    Absent(String),
    /// The contributions of the values are not known.
    NoValues,
    /// The relevance is not known.
    NoRelevance,
}

impl FlowShares<'_> {
    /// Returns the sum over the source, and the sum over the prefix.
    pub fn totals(&self) -> (f32, f32) {
        (self.source.iter().sum(), self.prefix.iter().sum())
    }
}

/// Returns the shares of the selected decoder row.
///
/// # Errors
/// The reason why there are none.
pub fn shares(app: &App) -> Result<FlowShares<'_>, NoShares> {
    let capture = app.capture.as_ref().ok_or_else(|| NoShares::Absent(String::new()))?;
    match (app.views.flow.shows_one_layer(), app.views.flow.method) {
        (_, FlowMethod::Relevance) => {
            let known = app.evidence.has(app.views.flow.evidence());
            let found = app.evidence.relevance.as_ref().filter(|_| known).ok_or(NoShares::NoRelevance)?;
            let found = &found.attribution;
            let prefix = found.prefix.as_ref().ok_or(NoShares::NoRelevance)?;
            Ok(of_maps(app, &found.source, prefix, true))
        }
        (true, FlowMethod::Alti) => contributions(app, capture),
        (true, method) => Ok(merged_heads(app, capture, method)),
        (false, method) => through_all_layers(app, method),
    }
}

/// Returns the site of a kind in the selected layer, or in the last layer that the kind has.
pub fn site(app: &App, kind: Kind) -> Site {
    let layers = app.capture.as_ref().map_or(0, |capture| capture.layers(kind));
    Site::new(kind, app.selection.head.layer().min(layers.saturating_sub(1)))
}

/// Returns the position of the selected decoder row on its axis.
pub fn row(app: &App) -> usize {
    app.axes.input.unit_of(app.selection.target_query)
}

fn through_all_layers(app: &App, method: FlowMethod) -> Result<FlowShares<'_>, NoShares> {
    let Some(flows) = &app.survey.flow else {
        let computing = || "rolling attention out through all layers …".into();
        return Err(NoShares::Absent(app.survey.no_flow.clone().unwrap_or_else(computing)));
    };
    let flow = match method {
        FlowMethod::Mean => Some(&flows.mean),
        FlowMethod::Max => Some(&flows.max),
        FlowMethod::Alti | FlowMethod::Relevance => flows.alti.as_ref(),
    };
    let flow = flow.ok_or(NoShares::NoValues)?;
    Ok(of_maps(app, &flow.source, &flow.prefix, true))
}

/// Reads the selected row of two maps, `[target, source]` and `[target, target]`.
fn of_maps<'a>(app: &App, source: &'a Matrix, prefix: &'a Matrix, pictured: bool) -> FlowShares<'a> {
    // Both parts together are one row.
    let special = match app.reading.special {
        Special::Renormalise => Special::Hide,
        special => special,
    };
    let reading = Reading { special, ..app.reading };
    let read = |map: &Matrix, keys: &Axis| read_row(map, &app.axes.input, keys, &reading, row(app));
    let (mut of_source, mut of_prefix) = (read(source, &app.axes.source), read(prefix, &app.axes.input));
    let sum: f32 = of_source.iter().chain(&of_prefix).sum();
    if app.reading.special == Special::Renormalise && sum > 0.0 {
        of_source.iter_mut().chain(&mut of_prefix).for_each(|share| *share /= sum);
    }
    FlowShares {
        source: of_source,
        prefix: of_prefix,
        maps: pictured.then_some((Cow::Borrowed(source), Cow::Borrowed(prefix))),
    }
}

/// Merges the heads of the selected layer.
fn merged_heads(app: &App, capture: &Capture, method: FlowMethod) -> FlowShares<'static> {
    let how = if method == FlowMethod::Max { Merge::Max } else { Merge::Mean };
    let of = |kind: Kind| -> (Vec<f32>, Option<Matrix>) {
        let site = site(app, kind);
        let heads = capture.heads(site);
        let (queries, keys) = (app.axes.queries(kind), app.axes.keys(kind));
        let tokens = queries.tokens_of(row(app), capture.shape(kind).0);
        let rows: Vec<Matrix> = (0..heads)
            .filter_map(|head| capture.maps.rows(site.head(head), tokens.clone()))
            .map(|rows| Matrix::new(1, keys.len(), read_rows(&rows, queries, keys, &app.reading, row(app))))
            .collect();
        let merged = merge(&rows, how).map(|row| row.as_slice().to_vec()).unwrap_or_default();
        let small = |head| app.survey.heads.get(&site.head(head)).map(|facts| facts.thumbnail.clone());
        let thumbnails: Vec<Matrix> = (0..heads).filter_map(small).collect();
        (merged, merge(&thumbnails, how).ok())
    };
    let ((source, source_map), (prefix, prefix_map)) = (of(Kind::Cross), of(Kind::Decoder));
    FlowShares {
        source,
        prefix,
        maps: source_map.zip(prefix_map).map(|(a, b)| (Cow::Owned(a), Cow::Owned(b))),
    }
}

/// Returns the contributions of the selected layer (ALTI).
fn contributions<'a>(app: &App, capture: &'a Capture) -> Result<FlowShares<'a>, NoShares> {
    let of = |kind: Kind| {
        let values = capture.site_values(site(app, kind)).map_err(|_| NoShares::NoValues)?;
        Ok(&values.contributions)
    };
    Ok(of_maps(app, of(Kind::Cross)?, of(Kind::Decoder)?, false))
}
