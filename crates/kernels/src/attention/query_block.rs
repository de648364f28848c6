//! A block of queries of one head: scores, softmax and the product with the values, all within the cache.

use std::ops::Range;

use super::super::simd::{Simd, Task, dispatch};
use super::super::softmax::{exponentials, normalising_factor, scale_lines, transform_scores};
use super::super::threads::SharedPtr;
use super::super::tile::{CHUNK, PANEL, PackRows, PanelProduct, packed_width, tile_rows};
use super::key_ranges::{KeyRanges, MAX_RANGES};
use super::{AttentionKernel, HeadVectors, KeyPart, RowObserver};

/// Task that computes some rows of one head. Pointers must be valid for the sizes given.
pub(super) struct QueryBlock<'a> {
    pub kernel: &'a AttentionKernel<'a>,
    pub head: usize,
    /// The first row.
    pub first: usize,
    pub rows: usize,
    pub query: HeadVectors<'a>,
    /// The packed keys of the head, followed by its packed values if there is an `out`.
    pub packed: *const f32,
    /// Output of the weights, `[rows, keys]` each, of the tokens and of the extra keys.
    pub maps: [Option<SharedPtr>; 2],
    /// Observer of the weights of each part.
    pub observer: [Option<&'a dyn RowObserver>; 2],
    /// Output of the products with the values, `[rows, heads, width]` from this head on.
    pub out: Option<SharedPtr>,
}

thread_local! {
    static WORKSPACE: std::cell::RefCell<Vec<f32>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Buffers of a block.
struct Workspace {
    queries: *mut f32,
    /// `[rows, stride]`
    scores: *mut f32,
    /// Values from one row of scores to the next. Not a multiple of 4 KiB, or all rows would map to the same
    /// few lines of the first-level cache.
    stride: usize,
    /// Keys that are visible to any of the rows.
    within: KeyRanges,
    /// Exponentials of the scores of each range of these keys, packed as rows of a product. Without one they
    /// replace the scores.
    tokens: [*mut f32; MAX_RANGES],
    /// The same for the extra keys.
    extra: *mut f32,
    /// Factors that turn exponentials into weights, one per row.
    factors: *mut f32,
}

impl Task for QueryBlock<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let mut memory = WORKSPACE.take();
        // SAFETY: the contract of the task; `memory` outlives the pointers of the workspace.
        unsafe {
            let workspace = self.workspace(&mut memory);
            self.score(&workspace);
            self.softmax::<S>(&workspace);
            self.show(&workspace);
            if let Some(out) = self.out {
                self.read::<S>(&workspace, out.0);
            }
        }
        WORKSPACE.set(memory);
    }
}

impl QueryBlock<'_> {
    /// Lays out the buffers of the block in `memory`, which grows if needed.
    ///
    /// # Safety
    /// The block has at least one row. The result is valid while `memory` is neither resized nor dropped.
    unsafe fn workspace(&self, memory: &mut Vec<f32>) -> Workspace {
        let kernel = self.kernel;
        let within = kernel
            .visible
            .key_ranges_of(kernel.past + self.first..kernel.past + self.first + self.rows, kernel.keys);
        let stride = kernel.all().next_multiple_of(CHUNK) + CHUNK;
        let packed = |len: usize| if self.out.is_some() { packed_width(len) } else { 0 };
        let widths = [
            packed_width(kernel.width),
            stride,
            within.iter().map(|range| packed(range.len())).sum(),
            packed(kernel.columns()[1]),
            1,
        ];
        let len = self.rows * widths.iter().sum::<usize>();
        if memory.len() < len {
            *memory = vec![0.0; len];
        }
        let mut at = memory.as_mut_ptr();
        let [queries, scores, tokens, extra, factors] = widths.map(|width| {
            let start = at;
            // SAFETY: the widths add up to the length of the memory.
            at = unsafe { at.add(self.rows * width) };
            start
        });
        let mut lines = tokens;
        let mut tokens = [lines; MAX_RANGES];
        for (own, range) in tokens.iter_mut().zip(within.iter()) {
            *own = lines;
            lines = lines.wrapping_add(self.rows * packed(range.len()));
        }
        Workspace { queries, scores, stride, within, tokens, extra, factors }
    }

    /// Computes the scores of the keys that are visible to any row.
    ///
    /// # Safety
    /// The contract of the task holds, and the workspace is valid.
    unsafe fn score(&self, workspace: &Workspace) {
        let Self { kernel, rows, .. } = *self;
        let (keys, all, width) = (kernel.keys, kernel.all(), kernel.width);
        // SAFETY: the queries were checked against the slice, and the workspace has room for them.
        unsafe {
            dispatch(PackRows {
                rows,
                depth: width,
                x: self.query.at(self.head, self.first),
                x_stride: self.query.position,
                to: workspace.queries,
            });
        }
        // Panels are multiplied whole, each once.
        let mut done = 0;
        for range in workspace.within.iter().chain(std::iter::once(keys..all)) {
            let from = done.max(range.start / PANEL * PANEL);
            let until = range.end.next_multiple_of(PANEL);
            if range.is_empty() || from >= until.min(all) {
                continue;
            }
            done = until;
            // SAFETY: `from` is the first key of a panel, and each row of scores has room for all keys.
            unsafe {
                dispatch(PanelProduct {
                    rows,
                    depth: width,
                    columns: until.min(all) - from,
                    left: workspace.queries,
                    panels: self.packed.add(from * width),
                    panel_stride: width * PANEL,
                    bias: std::ptr::null(),
                    activation: None,
                    accumulate: false,
                    out: workspace.scores.add(from),
                    out_stride: workspace.stride,
                });
            }
        }
    }

    /// Computes exponentials and factors row by row, and the weights if they are an output or observed.
    ///
    /// # Safety
    /// As for [`QueryBlock::score`], whose scores are there.
    #[inline(always)]
    unsafe fn softmax<S: Simd>(&self, workspace: &Workspace) {
        let [keys, more] = self.kernel.columns();
        let mut first = 0;
        while first < self.rows {
            let rows = tile_rows::<S>(self.rows - first);
            // Lines that are a chunk apart are contiguous.
            let step = if self.out.is_some() { rows * CHUNK } else { CHUNK };
            for row in first..first + rows {
                // SAFETY: the row is below `rows`, so its scores, lines and factor are in the workspace, and
                // its weights in the output; key ranges end at or before `keys`.
                unsafe {
                    let scores = workspace.scores.add(row * workspace.stride);
                    let line = |packed: *mut f32, range: &Range<usize>| match self.out {
                        Some(_) => {
                            packed.wrapping_add(first * packed_width(range.len()) + (row - first) * CHUNK)
                        }
                        None => scores.wrapping_add(range.start),
                    };
                    let query = self.first + row;
                    let mut largest = self.transform_scores::<S>(query, scores, workspace);
                    let mut total = 0.0;
                    let extra = line(workspace.extra, &(keys..keys + more));
                    if more > 0 {
                        largest = self.transform_extra::<S>(query, scores.add(keys)).max(largest);
                        total = exponentials::<S>(scores.add(keys), more, largest, extra, step);
                    }
                    for at in 0..workspace.within.count() {
                        let (range, packed) = (workspace.within.at(at), workspace.tokens[at]);
                        let lines = line(packed, &range);
                        let scores = scores.add(range.start);
                        total += exponentials::<S>(scores, range.len(), largest, lines, step);
                    }
                    let factor = normalising_factor(total);
                    *workspace.factors.add(row) = factor;
                    if let Some(to) = self.weights_of(KeyPart::Tokens, row, workspace) {
                        // An observer is only shown the columns that are visible to some row.
                        let written = if self.maps[0].is_some() { 0..keys } else { workspace.within.hull() };
                        let mut done = written.start;
                        for at in 0..workspace.within.count() {
                            let (range, packed) = (workspace.within.at(at), workspace.tokens[at]);
                            std::ptr::write_bytes(to.add(done), 0, range.start - done);
                            let lines = line(packed, &range);
                            scale_lines::<S>(lines, step, range.len(), factor, to.add(range.start));
                            done = range.end;
                        }
                        std::ptr::write_bytes(to.add(done), 0, written.end - done);
                    }
                    if let Some(to) = self.weights_of(KeyPart::Extra, row, workspace) {
                        scale_lines::<S>(extra, step, more, factor, to);
                    }
                }
            }
            first += rows;
        }
    }

    /// Returns where to write the weights of a row: in the maps, or over the scores for an observer alone.
    #[inline(always)]
    fn weights_of(&self, part: KeyPart, row: usize, workspace: &Workspace) -> Option<*mut f32> {
        let columns = self.kernel.columns()[part as usize];
        match (self.maps[part as usize], self.observer[part as usize]) {
            (Some(maps), _) => Some(maps.0.wrapping_add(row * columns)),
            (None, Some(_)) => {
                let before = if part == KeyPart::Extra { self.kernel.keys } else { 0 };
                Some(workspace.scores.wrapping_add(row * workspace.stride + before))
            }
            (None, None) => None,
        }
    }

    /// Shows the weights to the observers.
    ///
    /// # Safety
    /// [`QueryBlock::softmax`] has written the weights.
    unsafe fn show(&self, workspace: &Workspace) {
        let shown =
            [(KeyPart::Tokens, workspace.within.hull()), (KeyPart::Extra, 0..self.kernel.columns()[1])];
        for (part, columns) in shown {
            let (Some(observer), Some(weights)) =
                (self.observer[part as usize], self.weights_of(part, 0, workspace))
            else {
                continue;
            };
            let stride = match self.maps[part as usize] {
                Some(_) => self.kernel.columns()[part as usize],
                None => workspace.stride,
            };
            // SAFETY: rows are `stride` values apart. The maps are written in full, and the workspace is
            // initialised.
            let weights = unsafe {
                std::slice::from_raw_parts(
                    weights.cast_const().add(columns.start),
                    (self.rows - 1) * stride + columns.len(),
                )
            };
            observer.rows(self.head, self.first, self.rows, columns, weights, stride);
        }
    }

    /// Applies scale, soft cap, bias and mask to a row of scores: those of keys that only other rows see
    /// become minus infinity. Returns the largest.
    ///
    /// # Safety
    /// `scores` is valid for all keys; the processor has the instructions of `S`.
    #[inline(always)]
    unsafe fn transform_scores<S: Simd>(&self, query: usize, scores: *mut f32, workspace: &Workspace) -> f32 {
        let seen = self.kernel.key_ranges(query);
        let mut largest = f32::MIN;
        let mut next = 0;
        for at in 0..workspace.within.count() {
            let range = workspace.within.at(at);
            let mut done = range.start;
            // Each range of a row lies within one of the ranges of all rows.
            while next < seen.count() && seen.at(next).end <= range.end {
                let seen = seen.at(next);
                // SAFETY: the ranges end at or before `keys`, for which there are scores.
                unsafe {
                    mask(scores, done..seen.start);
                    let transform = self.kernel.transform(self.head, query, seen.start);
                    let scores = scores.add(seen.start);
                    let row_max = transform_scores::<S>(scores, seen.len(), transform);
                    done = seen.end;
                    largest = self.kernel.mask_pairs(self.head, query, scores, seen, row_max).max(largest);
                }
                next += 1;
            }
            // SAFETY: as above.
            unsafe { mask(scores, done..range.end) };
        }
        largest
    }

    /// Does the same for the extra keys, whose scores begin at `scores`.
    ///
    /// # Safety
    /// `scores` is valid for the extra keys; the processor has the instructions of `S`.
    #[inline(always)]
    unsafe fn transform_extra<S: Simd>(&self, query: usize, scores: *mut f32) -> f32 {
        let [keys, extra] = self.kernel.columns();
        let transform = self.kernel.extra_transform(self.head, query);
        // SAFETY: the caller ensures that the scores are there; the bias has a value for each extra key.
        unsafe {
            let row_max = transform_scores::<S>(scores, extra, transform);
            self.kernel.mask_pairs(self.head, query, scores, keys..keys + extra, row_max)
        }
    }

    /// Multiplies the exponentials with the values, and the sums with the factors.
    ///
    /// # Safety
    /// [`QueryBlock::softmax`] has run, and `out` is valid for the rows.
    #[inline(always)]
    unsafe fn read<S: Simd>(&self, workspace: &Workspace, out: *mut f32) {
        let kernel = self.kernel;
        let AttentionKernel { heads, keys, width, .. } = *kernel;
        let all = kernel.all();
        let stride = heads * width;
        // SAFETY: the packed values follow the keys, with all positions in each panel; the caller ensures the
        // rest.
        unsafe {
            let values = self.packed.add(kernel.packed_keys());
            let mut accumulate = workspace.within.hull().is_empty();
            if accumulate {
                for row in 0..self.rows {
                    std::ptr::write_bytes(out.add(row * stride), 0, width);
                }
            }
            let extra = (keys < all).then_some((keys..all, workspace.extra));
            for (read, left) in workspace.within.iter().zip(workspace.tokens).chain(extra) {
                dispatch(PanelProduct {
                    rows: self.rows,
                    depth: read.len(),
                    columns: width,
                    left,
                    panels: values.add(read.start * PANEL),
                    panel_stride: all * PANEL,
                    bias: std::ptr::null(),
                    activation: None,
                    accumulate,
                    out,
                    out_stride: stride,
                });
                accumulate = true;
            }
            for row in 0..self.rows {
                let out = out.add(row * stride);
                scale_lines::<S>(out, CHUNK, width, *workspace.factors.add(row), out);
            }
        }
    }
}

/// Sets the scores of `keys` to minus infinity.
///
/// # Safety
/// `scores` is valid for these keys.
#[inline(always)]
unsafe fn mask(scores: *mut f32, keys: Range<usize>) {
    for key in keys {
        // SAFETY: the caller ensures that the score is there.
        unsafe { *scores.add(key) = f32::NEG_INFINITY };
    }
}
