//! The maps of all sites within a budget of bytes, with a cache of recomputed heads.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::SiteMaps;
use super::recomputed::{Recomputed, default_budget};
use crate::matrix::Matrix;
use crate::site::{Head, Kind, Site};

/// The maps of all sites. The budget limits the bytes of maps that can be recomputed or read again. Maps
/// that cannot (after interventions) are always stored; compact and sparse maps do not count, since they grow
/// only linearly with the source.
#[derive(Clone, Debug)]
pub struct MapStore {
    sites: BTreeMap<Site, SiteMaps>,
    budget: usize,
    recomputed: Arc<Mutex<Recomputed>>,
}

impl Default for MapStore {
    fn default() -> Self {
        Self::within(None)
    }
}

impl MapStore {
    /// Creates an empty store with a budget in bytes; `None`: as much as the machine can spare.
    pub fn within(budget: Option<usize>) -> Self {
        let budget = budget.unwrap_or_else(default_budget);
        Self { sites: BTreeMap::new(), budget, recomputed: Arc::new(Mutex::new(Recomputed::new(budget))) }
    }

    /// Creates an empty store with the budget of this one.
    pub fn like(&self) -> Self {
        Self::within(Some(self.budget))
    }

    /// Sets the budget, as in [`MapStore::within`]. Stored maps stay.
    pub fn limit(&mut self, budget: Option<usize>) {
        self.budget = budget.unwrap_or_else(default_budget);
        self.forget();
    }

    /// The budget in bytes.
    pub fn budget(&self) -> usize {
        self.budget
    }

    /// Adds or replaces the maps of a site.
    pub fn insert(&mut self, site: Site, maps: SiteMaps) {
        self.sites.insert(site, maps);
        self.forget();
    }

    /// Clears the cache, whose budget is what stored maps leave.
    fn forget(&mut self) {
        let left = self.budget.saturating_sub(self.whole());
        self.recomputed = Arc::new(Mutex::new(Recomputed::new(left)));
    }

    /// Size of stored maps in bytes.
    fn whole(&self) -> usize {
        self.sites.values().map(SiteMaps::held).sum()
    }

    /// Size of the maps in memory in bytes, stored and cached ones.
    pub fn held(&self) -> usize {
        self.whole() + self.recomputed().held()
    }

    /// Returns true if the maps `[heads, queries, keys]` of the next site are better kept in compact form
    /// of `bytes` bytes: they are large, or the budget is nearly used up.
    pub fn prefers_compact(&self, shape: [usize; 3], bytes: usize) -> bool {
        let [heads, queries, keys] = shape;
        let maps = heads.saturating_mul(queries).saturating_mul(keys).saturating_mul(4);
        // A quarter is reserved for the cache.
        let room = (self.budget - self.budget / 4).saturating_sub(self.whole());
        maps > room || SiteMaps::better_compact(shape, bytes)
    }

    /// The maps of a site.
    pub fn site(&self, site: Site) -> Option<&SiteMaps> {
        self.sites.get(&site)
    }

    /// Every site in order: encoder, decoder, cross; layer by layer.
    pub fn sites(&self) -> impl Iterator<Item = (Site, &SiteMaps)> {
        self.sites.iter().map(|(site, maps)| (*site, maps))
    }

    /// Number of layers of a kind (the highest recorded one plus one).
    pub fn layers(&self, kind: Kind) -> usize {
        self.sites.keys().filter(|site| site.kind == kind).map(|site| site.layer + 1).max().unwrap_or(0)
    }

    /// Number of heads at a site.
    pub fn heads(&self, site: Site) -> usize {
        self.sites.get(&site).map_or(0, |maps| maps.shape()[0])
    }

    /// Map of one head; `None` if it was not recorded. A map that is not stored is computed and cached.
    pub fn map(&self, head: Head) -> Option<Matrix> {
        let maps = self.sites.get(&head.site)?;
        if maps.is_whole() {
            return maps.map(head.head);
        }
        if let Some(map) = self.recomputed().get(head) {
            return Some(map);
        }
        let map = maps.map(head.head)?;
        self.recomputed().put(head, map.clone());
        Some(map)
    }

    /// Rows of one head's map, from memory or else computed without being cached.
    pub fn rows(&self, head: Head, rows: Range<usize>) -> Option<Matrix> {
        let maps = self.sites.get(&head.site)?;
        match self.recomputed().get(head) {
            Some(map) if rows.start <= rows.end && rows.end <= map.rows() => Some(map.part(rows)),
            _ => maps.rows(head.head, rows),
        }
    }

    /// All rows of one head's map in blocks, each with the number of its first row, so that a map that is
    /// not in memory is never held as a whole.
    pub fn pieces(&self, head: Head) -> impl Iterator<Item = (usize, Matrix)> {
        const WEIGHTS: usize = 1 << 22;
        let [_, queries, keys] = self.sites.get(&head.site).map_or([0; 3], SiteMaps::shape);
        let step = (WEIGHTS / keys.max(1)).next_multiple_of(64).max(64);
        let pieces = (0..queries).step_by(step).map(move |first| first..queries.min(first + step));
        pieces.filter_map(move |rows| Some((rows.start, self.rows(head, rows)?)))
    }

    /// Returns true if [`MapStore::map`] has nothing to compute.
    pub fn is_there(&self, head: Head) -> bool {
        self.sites.get(&head.site).is_some_and(SiteMaps::is_whole) || self.recomputed().get(head).is_some()
    }

    /// Returns true if a head's map fits the cache.
    pub fn fits(&self, head: Head) -> bool {
        let bytes = |maps: &SiteMaps| {
            maps.shape()[1..].iter().fold(4usize, |bytes, &side| bytes.saturating_mul(side))
        };
        self.sites.get(&head.site).is_some_and(|maps| bytes(maps) <= self.recomputed().budget())
    }

    /// Computes and caches a head's map if it [`MapStore::fits`], unless `go_on` returns false.
    pub fn prepare(&self, head: Head, go_on: impl Fn() -> bool) {
        if self.is_there(head) || !self.fits(head) {
            return;
        }
        if let Some(map) = self.sites.get(&head.site).and_then(|maps| maps.map_while(head.head, go_on)) {
            self.recomputed().put(head, map);
        }
    }

    fn recomputed(&self) -> MutexGuard<'_, Recomputed> {
        self.recomputed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{CompactMaps, Visible};

    fn compact() -> CompactMaps {
        let noise = |len: usize, step: f32| (0..len).map(|i| (i as f32 * step).sin()).collect::<Vec<f32>>();
        CompactMaps {
            heads: 3,
            key_heads: 3,
            queries: 40,
            keys: 40,
            width: 8,
            scale: 0.5,
            softcap: None,
            visible: Visible::Causal,
            part: Default::default(),
            bias: Some(noise(3 * 79, 0.7)),
            extra: None,
            masked: Vec::new(),
            query: noise(40 * 24, 0.3),
            key: noise(40 * 24, 0.9),
        }
    }

    #[test]
    fn a_compact_form_gives_rows_that_sum_to_one_and_the_same_map_each_time() {
        assert_eq!(compact().check(), Ok(()));
        let mut store = MapStore::default();
        let site = Site::new(Kind::Decoder, 0);
        store.insert(site, SiteMaps::of(compact()));
        let map = store.map(site.head(2)).unwrap();
        for row in 0..40 {
            assert!((map.row(row).iter().sum::<f32>() - 1.0).abs() < 1e-5);
            assert!(map.row(row)[row + 1..].iter().all(|&weight| weight == 0.0));
        }
        assert_eq!(store.map(site.head(2)).unwrap().as_slice(), map.as_slice());
        assert_eq!(&store.site(site).unwrap().data()[2 * 1600..], map.as_slice());
        assert_eq!(compact().rows(2, 17..23), &map.as_slice()[17 * 40..23 * 40]);
        assert!(store.map(site.head(3)).is_none());
    }

    #[test]
    fn maps_stay_within_the_budget_and_are_the_same() {
        let whole = 3 * 40 * 40 * 4;
        let mut large = MapStore::within(Some(1 << 30));
        let mut none = MapStore::within(Some(0));
        let mut one = MapStore::within(Some(2 * whole));
        for store in [&mut large, &mut none, &mut one] {
            for layer in 0..3 {
                let made = SiteMaps::of(compact());
                let maps = if store.prefers_compact(made.shape(), compact().bytes()) {
                    made
                } else {
                    SiteMaps::new(3, 40, 40, made.data())
                };
                store.insert(Site::new(Kind::Decoder, layer), maps);
            }
        }
        let kept = |store: &MapStore| store.sites().filter(|(_, maps)| maps.compact().is_none()).count();
        assert_eq!([&large, &one, &none].map(kept), [3, 1, 0]);
        for layer in 0..3 {
            for head in (0..3).map(|head| Site::new(Kind::Decoder, layer).head(head)) {
                let map = large.map(head).unwrap();
                for (store, budget) in [(&one, 2 * whole), (&none, 0)] {
                    assert_eq!(store.map(head).unwrap().as_slice(), map.as_slice(), "{head}");
                    assert!(store.held() <= budget, "{} of {budget} bytes", store.held());
                }
            }
        }
        assert_eq!((large.held(), one.held(), none.held()), (3 * whole, 2 * whole, 0));
        large.limit(Some(whole / 2));
        assert!(large.map(Site::new(Kind::Decoder, 1).head(0)).is_some(), "nothing is refused");
    }

    #[test]
    fn parts_that_do_not_fit_are_named() {
        let wrong = CompactMaps { key: vec![0.0; 5], ..compact() };
        assert_eq!(wrong.check().unwrap_err(), "the key has 5 values, which does not fit the others");
        assert!(CompactMaps { key_heads: 2, ..compact() }.check().is_err());
    }
}
