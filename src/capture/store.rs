//! Where the maps lie: one `[heads, queries, keys]` buffer per site, shared by the heads' matrices; or what
//! they follow from, where that is smaller, and the heads that were looked at last.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::matrix::Matrix;
use crate::nn::Recipe;
use crate::site::{Head, Kind, Site};

/// Up to this many bytes a site's maps are kept whole: so little is not worth computing again.
const KEPT_WHOLE: usize = 16 << 20;

/// Bytes of recomputed heads kept where nobody says: a quarter of the memory that is free, at most this.
const RECOMPUTED: usize = 1 << 30;

/// The maps of one site.
#[derive(Clone, Debug)]
pub struct SiteMaps {
    heads: usize,
    queries: usize,
    keys: usize,
    kept: Kept,
}

#[derive(Clone, Debug)]
enum Kept {
    Maps(Arc<[f32]>),
    Recipe(Arc<Recipe>),
}

impl SiteMaps {
    /// The maps of one site, `data` being `[heads, queries, keys]`.
    ///
    /// # Panics
    /// When `data` has another length.
    pub fn new(heads: usize, queries: usize, keys: usize, data: impl Into<Arc<[f32]>>) -> Self {
        let data = data.into();
        assert_eq!(data.len(), heads * queries * keys, "maps of {heads} heads, {queries} x {keys}");
        Self { heads, queries, keys, kept: Kept::Maps(data) }
    }

    /// The maps that follow from `recipe`, whose check was well.
    pub fn of(recipe: Recipe) -> Self {
        let Recipe { heads, queries, keys, .. } = recipe;
        Self { heads, queries, keys, kept: Kept::Recipe(Arc::new(recipe)) }
    }

    /// Whether maps `[heads, queries, keys]` are better kept as a recipe of so many bytes.
    pub fn better_as_recipe([heads, queries, keys]: [usize; 3], bytes: usize) -> bool {
        let whole = heads.saturating_mul(queries).saturating_mul(keys).saturating_mul(4);
        whole > KEPT_WHOLE && bytes < whole
    }

    /// `[heads, queries, keys]`.
    pub fn shape(&self) -> [usize; 3] {
        [self.heads, self.queries, self.keys]
    }

    /// What the maps follow from, where they are not kept whole.
    pub fn recipe(&self) -> Option<&Recipe> {
        match &self.kept {
            Kept::Maps(_) => None,
            Kept::Recipe(recipe) => Some(recipe),
        }
    }

    /// All values of the site, head by head; computed where they are not kept.
    pub fn data(&self) -> Arc<[f32]> {
        match &self.kept {
            Kept::Maps(data) => Arc::clone(data),
            Kept::Recipe(recipe) => {
                (0..self.heads).flat_map(|head| recipe.rows(head, 0..self.queries)).collect()
            }
        }
    }

    /// One head's map; computed where it is not kept.
    pub fn map(&self, head: usize) -> Option<Matrix> {
        if head >= self.heads {
            return None;
        }
        Some(match &self.kept {
            Kept::Maps(data) => {
                Matrix::view(self.queries, self.keys, Arc::clone(data), head * self.queries * self.keys)
            }
            Kept::Recipe(recipe) => Matrix::new(self.queries, self.keys, recipe.rows(head, 0..self.queries)),
        })
    }
}

/// Every site's maps.
#[derive(Clone, Debug, Default)]
pub struct MapStore {
    sites: BTreeMap<Site, SiteMaps>,
    recomputed: Arc<Mutex<Recomputed>>,
}

impl MapStore {
    /// Adds or replaces the maps of a site.
    pub fn insert(&mut self, site: Site, maps: SiteMaps) {
        self.recomputed = Arc::default();
        self.sites.insert(site, maps);
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
        self.sites.get(&site).map_or(0, |maps| maps.heads)
    }

    /// One head's map, or `None` where it was not recorded. A map that is not kept is computed, and stays for
    /// a while.
    pub fn map(&self, head: Head) -> Option<Matrix> {
        let maps = self.sites.get(&head.site)?;
        if maps.recipe().is_none() {
            return maps.map(head.head);
        }
        let recomputed = || self.recomputed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(map) = recomputed().get(head) {
            return Some(map);
        }
        let map = maps.map(head.head)?;
        recomputed().put(head, map.clone());
        Some(map)
    }
}

/// Maps that were computed again, those looked at last.
#[derive(Debug)]
struct Recomputed {
    budget: usize,
    clock: u64,
    maps: BTreeMap<Head, (u64, Matrix)>,
}

impl Default for Recomputed {
    fn default() -> Self {
        Self { budget: RECOMPUTED.min(free_memory() / 4), clock: 0, maps: BTreeMap::new() }
    }
}

impl Recomputed {
    fn get(&mut self, head: Head) -> Option<Matrix> {
        self.clock += 1;
        let (used, map) = self.maps.get_mut(&head)?;
        *used = self.clock;
        Some(map.clone())
    }

    fn put(&mut self, head: Head, map: Matrix) {
        let bytes = |map: &Matrix| 4 * map.rows() * map.cols();
        if bytes(&map) > self.budget {
            return;
        }
        self.clock += 1;
        self.maps.insert(head, (self.clock, map));
        while self.maps.values().map(|(_, map)| bytes(map)).sum::<usize>() > self.budget {
            let oldest = self.maps.iter().min_by_key(|(_, (used, _))| *used).map(|(head, _)| *head);
            let Some(oldest) = oldest else { break };
            self.maps.remove(&oldest);
        }
    }
}

/// Bytes of memory that the system can give; all that may be wished for where it does not tell.
fn free_memory() -> usize {
    let told = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
        line.trim().trim_end_matches("kB").trim().parse::<usize>().ok()
    });
    told.map_or(usize::MAX, |kib| kib.saturating_mul(1024))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::Visible;

    fn recipe() -> Recipe {
        let noise = |len: usize, step: f32| (0..len).map(|i| (i as f32 * step).sin()).collect::<Vec<f32>>();
        Recipe {
            heads: 3,
            key_heads: 3,
            queries: 40,
            keys: 40,
            width: 8,
            scale: 0.5,
            cap: None,
            visible: Visible::Causal,
            bias: Some(noise(3 * 79, 0.7)),
            beside: None,
            query: noise(40 * 24, 0.3),
            key: noise(40 * 24, 0.9),
        }
    }

    #[test]
    fn a_recipe_gives_rows_that_sum_to_one_and_the_same_map_each_time() {
        assert_eq!(recipe().check(), Ok(()));
        let mut store = MapStore::default();
        let site = Site::new(Kind::Decoder, 0);
        store.insert(site, SiteMaps::of(recipe()));
        let map = store.map(site.head(2)).unwrap();
        for row in 0..40 {
            assert!((map.row(row).iter().sum::<f32>() - 1.0).abs() < 1e-5);
            assert!(map.row(row)[row + 1..].iter().all(|&weight| weight == 0.0));
        }
        assert_eq!(store.map(site.head(2)).unwrap().as_slice(), map.as_slice());
        assert_eq!(&store.site(site).unwrap().data()[2 * 1600..], map.as_slice());
        assert_eq!(recipe().rows(2, 17..23), &map.as_slice()[17 * 40..23 * 40]);
        assert!(store.map(site.head(3)).is_none());
    }

    #[test]
    fn what_was_looked_at_longest_ago_goes_first() {
        let mut recomputed = Recomputed { budget: 2 * 16, clock: 0, maps: BTreeMap::new() };
        let head = |number| Site::new(Kind::Cross, 0).head(number);
        for number in 0..2 {
            recomputed.put(head(number), Matrix::new(2, 2, vec![number as f32; 4]));
        }
        assert!(recomputed.get(head(0)).is_some());
        recomputed.put(head(2), Matrix::new(2, 2, vec![2.0; 4]));
        assert!(recomputed.get(head(1)).is_none());
        assert_eq!(recomputed.get(head(0)).unwrap().as_slice(), [0.0; 4]);
        recomputed.put(head(3), Matrix::new(3, 3, vec![3.0; 9]));
        assert!(recomputed.get(head(3)).is_none() && recomputed.get(head(2)).is_some());
    }

    #[test]
    fn parts_that_do_not_fit_are_named() {
        let wrong = Recipe { key: vec![0.0; 5], ..recipe() };
        assert_eq!(wrong.check().unwrap_err(), "the key has 5 values, which does not fit the others");
        assert!(Recipe { key_heads: 2, ..recipe() }.check().is_err());
    }
}
