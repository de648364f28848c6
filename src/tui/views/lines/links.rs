//! The links that Lines draws.

use std::ops::Range;

use super::geometry::LinesLayout;
use super::state::ShownLines;
use crate::export::figure::lines::{FAINTEST, MOST_LINES};
use crate::paint::Range as ScaleRange;
use crate::site::Head;
use crate::tui::app::App;
use crate::tui::reading::{max_of, read_rows};
use crate::tui::widgets::strokes::Stroke;

/// Weights of some queries in one head.
pub struct HeadRows {
    /// The head.
    pub head: Head,
    /// Hue of its lines; `None` if it is the only head.
    pub hue: Option<usize>,
    /// First query.
    first: usize,
    /// Weights of each query, one per key.
    rows: Vec<Vec<f32>>,
}

impl HeadRows {
    /// Returns the weight of a query and a key, positions on the axes; 0 for a query that is not among the rows.
    pub fn weight(&self, query: usize, key: usize) -> f32 {
        let row = query.checked_sub(self.first).and_then(|at| self.rows.get(at));
        row.and_then(|row| row.get(key)).copied().unwrap_or(0.0)
    }
}

/// Returns the heads whose lines show.
pub fn heads(app: &App) -> Vec<Head> {
    let head = app.selection.head;
    match app.views.lines.shows {
        ShownLines::Token => (0..app.heads()).map(|number| head.site.head(number)).collect(),
        ShownLines::Head if app.marks.contains(&head) => {
            app.marks.iter().filter(|mark| mark.kind() == head.kind()).copied().collect()
        }
        ShownLines::Head => vec![head],
    }
}

/// Returns the weights of the visible queries in some heads.
pub fn rows(app: &App, heads: &[Head], queries: Range<usize>) -> Vec<HeadRows> {
    let (axis, keys) = (app.queries(), app.keys());
    let read = |head: Head| -> Option<Vec<Vec<f32>>> {
        let tokens = |count: usize| {
            let first = axis.tokens_of(queries.start, count).start;
            let end = axis.tokens_of(queries.end.saturating_sub(1), count).end;
            first..end.max(first)
        };
        let mut first = 0;
        let part = app.rows(head, |count| {
            first = tokens(count).start;
            tokens(count)
        })?;
        let row = |query: usize| {
            let tokens = axis.tokens_of(query, first + part.rows());
            let rows = part.part(tokens.start.saturating_sub(first)..tokens.end.saturating_sub(first));
            read_rows(&rows, axis, keys, &app.reading, query)
        };
        Some(queries.clone().map(row).collect())
    };
    let several = heads.len() > 1;
    let heads = heads.iter().enumerate();
    heads
        .filter_map(|(at, &head)| {
            let rows = read(head)?;
            Some(HeadRows { head, hue: several.then_some(at), first: queries.start, rows })
        })
        .collect()
}

/// A link that shows, with its strength.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShownLink {
    /// Query, a position on its axis.
    pub query: usize,
    /// Key, a position on its axis.
    pub key: usize,
    /// Shade, `0..=1`.
    pub level: f32,
    /// Hue, if several heads show.
    pub hue: Option<usize>,
}

/// Shade below which no line is drawn without colours.
const FAINTEST_GLYPH: f32 = 0.2;

/// Returns the links that show, the weakest first so that strong ones are drawn over them.
pub fn links(app: &App, rows: &[HeadRows], queries: Range<usize>) -> Vec<ShownLink> {
    let (view, scale) = (&app.views.lines, app.reading.scale);
    let token = view.shows == ShownLines::Token;
    let keys: Range<usize> =
        if token && view.on_keys { app.key()..app.key() + 1 } else { 0..app.keys().len() };
    let queries = if token && !view.on_keys { app.query()..app.query() + 1 } else { queries };
    // Of a row alone the map's maximum is not known; that of the survey is.
    let map_max = |head: &Head| app.survey.heads.get(head).map_or(1.0, |facts| facts.thumbnail.max());
    let faintest = if app.theme.draws_glyphs() { FAINTEST_GLYPH } else { FAINTEST };
    let mut found = Vec::new();
    for of_head in rows {
        let map_max = if scale.range == ScaleRange::Map { map_max(&of_head.head) } else { 1.0 };
        for query in queries.clone() {
            let Some(row) = query.checked_sub(of_head.first).and_then(|at| of_head.rows.get(at)) else {
                continue;
            };
            let top = scale.top(max_of(row), map_max, app.keys_seen(query));
            for key in keys.clone() {
                let weight = row.get(key).copied().unwrap_or(0.0);
                let level = if weight < app.reading.threshold { 0.0 } else { scale.unit(weight, top) };
                if level >= faintest {
                    found.push(ShownLink { query, key, level, hue: of_head.hue });
                }
            }
        }
    }
    let by_level = |a: &ShownLink, b: &ShownLink| b.level.total_cmp(&a.level);
    if found.len() > MOST_LINES {
        found.select_nth_unstable_by(MOST_LINES, by_level);
        found.truncate(MOST_LINES);
    }
    found.sort_by(|a, b| by_level(b, a));
    found
}

/// Returns the lines of links on the canvas.
pub fn strokes(links: &[ShownLink], geometry: &LinesLayout) -> Vec<Stroke> {
    let row = |at: usize, shown: &Range<usize>| {
        (at as f32 - shown.start as f32) * f32::from(geometry.pitch) + f32::from(geometry.pitch / 2) + 0.5
    };
    links
        .iter()
        .map(|link| Stroke {
            left: row(link.query, &geometry.shown_queries),
            right: row(link.key, &geometry.shown_keys),
            level: link.level,
            hue: link.hue,
        })
        .collect()
}
