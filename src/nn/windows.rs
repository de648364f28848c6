//! Self-attention of the patches of a picture within windows (Liu et al. 2021, Swin Transformer).

use std::collections::{BTreeMap, HashSet};

use attn_tui_kernels::attention::MaskedPair;
use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;

use super::attention::softmax;
use super::heads::split_heads;
use super::{Attention, Hook, Ragged, SparseMaps, read};
use crate::error::{Error, Result};
use crate::site::Site;

/// Most scores that are in memory at once.
const SCORES: usize = 1 << 24;

/// Addend of the scores of pairs whose patches are neighbours only in the shifted grid, as the reference has it.
const APART: f32 = -100.0;

/// Placement of the windows of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowGrid {
    /// Rows and columns of patches.
    pub patches: [usize; 2],
    /// Patches along each side of a window.
    pub side: usize,
    /// Patches by which the windows are shifted down and to the right; those at the far edges go on at the near
    /// ones.
    pub shift: usize,
    /// Patches along each side of those that merge into one on the way to the last layer: a key or a query of
    /// the maps.
    pub merged: usize,
}

/// Windows of patches. The grid is filled up to whole windows with patches of zeros, which have keys and values
/// like others.
#[derive(Clone, Debug)]
pub struct Windows {
    /// Patches in a window.
    area: usize,
    /// Patch at each place of each window, `[windows, area]`; the number of patches for one that fills.
    order: Vec<u32>,
    /// Place of each patch in `order`, `[patches]`.
    places: Vec<u32>,
    /// Part of the grid that is in one piece before the shift, of each place, `[windows, area]`. Empty without
    /// a shift.
    regions: Vec<u8>,
    /// Row and column of the maps that each place belongs to, `[windows, area]`; `None` for one that fills.
    items: Vec<Option<u32>>,
    /// Number of patches that belong to each row of the maps, `[rows]`.
    counts: Vec<u32>,
    /// Place of each row's first entry in the maps, `[rows + 1]`.
    offsets: Vec<u32>,
    /// Column of each entry of the maps.
    columns: Vec<u32>,
    /// Relative position bias, `[1, heads, area, area]`.
    bias: Tensor,
}

impl Windows {
    /// Creates windows with a learned bias of the offset between key and query, `[(2 side - 1)², heads]`.
    pub fn new(grid: WindowGrid, bias: &Tensor) -> Result<Self> {
        let WindowGrid { patches: [rows, columns], side, shift, merged } = grid;
        let area = side * side;
        let wide = columns.div_ceil(side);
        let [padded_rows, padded_columns] = [rows, columns].map(|patches| patches.next_multiple_of(side));
        let across = columns.div_ceil(merged);
        let count = rows.div_ceil(side) * wide * area;
        let mut made = Self {
            area,
            order: Vec::with_capacity(count),
            places: vec![0; rows * columns],
            regions: Vec::new(),
            items: Vec::with_capacity(count),
            counts: vec![0; rows.div_ceil(merged) * across],
            offsets: Vec::new(),
            columns: Vec::new(),
            bias: pair_bias(bias, side)?,
        };
        for at in 0..count {
            let (window, place) = (at / area, at % area);
            let [down, right] = [window / wide * side + place / side, window % wide * side + place % side];
            let [row, column] = [(down + shift) % padded_rows, (right + shift) % padded_columns];
            let inside = row < rows && column < columns;
            made.order.push(if inside { row * columns + column } else { rows * columns } as u32);
            made.items.push(inside.then(|| (row / merged * across + column / merged) as u32));
            if inside {
                made.places[row * columns + column] = at as u32;
                made.counts[row / merged * across + column / merged] += 1;
            }
            if shift > 0 {
                let region =
                    |at: usize, length: usize| u8::from(at >= length - side) + u8::from(at >= length - shift);
                made.regions.push(3 * region(down, padded_rows) + region(right, padded_columns));
            }
        }
        made.connect();
        Ok(made)
    }

    /// Fills in the entries of the maps: pairs of rows and columns in the same window. In a shifted grid,
    /// only pairs in the same region of it, since others are masked.
    fn connect(&mut self) {
        let mut keys: Vec<Vec<u32>> = vec![Vec::new(); self.counts.len()];
        for (at, window) in self.items.chunks_exact(self.area).enumerate() {
            let regions = self.regions.get(at * self.area..(at + 1) * self.area).unwrap_or_default();
            let mut parts: BTreeMap<u8, Vec<Option<u32>>> = BTreeMap::new();
            for (place, item) in window.iter().enumerate() {
                parts.entry(regions.get(place).copied().unwrap_or_default()).or_default().push(*item);
            }
            for items in parts.values().map(|part| distinct(part)) {
                items.iter().for_each(|&item| keys[item as usize].extend(&items));
            }
        }
        self.offsets.push(0);
        for mut keys in keys {
            keys.sort_unstable();
            keys.dedup();
            self.columns.extend(keys);
            self.offsets.push(self.columns.len() as u32);
        }
    }

    /// Attends among patches `[1, patches, d_model]`; returns the same shape. The hook is shown maps of the
    /// merged patches: weights are summed over the keys and averaged over the queries that merge. What goes to
    /// patches that fill the grid is left out of them.
    ///
    /// # Errors
    /// [`Error::NotForModel`] for a hook that changes values or weights, or scores other than by
    /// [`Hook::ablation`].
    pub fn attend(
        &self,
        attention: &Attention,
        x: &Tensor,
        site: Site,
        hook: &mut dyn Hook,
    ) -> Result<Tensor> {
        let (_, patches, width) = x.dims3()?;
        if patches != self.places.len() {
            return Err(Error::Engine(format!("{patches} patches are not those of {}", self.places.len())));
        }
        let filling = Tensor::zeros((1, 1, width), DType::F32, x.device())?;
        let order = Tensor::from_slice(&self.order, self.order.len(), x.device())?;
        let rows = Tensor::cat(&[x, &filling], 1)?.index_select(&order, 1)?;
        let (mut queries, mut kvs) = attention.project(&Ragged::join(&[rows])?, &[0])?;
        let (Some(queries), Some(kv)) = (queries.pop(), kvs.pop()) else {
            return Err(Error::Engine("a window has no patches".into()));
        };
        let watched = hook.wants(site);
        let changed = watched && hook.intervenes(site);
        let links = if changed { links(attention, site, hook)? } else { HashSet::new() };
        if hook.wants_values(site) {
            let why = "the patches that its encoder attends to merge from layer to layer";
            return Err(Error::NotForModel { analysis: "a change of value vectors", why });
        }
        let mut maps = watched.then(|| vec![0f32; attention.heads * self.columns.len()]);
        let inner = queries.dim(2)?;
        let windows = self.order.len() / self.area;
        let step = (SCORES / (attention.heads * self.area * self.area).max(1)).clamp(1, windows.max(1));
        let mut contexts = Vec::new();
        for first in (0..windows).step_by(step) {
            let count = step.min(windows - first);
            let of_windows = |all: &Tensor| {
                let part = all.narrow(1, first * self.area, count * self.area)?;
                split_heads(&part.reshape((count, self.area, inner))?, attention.heads)
            };
            let [query, key, value] = [&queries, &kv.keys, &kv.values].map(of_windows);
            let scores = (query? * attention.scale)?.matmul(&key?.t()?)?.broadcast_add(&self.bias)?;
            let scores = match self.mask(first, count, x.device())? {
                Some(mask) => scores.broadcast_add(&mask)?,
                None => scores,
            };
            let scores = match self.hidden(first, count, attention.heads, &links, x.device())? {
                Some(hidden) => scores.broadcast_add(&hidden)?,
                None => scores,
            };
            let weights = softmax(&scores)?;
            if let Some(maps) = &mut maps {
                read(&weights, |weights| self.add_weights(first, weights, maps))?;
            }
            contexts.push(weights.matmul(&value?)?.transpose(1, 2)?.reshape((
                1,
                count * self.area,
                inner,
            ))?);
        }
        let places = Tensor::from_slice(&self.places, patches, x.device())?;
        let mut context = Tensor::cat(&contexts, 1)?.index_select(&places, 1)?;
        if let Some(weights) = maps {
            let (offsets, columns) = (self.offsets.clone(), self.columns.clone());
            let (heads, keys) = (attention.heads, self.counts.len());
            hook.sparse(site, SparseMaps { heads, keys, offsets, columns, weights })?;
        }
        if changed {
            let z = hook.z(site, split_heads(&context, attention.heads)?.squeeze(0)?)?;
            context = z.transpose(0, 1)?.reshape((1, patches, inner))?;
        }
        attention.output.forward(&context)
    }

    /// Mask of pairs that are neighbours only in the shifted grid, `[count, 1, area, area]`; `None` if the windows
    /// have none.
    fn mask(&self, first: usize, count: usize, device: &Device) -> Result<Option<Tensor>> {
        let places = first * self.area..(first + count) * self.area;
        let Some(regions) = self.regions.get(places).filter(|regions| !regions.is_empty()) else {
            return Ok(None);
        };
        let mut values = vec![0f32; count * self.area * self.area];
        let mut any = false;
        let windows = regions.chunks_exact(self.area).zip(values.chunks_exact_mut(self.area * self.area));
        for (regions, values) in windows.filter(|(regions, _)| regions.iter().any(|one| *one != regions[0])) {
            any = true;
            for (query, row) in regions.iter().zip(values.chunks_exact_mut(self.area)) {
                row.iter_mut().zip(regions).for_each(|(value, key)| {
                    *value = if query == key { 0.0 } else { APART };
                });
            }
        }
        let shape = (count, 1, self.area, self.area);
        Ok(any.then(|| Tensor::from_vec(values, shape, device)).transpose()?)
    }

    /// Mask of links, `[count, heads, area, area]`: 0 or minus infinity. `None` if there are none.
    fn hidden(
        &self,
        first: usize,
        count: usize,
        heads: usize,
        links: &HashSet<(usize, usize, usize)>,
        device: &Device,
    ) -> Result<Option<Tensor>> {
        if links.is_empty() {
            return Ok(None);
        }
        let mut values = Vec::with_capacity(count * heads * self.area * self.area);
        for window in self.items.chunks_exact(self.area).skip(first).take(count) {
            for head in 0..heads {
                for query in window {
                    values.extend(window.iter().map(|key| match (query, key) {
                        (Some(query), Some(key))
                            if links.contains(&(head, *query as usize, *key as usize)) =>
                        {
                            f32::NEG_INFINITY
                        }
                        _ => 0.0,
                    }));
                }
            }
        }
        Ok(Some(Tensor::from_vec(values, (count, heads, self.area, self.area), device)?))
    }

    /// Adds weights of windows from `first` on, `[windows, heads, area, area]`, to maps `[heads, entries]`.
    fn add_weights(&self, first: usize, weights: &[f32], maps: &mut [f32]) {
        let square = self.area * self.area;
        let heads = maps.len() / self.columns.len().max(1);
        maps.par_chunks_exact_mut(self.columns.len().max(1)).enumerate().for_each(|(head, map)| {
            let windows = self.items.chunks_exact(self.area).skip(first);
            for (window, weights) in windows.zip(weights.chunks_exact(heads * square)) {
                let items = distinct(window);
                let within: Vec<Option<usize>> =
                    window.iter().map(|item| items.binary_search(item.as_ref()?).ok()).collect();
                let mut sums = vec![0f32; items.len() * items.len()];
                let rows = weights[head * square..][..square].chunks_exact(self.area);
                for (query, row) in within.iter().zip(rows).filter_map(|(query, row)| Some(((*query)?, row)))
                {
                    let sums = &mut sums[query * items.len()..][..items.len()];
                    for (key, weight) in within.iter().zip(row) {
                        if let Some(key) = key {
                            sums[*key] += weight;
                        }
                    }
                }
                for (&query, sums) in items.iter().zip(sums.chunks_exact(items.len().max(1))) {
                    let entries =
                        self.offsets[query as usize] as usize..self.offsets[query as usize + 1] as usize;
                    let share = 1.0 / self.counts[query as usize] as f32;
                    for (key, sum) in items.iter().zip(sums) {
                        if let Ok(at) = self.columns[entries.clone()].binary_search(key) {
                            map[entries.start + at] += sum * share;
                        }
                    }
                }
            }
        });
    }
}

/// The items of a window, each once, ascending.
fn distinct(window: &[Option<u32>]) -> Vec<u32> {
    let mut items: Vec<u32> = window.iter().flatten().copied().collect();
    items.sort_unstable();
    items.dedup();
    items
}

/// Spreads a bias by offset, `[(2 side - 1)², heads]`, over the pairs of a window: `[1, heads, area, area]`.
fn pair_bias(table: &Tensor, side: usize) -> Result<Tensor> {
    let area = side * side;
    let along = |query: usize, key: usize| query + side - 1 - key;
    let rows = (0..area * area).map(|pair| {
        let (query, key) = (pair / area, pair % area);
        (along(query / side, key / side) * (2 * side - 1) + along(query % side, key % side)) as u32
    });
    let rows = Tensor::from_vec(rows.collect::<Vec<_>>(), area * area, table.device())?;
    let bias = table.contiguous()?.index_select(&rows, 0)?.t()?.contiguous()?;
    let heads = bias.dim(0)?;
    Ok(bias.reshape((1, heads, area, area))?)
}

/// Pairs of the maps that the hook leaves out, each with its head.
fn links(attention: &Attention, site: Site, hook: &dyn Hook) -> Result<HashSet<(usize, usize, usize)>> {
    match hook.ablation(site, attention.heads) {
        Some(ablation) if ablation.rows.is_empty() => {
            let links = ablation.links.into_iter();
            Ok(links.map(|MaskedPair { head, query, key }| (head, query, key)).collect())
        }
        None if hook.keeps_scores(site) => Ok(HashSet::new()),
        _ => {
            let why = "the patches that its encoder attends to merge from layer to layer";
            Err(Error::NotForModel { analysis: "a change of scores or weights", why })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(patches: [usize; 2], side: usize, shift: usize, merged: usize) -> Windows {
        let bias = Tensor::zeros(((2 * side - 1) * (2 * side - 1), 1), DType::F32, &Device::Cpu).unwrap();
        Windows::new(WindowGrid { patches, side, shift, merged }, &bias).unwrap()
    }

    #[test]
    fn shifted_windows_take_up_what_they_left_at_the_other_side() {
        let made = windows([3, 4], 2, 1, 1);
        // The fourth row fills the grid; numbers are those of the patches, 12 for one that fills.
        assert_eq!(made.order, [5, 6, 9, 10, 7, 4, 11, 8, 12, 12, 1, 2, 12, 12, 3, 0]);
        assert_eq!(made.places[..4], [15, 10, 11, 14]);
        // In the second window, the last column and the first are apart.
        assert_eq!(made.regions[4..8], [1, 2, 1, 2]);
        assert_eq!(made.items[8..10], [None, None]);
    }

    #[test]
    fn maps_have_an_entry_for_each_pair_in_a_window() {
        let made = windows([4, 4], 2, 0, 2);
        assert_eq!((made.counts.as_slice(), made.columns.as_slice()), (&[4; 4][..], &[0, 1, 2, 3][..]));
        let mut maps = vec![0.0; 4];
        made.add_weights(0, &[0.25; 64], &mut maps);
        assert_eq!(maps, [1.0; 4]);
        let shifted = windows([4, 4], 2, 1, 2);
        assert_eq!(shifted.offsets, [0, 4, 8, 12, 16]);
    }

    #[test]
    fn the_bias_is_that_of_the_offset_from_key_to_query() {
        let table: Vec<f32> = (0..9).map(|at| at as f32).collect();
        let table = Tensor::from_vec(table, (9, 1), &Device::Cpu).unwrap();
        let bias: Vec<f32> = pair_bias(&table, 2).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(bias, [4., 3., 1., 0., 5., 4., 2., 1., 7., 6., 4., 3., 8., 7., 5., 4.]);
    }
}
