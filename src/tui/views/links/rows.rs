//! The list of links in Links: the long-range links of all heads, or given links in every head.

use super::state::KeptLinks;
use crate::analysis::links::Link;
use crate::analysis::metrics::SINK;
use crate::analysis::pairs::{Pair, PairLink};
use crate::axis::AxisItem;
use crate::export::spoken::timing_heads;
use crate::site::{Head, Kind};
use crate::tui::app::App;
use crate::tui::filter::chosen;
use crate::tui::{selected, zoom};

/// A line of the list.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkRow {
    /// The head.
    pub head: Head,
    /// The query and the key, or those of two words.
    pub pair: Pair,
    /// The head's weight.
    pub weight: f32,
    /// Distance of query and key, where there is one.
    pub distance: Option<f32>,
    /// Rank in the row, and the number of weights that are ranked; `None` for a long-range link.
    pub rank: Option<(usize, usize)>,
    /// Weight in the value-weighted map, if it is known.
    pub value_weighted: Option<f32>,
}

impl LinkRow {
    /// Returns true if the line holds the selected link.
    pub fn is_selected(&self, app: &App) -> bool {
        let selection = &app.selection;
        self.head == selection.head && self.pair.contains(selection.query(), selection.key())
    }
}

impl From<&Link> for LinkRow {
    fn from(link: &Link) -> Self {
        let Link { head, query, key, weight, distance } = *link;
        let pair = Pair::link(query, key);
        Self { head, pair, weight, distance, rank: None, value_weighted: None }
    }
}

impl From<&PairLink> for LinkRow {
    fn from(link: &PairLink) -> Self {
        Self {
            head: link.head,
            pair: link.pair.clone(),
            weight: link.weight.weight,
            distance: link.distance,
            rank: Some((link.weight.rank, link.weight.ranked)),
            value_weighted: link.value_weighted,
        }
    }
}

/// Returns the lines of the list, strongest first: those of the selected kind, if only one is shown, that pass
/// the filter.
pub fn rows(app: &App) -> Vec<LinkRow> {
    let mut rows: Vec<LinkRow> = match &app.views.links.pairs {
        Some(list) => list.links.iter().map(LinkRow::from).collect(),
        None => joined(app, long_range(app).iter().map(LinkRow::from).collect()),
    };
    let kind = app.selection.head.kind();
    if app.reading.one_kind {
        rows.retain(|row| row.head.kind() == kind);
    }
    if !app.filter.is_empty() {
        filter(app, &mut rows);
    }
    rows.truncate(MOST_LISTED);
    rows
}

/// Joins links of one query to neighbouring frames of a recording: their weights are summed.
fn joined(app: &App, mut rows: Vec<LinkRow>) -> Vec<LinkRow> {
    if !app.axes.source.is_timed() {
        return rows;
    }
    rows.sort_by_key(|row| (row.head, row.pair.queries.start, row.pair.keys.start));
    let mut joined: Vec<LinkRow> = Vec::new();
    for row in rows {
        let frames = row.head.kind() != Kind::Decoder;
        let same = |last: &&mut LinkRow| {
            frames
                && last.head == row.head
                && last.pair.queries == row.pair.queries
                && last.pair.keys.end == row.pair.keys.start
        };
        match joined.last_mut().filter(same) {
            Some(last) => {
                last.pair.keys.end = row.pair.keys.end;
                last.weight += row.weight;
                last.distance = last.distance.into_iter().chain(row.distance).reduce(f32::max);
            }
            None => joined.push(row),
        }
    }
    joined.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    joined
}

/// Removes the lines that the filter leaves out.
fn filter(app: &App, rows: &mut Vec<LinkRow>) {
    let Some(capture) = &app.capture else { return };
    let places = &app.filter.places;
    let allowed = Kind::ALL.map(|kind| {
        let (queries, keys) = capture.shape(kind);
        let queries = chosen(&places.queries, app.axes.query_names(kind), queries);
        (kind, queries, chosen(&places.keys, app.axes.key_names(kind), keys))
    });
    let is_in = |chosen: &[bool], place: &std::ops::Range<usize>| {
        chosen.get(place.clone()).is_some_and(|chosen| chosen.contains(&true))
    };
    rows.retain(|row| {
        let own = allowed.iter().find(|(kind, ..)| *kind == row.head.kind());
        own.is_some_and(|(_, queries, keys)| is_in(queries, &row.pair.queries) && is_in(keys, &row.pair.keys))
            && row.weight >= places.min_weight()
    });
}

/// Returns the long-range links of all heads that pass the choice of links, strongest first.
fn long_range(app: &App) -> Vec<Link> {
    let Some(capture) = &app.capture else { return Vec::new() };
    let mut links: Vec<Link> = Vec::new();
    for (head, facts) in &app.survey.heads {
        let kind = head.kind();
        let (queries, keys) = (capture.queries(kind), capture.keys(kind));
        let mark = |token: Option<&AxisItem>| token.is_some_and(AxisItem::is_punctuation);
        links.extend(facts.links.iter().filter(|link| match app.views.links.keep {
            KeptLinks::All => true,
            _ if mark(queries.get(link.query)) || mark(keys.get(link.key)) => false,
            KeptLinks::Words => true,
            KeptLinks::NoSinks => facts.metrics.sink <= SINK || facts.metrics.sink_key != link.key,
        }));
    }
    links.sort_by(|a, b| {
        b.weight.total_cmp(&a.weight).then((a.head, a.query, a.key).cmp(&(b.head, b.query, b.key)))
    });
    links
}

/// Largest number of lines in the list.
const MOST_LISTED: usize = 1000;

/// Selects the surest of the heads that time the words of a recording, at the first word, and shows all of its map.
fn select_timing(app: &mut App) {
    let heads = app.capture.as_ref().map_or_else(Vec::new, |capture| timing_heads(capture));
    let confidence = |head: &Head| app.survey.heads.get(head).map_or(0.0, |facts| facts.metrics.confidence);
    let Some(&head) = heads.iter().max_by(|a, b| confidence(a).total_cmp(&confidence(b))) else { return };
    app.selection.head = head;
    app.selection.set_query(app.spoken.first().map_or(0, |word| word.tokens.start));
    app.views.map.zoom = Some(zoom::WHOLE);
    if let Some(key) = selected::strongest(app) {
        let key = app.keys().token_of(key);
        app.selection.set_key(key);
    }
}

/// Selects the strongest long-range link above the first layer, whose maps depend mostly on positions: a good
/// place to start.
pub fn select_strongest(app: &mut App) {
    if app.axes.source.is_timed() {
        return select_timing(app);
    }
    let links = long_range(app);
    let special = |link: &Link| {
        let kind = link.head.kind();
        let queries = app.capture.as_ref().map(|capture| capture.queries(kind));
        queries.and_then(|queries| queries.get(link.query)).is_some_and(|token| token.special)
    };
    let above = links.iter().find(|link| link.head.layer() > 0 && !special(link));
    if let Some(link) = above.or(links.first()) {
        app.selection.head = link.head;
        app.selection.set_query(link.query);
        app.selection.set_key(link.key);
    }
}
