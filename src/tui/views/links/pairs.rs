//! Given links in every head: those of the cell under the cursor, or of words that the user types.

use std::sync::Arc;

use crate::analysis::pairs::{Pair, PairLink};
use crate::error::Error;
use crate::export::select::{PlaceSelection, pairs_like};
use crate::site::Kind;
use crate::tui::action::Effect;
use crate::tui::app::App;
use crate::tui::pair_search::{PairRequest, PairResults};
use crate::tui::views::ViewId;

/// Given links in every head.
#[derive(Clone, Debug, PartialEq)]
pub struct PairList {
    /// The links, as a title names them: `it ← cat`.
    pub title: String,
    /// The links, each in the maps of one kind.
    pub pairs: Vec<(Kind, Pair)>,
    /// Number of the request.
    pub number: u64,
    /// The links found so far, strongest first.
    pub links: Vec<PairLink>,
    /// True if every head has been searched.
    pub complete: bool,
    /// True until the user moves: until then the strongest link is selected.
    pub untouched: bool,
}

/// Largest number of links in the list.
const MOST_LISTED: usize = 1000;

/// Lists the link under the cursor in every head.
pub fn of_cell(app: &mut App) -> Vec<Effect> {
    let Some(capture) = &app.capture else { return Vec::new() };
    let tokens = |axis: &crate::tui::reading::Axis, place: usize, token: usize| {
        axis.units.get(place).map_or(token..token + 1, |unit| unit.tokens.clone())
    };
    let (query, key) = (app.query(), app.key());
    let pair = Pair {
        queries: tokens(app.queries(), query, app.selection.query()),
        keys: tokens(app.keys(), key, app.selection.key()),
    };
    let title = format!("{} ← {}", app.query_name(query), app.keys().name(key));
    let pairs = pairs_like(capture, app.selection.head.kind(), &pair);
    search(app, title, pairs)
}

/// Lists the links that a text names, as in `it | cat`, in every head.
pub fn of_text(app: &mut App, text: &str) -> Vec<Effect> {
    let Some(capture) = app.capture.clone() else { return Vec::new() };
    let places = PlaceSelection::parse(text);
    if places.is_empty() {
        app.notice = Some("nothing was asked for: name queries | keys, as in it | cat".into());
        return Vec::new();
    }
    match places.pairs(&capture, &capture.kinds()) {
        Ok(pairs) => search(app, text.trim().to_string(), pairs),
        Err(error @ Error::NoSuchPlace { .. }) => {
            app.notice = Some(error.to_string());
            Vec::new()
        }
        Err(error) => {
            app.show_error(error.to_string(), error.hint());
            Vec::new()
        }
    }
}

fn search(app: &mut App, title: String, pairs: Vec<(Kind, Pair)>) -> Vec<Effect> {
    let Some(capture) = app.capture.clone() else { return Vec::new() };
    if app.view == ViewId::Links {
        app.leave();
    }
    app.show(ViewId::Links);
    let view = &mut app.views.links;
    view.searches += 1;
    (view.selected, view.effects) = (0, Default::default());
    let number = view.searches;
    let list =
        PairList { title, pairs: pairs.clone(), number, links: Vec::new(), complete: false, untouched: true };
    view.pairs = Some(list);
    vec![Effect::WeighPairs(PairRequest { number, capture, pairs })]
}

/// Weighs the listed links in a new capture of the same texts.
pub fn weigh_again(app: &mut App) -> Vec<Effect> {
    let view = &mut app.views.links;
    let (Some(capture), Some(list)) = (&app.capture, &mut view.pairs) else { return Vec::new() };
    view.searches += 1;
    (list.number, list.complete) = (view.searches, false);
    list.links.clear();
    let (capture, pairs) = (Arc::clone(capture), list.pairs.clone());
    vec![Effect::WeighPairs(PairRequest { number: list.number, capture, pairs })]
}

/// Adds results of the search.
pub fn found(app: &mut App, results: PairResults) {
    let Some(list) = app.views.links.pairs.as_mut().filter(|list| list.number == results.number) else {
        return;
    };
    list.links.extend(results.links);
    list.links.sort_by(PairLink::by_strength);
    list.links.truncate(MOST_LISTED);
    list.complete |= results.complete;
}
