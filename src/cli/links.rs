//! `attn-tui links`: lists the strongest long-range links of all heads, or the weight of given links in every
//! head.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use attn_tui_kernels::threads;
use clap::Args;

use super::context::Context;
use super::input;
use super::options::{
    HeadArgs, InputArgs, OutputArgs, PlaceArgs, ProfileExtras, RunExtras, WeightsArgs, non_negative,
};
use crate::analysis::links::{Link, LinkFilter, best, strong_links};
use crate::analysis::metrics::FAR;
use crate::analysis::pairs::{Pair, PairLink};
use crate::analysis::profile::HeadProfile;
use crate::axis::AxisItem;
use crate::capture::Capture;
use crate::error::Result;
use crate::export::labels::item_label;
use crate::export::select::PlaceSelection;
use crate::export::table::{Cell, Table};
use crate::site::{Head, Kind};

/// Options of `links`.
#[derive(Args)]
pub struct LinksArgs {
    #[command(flatten)]
    pub heads: HeadArgs,
    #[command(flatten)]
    weights: WeightsArgs,
    #[command(flatten)]
    places: PlaceArgs,
    /// Leave out links shorter than N tokens. In cross-attention the distance is from the alignment diagonal
    /// [default: 5; 0 with --query and --key].
    #[arg(long, value_name = "N", value_parser = non_negative)]
    min_distance: Option<f32>,
    /// Leave out links weaker than this.
    #[arg(long, value_name = "WEIGHT", default_value_t = 0.0, value_parser = non_negative)]
    min_weight: f32,
    /// Print the N strongest links [default: 20; all with --query and --key].
    #[arg(long, value_name = "N")]
    top: Option<usize>,
    /// Keep links to special tokens.
    #[arg(long)]
    special: bool,
    /// Keep links to and from punctuation.
    #[arg(long)]
    punctuation: bool,
    /// Keep links to attention sinks, keys that hold more than 0.3 of their head's weight on average.
    #[arg(long)]
    sinks: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    pub input: InputArgs,
}

/// The columns of the table.
const COLUMNS: [&str; 15] = [
    "kind",
    "layer",
    "head",
    "weight",
    "distance",
    "query",
    "query_token",
    "predicted",
    "key",
    "key_token",
    "rank",
    "ranked",
    "value_weighted",
    "query_len",
    "key_len",
];

/// Runs the command.
///
/// # Errors
/// Those of the engine; [`crate::error::Error::NoSuchHead`]; [`crate::error::Error::NoSuchPlace`].
pub fn run(args: &LinksArgs, context: &Context) -> Result<()> {
    args.output.check()?;
    let places = args.places.selection();
    let given = !places.queries.is_empty() && !places.keys.is_empty();
    let extras = if given {
        let extras = args.weights.extras();
        RunExtras { values: extras.values || args.input.text.audio.keeps_values(), ..extras }
    } else if places.queries.is_empty() && places.keys.is_empty() {
        let profiles = ProfileExtras { gini: false, links: Some(args.filter()) };
        args.weights.analysis_extras(&args.heads, profiles)
    } else {
        // Places are found on the axes of the capture.
        args.weights.extras()
    };
    let capture = input::weighted(input::capture(&args.input, extras, context)?, args.weights)?;
    let heads = args.heads.selection().heads(&capture)?;
    let links = context.on_threads(|| match given {
        true => of_pairs(&capture, &heads, &places, args),
        false => strongest(&capture, &heads, &places, args),
    })?;
    let mut table = Table::new(COLUMNS);
    table.rows = links.iter().map(|link| row(&capture, link)).collect();
    args.output.print(&table, &context.terminal)
}

impl LinksArgs {
    /// The filter of links between all places.
    fn filter(&self) -> LinkFilter {
        LinkFilter {
            min_distance: self.min_distance.unwrap_or(FAR + 1.0),
            min_weight: self.min_weight,
            top: self.top.unwrap_or(20),
            special: self.special,
            punctuation: self.punctuation,
            sinks: self.sinks,
            queries: None,
            keys: None,
        }
    }
}

/// Returns the kinds of the heads, each once.
fn kinds(heads: &[Head]) -> Vec<Kind> {
    Kind::ALL.into_iter().filter(|&kind| heads.iter().any(|head| head.kind() == kind)).collect()
}

/// Weighs the given pairs in every head, strongest first.
fn of_pairs(
    capture: &Capture,
    heads: &[Head],
    places: &PlaceSelection,
    args: &LinksArgs,
) -> Result<Vec<PairLink>> {
    let pairs = places.pairs(capture, &kinds(heads))?;
    let weighed = threads::map(heads.len(), usize::MAX, |at| -> Result<Vec<PairLink>> {
        let head = heads[at];
        let own = pairs.iter().filter(|(kind, _)| *kind == head.kind());
        own.filter_map(|(_, pair)| capture.pair_link(head, pair).transpose()).collect()
    });
    let mut links: Vec<PairLink> =
        weighed.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
    let distance = args.min_distance.unwrap_or(0.0);
    links.retain(|link| link.weight.weight >= args.min_weight && link.distance >= distance);
    links.sort_by(PairLink::by_strength);
    links.truncate(args.top.unwrap_or(usize::MAX));
    Ok(links)
}

/// Finds the strongest links that are long enough, from the given queries or to the given keys.
fn strongest(
    capture: &Capture,
    heads: &[Head],
    places: &PlaceSelection,
    args: &LinksArgs,
) -> Result<Vec<PairLink>> {
    let filters: BTreeMap<Kind, LinkFilter> = kinds(heads)
        .into_iter()
        .map(|kind| {
            let (queries, keys) = (places.queries(capture, kind), places.keys(capture, kind));
            (kind, LinkFilter { queries, keys, ..args.filter() })
        })
        .collect();
    let names = |places: fn(&LinkFilter) -> &Option<Vec<Range<usize>>>| {
        filters.values().any(|filter| places(filter).as_ref().is_none_or(|places| !places.is_empty()))
    };
    let has_queries = names(|filter| &filter.queries);
    if !has_queries || !names(|filter| &filter.keys) {
        return Err(places.no_match(has_queries, &kinds(heads)));
    }
    let links = find(capture, heads, &filters)?;
    let weigh = |link: &Link| capture.pair_link(link.head, &Pair::link(link.query, link.key)).transpose();
    links.iter().filter_map(weigh).collect()
}

/// Finds the links in the profiles that the pass has made for these filters, or else in new ones.
fn find(capture: &Capture, heads: &[Head], filters: &BTreeMap<Kind, LinkFilter>) -> Result<Vec<Link>> {
    let prepared: BTreeMap<Kind, _> = filters
        .iter()
        .map(|(&kind, filter)| {
            let (queries, keys) = capture.shape(kind);
            (kind, (filter, Arc::new(filter.profile_axes(&capture.axes(kind), [queries, keys]))))
        })
        .collect();
    let found = threads::map(heads.len(), usize::MAX, |at| -> Result<Vec<Link>> {
        let (head, kind) = (heads[at], heads[at].kind());
        let Some((filter, axes)) = prepared.get(&kind) else { return Ok(Vec::new()) };
        let links = |profile: &HeadProfile| strong_links(head, profile, &capture.axes(kind), filter);
        match capture.maps.site(head.site).and_then(|maps| maps.profile(head.head)) {
            Some(profile) => Ok(links(profile)),
            None => Ok(links(&capture.compute_profile(head, axes)?)),
        }
    });
    let top = filters.values().next().map_or(0, |filter| filter.top);
    Ok(best(found.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten(), top))
}

fn row(capture: &Capture, link: &PairLink) -> Vec<Cell> {
    let kind = link.head.kind();
    let label = |items: &[AxisItem], place: &Range<usize>| match items.get(place.clone()) {
        Some(items) => Cell::Text(items.iter().map(item_label).collect()),
        None => Cell::Missing,
    };
    let Pair { queries, keys } = &link.pair;
    let predicted = if kind == Kind::Encoder { Cell::Missing } else { label(&capture.target.items, queries) };
    vec![
        Cell::Text(kind.name().into()),
        Cell::Whole(link.head.layer() as i64),
        Cell::Whole(link.head.head as i64),
        Cell::Number(link.weight.weight),
        Cell::Number(link.distance),
        Cell::Whole(queries.start as i64),
        label(capture.queries(kind), queries),
        predicted,
        Cell::Whole(keys.start as i64),
        label(capture.keys(kind), keys),
        Cell::Whole(link.weight.rank as i64),
        Cell::Whole(link.weight.ranked as i64),
        Cell::number(link.value_weighted),
        Cell::Whole(queries.len() as i64),
        Cell::Whole(keys.len() as i64),
    ]
}
