//! Some queries of one head: their scores, the softmax and what they read, while it all is in the cache.

use std::ops::Range;

use super::super::gemm::PANEL;
use super::super::simd::{Simd, Task, dispatch};
use super::super::softmax::{Row, adjust, exponentials, factor, scaled};
use super::super::threads::Shared;
use super::super::tile::{CHUNK, Pack, Product, packed_width, tile_rows};
use super::{Attention, Heads, Watch};

/// Rows of one head. All pointers must be valid for what the numbers say.
pub(super) struct Block<'a> {
    pub what: &'a Attention<'a>,
    pub head: usize,
    /// The first row.
    pub first: usize,
    pub rows: usize,
    pub query: Heads<'a>,
    /// The head's keys and, where there is an `out`, its values.
    pub packed: *const f32,
    /// The rows' weights, `[rows, keys]`.
    pub maps: Option<Shared>,
    pub watch: Option<&'a dyn Watch>,
    /// What the rows read, `[rows, heads, width]` from this head on.
    pub out: Option<Shared>,
}

thread_local! {
    static ROOM: std::cell::RefCell<Vec<f32>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Where a block is worked on.
struct Room {
    queries: *mut f32,
    /// `[rows, stride]`
    scores: *mut f32,
    /// Values from one row's scores to the next: not a multiple of 4 KiB, or the rows would fall on the same few
    /// lines of the first cache and push each other out.
    stride: usize,
    /// Keys that any of the rows sees.
    within: Range<usize>,
    /// Exponentials of the scores of these keys, packed as rows of a product.
    tokens: *mut f32,
    /// The same of the keys beside the tokens.
    beside: *mut f32,
    /// What makes weights of them: one number a row.
    factors: *mut f32,
}

impl Task for Block<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let mut memory = ROOM.take();
        unsafe {
            let room = self.room(&mut memory);
            self.score(&room);
            self.softmax::<S>(&room);
            self.show(&room);
            if let Some(out) = self.out {
                self.read::<S>(&room, out.0);
            }
        }
        ROOM.set(memory);
    }
}

impl Block<'_> {
    unsafe fn room(&self, memory: &mut Vec<f32>) -> Room {
        let what = self.what;
        // Where rows see a window, the first row's begins first and the last row's ends last.
        let within = what.seen(self.first).start..what.seen(self.first + self.rows - 1).end;
        let stride = what.all().next_multiple_of(CHUNK) + CHUNK;
        let widths = [
            packed_width(what.width),
            stride,
            packed_width(within.len()),
            packed_width(what.all() - what.keys),
            1,
        ];
        let len = self.rows * widths.iter().sum::<usize>();
        if memory.len() < len {
            *memory = vec![0.0; len];
        }
        let mut at = memory.as_mut_ptr();
        let [queries, scores, tokens, beside, factors] = widths.map(|width| {
            let start = at;
            // SAFETY: the widths add up to the memory's.
            at = unsafe { at.add(self.rows * width) };
            start
        });
        Room { queries, scores, stride, within, tokens, beside, factors }
    }

    /// Products of queries and keys, where any row sees them.
    unsafe fn score(&self, room: &Room) {
        let Self { what, rows, .. } = *self;
        let (keys, all, width) = (what.keys, what.all(), what.width);
        let score = |from: usize, until: usize| unsafe {
            dispatch(Product {
                rows,
                depth: width,
                columns: until.next_multiple_of(PANEL).min(all) - from,
                left: room.queries,
                panels: self.packed.add(from * width),
                panel_stride: width * PANEL,
                bias: std::ptr::null(),
                activation: None,
                onto: false,
                out: room.scores.add(from),
                out_stride: room.stride,
            });
        };
        unsafe {
            dispatch(Pack {
                rows,
                depth: width,
                x: self.query.at(self.head, self.first),
                x_stride: self.query.position,
                to: room.queries,
            });
        }
        let from = room.within.start / PANEL * PANEL;
        if from < room.within.end {
            score(from, room.within.end);
        }
        let done = room.within.end.next_multiple_of(PANEL).max(from);
        let from = done.max(keys / PANEL * PANEL);
        if keys < all && from < all {
            score(from, all);
        }
    }

    /// Exponentials and their factors, row by row, and the weights where they are wanted.
    #[inline(always)]
    unsafe fn softmax<S: Simd>(&self, room: &Room) {
        let keys = self.what.keys;
        let within = &room.within;
        let mut first = 0;
        while first < self.rows {
            let rows = tile_rows::<S>(self.rows - first);
            for row in first..first + rows {
                unsafe {
                    let scores = room.scores.add(row * room.stride);
                    let line = |packed: *mut f32, len| {
                        packed.wrapping_add(first * packed_width(len) + (row - first) * CHUNK)
                    };
                    let tokens = line(room.tokens, within.len());
                    let query = self.first + row;
                    let mut largest = self.adjust::<S>(query, scores, within);
                    let mut total = 0.0;
                    if let Some((count, how)) = self.beside(query) {
                        let scores = scores.add(keys);
                        largest = adjust::<S>(scores, count, how).max(largest);
                        let lines = line(room.beside, count);
                        total = exponentials::<S>(scores, count, largest, lines, rows * CHUNK);
                    }
                    let (start, len, step) = (within.start, within.len(), rows * CHUNK);
                    total += exponentials::<S>(scores.add(start), len, largest, tokens, step);
                    let factor = factor(total);
                    *room.factors.add(row) = factor;
                    if let Some(maps) = self.maps {
                        let map = maps.at(row * keys);
                        std::ptr::write_bytes(map, 0, start);
                        scaled::<S>(tokens, step, len, factor, map.add(start));
                        std::ptr::write_bytes(map.add(within.end), 0, keys - within.end);
                    } else if self.watch.is_some() {
                        scaled::<S>(tokens, step, len, factor, scores.add(start));
                    }
                }
            }
            first += rows;
        }
    }

    /// Shows the weights, which are in the maps, or else where the scores were.
    unsafe fn show(&self, room: &Room) {
        let Some(watch) = self.watch else { return };
        let (weights, stride) = match self.maps {
            Some(maps) => (maps.0.cast_const(), self.what.keys),
            None => (room.scores.cast_const(), room.stride),
        };
        let within = &room.within;
        // SAFETY: each row has `stride` values, of which those `within` were written.
        let weights = unsafe {
            std::slice::from_raw_parts(weights.add(within.start), (self.rows - 1) * stride + within.len())
        };
        watch.rows(self.head, self.first, self.rows, within.clone(), weights, stride);
    }

    /// Makes one row's scores those that go into the softmax, minus infinity where only other rows see; gives the
    /// largest.
    #[inline(always)]
    unsafe fn adjust<S: Simd>(&self, query: usize, scores: *mut f32, within: &Range<usize>) -> f32 {
        let seen = self.what.seen(query);
        unsafe {
            for hidden in within.start..seen.start {
                *scores.add(hidden) = f32::NEG_INFINITY;
            }
            for hidden in seen.end..within.end {
                *scores.add(hidden) = f32::NEG_INFINITY;
            }
            let how = self.what.row(self.head, query, seen.start);
            let scores = scores.add(seen.start);
            let largest = adjust::<S>(scores, seen.len(), how);
            self.what.hide(self.head, query, scores, seen, largest)
        }
    }

    /// Number of keys beside the tokens, and what is done to their scores.
    #[inline(always)]
    fn beside(&self, query: usize) -> Option<(usize, Row)> {
        let super::Beside { count, block, lines } = self.what.beside?;
        let own = (query / block).min(count - 1);
        let line = &lines[self.head * (2 * count - 1) + count - 1 - own..][..count];
        let Attention { scale, cap, .. } = *self.what;
        Some((count, Row { scale, cap, bias: line.as_ptr(), mask: std::ptr::null() }))
    }

    /// Products of weights and values.
    #[inline(always)]
    unsafe fn read<S: Simd>(&self, room: &Room, out: *mut f32) {
        let what = self.what;
        let Attention { heads, keys, width, .. } = *what;
        let (all, within) = (what.all(), room.within.clone());
        let stride = heads * width;
        unsafe {
            let values = self.packed.add(what.packed_keys());
            let parts = [(room.tokens, within.clone(), within.is_empty()), (room.beside, keys..all, true)];
            if within.is_empty() {
                for row in 0..self.rows {
                    std::ptr::write_bytes(out.add(row * stride), 0, width);
                }
            }
            for (left, read, onto) in parts {
                if !read.is_empty() {
                    dispatch(Product {
                        rows: self.rows,
                        depth: read.len(),
                        columns: width,
                        left,
                        panels: values.add(read.start * PANEL),
                        panel_stride: all * PANEL,
                        bias: std::ptr::null(),
                        activation: None,
                        onto,
                        out,
                        out_stride: stride,
                    });
                }
            }
            for row in 0..self.rows {
                let out = out.add(row * stride);
                scaled::<S>(out, CHUNK, width, *room.factors.add(row), out);
            }
        }
    }
}
