//! Where the maps lie. One `[heads, queries, keys]` buffer per site, shared by the heads' matrices.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::matrix::Matrix;
use crate::site::{Head, Kind, Site};

/// The maps of one site.
#[derive(Clone, Debug)]
pub struct SiteMaps {
    heads: usize,
    queries: usize,
    keys: usize,
    data: Arc<[f32]>,
}

impl SiteMaps {
    /// The maps of one site, `data` being `[heads, queries, keys]`.
    ///
    /// # Panics
    /// When `data` has another length.
    pub fn new(heads: usize, queries: usize, keys: usize, data: impl Into<Arc<[f32]>>) -> Self {
        let data = data.into();
        assert_eq!(data.len(), heads * queries * keys, "maps of {heads} heads, {queries} x {keys}");
        Self { heads, queries, keys, data }
    }

    /// `[heads, queries, keys]`.
    pub fn shape(&self) -> [usize; 3] {
        [self.heads, self.queries, self.keys]
    }

    /// All values of the site, head by head.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    fn map(&self, head: usize) -> Option<Matrix> {
        let size = self.queries * self.keys;
        (head < self.heads)
            .then(|| Matrix::view(self.queries, self.keys, Arc::clone(&self.data), head * size))
    }
}

/// Every site's maps.
#[derive(Clone, Debug, Default)]
pub struct MapStore {
    sites: BTreeMap<Site, SiteMaps>,
}

impl MapStore {
    /// Adds or replaces the maps of a site.
    pub fn insert(&mut self, site: Site, maps: SiteMaps) {
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

    /// One head's map, or `None` where it was not recorded.
    pub fn map(&self, head: Head) -> Option<Matrix> {
        self.sites.get(&head.site)?.map(head.head)
    }
}
