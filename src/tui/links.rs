//! Questions about the selected map: its far links, a row's strongest keys, texts to copy.

use super::app::App;
use super::filter::{self, shown};
use super::survey;
use crate::analysis::links::{Link, is_punctuation};
use crate::analysis::metrics::SINK;

/// The far links of the selected head, strongest first: from the survey, or found now where it has not come
/// so far.
pub fn far(app: &App) -> Vec<Link> {
    let head = app.place.head;
    if let Some(facts) = app.survey.heads.get(&head) {
        return facts.links.clone();
    }
    let Some(capture) = &app.capture else { return Vec::new() };
    survey::far_links(capture, head, app.distance).unwrap_or_default()
}

/// Which links the list keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// All but those of special tokens.
    All,
    /// No punctuation either.
    #[default]
    Words,
    /// Nor links to a head's sink.
    NoSinks,
}

impl Keep {
    /// The next of the three.
    pub fn next(self) -> Self {
        match self {
            Keep::All => Keep::Words,
            Keep::Words => Keep::NoSinks,
            Keep::NoSinks => Keep::All,
        }
    }
}

/// The far links of all heads that the list keeps, strongest first.
pub fn everywhere(app: &App) -> Vec<Link> {
    let Some(capture) = &app.capture else { return Vec::new() };
    let mut links: Vec<Link> = Vec::new();
    for (head, facts) in &app.survey.heads {
        let kind = head.kind();
        if app.one_kind && kind != app.place.head.kind() {
            continue;
        }
        let (queries, keys) = (capture.queries(kind), capture.keys(kind));
        let mark = |token: Option<&crate::axis::Item>| token.is_some_and(is_punctuation);
        links.extend(facts.links.iter().filter(|link| match app.keep {
            Keep::All => true,
            _ if mark(queries.get(link.query)) || mark(keys.get(link.key)) => false,
            Keep::Words => true,
            Keep::NoSinks => facts.metrics.sink <= SINK || facts.metrics.sink_key != link.key,
        }));
    }
    links.sort_by(|a, b| {
        b.weight.total_cmp(&a.weight).then((a.head, a.query, a.key).cmp(&(b.head, b.query, b.key)))
    });
    links.truncate(MOST_LISTED);
    links
}

/// Links that the list shows, at most.
const MOST_LISTED: usize = 1000;

/// Selects the strongest far link above the first layer, whose maps know little but positions: a place worth
/// beginning at.
pub fn open_at_strongest(app: &mut App) {
    let links = everywhere(app);
    let special = |link: &Link| {
        let kind = link.head.kind();
        let queries = app.capture.as_ref().map(|capture| capture.queries(kind));
        queries.and_then(|queries| queries.get(link.query)).is_some_and(|token| token.special)
    };
    let above = links.iter().find(|link| link.head.layer() > 0 && !special(link));
    if let Some(link) = above.or(links.first()) {
        app.place.head = link.head;
        app.place.set_query(link.query);
        app.place.set_key(link.key);
    }
}

/// The place of the strongest key of the selected query.
pub fn strongest(app: &App) -> Option<usize> {
    let row = filter::shown_row(app)?;
    row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map(|(key, _)| key)
}

/// The selected weight as a line of text.
pub fn value_text(app: &App) -> Option<String> {
    let weight = *filter::shown_row(app)?.get(app.key())?;
    let (query, key) = (app.queries().label(app.query()), app.keys().label(app.key()));
    Some(format!("{} {query} → {key} {weight:.6}", app.place.head))
}

/// The selected row, a line a key.
pub fn row_text(app: &App) -> Option<String> {
    let row = filter::shown_row(app)?;
    let lines =
        app.keys().units.iter().zip(&row).map(|(unit, weight)| format!("{}\t{weight:.6}\n", unit.label));
    Some(lines.collect())
}

/// The selected map as a table, tokens on both sides, tabs between.
pub fn map_text(app: &App) -> Option<String> {
    const MOST: usize = 1 << 20;
    if app.queries().len().saturating_mul(app.keys().len()) > MOST {
        return None;
    }
    let map = shown(app)?;
    let mut out = app.place.head.to_string();
    for unit in &app.keys().units {
        out.push('\t');
        out.push_str(&unit.label);
    }
    out.push('\n');
    for (query, unit) in app.queries().units.iter().enumerate().take(map.rows()) {
        out.push_str(&unit.label);
        for weight in map.row(query) {
            out.push_str(&format!("\t{weight:.6}"));
        }
        out.push('\n');
    }
    Some(out)
}

/// The far links of the selected head as the survey found them; empty until it has.
pub fn cached(app: &App) -> &[Link] {
    app.survey.heads.get(&app.place.head).map_or(&[], |facts| facts.links.as_slice())
}
