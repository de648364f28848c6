//! Attention of all heads: scores, bias, mask, softmax and the product with the values, block by block of
//! query rows, so that a block's scores never leave the cache unless they are asked for.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::gemm::{PAD, PANEL, Product, transpose};
use super::simd::{Simd, Task, dispatch};
use super::softmax::{Row, softmax};
use super::threads::{self, Shared};

/// Vectors of all heads at all positions of one sequence: `head_dim` values side by side.
#[derive(Clone, Copy)]
pub struct Heads<'a> {
    /// The values.
    pub data: &'a [f32],
    /// Distance from one position to the next.
    pub position: usize,
    /// Distance from one head to the next.
    pub head: usize,
}

impl Heads<'_> {
    fn check(&self, heads: usize, positions: usize, width: usize) {
        let last = |count: usize, stride: usize| count.saturating_sub(1).saturating_mul(stride);
        let end = last(heads, self.head).saturating_add(last(positions, self.position)).saturating_add(width);
        assert!(end <= self.data.len(), "{heads} heads at {positions} positions leave the slice");
    }

    fn at(&self, head: usize, position: usize) -> *const f32 {
        self.data[head * self.head + position * self.position..].as_ptr()
    }
}

/// Which keys a query may see.
#[derive(Clone, Copy)]
pub enum Visible<'a> {
    /// Every key.
    All,
    /// Keys at or before the query's own position, the first query standing at `past`.
    Causal {
        /// Position of the first query.
        past: usize,
    },
    /// Keys at most `before` positions before the query's own and at most `after` behind it.
    Near {
        /// Position of the first query.
        past: usize,
        /// The farthest key before.
        before: usize,
        /// The farthest key behind.
        after: usize,
    },
    /// Added to the scores: `[queries, keys]`, minus infinity where hidden.
    Table(&'a [f32]),
}

/// A position bias that depends on key minus query position alone: per head one value for each of the
/// `queries + keys - 1` diagonals, that of the last query's first key first.
#[derive(Clone, Copy)]
pub struct Diagonals<'a> {
    /// `[heads, queries + keys - 1]`
    pub lines: &'a [f32],
}

/// Summaries of blocks of tokens, whose keys and values follow the tokens': every query sees them all. Their
/// bias depends on the distance between the query's block and theirs.
#[derive(Clone, Copy)]
pub struct Beside<'a> {
    /// Number of summaries.
    pub count: usize,
    /// Tokens of a block; the last block has the rest, too.
    pub block: usize,
    /// `[heads, 2 * count - 1]`, that of the last block's queries and the first summary first.
    pub lines: &'a [f32],
}

/// One attention over one sequence (or several that share their keys).
#[derive(Clone, Copy)]
pub struct Attention<'a> {
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
    pub bias: Option<Diagonals<'a>>,
    /// Which keys are visible.
    pub visible: Visible<'a>,
    /// Keys that are no tokens and not in the maps.
    pub beside: Option<Beside<'a>>,
}

/// Sees rows of weights while they are in the cache, from several threads.
pub trait Watch: Sync {
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
const FEW: usize = 3;

/// Scores of one block of rows: they stay in the second cache.
const BLOCK_SCORES: usize = 1 << 16;

impl Attention<'_> {
    /// What the heads read, `[queries, heads, width]`. With `maps` (`[heads, queries, keys]`) the weights are
    /// written there, all of them; `watch` sees every row once.
    ///
    /// # Panics
    /// When the lengths do not fit.
    pub fn run(
        &self,
        query: Heads,
        key: Heads,
        value: Heads,
        maps: Option<&mut [MaybeUninit<f32>]>,
        watch: Option<&dyn Watch>,
    ) -> Vec<f32> {
        let Self { heads, kv_heads, queries, keys, width, .. } = *self;
        self.check(query, key);
        value.check(kv_heads, self.all(), width);
        let maps = maps.map(|maps| {
            assert_eq!(maps.len(), heads * queries * keys);
            Shared(maps.as_mut_ptr().cast())
        });
        if keys == 0 {
            return vec![0.0; queries * heads * width];
        }
        let work = 2 * heads * queries * keys * width;
        let many = queries > FEW || self.beside.is_some();
        let packed = if many { self.pack(key, value) } else { Vec::new() };
        let rows = if many { self.block_rows() } else { queries };
        let blocks = queries.div_ceil(rows.max(1));
        let fill = |out: Shared| {
            threads::each(heads * blocks, work, |task| {
                // The last rows see most where the mask is causal: the longest tasks go first.
                let (head, first) = (task % heads, (blocks - 1 - task / heads) * rows);
                let block = Block {
                    what: self,
                    head,
                    first,
                    rows: rows.min(queries - first),
                    query,
                    key,
                    value,
                    maps,
                    watch,
                    origin: 0,
                    out,
                };
                // SAFETY: all lengths were checked above, and every task has its own head and rows.
                unsafe {
                    if packed.is_empty() {
                        dispatch(Few(block));
                    } else {
                        let size = self.packed_keys() + self.packed_values();
                        let at = head / (heads / kv_heads) * size;
                        dispatch(Many { block, keys: packed[at..].as_ptr() });
                    }
                }
            });
        };
        // SAFETY: the tasks cover all heads and rows.
        unsafe { threads::filled(queries * heads * width, fill) }
    }

    /// The weights of some rows of one head, `[rows, keys]`: those that [`Attention::run`] would write.
    ///
    /// # Panics
    /// When the lengths do not fit, or the head or the rows are not there.
    pub fn weights(&self, head: usize, rows: Range<usize>, query: Heads, key: Heads) -> Vec<f32> {
        assert!(rows.end <= self.queries);
        let fill = |maps: Shared| self.make(head, rows.clone(), query, key, Some(maps), None);
        // SAFETY: the tasks cover all rows.
        unsafe { threads::filled(rows.len() * self.keys, fill) }
    }

    /// Shows the weights of one head, which are not kept.
    ///
    /// # Panics
    /// As [`Attention::weights`].
    pub fn show(&self, head: usize, query: Heads, key: Heads, watch: &dyn Watch) {
        self.make(head, 0..self.queries, query, key, None, Some(watch));
    }

    /// Makes the weights of some rows of one head, and writes them to `maps`.
    fn make(
        &self,
        head: usize,
        rows: Range<usize>,
        query: Heads,
        key: Heads,
        maps: Option<Shared>,
        watch: Option<&dyn Watch>,
    ) {
        let Self { heads, kv_heads, queries, keys, width, .. } = *self;
        self.check(query, key);
        assert!(head < heads && rows.end <= queries);
        let mut packed = vec![0f32; self.packed_keys()];
        // SAFETY: room for the keys of one head, which were checked.
        unsafe { self.pack_keys(head / (heads / kv_heads), key, Shared(packed.as_mut_ptr())) };
        let step = self.block_rows();
        threads::each(rows.len().div_ceil(step), 2 * rows.len() * keys * width, |task| {
            let first = rows.start + task * step;
            let block = Block {
                what: self,
                head,
                first,
                rows: step.min(rows.end - first),
                query,
                key,
                value: key,
                maps,
                watch,
                origin: (head * queries + rows.start) * keys,
                out: Shared(std::ptr::null_mut()),
            };
            // SAFETY: all lengths were checked above, and every task has its own rows.
            unsafe { dispatch(Weights(Many { block, keys: packed.as_ptr() })) }
        });
    }

    fn check(&self, query: Heads, key: Heads) {
        let Self { heads, kv_heads, queries, keys, width, .. } = *self;
        assert!(kv_heads > 0 && heads.is_multiple_of(kv_heads));
        query.check(heads, queries, width);
        key.check(kv_heads, self.all(), width);
        assert!(self.bias.is_none_or(|bias| bias.lines.len() == heads * (queries + keys).saturating_sub(1)));
        if let Some(Beside { count, block, lines }) = self.beside {
            assert!(count > 0 && block > 0 && lines.len() == heads * (2 * count - 1));
            assert!(!matches!(self.visible, Visible::Table(_)), "a table says nothing of summaries");
        }
        if let Visible::Table(table) = self.visible {
            assert_eq!(table.len(), queries * keys);
        }
    }

    /// Keys with those beside the tokens.
    fn all(&self) -> usize {
        self.keys + self.beside.map_or(0, |beside| beside.count)
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
    /// There is room for [`Attention::packed_keys`] values.
    unsafe fn pack_keys(&self, head: usize, key: Heads, to: Shared) {
        for first in (0..self.all()).step_by(PANEL) {
            let rows = PANEL.min(self.all() - first);
            // SAFETY: the caller's promise; the slice was checked.
            unsafe {
                transpose(key.at(head, first), key.position, rows, self.width, to.at(first * self.width))
            };
        }
    }

    /// Per key head: its keys in panels of keys, its values in panels of `width`.
    fn pack(&self, key: Heads, value: Heads) -> Vec<f32> {
        let (all, width) = (self.all(), self.width);
        let size = self.packed_keys() + self.packed_values();
        let mut packed = vec![0f32; self.kv_heads * size];
        let to = Shared(packed.as_mut_ptr());
        threads::each(self.kv_heads, self.kv_heads * size, |head| {
            // SAFETY: each head has its own part; `run` checked the slices.
            unsafe {
                let to = to.at(head * size);
                self.pack_keys(head, key, Shared(to));
                let to = to.add(self.packed_keys());
                for position in 0..all {
                    let from = value.at(head, position);
                    for first in (0..width).step_by(PANEL) {
                        let to = to.add(first * all + position * PANEL);
                        std::ptr::copy_nonoverlapping(from.add(first), to, PANEL.min(width - first));
                    }
                }
            }
        });
        packed
    }

    /// The keys that `query` may see, as far as that is known without a table.
    #[inline(always)]
    fn seen(&self, query: usize) -> Range<usize> {
        match self.visible {
            Visible::Causal { past } => 0..self.keys.min(past + query + 1),
            Visible::Near { past, before, after } => {
                let end = self.keys.min((past + query).saturating_add(after).saturating_add(1));
                (past + query).saturating_sub(before).min(end)..end
            }
            _ => 0..self.keys,
        }
    }

    /// What is added to the scores of one row from `first_key` on.
    #[inline(always)]
    fn row(&self, head: usize, query: usize, first_key: usize) -> Row {
        let mut row =
            Row { scale: self.scale, cap: self.cap, bias: std::ptr::null(), mask: std::ptr::null() };
        if let Some(bias) = self.bias {
            let line = head * (self.queries + self.keys - 1);
            row.bias = bias.lines[line + self.queries - 1 - query + first_key..].as_ptr();
        }
        if let Visible::Table(table) = self.visible {
            row.mask = table[query * self.keys + first_key..].as_ptr();
        }
        row
    }
}

/// Some rows of one head.
struct Block<'a> {
    what: &'a Attention<'a>,
    head: usize,
    first: usize,
    rows: usize,
    query: Heads<'a>,
    key: Heads<'a>,
    value: Heads<'a>,
    maps: Option<Shared>,
    watch: Option<&'a dyn Watch>,
    /// Where in all maps the first value behind `maps` belongs.
    origin: usize,
    out: Shared,
}

thread_local! {
    static SCORES: std::cell::RefCell<Vec<f32>> = const { std::cell::RefCell::new(Vec::new()) };
    static ROW: std::cell::RefCell<Vec<f32>> = const { std::cell::RefCell::new(Vec::new()) };
}

impl Block<'_> {
    /// Values from one row of the block's weights to the next: not a multiple of 4 KiB, see [`PAD`].
    fn stride(&self) -> usize {
        self.what.all().next_multiple_of(PAD) + PAD
    }

    /// Where the block's weights are made: small enough to stay in the cache.
    fn weights(&self, scratch: &mut Vec<f32>) -> *mut f32 {
        let len = self.rows * self.stride();
        if scratch.len() < len {
            *scratch = vec![0.0; len];
        }
        scratch.as_mut_ptr()
    }

    /// Makes the weights of one row from its scores, here (zeros elsewhere `within`) and in the maps.
    #[inline(always)]
    unsafe fn softmax<S: Simd>(&self, row: usize, scores: *mut f32, within: &Range<usize>) {
        let Attention { queries, keys, .. } = *self.what;
        let query = self.first + row;
        let seen = self.what.seen(query);
        unsafe {
            let mut copy = std::ptr::null_mut();
            if let Some(maps) = self.maps {
                copy = maps.at((self.head * queries + query) * keys - self.origin);
                std::ptr::write_bytes(copy, 0, seen.start);
                std::ptr::write_bytes(copy.add(seen.end), 0, keys - seen.end);
                copy = copy.add(seen.start);
            }
            let how = self.what.row(self.head, query, seen.start);
            match self.what.beside {
                None => softmax::<S>(scores.add(seen.start), seen.len(), how, copy),
                Some(beside) => self.softmax_beside::<S>(query, scores, &seen, how, copy, beside),
            }
            std::ptr::write_bytes(scores.add(within.start), 0, seen.start - within.start);
            std::ptr::write_bytes(scores.add(seen.end), 0, within.end - seen.end);
        }
    }

    /// One softmax over the tokens that are seen and the summaries: their scores lie apart, so they meet in a
    /// row of their own.
    #[inline(always)]
    unsafe fn softmax_beside<S: Simd>(
        &self,
        query: usize,
        scores: *mut f32,
        seen: &Range<usize>,
        how: Row,
        copy: *mut f32,
        beside: Beside,
    ) {
        let Beside { count, block, lines } = beside;
        let (tokens, all) = (seen.len(), seen.len() + count);
        let mut joint = ROW.take();
        joint.clear();
        joint.resize(2 * all, 0.0);
        unsafe {
            let row = joint.as_mut_ptr();
            let bias = row.add(all);
            let extra = scores.add(self.what.keys);
            std::ptr::copy_nonoverlapping(scores.add(seen.start), row, tokens);
            std::ptr::copy_nonoverlapping(extra, row.add(tokens), count);
            if !how.bias.is_null() {
                std::ptr::copy_nonoverlapping(how.bias, bias, tokens);
            }
            let own = (query / block).min(count - 1);
            let line = &lines[self.head * (2 * count - 1) + count - 1 - own..][..count];
            std::ptr::copy_nonoverlapping(line.as_ptr(), bias.add(tokens), count);
            softmax::<S>(row, all, Row { bias, ..how }, std::ptr::null_mut());
            std::ptr::copy_nonoverlapping(row, scores.add(seen.start), tokens);
            std::ptr::copy_nonoverlapping(row.add(tokens), extra, count);
            if !copy.is_null() {
                std::ptr::copy_nonoverlapping(row, copy, tokens);
            }
        }
        ROW.set(joint);
    }

    /// Shows the block's weights of the tokens `within`, from row `first` on.
    unsafe fn show(&self, first: usize, rows: usize, weights: *const f32, within: &Range<usize>) {
        let Some(watch) = self.watch else { return };
        let (stride, width) = (self.stride(), within.len());
        // SAFETY: the block has `rows` rows of `stride` values, of which `within` were written.
        let weights =
            unsafe { std::slice::from_raw_parts(weights.add(within.start), (rows - 1) * stride + width) };
        watch.rows(self.head, first, rows, within.clone(), weights, stride);
    }

    #[inline(always)]
    unsafe fn out(&self, row: usize) -> *mut f32 {
        let Attention { heads, width, .. } = *self.what;
        unsafe { self.out.at(((self.first + row) * heads + self.head) * width) }
    }
}

/// Enough rows to use packed keys and values.
struct Many<'a> {
    block: Block<'a>,
    keys: *const f32,
}

impl Task for Many<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let mut scratch = SCORES.take();
        unsafe { many::<S>(&self, self.block.weights(&mut scratch)) }
        SCORES.set(scratch);
    }
}

/// The weights alone.
struct Weights<'a>(Many<'a>);

impl Task for Weights<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let mut scratch = SCORES.take();
        unsafe { weigh::<S>(&self.0, self.0.block.weights(&mut scratch)) };
        SCORES.set(scratch);
    }
}

/// Makes a block's weights, and writes them to the maps; gives the range of tokens that any row sees.
#[inline(always)]
unsafe fn weigh<S: Simd>(task: &Many, weights: *mut f32) -> Range<usize> {
    let Many { block, keys: packed } = task;
    let what = block.what;
    let (all, width) = (what.all(), what.width);
    // Where rows see a window, the first row's begins first and the last row's ends last.
    let within = what.seen(block.first).start..what.seen(block.first + block.rows - 1).end;
    let stride = block.stride();
    unsafe {
        let score = |from: usize, until: usize| {
            let mut first = from;
            while first < until {
                dispatch(Product {
                    rows: block.rows,
                    depth: width,
                    columns: PANEL.min(all - first),
                    x: block.query.at(block.head, block.first),
                    x_stride: block.query.position,
                    panel: packed.add(first * width),
                    bias: std::ptr::null(),
                    activation: None,
                    onto: false,
                    out: weights.add(first),
                    out_stride: stride,
                });
                first += PANEL;
            }
        };
        let from = within.start / PANEL * PANEL;
        score(from, within.end);
        let done = within.end.next_multiple_of(PANEL).max(from);
        score(done.max(what.keys / PANEL * PANEL), all * usize::from(what.beside.is_some()));
        for row in 0..block.rows {
            block.softmax::<S>(row, weights.add(row * stride), &within);
        }
        block.show(block.first, block.rows, weights, &within);
    }
    within
}

#[inline(always)]
unsafe fn many<S: Simd>(task: &Many, weights: *mut f32) {
    let Many { block, keys: packed } = task;
    let what = block.what;
    let Attention { heads, keys, width, .. } = *what;
    let (all, stride) = (what.all(), block.stride());
    unsafe {
        let within = weigh::<S>(task, weights);
        if within.is_empty() {
            for row in 0..block.rows {
                std::ptr::write_bytes(block.out(row), 0, width);
            }
        }
        let values = packed.add(what.packed_keys());
        let mut first = 0;
        while first < width {
            for (seen, onto) in [(within.clone(), within.is_empty()), (keys..all, true)] {
                if seen.is_empty() {
                    continue;
                }
                dispatch(Product {
                    rows: block.rows,
                    depth: seen.len(),
                    columns: PANEL.min(width - first),
                    x: weights.add(seen.start),
                    x_stride: stride,
                    panel: values.add(first * all + seen.start * PANEL),
                    bias: std::ptr::null(),
                    activation: None,
                    onto,
                    out: block.out(0).add(first),
                    out_stride: heads * width,
                });
            }
            first += PANEL;
        }
    }
}

/// So few rows that keys and values are read where they lie.
struct Few<'a>(Block<'a>);

impl Task for Few<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let mut scratch = SCORES.take();
        unsafe { few::<S>(&self.0, self.0.weights(&mut scratch)) }
        SCORES.set(scratch);
    }
}

#[inline(always)]
unsafe fn few<S: Simd>(block: &Block, weights: *mut f32) {
    let what = block.what;
    let Attention { heads, kv_heads, keys, width, .. } = *what;
    let shared = block.head / (heads / kv_heads);
    for row in 0..block.rows {
        let query = block.first + row;
        let seen = what.seen(query);
        unsafe {
            let weights = weights.add(row * block.stride());
            let q = block.query.at(block.head, query);
            for j in seen.clone() {
                *weights.add(j) = dot::<S>(q, block.key.at(shared, j), width);
            }
            block.softmax::<S>(row, weights, &seen);
            block.show(query, 1, weights, &seen);
            let out = block.out(row);
            let mut first = 0;
            while first < width {
                let len = (4 * S::LANES).min(width - first);
                mix::<S>(
                    weights.add(seen.start),
                    seen.len(),
                    block.value.at(shared, seen.start.min(keys - 1)).add(first),
                    block.value.position,
                    len,
                    out.add(first),
                );
                first += len;
            }
        }
    }
}

#[inline(always)]
unsafe fn dot<S: Simd>(a: *const f32, b: *const f32, len: usize) -> f32 {
    unsafe {
        let mut sums = [S::splat(0.0); 2];
        let mut at = 0;
        while at + 2 * S::LANES <= len {
            for (i, sum) in sums.iter_mut().enumerate() {
                let at = at + i * S::LANES;
                *sum = S::fma(S::load(a.add(at)), S::load(b.add(at)), *sum);
            }
            at += 2 * S::LANES;
        }
        let mut total = S::add(sums[0], sums[1]);
        while at < len {
            let part = S::LANES.min(len - at);
            total = S::fma(S::load_part(a.add(at), part, 0.0), S::load_part(b.add(at), part, 0.0), total);
            at += part;
        }
        S::sum(total)
    }
}

/// `len` (at most four vectors) columns of the sum of `count` rows, each times its weight.
#[inline(always)]
unsafe fn mix<S: Simd>(
    weights: *const f32,
    count: usize,
    from: *const f32,
    stride: usize,
    len: usize,
    out: *mut f32,
) {
    unsafe {
        if len == 4 * S::LANES {
            let mut sums = [S::splat(0.0); 4];
            for j in 0..count {
                let w = S::splat(*weights.add(j));
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum = S::fma(w, S::load(from.add(j * stride + i * S::LANES)), *sum);
                }
            }
            for (i, &sum) in sums.iter().enumerate() {
                S::store(out.add(i * S::LANES), sum);
            }
            return;
        }
        let mut at = 0;
        while at < len {
            let part = S::LANES.min(len - at);
            let mut sum = S::splat(0.0);
            for j in 0..count {
                sum = S::fma(
                    S::splat(*weights.add(j)),
                    S::load_part(from.add(j * stride + at), part, 0.0),
                    sum,
                );
            }
            S::store_part(out.add(at), sum, part);
            at += part;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::kernels::test::noise;

    struct Case {
        heads: usize,
        kv_heads: usize,
        queries: usize,
        keys: usize,
        width: usize,
    }

    /// Everything in double precision, pair by pair.
    fn reference(what: &Attention, q: &[f32], k: &[f32], v: &[f32]) -> (Vec<f64>, Vec<f64>) {
        let Attention { heads, kv_heads, queries, keys, width, .. } = *what;
        let (mut maps, mut out) = (Vec::new(), vec![0f64; queries * heads * width]);
        for h in 0..heads {
            let g = h / (heads / kv_heads);
            for i in 0..queries {
                let score = |j: usize| {
                    let q = &q[(i * heads + h) * width..][..width];
                    let k = &k[(j * kv_heads + g) * width..][..width];
                    let dot: f64 = q.iter().zip(k).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
                    let mut s = dot * f64::from(what.scale);
                    if let Some(cap) = what.cap {
                        s = f64::from(cap) * (s / f64::from(cap)).tanh();
                    }
                    if let Some(bias) = what.bias {
                        s += f64::from(bias.lines[h * (queries + keys - 1) + queries - 1 + j - i]);
                    }
                    match what.visible {
                        Visible::All => s,
                        Visible::Causal { past } if j > i + past => f64::NEG_INFINITY,
                        Visible::Causal { .. } => s,
                        Visible::Near { past, before, after }
                            if j + before < i + past || j > i + past + after =>
                        {
                            f64::NEG_INFINITY
                        }
                        Visible::Near { .. } => s,
                        Visible::Table(table) => s + f64::from(table[i * keys + j]),
                    }
                };
                let scores: Vec<f64> = (0..keys).map(score).collect();
                let max = scores.iter().copied().fold(f64::MIN, f64::max);
                let e: Vec<f64> = scores.iter().map(|s| (s - max).exp()).collect();
                let total: f64 = e.iter().sum();
                for (j, e) in e.iter().enumerate() {
                    let weight = if total == 0.0 { 0.0 } else { e / total };
                    maps.push(weight);
                    for d in 0..width {
                        let v = v[(j * kv_heads + g) * width + d];
                        out[(i * heads + h) * width + d] += weight * f64::from(v);
                    }
                }
            }
        }
        (maps, out)
    }

    fn near(found: &[f32], expected: &[f64], what: &str) {
        assert_eq!(found.len(), expected.len(), "{what}");
        for (i, (&found, expected)) in found.iter().zip(expected).enumerate() {
            assert!((f64::from(found) - expected).abs() < 1e-5, "{what} at {i}: {found}, {expected}");
        }
    }

    #[test]
    fn all_shapes_and_masks_match_double_precision() {
        for Case { heads, kv_heads, queries, keys, width } in [
            Case { heads: 2, kv_heads: 2, queries: 1, keys: 1, width: 4 },
            Case { heads: 2, kv_heads: 1, queries: 3, keys: 40, width: 64 },
            Case { heads: 1, kv_heads: 1, queries: 2, keys: 70, width: 100 },
            Case { heads: 3, kv_heads: 3, queries: 9, keys: 9, width: 8 },
            Case { heads: 4, kv_heads: 2, queries: 50, keys: 77, width: 33 },
            Case { heads: 2, kv_heads: 2, queries: 200, keys: 200, width: 64 },
        ] {
            let q = noise(queries * heads * width, 1);
            let k = noise(keys * kv_heads * width, 2);
            let v = noise(keys * kv_heads * width, 3);
            let lines = noise(heads * (queries + keys - 1), 4);
            let hidden = |i: usize| if i % 3 == 1 || i < keys { f32::NEG_INFINITY } else { 0.25 };
            let table: Vec<f32> = (0..queries * keys).map(hidden).collect();
            let past = keys.saturating_sub(queries);
            for (visible, bias, cap) in [
                (Visible::All, None, None),
                (Visible::Causal { past }, Some(Diagonals { lines: &lines }), None),
                (Visible::Near { past, before: 5, after: 2 }, Some(Diagonals { lines: &lines }), None),
                (Visible::Table(&table), Some(Diagonals { lines: &lines }), Some(2.0)),
            ] {
                let what = Attention {
                    heads,
                    kv_heads,
                    queries,
                    keys,
                    width,
                    scale: 0.7,
                    cap,
                    bias,
                    visible,
                    beside: None,
                };
                let query = Heads { data: &q, position: heads * width, head: width };
                let key = Heads { data: &k, position: kv_heads * width, head: width };
                let value = Heads { data: &v, position: kv_heads * width, head: width };
                let (expected_maps, expected) = reference(&what, &q, &k, &v);
                let mut maps = vec![MaybeUninit::new(f32::NAN); heads * queries * keys];
                let name = format!("{queries}x{keys}x{width}");
                near(&what.run(query, key, value, Some(&mut maps), None), &expected, &name);
                // SAFETY: they were numbers before, too.
                let maps: Vec<f32> = maps.iter().map(|v| unsafe { v.assume_init() }).collect();
                near(&maps, &expected_maps, &name);
                let alone = threads::run(1, || what.run(query, key, value, None, None));
                near(&alone, &expected, &name);
            }
        }
    }

    #[test]
    fn heads_may_lie_side_by_side_or_one_after_another() {
        let (heads, queries, keys, width) = (3, 20, 30, 16);
        let what = Attention {
            heads,
            kv_heads: heads,
            queries,
            keys,
            width,
            scale: 1.0,
            cap: None,
            bias: None,
            visible: Visible::All,
            beside: None,
        };
        let side = |data: &[f32], positions: usize| -> Vec<f32> {
            let index = (0..heads * positions * width).map(|i| {
                let (h, p, d) = (i / (positions * width), i / width % positions, i % width);
                data[(p * heads + h) * width + d]
            });
            index.collect()
        };
        let (q, k) = (noise(queries * heads * width, 1), noise(keys * heads * width, 2));
        let (q2, k2) = (side(&q, queries), side(&k, keys));
        let near_to = |data| Heads { data, position: heads * width, head: width };
        let far = |data, positions| Heads { data, position: width, head: positions * width };
        let one = what.run(near_to(&q), near_to(&k), near_to(&k), None, None);
        let other = what.run(far(&q2, queries), far(&k2, keys), far(&k2, keys), None, None);
        assert_eq!(one, other);
    }

    #[test]
    fn summaries_beside_the_tokens_are_keys_with_a_bias_by_blocks() {
        let (queries, width, count, block) = (75, 16, 4, 17);
        let all = queries + count;
        let (q, k, v) = (noise(queries * width, 1), noise(all * width, 2), noise(all * width, 3));
        let lines = noise(2 * queries - 1, 4);
        let blocks = noise(2 * count - 1, 5);
        let by_rows = |data| Heads { data, position: width, head: width };
        for (before, after) in [(9, 9), (200, 0), (0, 0)] {
            let local = Attention {
                heads: 1,
                kv_heads: 1,
                queries,
                keys: queries,
                width,
                scale: 0.3,
                cap: None,
                bias: Some(Diagonals { lines: &lines }),
                visible: Visible::Near { past: 0, before, after },
                beside: Some(Beside { count, block, lines: &blocks }),
            };
            let added = |i: usize, j: usize| match j.checked_sub(queries) {
                Some(summary) => blocks[count - 1 + summary - (i / block).min(count - 1)],
                None if j + before < i || j > i + after => f32::NEG_INFINITY,
                None => lines[queries - 1 + j - i],
            };
            let table: Vec<f32> = (0..queries * all).map(|at| added(at / all, at % all)).collect();
            let visible = Visible::Table(&table);
            let whole = Attention { keys: all, bias: None, beside: None, visible, ..local };
            let mut maps = vec![MaybeUninit::new(f32::NAN); queries * queries];
            let mut all_maps = vec![MaybeUninit::new(f32::NAN); queries * all];
            let found = local.run(by_rows(&q), by_rows(&k), by_rows(&v), Some(&mut maps), None);
            let expected = whole.run(by_rows(&q), by_rows(&k), by_rows(&v), Some(&mut all_maps), None);
            let wide = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
            near(&found, &wide(&expected), "what is read");
            // SAFETY: they were numbers before, too.
            let read = |maps: &[MaybeUninit<f32>]| -> Vec<f32> {
                maps.iter().map(|v| unsafe { v.assume_init() }).collect()
            };
            let (maps, all_maps) = (read(&maps), read(&all_maps));
            let tokens: Vec<f32> = all_maps.chunks(all).flat_map(|row| &row[..queries]).copied().collect();
            near(&maps, &wide(&tokens), "maps");
            for rows in [0..queries, 3..4, 40..75] {
                let again = local.weights(0, rows.clone(), by_rows(&q), by_rows(&k));
                near(&again, &wide(&maps[rows.start * queries..rows.end * queries]), "again");
            }
        }
    }
}
