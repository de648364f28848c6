//! Attention of all heads: scores, bias, mask, softmax and the product with the values, block by block of
//! query rows, so that a block's scores never leave the cache unless they are asked for.

use std::ops::Range;

use key_ranges::KeyRanges;
use query_block::QueryBlock;
use unpacked::UnpackedQueries;
pub use visible::Visible;

use super::buffer::ArcBuilder;
use super::gemm::Transpose;
use super::simd::dispatch;
use super::softmax::ScoreTransform;
use super::threads::{self, SharedPtr};
use super::tile::{self, PANEL};

mod key_ranges;
mod query_block;
mod unpacked;
mod visible;

/// Vectors of all heads at all positions of one sequence: `head_dim` values side by side.
#[derive(Clone, Copy)]
pub struct HeadVectors<'a> {
    /// The values.
    pub data: &'a [f32],
    /// Distance from one position to the next.
    pub position: usize,
    /// Distance from one head to the next.
    pub head: usize,
}

impl HeadVectors<'_> {
    fn check(&self, heads: usize, positions: usize, width: usize) {
        let last = |count: usize, stride: usize| count.saturating_sub(1).saturating_mul(stride);
        let end = last(heads, self.head).saturating_add(last(positions, self.position)).saturating_add(width);
        assert!(end <= self.data.len(), "{heads} heads at {positions} positions leave the slice");
    }

    fn at(&self, head: usize, position: usize) -> *const f32 {
        self.data[head * self.head + position * self.position..].as_ptr()
    }
}

/// A position bias that depends on key minus query position alone: per head one value for each of the
/// `queries + keys - 1` diagonals, that of the last query's first key first.
#[derive(Clone, Copy)]
pub struct DiagonalBias<'a> {
    /// `[heads, queries + keys - 1]`
    pub lines: &'a [f32],
}

/// Keys and values that follow the tokens': summaries, prompts, tokens again, another sequence.
#[derive(Clone, Copy)]
pub struct ExtraColumns<'a> {
    /// How many.
    pub count: usize,
    /// What is added to their scores.
    pub bias: ExtraColumnsBias<'a>,
}

/// What is added to the scores of extra keys.
#[derive(Clone, Copy)]
pub enum ExtraColumnsBias<'a> {
    /// Nothing: every query sees them all.
    None,
    /// What the distance between the query's block and that of a summary says.
    Blocks {
        /// Tokens of a block; the last block has the rest, too.
        block: usize,
        /// `[heads, 2 * count - 1]`, that of the last block's queries and the first summary first.
        lines: &'a [f32],
    },
    /// The same for all; queries in the first and the last block of the text do not see them.
    Inner {
        /// Tokens of a block.
        block: usize,
        /// What is added.
        bias: f32,
    },
}

/// Which of the keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyPart {
    /// The tokens.
    #[default]
    Tokens,
    /// Extra keys, which follow the tokens.
    Extra,
}

/// What becomes of the weights of a part of the keys.
#[derive(Default)]
pub struct WeightSink<'a> {
    /// Where they are written, all of them: `[heads, queries, keys of the part]`.
    pub maps: Option<&'a mut ArcBuilder>,
    /// Who sees every row once.
    pub observer: Option<&'a dyn RowObserver>,
}

/// A pair of one head whose score is minus infinity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaskedPair {
    /// The query head.
    pub head: usize,
    /// The row.
    pub query: usize,
    /// The column.
    pub key: usize,
}

/// One attention over one sequence (or several that share their keys).
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
    pub cap: Option<f32>,
    /// Position bias.
    pub bias: Option<DiagonalBias<'a>>,
    /// Which keys are visible.
    pub visible: Visible,
    /// Position of the first query.
    pub past: usize,
    /// Keys that follow the tokens' and share their softmax.
    pub extra: Option<ExtraColumns<'a>>,
    /// UnpackedQueries pairs that are hidden besides; extra keys count on from these.
    pub masked: &'a [MaskedPair],
}

/// Sees rows of weights while they are in the cache, from several threads.
pub trait RowObserver: Sync {
    /// `count` rows of a head from `first` on, `stride` values from one to the next, each with the weights of
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

/// Up to this many queries, packing the keys costs more than it saves.
const MAX_UNPACKED_QUERIES: usize = 6;

/// Scores of one block of rows: they stay in the second cache.
const BLOCK_SCORES: usize = 1 << 17;

impl AttentionKernel<'_> {
    /// What the heads read, `[queries, heads, width]`. With `maps` (`[heads, queries, keys]`) the weights are
    /// written there, all of them; `observer` sees every row once.
    ///
    /// # Panics
    /// When the lengths do not fit.
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

    /// [`AttentionKernel::run`] with a sink for each [`KeyPart`] of the keys.
    ///
    /// # Panics
    /// When the lengths do not fit.
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
                    // SAFETY: all lengths were checked above, and every task has its own head.
                    unsafe { dispatch(rows) }
                });
            }
            let size = self.packed_keys() + self.packed_values();
            let rows = self.block_rows();
            let blocks = queries.div_ceil(rows);
            tile::with_scratch(kv_heads * size, |packed| {
                threads::for_each(kv_heads, kv_heads * size, |head| {
                    // SAFETY: each head has its own part; all lengths were checked above.
                    unsafe {
                        self.pack_keys(head, key, SharedPtr(packed.at(head * size)));
                        self.pack_values(head, value, SharedPtr(packed.at(head * size + self.packed_keys())));
                    }
                });
                threads::for_each(heads * blocks, work, |task| {
                    // Head by head, whose keys and values are in the cache by then. The last rows see most where the
                    // mask is causal: the longest tasks go first.
                    let (head, first) = (task / blocks, (blocks - 1 - task % blocks) * rows);
                    // SAFETY: as above, and every task has its own head and rows.
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
        // SAFETY: the tasks cover all heads and rows.
        let out = unsafe { threads::filled_vec(queries * heads * width, fill) };
        for (sink, len) in sinks.into_iter().zip(lens) {
            if let Some(maps) = sink.maps {
                // SAFETY: as above; each row of the maps was written.
                unsafe { maps.advance(len) };
            }
        }
        out
    }

    /// The weights of some rows of one head, `[rows, keys of the part]`: those that [`AttentionKernel::run_all`] would write.
    ///
    /// # Panics
    /// When the lengths do not fit, or the head or the rows are not there.
    pub fn weights(
        &self,
        part: KeyPart,
        head: usize,
        rows: Range<usize>,
        query: HeadVectors,
        key: HeadVectors,
    ) -> Vec<f32> {
        assert!(rows.end <= self.queries);
        let fill = |maps: SharedPtr| self.make(part, head, rows.clone(), query, key, (Some(maps), None));
        // SAFETY: the tasks cover all rows.
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
        self.make(part, head, rows, query, key, (Some(to), None));
        // SAFETY: every row was written.
        unsafe { maps.advance(len) };
    }

    /// Shows the weights of one head, which are not kept.
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
        self.make(part, head, 0..self.queries, query, key, (None, Some(observer)));
    }

    /// Makes the weights of some rows of one head; they are written, or shown.
    fn make(
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
            // SAFETY: room for the keys of one head, which were checked.
            unsafe { self.pack_keys(head / (heads / kv_heads), key, packed) };
            threads::for_each(rows.len().div_ceil(step), 2 * rows.len() * self.all() * width, |task| {
                let first = rows.start + task * step;
                // SAFETY: all lengths were checked above, and every task has its own rows.
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
    fn all(&self) -> usize {
        self.columns().iter().sum()
    }

    /// Keys of each part.
    pub fn columns(&self) -> [usize; 2] {
        [self.keys, self.extra.map_or(0, |extra| extra.count)]
    }

    /// Rows of a block: its scores stay in the cache.
    fn block_rows(&self) -> usize {
        (BLOCK_SCORES / self.all()).clamp(12, 96).next_multiple_of(12)
    }

    fn packed_keys(&self) -> usize {
        self.all().div_ceil(PANEL) * PANEL * self.width
    }

    fn packed_values(&self) -> usize {
        self.width.div_ceil(PANEL) * PANEL * self.all()
    }

    /// One head's keys in panels of keys.
    ///
    /// # Safety
    /// There is room for [`AttentionKernel::packed_keys`] values.
    unsafe fn pack_keys(&self, head: usize, key: HeadVectors, to: SharedPtr) {
        for first in (0..self.all()).step_by(PANEL) {
            let rows = PANEL.min(self.all() - first);
            // SAFETY: the caller's promise; the slice was checked.
            unsafe {
                dispatch(Transpose {
                    from: key.at(head, first),
                    stride: key.position,
                    rows,
                    len: self.width,
                    to: to.at(first * self.width),
                });
            }
        }
    }

    /// One head's values in panels of `width`.
    ///
    /// # Safety
    /// There is room for [`AttentionKernel::packed_values`] values.
    unsafe fn pack_values(&self, head: usize, value: HeadVectors, to: SharedPtr) {
        let (all, width) = (self.all(), self.width);
        for position in 0..all {
            let from = value.at(head, position);
            for first in (0..width).step_by(PANEL) {
                // SAFETY: the caller's promise; the slice was checked.
                unsafe {
                    let to = to.at(first * all + position * PANEL);
                    std::ptr::copy_nonoverlapping(from.add(first), to, PANEL.min(width - first));
                }
            }
        }
    }

    /// The keys that `query` may see.
    #[inline(always)]
    fn key_ranges(&self, query: usize) -> KeyRanges {
        self.visible.key_ranges(self.past + query, self.keys)
    }

    /// The one range of keys that `query` may see; around all of them where there are more.
    #[inline(always)]
    fn key_range(&self, query: usize) -> Range<usize> {
        self.visible.key_range(self.past + query, self.keys)
    }

    /// Hides pairs among one row's scores, which are those that go into the softmax from the first of the keys
    /// `seen` on and have `largest` as their largest. Gives the largest that is left, or the least number there is.
    ///
    /// # Safety
    /// The scores of the keys `seen` are there.
    unsafe fn hide(
        &self,
        head: usize,
        query: usize,
        scores: *mut f32,
        seen: Range<usize>,
        largest: f32,
    ) -> f32 {
        let mut any = false;
        for pair in self.masked {
            if (pair.head, pair.query) == (head, query) && seen.contains(&pair.key) {
                // SAFETY: the caller's promise.
                unsafe { *scores.add(pair.key - seen.start) = f32::NEG_INFINITY };
                any = true;
            }
        }
        if !any {
            return largest;
        }
        // SAFETY: as above.
        let scores = unsafe { std::slice::from_raw_parts(scores, seen.len()) };
        scores.iter().copied().fold(f32::MIN, f32::max)
    }

    /// What is added to the scores of one row from `first_key` on.
    #[inline(always)]
    fn row(&self, head: usize, query: usize, first_key: usize) -> ScoreTransform {
        let mut row = self.bare();
        if let Some(bias) = self.bias {
            let line = head * (self.queries + self.keys - 1);
            row.bias = bias.lines[line + self.queries - 1 - query + first_key..].as_ptr();
        }
        row
    }

    /// What is added to the scores of the extra keys in one row.
    #[inline(always)]
    fn row_beside(&self, head: usize, query: usize) -> ScoreTransform {
        let mut row = self.bare();
        let Some(ExtraColumns { count, bias }) = self.extra else { return row };
        match bias {
            ExtraColumnsBias::None => {}
            ExtraColumnsBias::Blocks { block, lines } => {
                let own = (query / block).min(count - 1);
                row.bias = lines[head * (2 * count - 1) + count - 1 - own..][..count].as_ptr();
            }
            ExtraColumnsBias::Inner { block, bias } => {
                let (own, last) = (query / block, self.queries.saturating_sub(1) / block);
                row.plus = if own == 0 || own == last { f32::NEG_INFINITY } else { bias };
            }
        }
        row
    }

    /// What is done to scores without bias and mask.
    #[inline(always)]
    fn bare(&self) -> ScoreTransform {
        ScoreTransform { scale: self.scale, cap: self.cap, plus: 0.0, bias: std::ptr::null() }
    }
}

/// Something for one part of the keys, and nothing for the other.
fn by_part<T>(part: KeyPart, one: Option<T>) -> [Option<T>; 2] {
    match part {
        KeyPart::Tokens => [one, None],
        KeyPart::Extra => [None, one],
    }
}

#[cfg(test)]
mod tests;
