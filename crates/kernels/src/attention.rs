//! Attention of all heads: scores, bias, mask, softmax and the product with the values. Queries are processed
//! in blocks, whose scores never leave the cache unless the weights are an output.

use std::ops::Range;

use key_ranges::KeyRanges;
use query_block::QueryBlock;
use unpacked::UnpackedQueries;
pub use visible::Visible;

use super::buffer::ArcBuilder;
use super::simd::dispatch;
use super::threads::{self, SharedPtr};
use super::tile;

mod key_ranges;
mod packing;
mod query_block;
mod transform;
mod unpacked;
mod visible;

/// A strided view of the vectors of all heads at all positions of a sequence; the values of a vector are
/// contiguous.
#[derive(Clone, Copy)]
pub struct HeadVectors<'a> {
    /// The values.
    pub data: &'a [f32],
    /// Distance between positions, in values.
    pub position: usize,
    /// Distance between heads, in values.
    pub head: usize,
}

impl HeadVectors<'_> {
    /// Panics unless the slice has vectors of `width` values for all heads and positions.
    fn check(&self, heads: usize, positions: usize, width: usize) {
        let last = |count: usize, stride: usize| count.saturating_sub(1).saturating_mul(stride);
        let end = last(heads, self.head).saturating_add(last(positions, self.position)).saturating_add(width);
        assert!(end <= self.data.len(), "{heads} heads at {positions} positions leave the slice");
    }

    /// Returns the address of a vector.
    fn at(&self, head: usize, position: usize) -> *const f32 {
        self.data[head * self.head + position * self.position..].as_ptr()
    }
}

/// A position bias that depends on key minus query position alone: a value for each head and diagonal.
/// Diagonals are ordered by key minus query, starting with the last query and the first key.
#[derive(Clone, Copy)]
pub struct DiagonalBias<'a> {
    /// `[heads, queries + keys - 1]`
    pub lines: &'a [f32],
}

/// Keys and values behind those of the tokens, such as global tokens, prompts or another sequence.
#[derive(Clone, Copy)]
pub struct ExtraColumns<'a> {
    /// Number of extra keys.
    pub count: usize,
    /// Bias of their scores.
    pub bias: ExtraColumnsBias<'a>,
}

/// Bias of the scores of extra keys.
#[derive(Clone, Copy)]
pub enum ExtraColumnsBias<'a> {
    /// No bias; all are visible to every query.
    None,
    /// A bias by the distance between the block of the query and the block that the key summarises.
    Blocks {
        /// Tokens of a block; the last block takes the rest, too.
        block: usize,
        /// `[heads, 2 * count - 1]`, starting with queries of the last block and the first key.
        lines: &'a [f32],
    },
    /// The same bias for all; they are hidden from queries in the first and the last block.
    Inner {
        /// Tokens of a block.
        block: usize,
        /// The bias.
        bias: f32,
    },
}

/// A part of the keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyPart {
    /// The tokens.
    #[default]
    Tokens,
    /// Extra keys, which follow the tokens.
    Extra,
}

/// Outputs of the weights of a part of the keys.
#[derive(Default)]
pub struct WeightSink<'a> {
    /// Buffer that they are written to, `[heads, queries, keys of the part]`.
    pub maps: Option<&'a mut ArcBuilder>,
    /// Observer that is shown every row once.
    pub observer: Option<&'a dyn RowObserver>,
}

/// A query and a key of a head whose score is set to minus infinity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaskedPair {
    /// The query head.
    pub head: usize,
    /// The row.
    pub query: usize,
    /// The column.
    pub key: usize,
}

/// Shape, bias and mask of an attention over one sequence, or over several that share their keys.
#[derive(Clone, Copy)]
pub struct AttentionKernel<'a> {
    /// Number of query heads.
    pub heads: usize,
    /// Number of key and value heads: `heads`, or a divisor of it (Ainslie et al. 2023).
    pub kv_heads: usize,
    /// Number of queries.
    pub queries: usize,
    /// Number of keys.
    pub keys: usize,
    /// Values in a head's vector.
    pub width: usize,
    /// Factor on the scores.
    pub scale: f32,
    /// Soft cap on the scores.
    pub softcap: Option<f32>,
    /// Position bias.
    pub bias: Option<DiagonalBias<'a>>,
    /// Structural mask.
    pub visible: Visible,
    /// Position of the first query.
    pub past: usize,
    /// Extra keys, which share the softmax with the tokens.
    pub extra: Option<ExtraColumns<'a>>,
    /// Further masked pairs, few of them; extra keys are numbered on from the tokens.
    pub masked: &'a [MaskedPair],
}

/// Observer of rows of weights while they are in the cache; called from several threads.
pub trait RowObserver: Sync {
    /// Receives `count` rows of a head from row `first` on, `stride` values apart. Each has the weights of
    /// `columns`; all others are 0.
    fn rows(
        &self,
        head: usize,
        first: usize,
        count: usize,
        columns: Range<usize>,
        weights: &[f32],
        stride: usize,
    );
}

/// Largest number of queries for which packing keys and values does not pay.
const MAX_UNPACKED_QUERIES: usize = 6;

/// Number of scores of a block, so that they stay in the second-level cache.
const BLOCK_SCORES: usize = 1 << 17;

impl AttentionKernel<'_> {
    /// Returns the outputs of the heads, `[queries, heads, width]`. Fills `maps` with the weights `[heads,
    /// queries, keys]` and shows every row to `observer`, if given.
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn run(
        &self,
        query: HeadVectors,
        key: HeadVectors,
        value: HeadVectors,
        maps: Option<&mut ArcBuilder>,
        observer: Option<&dyn RowObserver>,
    ) -> Vec<f32> {
        self.run_all(query, key, value, [WeightSink { maps, observer }, WeightSink::default()])
    }

    /// Like [`AttentionKernel::run`], with outputs for the weights of each [`KeyPart`].
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn run_all(
        &self,
        query: HeadVectors,
        key: HeadVectors,
        value: HeadVectors,
        mut sinks: [WeightSink; 2],
    ) -> Vec<f32> {
        let Self { heads, kv_heads, queries, width, .. } = *self;
        self.check(query, key);
        value.check(kv_heads, self.all(), width);
        let columns = self.columns();
        let observer = [sinks[0].observer, sinks[1].observer];
        let lens = columns.map(|columns| heads * queries * columns);
        let mut expected = lens.iter();
        let maps = sinks.each_mut().map(|sink| {
            let len = expected.next();
            let maps = sink.maps.as_mut()?.unwritten();
            assert_eq!(Some(&maps.len()), len);
            Some(SharedPtr(maps.as_mut_ptr().cast()))
        });
        if self.all() == 0 {
            return vec![0.0; queries * heads * width];
        }
        let work = 2 * heads * queries * self.all() * width;
        let unpacked = queries <= MAX_UNPACKED_QUERIES
            && self.extra.is_none()
            && !matches!(self.visible, Visible::Blocks(_));
        let shared = |head: usize| head / (heads / kv_heads);
        let fill = |out: SharedPtr| {
            if unpacked {
                return threads::for_each(heads, work, |head| {
                    let (maps, observer) = (maps[0], observer[0]);
                    let rows = UnpackedQueries { kernel: self, head, query, key, value, maps, observer, out };
                    // SAFETY: all lengths were checked above, and each task writes the rows of its own head.
                    unsafe { dispatch(rows) }
                });
            }
            let size = self.packed_keys() + self.packed_values();
            let rows = self.block_rows();
            let blocks = queries.div_ceil(rows);
            tile::with_scratch(kv_heads * size, |packed| {
                threads::for_each(kv_heads, kv_heads * size, |head| {
                    // SAFETY: each task writes the part of its own head, `size` values; all lengths were
                    // checked above.
                    unsafe {
                        self.pack_keys(head, key, SharedPtr(packed.at(head * size)));
                        self.pack_values(head, value, SharedPtr(packed.at(head * size + self.packed_keys())));
                    }
                });
                threads::for_each(heads * blocks, work, |task| {
                    // The blocks of a head are neighbours, as they share keys and values in the cache. With a
                    // causal mask, later rows take longest, so they go first.
                    let (head, first) = (task / blocks, (blocks - 1 - task % blocks) * rows);
                    // SAFETY: as above, and each task writes rows of its own.
                    unsafe {
                        dispatch(QueryBlock {
                            kernel: self,
                            head,
                            first,
                            rows: rows.min(queries - first),
                            query,
                            packed: packed.at(shared(head) * size),
                            maps: [0, 1].map(|part| {
                                Some(SharedPtr(maps[part]?.at((head * queries + first) * columns[part])))
                            }),
                            observer,
                            out: Some(SharedPtr(out.at((first * heads + head) * width))),
                        });
                    }
                });
            });
        };
        // SAFETY: the tasks write all rows of all heads.
        let out = unsafe { threads::filled_vec(queries * heads * width, fill) };
        for (sink, len) in sinks.into_iter().zip(lens) {
            if let Some(maps) = sink.maps {
                // SAFETY: the tasks wrote all rows of all heads here, too; without keys there are no values.
                unsafe { maps.advance(len) };
            }
        }
        out
    }

    /// Returns the weights of some rows of a head, `[rows, keys of the part]`, as
    /// [`AttentionKernel::run_all`] computes them.
    ///
    /// # Panics
    /// If the lengths do not fit, or head or rows are out of range.
    pub fn weights(
        &self,
        part: KeyPart,
        head: usize,
        rows: Range<usize>,
        query: HeadVectors,
        key: HeadVectors,
    ) -> Vec<f32> {
        assert!(rows.end <= self.queries);
        let fill = |maps: SharedPtr| {
            // SAFETY: `filled_vec` gives room for the rows.
            unsafe { self.make(part, head, rows.clone(), query, key, (Some(maps), None)) }
        };
        // SAFETY: `make` writes all rows.
        unsafe { threads::filled_vec(rows.len() * self.columns()[part as usize], fill) }
    }

    /// Appends [`AttentionKernel::weights`] to `maps`.
    ///
    /// # Panics
    /// As [`AttentionKernel::weights`], and if there is no room for the rows.
    pub fn weights_into(
        &self,
        part: KeyPart,
        head: usize,
        rows: Range<usize>,
        query: HeadVectors,
        key: HeadVectors,
        maps: &mut ArcBuilder,
    ) {
        let len = rows.len() * self.columns()[part as usize];
        let to = SharedPtr(maps.unwritten()[..len].as_mut_ptr().cast());
        // SAFETY: `to` is the start of `len` values that are borrowed mutably.
        unsafe { self.make(part, head, rows, query, key, (Some(to), None)) };
        // SAFETY: `make` wrote all rows.
        unsafe { maps.advance(len) };
    }

    /// Shows the weights of a head to `observer`, a block of rows at a time.
    ///
    /// # Panics
    /// As [`AttentionKernel::weights`].
    pub fn show(
        &self,
        part: KeyPart,
        head: usize,
        query: HeadVectors,
        key: HeadVectors,
        observer: &dyn RowObserver,
    ) {
        // SAFETY: nothing is written.
        unsafe { self.make(part, head, 0..self.queries, query, key, (None, Some(observer))) };
    }

    /// Computes the weights of some rows of a head, and writes or shows them.
    ///
    /// # Safety
    /// `maps` has room for the rows, which nothing else accesses.
    unsafe fn make(
        &self,
        part: KeyPart,
        head: usize,
        rows: Range<usize>,
        query: HeadVectors,
        key: HeadVectors,
        (maps, observer): (Option<SharedPtr>, Option<&dyn RowObserver>),
    ) {
        let Self { heads, kv_heads, queries, width, .. } = *self;
        let columns = self.columns()[part as usize];
        self.check(query, key);
        assert!(head < heads && rows.end <= queries);
        let step = self.block_rows();
        tile::with_scratch(self.packed_keys(), |packed| {
            // SAFETY: the buffer has room for the packed keys of one head.
            unsafe { self.pack_keys(head / (heads / kv_heads), key, packed) };
            threads::for_each(rows.len().div_ceil(step), 2 * rows.len() * self.all() * width, |task| {
                let first = rows.start + task * step;
                // SAFETY: all lengths were checked above, and each task writes rows of its own.
                unsafe {
                    dispatch(QueryBlock {
                        kernel: self,
                        head,
                        first,
                        rows: step.min(rows.end - first),
                        query,
                        packed: packed.at(0),
                        maps: by_part(part, maps.map(|maps| SharedPtr(maps.at(task * step * columns)))),
                        observer: by_part(part, observer),
                        out: None,
                    });
                }
            });
        });
    }

    /// Panics if queries, keys, bias or mask do not fit the shape.
    fn check(&self, query: HeadVectors, key: HeadVectors) {
        let Self { heads, kv_heads, queries, keys, width, .. } = *self;
        assert!(kv_heads > 0 && heads.is_multiple_of(kv_heads));
        query.check(heads, queries, width);
        key.check(kv_heads, self.all(), width);
        assert!(self.bias.is_none_or(|bias| bias.lines.len() == heads * (queries + keys).saturating_sub(1)));
        if let Some(ExtraColumns { count, bias }) = self.extra {
            assert!(count > 0);
            match bias {
                ExtraColumnsBias::None => {}
                ExtraColumnsBias::Blocks { block, lines } => {
                    assert!(block > 0 && lines.len() == heads * (2 * count - 1));
                }
                ExtraColumnsBias::Inner { block, .. } => assert!(block > 0),
            }
        }
        assert!(self.visible.is_sound());
    }

    /// Number of keys, extra keys included.
    #[inline]
    fn all(&self) -> usize {
        self.columns().iter().sum()
    }

    /// Returns the number of keys of each part.
    #[inline]
    pub fn columns(&self) -> [usize; 2] {
        [self.keys, self.extra.map_or(0, |extra| extra.count)]
    }

    /// Returns the number of rows of a block.
    fn block_rows(&self) -> usize {
        (BLOCK_SCORES / self.all()).clamp(12, 96).next_multiple_of(12)
    }

    /// Returns the keys that are visible to row `query`.
    #[inline(always)]
    fn key_ranges(&self, query: usize) -> KeyRanges {
        self.visible.key_ranges(self.past + query, self.keys)
    }

    /// Returns the range from the first to the last key that is visible to row `query`.
    #[inline(always)]
    fn key_range(&self, query: usize) -> Range<usize> {
        self.visible.key_range(self.past + query, self.keys)
    }
}

/// Returns `one` for the given part of the keys and `None` for the other.
fn by_part<T>(part: KeyPart, one: Option<T>) -> [Option<T>; 2] {
    match part {
        KeyPart::Tokens => [one, None],
        KeyPart::Extra => [None, one],
    }
}

#[cfg(test)]
mod tests;
