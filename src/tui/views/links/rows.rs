//! The list of links in Links.

use super::state::KeptLinks;
use crate::analysis::links::{Link, is_punctuation};
use crate::analysis::metrics::SINK;
use crate::axis::AxisItem;
use crate::tui::app::App;

/// Returns the long-range links of all heads that pass the list's filter, strongest first.
pub fn rows(app: &App) -> Vec<Link> {
    let Some(capture) = &app.capture else { return Vec::new() };
    let mut links: Vec<Link> = Vec::new();
    for (head, facts) in &app.survey.heads {
        let kind = head.kind();
        if app.reading.one_kind && kind != app.selection.head.kind() {
            continue;
        }
        let (queries, keys) = (capture.queries(kind), capture.keys(kind));
        let mark = |token: Option<&AxisItem>| token.is_some_and(is_punctuation);
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
    links.truncate(MOST_LISTED);
    links
}

/// Largest number of links in the list.
const MOST_LISTED: usize = 1000;

/// Selects the strongest long-range link above the first layer, whose maps depend mostly on positions: a good
/// place to start.
pub fn select_strongest(app: &mut App) {
    let links = rows(app);
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
