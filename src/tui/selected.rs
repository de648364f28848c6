//! The selected map under the current reading, its rows and long-range links.

use super::app::App;
use super::filter::{FilterKey, FilteredAxes};
use super::reading;
use super::sheet::Sheet;
use super::survey;
use crate::analysis::links::Link;
use crate::axis::{AxisItem, Token};
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::text::label;

/// Returns the result of the filter on the selected map; `None` without a filter, or if nothing matches.
pub fn filtered(app: &App) -> Option<FilteredAxes> {
    if app.filter.is_empty() {
        return None;
    }
    let key = FilterKey {
        serial: app.serial,
        head: app.selection.head,
        words: app.reading.words,
        special: app.reading.special,
        weighed: app.is_weighed(),
        edits: app.edits(app.selection.head).cloned().collect(),
        filter: app.filter.clone(),
    };
    if let Some(known) = app.views.map.filtered.as_ref().filter(|known| known.holds_for(&key)) {
        return Some(known.clone());
    }
    FilteredAxes::new(key, &whole(app)?, &app.axes)
}

/// Returns the selected map under the current reading, with all rows and columns.
fn whole(app: &App) -> Option<Matrix> {
    let head = app.selection.head;
    let map = app.map(head)?;
    Some(reading::read(&map, app.axes.queries(head.kind()), app.axes.keys(head.kind()), &app.reading))
}

/// Returns the filtered map that Map displays: scores if they are selected, otherwise [`shown`].
///
/// # Errors
/// The head was not recorded, or its scores are not known.
pub fn pictured(app: &App) -> Result<Matrix> {
    let head = app.selection.head;
    let recorded = || Error::NoSuchHead("this head was not recorded".into());
    let Some(score) = app.scored() else { return shown(app).ok_or_else(recorded) };
    let scores = app.capture.as_ref().ok_or_else(recorded)?.score(head, score)?;
    let read = reading::read_scores(&scores, app.axes.queries(head.kind()), app.axes.keys(head.kind()));
    Ok(app.views.map.filtered.as_ref().map_or(read.clone(), |axes| axes.of(&read)))
}

/// Returns the selected map under the current reading, filtered: `[app.queries(), app.keys()]`.
pub fn shown(app: &App) -> Option<Matrix> {
    let map = whole(app)?;
    Some(match &app.views.map.filtered {
        Some(axes) => axes.of(&map),
        None => map,
    })
}

/// Returns the selected row of [`shown`]. Where the map is not in memory, this row alone is computed.
pub fn shown_row(app: &App) -> Option<Vec<f32>> {
    if let Some(sheet) = Sheet::preview(app) {
        return Some(sheet.row(app.query()).into_owned()).filter(|row| !row.is_empty());
    }
    let (map, query) = (shown(app)?, app.query());
    (query < map.rows()).then(|| map.row(query).to_vec())
}

/// Returns the long-range links of the selected head, strongest first, from the survey or, if it has not
/// reached the head yet, computed here.
pub fn far(app: &App) -> Vec<Link> {
    let head = app.selection.head;
    if let Some(facts) = app.survey.heads.get(&head) {
        return facts.links.clone();
    }
    let Some(capture) = &app.capture else { return Vec::new() };
    survey::long_range_links(capture, head, app.reading.distance).unwrap_or_default()
}

/// Returns the position of the strongest key of the selected query.
pub fn strongest(app: &App) -> Option<usize> {
    let row = shown_row(app)?;
    row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map(|(key, _)| key)
}

/// A token that a decoder row predicts.
#[derive(Clone, Debug, PartialEq)]
pub struct Alternative {
    /// Its id.
    pub id: u32,
    /// Its label.
    pub label: String,
    /// Its probability.
    pub probability: f32,
    /// True if it is the target's token.
    pub chosen: bool,
}

/// Returns the tokens that the selected decoder row predicts, the most likely first.
pub fn alternatives(app: &App) -> Vec<Alternative> {
    let Some(capture) = &app.capture else { return Vec::new() };
    let row = app.selection.target_query;
    let Some(prediction) = capture.predictions.get(row) else { return Vec::new() };
    let target = capture.target.items.get(row).and_then(AxisItem::token_id);
    let alternative = |(token, probability): &(Token, f32)| Alternative {
        id: token.id,
        label: label(&token.piece),
        probability: *probability,
        chosen: Some(token.id) == target,
    };
    prediction.candidates.iter().map(alternative).collect()
}

/// Returns the long-range links of the selected head if the survey has found them, else nothing.
pub fn surveyed(app: &App) -> &[Link] {
    app.survey.heads.get(&app.selection.head).map_or(&[], |facts| facts.links.as_slice())
}
