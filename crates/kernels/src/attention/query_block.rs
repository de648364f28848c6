//! Some queries of one head: their scores, the softmax and what they read, while it all is in the cache.

use std::ops::Range;

use super::super::simd::{Simd, Task, dispatch};
use super::super::softmax::{exponentials, normalising_factor, scale_lines, transform_scores};
use super::super::threads::SharedPtr;
use super::super::tile::{CHUNK, PANEL, PackRows, PanelProduct, packed_width, tile_rows};
use super::key_ranges::{KeyRanges, MAX_RANGES};
use super::{AttentionKernel, HeadVectors, KeyPart, RowObserver};

/// Rows of one head. All pointers must be valid for what the numbers say.
pub(super) struct QueryBlock<'a> {
    pub kernel: &'a AttentionKernel<'a>,
    pub head: usize,
    /// The first row.
    pub first: usize,
    pub rows: usize,
    pub query: HeadVectors<'a>,
    /// The head's keys and, where there is an `out`, its values.
    pub packed: *const f32,
    /// The rows' weights, `[rows, keys]`, of the tokens and of the extra keys.
    pub maps: [Option<SharedPtr>; 2],
    /// Who sees them, of either.
    pub observer: [Option<&'a dyn RowObserver>; 2],
    /// What the rows read, `[rows, heads, width]` from this head on.
    pub out: Option<SharedPtr>,
}

thread_local! {
    static WORKSPACE: std::cell::RefCell<Vec<f32>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Where a block is worked on.
struct Workspace {
    queries: *mut f32,
    /// `[rows, stride]`
    scores: *mut f32,
    /// Values from one row's scores to the next: not a multiple of 4 KiB, or the rows would fall on the same unpacked
    /// lines of the first cache and push each other out.
    stride: usize,
    /// Keys that any of the rows sees.
    within: KeyRanges,
    /// Exponentials of the scores of these keys, packed as rows of a product: of each range.
    tokens: [*mut f32; MAX_RANGES],
    /// The same for the extra keys.
    extra: *mut f32,
    /// What makes weights of them: one number a row.
    factors: *mut f32,
}

impl Task for QueryBlock<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let mut memory = WORKSPACE.take();
        unsafe {
            let room = self.room(&mut memory);
            self.score(&room);
            self.softmax::<S>(&room);
            self.show(&room);
            if let Some(out) = self.out {
                self.read::<S>(&room, out.0);
            }
        }
        WORKSPACE.set(memory);
    }
}

impl QueryBlock<'_> {
    unsafe fn room(&self, memory: &mut Vec<f32>) -> Workspace {
        let kernel = self.kernel;
        let within = kernel
            .visible
            .key_ranges_of(kernel.past + self.first..kernel.past + self.first + self.rows, kernel.keys);
        let stride = kernel.all().next_multiple_of(CHUNK) + CHUNK;
        let widths = [
            packed_width(kernel.width),
            stride,
            within.iter().map(|range| packed_width(range.len())).sum(),
            packed_width(kernel.columns()[1]),
            1,
        ];
        let len = self.rows * widths.iter().sum::<usize>();
        if memory.len() < len {
            *memory = vec![0.0; len];
        }
        let mut at = memory.as_mut_ptr();
        let [queries, scores, tokens, extra, factors] = widths.map(|width| {
            let start = at;
            // SAFETY: the widths add up to the memory's.
            at = unsafe { at.add(self.rows * width) };
            start
        });
        let mut lines = tokens;
        let mut tokens = [lines; MAX_RANGES];
        for (own, range) in tokens.iter_mut().zip(within.iter()) {
            *own = lines;
            lines = lines.wrapping_add(self.rows * packed_width(range.len()));
        }
        Workspace { queries, scores, stride, within, tokens, extra, factors }
    }

    /// Products of queries and keys, where any row sees them.
    unsafe fn score(&self, room: &Workspace) {
        let Self { kernel, rows, .. } = *self;
        let (keys, all, width) = (kernel.keys, kernel.all(), kernel.width);
        unsafe {
            dispatch(PackRows {
                rows,
                depth: width,
                x: self.query.at(self.head, self.first),
                x_stride: self.query.position,
                to: room.queries,
            });
        }
        // Whole panels of keys, each once.
        let mut done = 0;
        for range in room.within.iter().chain(std::iter::once(keys..all)) {
            let from = done.max(range.start / PANEL * PANEL);
            let until = range.end.next_multiple_of(PANEL);
            if range.is_empty() || from >= until.min(all) {
                continue;
            }
            done = until;
            unsafe {
                dispatch(PanelProduct {
                    rows,
                    depth: width,
                    columns: until.min(all) - from,
                    left: room.queries,
                    panels: self.packed.add(from * width),
                    panel_stride: width * PANEL,
                    bias: std::ptr::null(),
                    activation: None,
                    accumulate: false,
                    out: room.scores.add(from),
                    out_stride: room.stride,
                });
            }
        }
    }

    /// Exponentials and their factors, row by row, and the weights where they are wanted.
    #[inline(always)]
    unsafe fn softmax<S: Simd>(&self, room: &Workspace) {
        let [keys, more] = self.kernel.columns();
        let mut first = 0;
        while first < self.rows {
            let rows = tile_rows::<S>(self.rows - first);
            let step = rows * CHUNK;
            for row in first..first + rows {
                unsafe {
                    let scores = room.scores.add(row * room.stride);
                    let line = |packed: *mut f32, len| {
                        packed.wrapping_add(first * packed_width(len) + (row - first) * CHUNK)
                    };
                    let query = self.first + row;
                    let mut largest = self.transform_scores::<S>(query, scores, room);
                    let mut total = 0.0;
                    let extra = line(room.extra, more);
                    if more > 0 {
                        largest = self.transform_extra::<S>(query, scores.add(keys)).max(largest);
                        total = exponentials::<S>(scores.add(keys), more, largest, extra, step);
                    }
                    for at in 0..room.within.count() {
                        let (range, packed) = (room.within.at(at), room.tokens[at]);
                        let lines = line(packed, range.len());
                        let scores = scores.add(range.start);
                        total += exponentials::<S>(scores, range.len(), largest, lines, step);
                    }
                    let factor = normalising_factor(total);
                    *room.factors.add(row) = factor;
                    if let Some(to) = self.weights_of(KeyPart::Tokens, row, room) {
                        // Nobody looks at scores that no row has.
                        let written = if self.maps[0].is_some() { 0..keys } else { room.within.hull() };
                        let mut done = written.start;
                        for at in 0..room.within.count() {
                            let (range, packed) = (room.within.at(at), room.tokens[at]);
                            std::ptr::write_bytes(to.add(done), 0, range.start - done);
                            let lines = line(packed, range.len());
                            scale_lines::<S>(lines, step, range.len(), factor, to.add(range.start));
                            done = range.end;
                        }
                        std::ptr::write_bytes(to.add(done), 0, written.end - done);
                    }
                    if let Some(to) = self.weights_of(KeyPart::Extra, row, room) {
                        scale_lines::<S>(extra, step, more, factor, to);
                    }
                }
            }
            first += rows;
        }
    }

    /// Where a row's weights go: to the maps, or else where the scores were; nowhere if nobody wants them.
    #[inline(always)]
    fn weights_of(&self, part: KeyPart, row: usize, room: &Workspace) -> Option<*mut f32> {
        let columns = self.kernel.columns()[part as usize];
        match (self.maps[part as usize], self.observer[part as usize]) {
            (Some(maps), _) => Some(maps.0.wrapping_add(row * columns)),
            (None, Some(_)) => {
                let before = if part == KeyPart::Extra { self.kernel.keys } else { 0 };
                Some(room.scores.wrapping_add(row * room.stride + before))
            }
            (None, None) => None,
        }
    }

    /// Shows the weights.
    unsafe fn show(&self, room: &Workspace) {
        let shown = [(KeyPart::Tokens, room.within.hull()), (KeyPart::Extra, 0..self.kernel.columns()[1])];
        for (part, columns) in shown {
            let (Some(observer), Some(weights)) =
                (self.observer[part as usize], self.weights_of(part, 0, room))
            else {
                continue;
            };
            let stride = match self.maps[part as usize] {
                Some(_) => self.kernel.columns()[part as usize],
                None => room.stride,
            };
            // SAFETY: each row has `stride` values, of which those of the columns were written.
            let weights = unsafe {
                std::slice::from_raw_parts(
                    weights.cast_const().add(columns.start),
                    (self.rows - 1) * stride + columns.len(),
                )
            };
            observer.rows(self.head, self.first, self.rows, columns, weights, stride);
        }
    }

    /// Makes one row's scores those that go into the softmax, minus infinity where only other rows see; gives the
    /// largest.
    #[inline(always)]
    unsafe fn transform_scores<S: Simd>(&self, query: usize, scores: *mut f32, room: &Workspace) -> f32 {
        let seen = self.kernel.key_ranges(query);
        let mut largest = f32::MIN;
        let mut next = 0;
        for at in 0..room.within.count() {
            let range = room.within.at(at);
            let mut done = range.start;
            // What a row sees lies within what all rows see: each of its ranges in one of theirs.
            while next < seen.count() && seen.at(next).end <= range.end {
                let seen = seen.at(next);
                unsafe {
                    hide(scores, done..seen.start);
                    let how = self.kernel.row(self.head, query, seen.start);
                    let scores = scores.add(seen.start);
                    let found = transform_scores::<S>(scores, seen.len(), how);
                    done = seen.end;
                    largest = self.kernel.hide(self.head, query, scores, seen, found).max(largest);
                }
                next += 1;
            }
            unsafe { hide(scores, done..range.end) };
        }
        largest
    }

    /// [`QueryBlock::transform_scores`] for the extra keys, whose scores begin at `scores`.
    #[inline(always)]
    unsafe fn transform_extra<S: Simd>(&self, query: usize, scores: *mut f32) -> f32 {
        let [keys, more] = self.kernel.columns();
        let how = self.kernel.row_beside(self.head, query);
        unsafe {
            let found = transform_scores::<S>(scores, more, how);
            self.kernel.hide(self.head, query, scores, keys..keys + more, found)
        }
    }

    /// Products of weights and values.
    #[inline(always)]
    unsafe fn read<S: Simd>(&self, room: &Workspace, out: *mut f32) {
        let kernel = self.kernel;
        let AttentionKernel { heads, keys, width, .. } = *kernel;
        let all = kernel.all();
        let stride = heads * width;
        unsafe {
            let values = self.packed.add(kernel.packed_keys());
            let mut accumulate = room.within.hull().is_empty();
            if accumulate {
                for row in 0..self.rows {
                    std::ptr::write_bytes(out.add(row * stride), 0, width);
                }
            }
            let extra = (keys < all).then_some((keys..all, room.extra));
            for (read, left) in room.within.iter().zip(room.tokens).chain(extra) {
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
                scale_lines::<S>(out, CHUNK, width, *room.factors.add(row), out);
            }
        }
    }
}

/// Scores of keys that a row does not see.
#[inline(always)]
unsafe fn hide(scores: *mut f32, keys: Range<usize>) {
    for key in keys {
        // SAFETY: the caller's promise that they are there.
        unsafe { *scores.add(key) = f32::NEG_INFINITY };
    }
}
