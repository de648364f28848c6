//! Ranking of the strongest (query, key) pairs over heads.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::ops::Range;

use super::distances::Distances;
use super::map_axes::MapAxes;
use super::metrics::{FAR, SINK, rows_that_see};
use super::profile::{HeadProfile, PairFilter, ProfileAxes, StrongPair};
use crate::matrix::Matrix;
use crate::site::{Head, Kind};

/// One (query, key) pair of a head.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    /// The head.
    pub head: Head,
    /// Row, zero-based.
    pub query: usize,
    /// Column, zero-based.
    pub key: usize,
    /// The head's weight there.
    pub weight: f32,
    /// Distance of query and key, where there is one ([`MapAxes::distances`]).
    pub distance: Option<f32>,
}

/// Filter of links.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkFilter {
    /// Minimum distance of pairs that have one, in positions.
    pub min_distance: f32,
    /// Minimum weight.
    pub min_weight: f32,
    /// Maximum number of links to keep, the strongest first.
    pub top: usize,
    /// True to keep links to special items and, in self-attention, from them. Rows of a cross map always
    /// stay, since the row that is fed the start token predicts a word.
    pub special: bool,
    /// True to keep links from and to punctuation: pieces without a letter or digit.
    pub punctuation: bool,
    /// True to keep links to keys that are sinks of their head: mean weight above [`SINK`].
    pub sinks: bool,
    /// The places on the query axis whose links are kept; `None` keeps all.
    pub queries: Option<Vec<Range<usize>>>,
    /// The places on the key axis whose links are kept; `None` keeps all.
    pub keys: Option<Vec<Range<usize>>>,
}

impl Default for LinkFilter {
    /// The 20 strongest links farther than [`FAR`] positions, without special items, punctuation and sinks.
    fn default() -> Self {
        Self {
            min_distance: FAR + 1.0,
            min_weight: 0.0,
            top: 20,
            special: false,
            punctuation: false,
            sinks: false,
            queries: None,
            keys: None,
        }
    }
}

/// Returns true if there is no choice of places, or a position is in one of them.
fn is_chosen(places: Option<&Vec<Range<usize>>>, at: usize) -> bool {
    places.is_none_or(|places| places.iter().any(|place| place.contains(&at)))
}

impl LinkFilter {
    /// Prepares the axes of maps `[queries, keys]` for profiles in which [`StrongLinks`] finds the links
    /// of this filter, however weak.
    pub fn profile_axes(&self, axes: &MapAxes, shape: [usize; 2]) -> ProfileAxes {
        let [queries, keys] = wanted(axes, shape, self);
        axes.profile_axes(shape).with_pairs(PairFilter {
            distances: axes.distances(),
            min_distance: self.min_distance,
            min_weight: self.min_weight,
            top: self.top,
            queries,
            keys,
        })
    }
}

/// Finds the strongest links of the given heads, strongest first; equal ones by distance (farther first),
/// then by head, query and key. Memory: `filter.top` links.
pub fn links<'a>(
    heads: impl IntoIterator<Item = (Head, Matrix, MapAxes<'a>)>,
    filter: &LinkFilter,
) -> Vec<Link> {
    let mut strongest = BinaryHeap::with_capacity(filter.top.min(4096) + 1);
    for (head, map, context) in heads {
        let keys = wanted_keys(map.cols(), &context, filter, |key| is_sink(&map, context.kind, key));
        add(&mut strongest, head, &map, &keys, &context, filter);
    }
    sorted(strongest)
}

/// The `top` best of given links, in the order of [`links`].
pub fn best(links: impl IntoIterator<Item = Link>, top: usize) -> Vec<Link> {
    let mut all: Vec<Ranked> = links.into_iter().map(Ranked).collect();
    all.sort();
    all.truncate(top);
    all.into_iter().map(|Ranked(link)| link).collect()
}

fn sorted(strongest: BinaryHeap<Ranked>) -> Vec<Link> {
    strongest.into_sorted_vec().into_iter().map(|Ranked(link)| link).collect()
}

/// A link ordered by rank: the better link is the smaller, so that a heap has the worst on top.
struct Ranked(Link);

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        let (a, b) = (&self.0, &other.0);
        b.weight
            .total_cmp(&a.weight)
            .then_with(|| b.distance.unwrap_or(0.0).total_cmp(&a.distance.unwrap_or(0.0)))
            .then_with(|| (a.head, a.query, a.key).cmp(&(b.head, b.query, b.key)))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked {}

/// Finds the [`links`] of heads of a kind in their profiles. Requires that the profiles were made for this filter
/// ([`LinkFilter::profile_axes`]), or a minimum weight of at least
/// [`STRONG_WEIGHT`](super::profile::STRONG_WEIGHT).
pub struct StrongLinks<'a> {
    kind: Kind,
    filter: &'a LinkFilter,
    distances: Distances,
    queries: Vec<bool>,
    /// The keys that are wanted unless they are sinks.
    keys: Vec<bool>,
}

impl<'a> StrongLinks<'a> {
    /// Prepares the axes of maps `[queries, keys]`.
    pub fn new(axes: &MapAxes, shape: [usize; 2], filter: &'a LinkFilter) -> Self {
        let [queries, keys] = wanted(axes, shape, filter);
        Self { kind: axes.kind, filter, distances: axes.distances(), queries, keys }
    }

    /// The links of a head, whose profile is that of a map of this shape.
    pub fn of(&self, head: Head, profile: &HeadProfile) -> Vec<Link> {
        let mut strongest = BinaryHeap::new();
        for &StrongPair { query, key, weight } in &profile.strong {
            let (query, key) = (query as usize, key as usize);
            let wanted = self.keys.get(key) == Some(&true) && self.queries.get(query) == Some(&true);
            if wanted && (self.filter.sinks || !is_profiles_sink(profile, self.kind, key)) {
                offer(&mut strongest, (head, query, key, weight), &self.distances, self.filter);
            }
        }
        sorted(strongest)
    }
}

/// Adds the links of a map.
fn add(
    strongest: &mut BinaryHeap<Ranked>,
    head: Head,
    map: &Matrix,
    keys: &[bool],
    context: &MapAxes,
    filter: &LinkFilter,
) {
    let distances = context.distances();
    for (query, row) in (0..map.rows()).map(|query| (query, map.row(query))) {
        if !wanted_query(query, context, filter) {
            continue;
        }
        for key in context.visible(query) {
            let (Some(&weight), Some(true)) = (row.get(key), keys.get(key)) else { continue };
            offer(strongest, (head, query, key, weight), &distances, filter);
        }
    }
}

fn offer(
    strongest: &mut BinaryHeap<Ranked>,
    (head, query, key, weight): (Head, usize, usize, f32),
    distances: &Distances,
    filter: &LinkFilter,
) {
    let full = strongest.len() >= filter.top;
    if weight <= 0.0
        || weight < filter.min_weight
        || (full && strongest.peek().is_none_or(|worst| weight < worst.0.weight))
    {
        return;
    }
    if distances.reach(query, key, filter.min_distance) {
        let distance = distances.between(query, key);
        strongest.push(Ranked(Link { head, query, key, weight, distance }));
        if full {
            strongest.pop();
        }
    }
}

/// Returns, for each of `[queries, keys]`, true if its links are wanted. Sinks, which differ from head to head, are
/// among the keys.
fn wanted(axes: &MapAxes, [queries, keys]: [usize; 2], filter: &LinkFilter) -> [Vec<bool>; 2] {
    let queries = (0..queries).map(|query| wanted_query(query, axes, filter)).collect();
    [queries, wanted_keys(keys, axes, filter, |_| false)]
}

fn wanted_query(query: usize, context: &MapAxes, filter: &LinkFilter) -> bool {
    if !is_chosen(filter.queries.as_ref(), query) {
        return false;
    }
    let Some(token) = context.queries.get(query) else { return true };
    if token.special {
        return filter.special || context.kind == Kind::Cross;
    }
    filter.punctuation || !token.is_punctuation()
}

fn wanted_keys(
    count: usize,
    context: &MapAxes,
    filter: &LinkFilter,
    is_sink: impl Fn(usize) -> bool,
) -> Vec<bool> {
    let mut wanted: Vec<_> = (0..count)
        .map(|key| match context.keys.get(key) {
            Some(token) if token.special => filter.special,
            Some(token) => filter.punctuation || !token.is_punctuation(),
            None => true,
        })
        .collect();
    for (key, wanted) in wanted.iter_mut().enumerate() {
        *wanted &= is_chosen(filter.keys.as_ref(), key) && (filter.sinks || !is_sink(key));
    }
    wanted
}

/// Returns true if a key is a sink: its mean weight over the rows that may attend to it is above [`SINK`],
/// and at least half of the rows may (see [`super::metrics::HeadMetrics::sink`]).
fn is_sink(map: &Matrix, kind: Kind, key: usize) -> bool {
    let got = || {
        let rows = rows_that_see(kind, key, map.rows());
        (map.rows() - rows..map.rows()).filter_map(|i| map.get(i, key)).map(f64::from).sum()
    };
    sinks(kind, key, map.rows(), got)
}

fn is_profiles_sink(profile: &HeadProfile, kind: Kind, key: usize) -> bool {
    sinks(kind, key, profile.rows, || profile.received.get(key).copied().unwrap_or(0.0))
}

/// [`is_sink`] of a key with total weight `got` in a map of `all` rows.
fn sinks(kind: Kind, key: usize, all: usize, got: impl FnOnce() -> f64) -> bool {
    let rows = rows_that_see(kind, key, all);
    rows > 0 && 2 * rows >= all && got() / rows as f64 > f64::from(SINK)
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "places are lists of ranges, also of one")]
mod tests {
    use super::*;
    use crate::axis::AxisItem;

    fn token(piece: &str, special: bool) -> AxisItem {
        AxisItem::token(0, piece, special)
    }

    fn axis(pieces: &[&str]) -> Vec<AxisItem> {
        pieces.iter().map(|piece| token(piece, piece.starts_with('<'))).collect()
    }

    fn all(min_distance: f32) -> LinkFilter {
        LinkFilter { min_distance, special: true, punctuation: true, sinks: true, ..LinkFilter::default() }
    }

    fn found(map: &Matrix, context: MapAxes, filter: &LinkFilter) -> Vec<(usize, usize)> {
        let head = Head::new(context.kind, 0, 0);
        links([(head, map.clone(), context)], filter).iter().map(|link| (link.query, link.key)).collect()
    }

    #[test]
    fn order_is_by_weight_then_distance_then_place() {
        let tokens = axis(&["a", "b", "c"]);
        let map = Matrix::new(3, 3, vec![0.5, 0.25, 0.25, 0.25, 0.5, 0.25, 0.6, 0.2, 0.2]);
        let context = MapAxes::new(Kind::Encoder, &tokens, &tokens);
        assert_eq!(found(&map, context, &all(1.0)), [(2, 0), (0, 2), (0, 1), (1, 0), (1, 2), (2, 1)]);
        let two = LinkFilter { top: 2, ..all(1.0) };
        assert_eq!(found(&map, context, &two), [(2, 0), (0, 2)]);
        assert_eq!(found(&map, context, &LinkFilter { top: 0, ..all(1.0) }), []);
    }

    #[test]
    fn filters_drop_special_tokens_punctuation_and_sinks() {
        let tokens = axis(&["a", ",", "b", "</s>"]);
        let row = [0.4, 0.25, 0.2, 0.15];
        let map = Matrix::new(4, 4, row.repeat(4));
        let context = MapAxes::new(Kind::Encoder, &tokens, &tokens);
        let far = LinkFilter { special: false, ..all(1.0) };
        assert!(found(&map, context, &far).iter().all(|&(query, key)| query != 3 && key != 3));
        let words = LinkFilter { punctuation: false, ..far.clone() };
        assert_eq!(found(&map, context, &words), [(2, 0), (0, 2)]);
        let no_sinks = LinkFilter { sinks: false, ..words };
        assert_eq!(found(&map, context, &no_sinks), [(0, 2)]);
    }

    /// Weights of which most are small, some equal, and some keys are sinks or nearly so.
    fn many(kind: Kind, rows: usize, cols: usize) -> Matrix {
        let mut data = vec![0.0; rows * cols];
        for (query, row) in data.chunks_mut(cols).enumerate() {
            for (key, weight) in row.iter_mut().enumerate().take(kind.visible(query, cols).end) {
                *weight = match key % 37 {
                    3 => 40.0,
                    5 => 20.0,
                    _ => (1 + (query * 31 + key * 17) % 101) as f32 / 100.0,
                };
            }
            let sum: f32 = row.iter().sum();
            row.iter_mut().for_each(|weight| *weight /= sum);
        }
        Matrix::new(rows, cols, data)
    }

    #[test]
    fn links_of_chosen_places_alone_are_kept() {
        let tokens = axis(&["a", "b", "c"]);
        let map = Matrix::new(3, 3, vec![0.5, 0.3, 0.2, 0.25, 0.5, 0.25, 0.6, 0.2, 0.2]);
        let context = MapAxes::new(Kind::Encoder, &tokens, &tokens);
        let from = |queries| LinkFilter { queries, ..all(1.0) };
        assert_eq!(found(&map, context, &from(Some(vec![0..1, 1..2]))), [(0, 1), (1, 0), (1, 2), (0, 2)]);
        assert_eq!(found(&map, context, &from(Some(Vec::new()))), []);
        let to = LinkFilter { keys: Some(vec![0..1]), ..all(1.0) };
        assert_eq!(found(&map, context, &to), [(2, 0), (1, 0)]);
    }

    #[test]
    fn a_profile_gives_the_links_of_the_map() {
        let pieces: Vec<String> = (0..300).map(|at| format!("w{}", at % 9)).collect();
        let tokens = axis(&pieces.iter().map(String::as_str).collect::<Vec<_>>());
        for (kind, queries) in
            [(Kind::Encoder, 300), (Kind::Decoder, 300), (Kind::Cross, 130), (Kind::Encoder, 40)]
        {
            let keys = if kind == Kind::Cross { 300 } else { queries };
            let map = many(kind, queries, keys);
            let context = MapAxes::new(kind, &tokens[..queries], &tokens[..keys]);
            let head = Head::new(kind, 1, 2);
            for filter in [
                LinkFilter { top: 7, ..all(2.0) },
                LinkFilter { top: 50, ..LinkFilter::default() },
                LinkFilter { top: 3, min_weight: 0.004, ..LinkFilter::default() },
                LinkFilter { top: 1, min_distance: 30.0, ..LinkFilter::default() },
                LinkFilter { top: 0, ..LinkFilter::default() },
                LinkFilter { top: usize::MAX, ..all(0.0) },
            ] {
                let profile = HeadProfile::of(&map, &filter.profile_axes(&context, [queries, keys]));
                let found =
                    StrongLinks::new(&context, [profile.rows, profile.keys], &filter).of(head, &profile);
                assert_eq!(
                    found,
                    links([(head, map.clone(), context)], &filter),
                    "{kind} {queries} {filter:?}"
                );
                let few = found.len().min(3);
                assert_eq!(best(found.iter().rev().copied(), 3), found[..few]);
            }
        }
    }

    #[test]
    fn the_start_row_of_a_cross_map_stays() {
        let (source, target) = (axis(&["a", "b"]), axis(&["<s>", "x"]));
        let map = Matrix::new(2, 2, vec![0.1, 0.9, 0.8, 0.2]);
        let context = MapAxes::new(Kind::Cross, &target, &source);
        let filter = LinkFilter { min_distance: 1.0, sinks: true, ..LinkFilter::default() };
        assert_eq!(found(&map, context, &filter), [(0, 1), (1, 0)]);
    }
}
