//! Selection of heads, and of places on the axes of their maps.

use std::collections::BTreeMap;
use std::ops::Range;

use super::labels::{key_names, query_names};
use crate::analysis::links::LinkFilter;
use crate::analysis::pairs::Pair;
use crate::analysis::places::{AxisNames, Places, equal_to};
use crate::capture::Capture;
use crate::error::{Error, Result};
use crate::site::{Head, Kind, Site};

/// A selection of heads by kind, layer and head; `None` selects all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeadSelection {
    /// Kind of attention.
    pub kind: Option<Kind>,
    /// Layer number.
    pub layer: Option<usize>,
    /// Head number within its layer.
    pub head: Option<usize>,
}

impl HeadSelection {
    /// Returns the selected heads, ordered by kind, layer and head.
    ///
    /// # Errors
    /// [`Error::NoSuchHead`] if no head matches; its message says which layers and heads exist.
    pub fn heads(&self, capture: &Capture) -> Result<Vec<Head>> {
        let heads: Vec<_> = capture.all_heads().into_iter().filter(|&head| self.contains(head)).collect();
        if heads.is_empty() { Err(self.no_match(capture)) } else { Ok(heads) }
    }

    /// Returns true if a head is selected.
    pub fn contains(&self, head: Head) -> bool {
        self.kind.is_none_or(|kind| kind == head.kind())
            && self.layer.is_none_or(|layer| layer == head.layer())
            && self.head.is_none_or(|number| number == head.head)
    }

    /// Returns the selected kind. Without a selection this is cross-attention, if the capture has it.
    ///
    /// # Errors
    /// [`Error::NoSuchHead`] if the capture has no maps of the kind.
    pub fn one_kind(&self, capture: &Capture) -> Result<Kind> {
        let kind = self.kind.or_else(|| capture.kinds().last().copied()).unwrap_or(Kind::Cross);
        if capture.layers(kind) == 0 { Err(self.no_match(capture)) } else { Ok(kind) }
    }

    /// Returns the selected head; layer and head default to 0.
    ///
    /// # Errors
    /// [`Error::NoSuchHead`] if the capture lacks it; the message says which layers and heads exist.
    pub fn one_head(&self, capture: &Capture) -> Result<Head> {
        let kind = self.one_kind(capture)?;
        let head = Head::new(kind, self.layer.unwrap_or(0), self.head.unwrap_or(0));
        capture.check(head).map(|()| head)
    }

    /// Returns a copy of the capture that holds only the selected sites.
    ///
    /// # Errors
    /// [`Error::NoSuchHead`] if nothing matches; [`Error::Usage`] if the selection names a head, because a
    /// capture file holds whole sites.
    pub fn narrow(&self, capture: &Capture) -> Result<Capture> {
        if self.head.is_some() {
            return Err(Error::Usage("a capture file holds whole layers: leave --head out".into()));
        }
        let selected = self.heads(capture)?;
        let mut maps = capture.maps.like();
        for (site, map) in capture.maps.sites().filter(|(site, _)| selected.contains(&site.head(0))) {
            maps.insert(site, map.clone());
        }
        let mut values = capture.values.clone();
        values.retain(|site, _| selected.contains(&site.head(0)));
        Ok(Capture { maps, values, ..capture.clone() })
    }

    fn no_match(&self, capture: &Capture) -> Error {
        let kind = self.kind.or_else(|| capture.kinds().last().copied()).unwrap_or(Kind::Cross);
        let layer = self.layer.unwrap_or(0);
        match capture.check(Head::new(kind, layer, self.head.unwrap_or(0))) {
            Err(error) => error,
            Ok(()) => Error::NoSuchHead(format!("there is no such head in {}", Site::new(kind, layer))),
        }
    }
}

/// A selection of rows and columns; empty [`Places`] select all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlaceSelection {
    /// Rows.
    pub queries: Places,
    /// Columns.
    pub keys: Places,
}

impl PlaceSelection {
    /// Parses `queries | keys`, as in `it | cat`. Every text is valid.
    pub fn parse(text: &str) -> Self {
        let (queries, keys) = text.split_once('|').unwrap_or((text, ""));
        Self { queries: Places::new(queries), keys: Places::new(keys) }
    }

    /// Returns true if everything is selected.
    pub fn is_empty(&self) -> bool {
        self.queries.is_empty() && self.keys.is_empty()
    }

    /// Returns the named queries of a kind's maps, `None` for all.
    pub fn queries(&self, capture: &Capture, kind: Kind) -> Option<Vec<Range<usize>>> {
        (!self.queries.is_empty()).then(|| self.queries.named(&query_names(capture, kind)))
    }

    /// Returns the named keys of a kind's maps, `None` for all.
    pub fn keys(&self, capture: &Capture, kind: Kind) -> Option<Vec<Range<usize>>> {
        (!self.keys.is_empty()).then(|| self.keys.named(&key_names(capture, kind)))
    }

    /// Returns every pair of a named query and a named key in the maps of the kinds.
    ///
    /// # Errors
    /// [`Error::NoSuchPlace`] if no kind has both; [`Error::Usage`] for more than [`MOST_PAIRS`] pairs.
    pub fn pairs(&self, capture: &Capture, kinds: &[Kind]) -> Result<Vec<(Kind, Pair)>> {
        let mut pairs = Vec::new();
        let mut has_queries = false;
        for &kind in kinds {
            let queries = self.queries(capture, kind).unwrap_or_default();
            let keys = self.keys(capture, kind).unwrap_or_default();
            has_queries |= !queries.is_empty();
            if pairs.len().saturating_add(queries.len().saturating_mul(keys.len())) > MOST_PAIRS {
                let why = format!("these words and positions make more than {MOST_PAIRS} links: name fewer");
                return Err(Error::Usage(why));
            }
            pairs.extend(pairs_of(&queries, &keys).into_iter().map(|pair| (kind, pair)));
        }
        match pairs.is_empty() {
            true => Err(self.no_match(has_queries, kinds)),
            false => Ok(pairs),
        }
    }

    /// Returns the filter of each kind that keeps the links of `filter` between these places.
    ///
    /// # Errors
    /// [`Error::NoSuchPlace`] if no kind has the places.
    pub fn filters(
        &self,
        capture: &Capture,
        kinds: &[Kind],
        filter: &LinkFilter,
    ) -> Result<BTreeMap<Kind, LinkFilter>> {
        let of = |kind: Kind| {
            let (queries, keys) = (self.queries(capture, kind), self.keys(capture, kind));
            (kind, LinkFilter { queries, keys, ..filter.clone() })
        };
        let filters: BTreeMap<Kind, LinkFilter> = kinds.iter().map(|&kind| of(kind)).collect();
        let names = |places: fn(&LinkFilter) -> &Option<Vec<Range<usize>>>| {
            filters.values().any(|filter| places(filter).as_ref().is_none_or(|places| !places.is_empty()))
        };
        let has_queries = names(|filter| &filter.queries);
        if !has_queries || !names(|filter| &filter.keys) {
            return Err(self.no_match(has_queries, kinds));
        }
        Ok(filters)
    }

    /// Returns the error for a selection of which the keys, or else the queries, name nothing.
    pub fn no_match(&self, has_queries: bool, kinds: &[Kind]) -> Error {
        let (named, axis) = if has_queries { (&self.keys, "keys") } else { (&self.queries, "queries") };
        let kinds: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
        Error::NoSuchPlace {
            named: named.text().into(),
            axis: format!("{axis} of {} maps", kinds.join(", ")),
        }
    }

    /// Returns the minimum weight that either side asks for.
    pub fn min_weight(&self) -> f32 {
        self.queries.min_weight().max(self.keys.min_weight())
    }
}

/// Limit on the number of pairs that a selection may name: the work grows with them.
pub const MOST_PAIRS: usize = 10_000;

fn pairs_of(queries: &[Range<usize>], keys: &[Range<usize>]) -> Vec<Pair> {
    let of =
        |queries: &Range<usize>, keys: &Range<usize>| Pair { queries: queries.clone(), keys: keys.clone() };
    queries.iter().flat_map(|query| keys.iter().map(move |key| of(query, key))).collect()
}

/// Returns the pairs of every kind that link the same places as `pair` does in the maps of `kind`. On an axis
/// that the kinds share these are the same positions; on another one they have the same names.
pub fn pairs_like(capture: &Capture, kind: Kind, pair: &Pair) -> Vec<(Kind, Pair)> {
    let mut pairs = vec![(kind, pair.clone())];
    let place = |range: &Range<usize>, names: &[AxisNames], other: &[AxisNames], shared: bool| match shared {
        true => vec![range.clone()],
        false => {
            let named = names.first().and_then(|names| Some(names.items.get(range.clone())?.concat()));
            let word = names.first().and_then(|names| names.words.iter().find(|(word, _)| word == range));
            let named = word.map(|(_, name)| name.clone()).or(named);
            named.map_or_else(Vec::new, |name| equal_to(&name, other))
        }
    };
    for other in capture.kinds().into_iter().filter(|other| *other != kind) {
        let (own, its) = (query_names(capture, kind), query_names(capture, other));
        let shared = (kind == Kind::Encoder) == (other == Kind::Encoder);
        let queries = place(&pair.queries, &own, &its, shared);
        let (own, its) = (key_names(capture, kind), key_names(capture, other));
        let shared = (kind == Kind::Decoder) == (other == Kind::Decoder);
        let keys = place(&pair.keys, &own, &its, shared);
        pairs.extend(pairs_of(&queries, &keys).into_iter().map(|pair| (other, pair)));
    }
    pairs
}
