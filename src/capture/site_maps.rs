//! Storage of the maps of a site: one `[heads, queries, keys]` buffer shared by the heads' matrices,
//! compact maps, sparse maps, or a file.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use attn_tui_kernels::buffer::ArcBuilder;

use super::file_maps::FileMaps;
use super::rest::Rest;
use super::values::weigh;
use crate::analysis::profile::HeadProfile;
use crate::matrix::Matrix;
use crate::nn::{CompactMaps, SparseMaps};
use crate::site::Kind;

/// Maps of a site up to this many bytes are always stored: recomputing would not pay.
const KEPT_WHOLE: usize = 16 << 20;

/// Number of rows that are computed between checks for cancellation.
const PIECE: usize = 1024;

/// Note for the user on maps within windows of patches.
pub const WINDOWS_NOTE: &str = "the encoder attends within windows of patches that merge from layer to \
                                layer; the maps show the patches of the last layer: weights are summed over \
                                the keys and averaged over the queries that merge into one";

/// The maps of one site.
#[derive(Clone, Debug)]
pub struct SiteMaps {
    heads: usize,
    queries: usize,
    keys: usize,
    kept: Kept,
    /// The profile of each head, once it is computed.
    profiles: Arc<[OnceLock<HeadProfile>]>,
    /// Positions whose weight is summed when rows are computed; all other maps are folded already.
    rest: Option<Rest>,
    /// Value norms `[heads, keys]` that weights are multiplied by when they are computed or read.
    norms: Option<Matrix>,
}

#[derive(Clone, Debug)]
enum Kept {
    Maps(Arc<[f32]>),
    Compact(Arc<CompactMaps>),
    Sparse(Arc<SparseMaps>),
    File(FileMaps),
}

impl SiteMaps {
    /// Stored maps of one site, `data` being `[heads, queries, keys]`.
    ///
    /// # Panics
    /// If `data` has another length.
    pub fn new(heads: usize, queries: usize, keys: usize, data: impl Into<Arc<[f32]>>) -> Self {
        let data = data.into();
        assert_eq!(data.len(), heads * queries * keys, "maps of {heads} heads, {queries} x {keys}");
        Self::keeping([heads, queries, keys], Kept::Maps(data))
    }

    /// Maps in compact form. Requires [`CompactMaps::check`] to have returned `Ok`.
    pub fn of(compact: CompactMaps) -> Self {
        Self::keeping(compact.shape(), Kept::Compact(Arc::new(compact)))
    }

    /// Maps without their zeros. Requires [`SparseMaps::check`] to have returned `Ok`.
    pub fn sparse(maps: SparseMaps) -> Self {
        Self::keeping(maps.shape(), Kept::Sparse(Arc::new(maps)))
    }

    /// Maps of a kind in compact form, whose rows are folded when they are computed. Requires
    /// [`CompactMaps::check`] to have returned `Ok`.
    pub(super) fn folded(compact: CompactMaps, kind: Kind, rest: Rest) -> Self {
        let [heads, queries, _] = compact.shape();
        let shape = [heads, rest.queries(kind, queries), rest.keys()];
        Self { rest: Some(rest), ..Self::keeping(shape, Kept::Compact(Arc::new(compact))) }
    }

    /// Maps that stay in a file, `[heads, queries, keys]`.
    pub(super) fn stored(heads: usize, queries: usize, keys: usize, stored: FileMaps) -> Self {
        Self::keeping([heads, queries, keys], Kept::File(stored))
    }

    fn keeping([heads, queries, keys]: [usize; 3], kept: Kept) -> Self {
        Self { heads, queries, keys, kept, profiles: no_profiles(heads), rest: None, norms: None }
    }

    /// The same maps with each weight multiplied by a norm of `[heads, keys]` and rows scaled to sum to 1.
    pub(super) fn weighed(&self, norms: Matrix) -> Self {
        let size = (self.queries * self.keys).max(1);
        let made = Self { norms: Some(norms), profiles: no_profiles(self.heads), ..self.clone() };
        let Kept::Maps(data) = &self.kept else { return made };
        let mut data = data.to_vec();
        data.chunks_mut(size).enumerate().for_each(|(head, map)| made.weigh(head, map));
        Self { norms: None, kept: Kept::Maps(data.into()), ..made }
    }

    /// Multiplies rows of a head by the norms, if there are any.
    fn weigh(&self, head: usize, rows: &mut [f32]) {
        let Some(norms) = &self.norms else { return };
        rows.chunks_mut(self.keys.max(1)).for_each(|row| weigh(row, norms.row(head)));
    }

    /// Returns true if the maps are in memory.
    pub fn is_whole(&self) -> bool {
        matches!(self.kept, Kept::Maps(_))
    }

    /// Returns true if maps `[heads, queries, keys]` are better stored in compact form of `bytes` bytes,
    /// whatever the budget.
    pub fn better_compact([heads, queries, keys]: [usize; 3], bytes: usize) -> bool {
        let maps = heads.saturating_mul(queries).saturating_mul(keys).saturating_mul(4);
        maps > KEPT_WHOLE && bytes < maps
    }

    /// The same maps with the profiles of the first heads, as a rule of all.
    pub fn with_profiles(self, profiles: Vec<HeadProfile>) -> Self {
        let made = Self { profiles: no_profiles(self.heads), ..self };
        made.profiles.iter().zip(profiles).for_each(|(slot, profile)| drop(slot.set(profile)));
        made
    }

    /// Profile of a head, if it is known.
    pub fn profile(&self, head: usize) -> Option<&HeadProfile> {
        self.profiles.get(head)?.get()
    }

    /// Profile of a head, which `compute` makes if it is not known. `None` if there is no such head.
    pub(super) fn profile_or(
        &self,
        head: usize,
        compute: impl FnOnce() -> HeadProfile,
    ) -> Option<&HeadProfile> {
        Some(self.profiles.get(head)?.get_or_init(compute))
    }

    /// Size of stored maps in bytes.
    pub(super) fn held(&self) -> usize {
        match &self.kept {
            Kept::Maps(data) => 4 * data.len(),
            Kept::Compact(_) | Kept::Sparse(_) | Kept::File(_) => 0,
        }
    }

    /// `[heads, queries, keys]`.
    pub fn shape(&self) -> [usize; 3] {
        [self.heads, self.queries, self.keys]
    }

    /// Compact form of the maps, if they are kept so.
    pub fn compact(&self) -> Option<&CompactMaps> {
        match &self.kept {
            Kept::Compact(compact) if self.norms.is_none() && self.rest.is_none() => Some(compact),
            _ => None,
        }
    }

    /// The maps without their zeros, if they are kept so.
    pub fn without_zeros(&self) -> Option<&SparseMaps> {
        match &self.kept {
            Kept::Sparse(maps) if self.norms.is_none() => Some(maps),
            _ => None,
        }
    }

    /// Keys that a query attends among, ascending; `None` if the maps are not within windows of patches, or are
    /// kept with their zeros.
    pub fn window(&self, query: usize) -> Option<&[u32]> {
        match &self.kept {
            Kept::Sparse(maps) if query < maps.queries() => Some(&maps.columns[maps.entries(query)]),
            _ => None,
        }
    }

    /// All values of the site, head by head; computed if they are not stored.
    pub fn data(&self) -> Arc<[f32]> {
        match &self.kept {
            Kept::Maps(data) => Arc::clone(data),
            _ => {
                let mut data = ArcBuilder::new(self.heads * self.queries * self.keys);
                (0..self.heads).filter_map(|head| self.map(head)).for_each(|map| data.push(map.as_slice()));
                data.finish()
            }
        }
    }

    /// Map of one head; computed if it is not stored.
    pub fn map(&self, head: usize) -> Option<Matrix> {
        self.map_while(head, || true)
    }

    /// [`SiteMaps::map`] that stops and returns `None` once `go_on` returns false.
    pub(super) fn map_while(&self, head: usize, go_on: impl Fn() -> bool) -> Option<Matrix> {
        if head >= self.heads {
            return None;
        }
        let Self { queries, keys, .. } = *self;
        if let Kept::Maps(data) = &self.kept {
            return Some(Matrix::view(queries, keys, Arc::clone(data), head * queries * keys));
        }
        let mut map = ArcBuilder::new(queries * keys);
        for first in (0..queries).step_by(PIECE) {
            if !go_on() {
                return None;
            }
            let rows = first..queries.min(first + PIECE);
            match &self.kept {
                Kept::Compact(compact) if self.norms.is_none() && self.rest.is_none() => {
                    compact.rows_into(head, rows, &mut map);
                }
                _ => map.push(&self.made(head, rows)),
            }
        }
        Some(Matrix::view(queries, keys, map.finish(), 0))
    }

    /// Computes or reads rows that are not in memory.
    fn made(&self, head: usize, rows: Range<usize>) -> Vec<f32> {
        let at = head * self.queries;
        let mut made = match &self.kept {
            Kept::Maps(data) => data[(at + rows.start) * self.keys..(at + rows.end) * self.keys].to_vec(),
            Kept::Compact(compact) => {
                let rows = compact.rows(head, rows);
                match self.rest {
                    Some(rest) => rest.fold(&rows, compact.shape()[2]),
                    None => rows,
                }
            }
            Kept::Sparse(maps) => maps.rows(head, rows),
            Kept::File(stored) => stored.values((at + rows.start) * self.keys..(at + rows.end) * self.keys),
        };
        self.weigh(head, &mut made);
        made
    }

    /// Rows of one head's map.
    pub(super) fn rows(&self, head: usize, rows: Range<usize>) -> Option<Matrix> {
        if head >= self.heads || rows.start > rows.end || rows.end > self.queries {
            return None;
        }
        Some(match &self.kept {
            Kept::Maps(data) => {
                let start = (head * self.queries + rows.start) * self.keys;
                Matrix::view(rows.len(), self.keys, Arc::clone(data), start)
            }
            _ => Matrix::new(rows.len(), self.keys, self.made(head, rows)),
        })
    }
}

/// Room for the profiles of `heads` heads.
fn no_profiles(heads: usize) -> Arc<[OnceLock<HeadProfile>]> {
    (0..heads).map(|_| OnceLock::new()).collect()
}
