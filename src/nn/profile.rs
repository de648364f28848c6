//! What is told of a head without its map: sums over its rows, made a few rows at a time while these are in
//! the cache, by several threads. Pictures, metrics and strong links follow from them.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::kernels::attention::Watch;
use super::kernels::sweep::{self, Sweep};
use crate::matrix::{Matrix, cell_of, span_of};
use crate::site::Kind;
use crate::token::Token;

/// Rows and columns of a profile's pictures, at most.
pub const PICTURE: usize = 64;

/// A profile keeps every pair of at least this weight.
pub const STRONG: f32 = 0.1;

/// What profiles need to know of the axes; the same for all heads of a kind.
#[derive(Clone, Debug)]
pub struct Frame {
    kind: Kind,
    queries: usize,
    keys: usize,
    special: Vec<bool>,
    /// The keys that are no special tokens, in runs.
    plain: Vec<Range<usize>>,
    /// The last token before each that is the same; in self-attention.
    before: Vec<Option<u32>>,
}

impl Frame {
    /// For maps `[queries, keys]` between these tokens; what lies beyond them is no special token.
    pub fn new(kind: Kind, [queries, keys]: [usize; 2], tokens: &[Token]) -> Self {
        let special: Vec<bool> =
            (0..keys).map(|key| tokens.get(key).is_some_and(|token| token.special)).collect();
        let mut plain: Vec<Range<usize>> = Vec::new();
        for key in (0..keys).filter(|&key| !special[key]) {
            match plain.last_mut() {
                Some(run) if run.end == key => run.end += 1,
                _ => plain.push(key..key + 1),
            }
        }
        let mut last = std::collections::HashMap::new();
        let same = |(at, token): (usize, &Token)| last.insert(token.id, at as u32);
        let before = match kind {
            Kind::Cross => Vec::new(),
            Kind::Encoder | Kind::Decoder => tokens.iter().enumerate().map(same).collect(),
        };
        Self { kind, queries, keys, special, plain, before }
    }

    /// Rows and columns of the pictures.
    fn picture(&self) -> [usize; 2] {
        [self.queries.min(PICTURE), self.keys.min(PICTURE)]
    }

    /// The same tokens earlier in the text, the nearest first.
    fn earlier(&self, query: usize) -> impl Iterator<Item = usize> {
        let before = |at: usize| self.before.get(at).copied().flatten().map(|at| at as usize);
        std::iter::successors(before(query), move |&at| before(at))
    }
}

/// A pair of a profile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Strong {
    /// Row, zero-based.
    pub query: u32,
    /// Column, zero-based.
    pub key: u32,
    /// The head's weight there, at least [`STRONG`].
    pub weight: f32,
}

/// Sums over rows of one head, or over all of them. `d_ij` and `n_i` are the distance and the number of keys as
/// in the metrics that follow.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)] // each is what its formula says
pub struct Sums {
    /// `Σ A`
    pub total: f64,
    /// `Σ_i H_i`
    pub entropy: f64,
    /// `Σ_i H_i / ln n_i` over rows with a choice
    pub entropy_norm: f64,
    /// Number of rows with a choice.
    pub choices: usize,
    /// `Σ_i exp H_i`
    pub effective_keys: f64,
    /// `Σ_i max_j A_ij` over keys that are no special token
    pub confidence: f64,
    /// `Σ A d`
    pub distance: f64,
    /// `Σ_i A_i,i-1`
    pub previous: f64,
    /// Weight on earlier copies of the query's token.
    pub duplicate: f64,
    /// Weight on what followed them.
    pub induction: f64,
    /// Weight of each row's largest weights.
    pub top: f64,
}

impl Sums {
    fn add(&mut self, other: &Sums) {
        self.total += other.total;
        self.entropy += other.entropy;
        self.entropy_norm += other.entropy_norm;
        self.choices += other.choices;
        self.effective_keys += other.effective_keys;
        self.confidence += other.confidence;
        self.distance += other.distance;
        self.previous += other.previous;
        self.duplicate += other.duplicate;
        self.induction += other.induction;
        self.top += other.top;
    }
}

/// All that is told of one head.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// Number of queries.
    pub rows: usize,
    /// Number of keys.
    pub keys: usize,
    /// Sums over all rows.
    pub sums: Sums,
    /// Weight by distance, rounded up to whole tokens.
    pub by_distance: Vec<f64>,
    /// Weight that each key got.
    pub received: Vec<f64>,
    /// Offset of every row's favourite key from the rounded diagonal.
    pub offsets: Vec<i32>,
    /// Centre of mass of every row, `Σ_j j A_ij`; of cross maps alone.
    pub centres: Vec<f64>,
    /// The largest weight of every row.
    pub row_max: Vec<f32>,
    /// Every pair of weight [`STRONG`] or more, in no order.
    pub strong: Vec<Strong>,
    largest: Vec<f32>,
    added: Vec<f32>,
    cells: [usize; 2],
}

impl Profile {
    /// Of no row yet.
    pub fn new(frame: &Frame) -> Self {
        let cells @ [down, across] = frame.picture();
        let centres = if frame.kind == Kind::Cross { frame.queries } else { 0 };
        Self {
            rows: frame.queries,
            keys: frame.keys,
            by_distance: vec![0.0; frame.keys + 2],
            received: vec![0.0; frame.keys],
            offsets: vec![0; frame.queries],
            centres: vec![0.0; centres],
            row_max: vec![0.0; frame.queries],
            largest: vec![0.0; down * across],
            added: vec![0.0; down * across],
            cells,
            ..Self::default()
        }
    }

    /// Of a whole map.
    pub fn of(map: &Matrix, frame: &Frame) -> Self {
        const ROWS: usize = 64;
        let mut profile = Self::new(frame);
        for first in (0..map.rows()).step_by(ROWS) {
            let count = ROWS.min(map.rows() - first);
            let weights = &map.as_slice()[first * map.cols()..(first + count) * map.cols()];
            profile.add(Part::of(frame, first, count, 0..map.cols(), weights, map.cols()));
        }
        profile
    }

    /// The largest weight of each of at most [`PICTURE`] x [`PICTURE`] blocks.
    pub fn largest(&self) -> Matrix {
        Matrix::new(self.cells[0], self.cells[1], self.largest.clone())
    }

    /// The mean weight of each of these blocks.
    pub fn mean(&self) -> Matrix {
        let [down, across] = self.cells;
        let len = |cell, len, cells| span_of(cell, len, cells).len() as f32;
        Matrix::from_fn(down, across, |row, col| {
            self.added[row * across + col] / (len(row, self.rows, down) * len(col, self.keys, across))
        })
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        8 * (self.by_distance.len() + self.received.len() + self.centres.len())
            + 4 * (self.offsets.len() + self.row_max.len() + self.largest.len() + self.added.len())
            + size_of::<Strong>() * self.strong.len()
    }

    fn add(&mut self, part: Part) {
        let rows = part.first..part.first + part.row_max.len();
        self.sums.add(&part.sums);
        for (weight, distance) in part.diagonals.iter().zip(part.lowest..) {
            if let Some(sum) = self.by_distance.get_mut(distance.unsigned_abs()) {
                *sum += f64::from(*weight);
            }
        }
        for (sum, weight) in self.received[part.columns].iter_mut().zip(&part.received) {
            *sum += weight;
        }
        self.row_max[rows.clone()].copy_from_slice(&part.row_max);
        self.offsets[rows.clone()].copy_from_slice(&part.offsets);
        if !self.centres.is_empty() {
            self.centres[rows].copy_from_slice(&part.centres);
        }
        self.strong.extend(part.strong);
        let from = part.row * self.cells[1];
        for (cell, found) in self.largest[from..].iter_mut().zip(&part.largest) {
            *cell = cell.max(*found);
        }
        for (cell, found) in self.added[from..].iter_mut().zip(&part.added) {
            *cell += found;
        }
    }
}

/// What some rows add to a profile.
struct Part {
    first: usize,
    columns: Range<usize>,
    sums: Sums,
    /// Weight by diagonal, that of `lowest` first.
    diagonals: Vec<f32>,
    lowest: isize,
    received: Vec<f64>,
    offsets: Vec<i32>,
    centres: Vec<f64>,
    row_max: Vec<f32>,
    strong: Vec<Strong>,
    /// The first row of the pictures that `largest` and `added` are about.
    row: usize,
    largest: Vec<f32>,
    added: Vec<f32>,
}

impl Part {
    /// Of `count` rows from `first` on, `stride` values from one to the next, each with the weights of `columns`;
    /// all others are 0.
    fn of(
        frame: &Frame,
        first: usize,
        count: usize,
        columns: Range<usize>,
        weights: &[f32],
        stride: usize,
    ) -> Self {
        let diagonal = |query: usize| frame.kind.diagonal(query, frame.queries, frame.keys);
        let lowest = columns.start as isize - diagonal(first + count.saturating_sub(1)).ceil() as isize;
        let highest = columns.end as isize - diagonal(first).floor() as isize;
        let [down, across] = frame.picture();
        let cell = |query: usize| cell_of(query, frame.queries, down);
        let (row, cells) = (cell(first), cell(first + count.saturating_sub(1)) + 1 - cell(first));
        let mut part = Self {
            first,
            sums: Sums::default(),
            diagonals: vec![0.0; (highest - lowest).max(0) as usize],
            lowest,
            received: vec![0.0; columns.len()],
            offsets: Vec::with_capacity(count),
            centres: Vec::new(),
            row_max: Vec::with_capacity(count),
            strong: Vec::new(),
            row,
            largest: vec![0.0; cells * across],
            added: vec![0.0; cells * across],
            columns,
        };
        let width = part.columns.len();
        let (mut largest, mut received) = (vec![0f32; width], vec![0f32; width]);
        for at in 0..count {
            let query = first + at;
            // Where the text is causal, nothing behind the query itself is of interest.
            let end = frame.kind.visible(query, frame.keys).end.clamp(part.columns.start, part.columns.end);
            let seen = end - part.columns.start;
            let row = &weights[at * stride..at * stride + seen];
            part.row(frame, query, row, &mut largest[..seen], &mut received[..seen]);
            if at + 1 == count || cell(query + 1) != cell(query) {
                part.fold(frame, cell(query), &largest, &received);
                largest.fill(0.0);
                received.fill(0.0);
            }
        }
        part
    }

    fn row(&mut self, frame: &Frame, query: usize, row: &[f32], largest: &mut [f32], received: &mut [f32]) {
        let start = self.columns.start as isize;
        let diagonal = frame.kind.diagonal(query, frame.queries, frame.keys);
        let (low, high) = (diagonal.floor() as isize, diagonal.ceil() as isize);
        let split = (low + 1 - start).clamp(0, row.len() as isize) as usize;
        let places = [(low - start) as f32, (start + split as isize - low) as f32];
        let told = Sweep { weights: row, split, places, largest, received }.run();
        for (side, weights, centre) in [(0, &row[..split], high), (split, &row[split..], low)] {
            let from = start + side as isize - centre - self.lowest;
            if !weights.is_empty() {
                sweep::add(weights, &mut self.diagonals[from as usize..from as usize + weights.len()]);
            }
        }
        let choices = frame.kind.visible(query, frame.keys).len();
        let entropy = f64::from(told.entropy);
        let sums = &mut self.sums;
        let [before, behind] = told.sums.map(f64::from);
        let part = f64::from(diagonal) - low as f64;
        sums.total += before + behind;
        sums.entropy += entropy;
        sums.effective_keys += entropy.exp();
        if choices > 1 {
            sums.entropy_norm += entropy / (choices as f64).ln();
            sums.choices += 1;
        }
        let [near, far] = told.moments.map(f64::from);
        sums.distance += near + part * before + far - part * behind;
        sums.top += told.top.iter().copied().map(f64::from).sum::<f64>();
        let max = told.top[0];
        self.row_max.push(max);
        let best = self.find(query, row, max);
        self.offsets.push(best as i32 - diagonal.round() as i32);
        self.sums.confidence += f64::from(if frame.special.get(best) == Some(&true) {
            let columns = self.columns.start..self.columns.start + row.len();
            let runs = frame.plain.iter().filter_map(|run| {
                let (from, until) = (run.start.max(columns.start), run.end.min(columns.end));
                (from < until).then(|| sweep::largest(&row[from - columns.start..until - columns.start]))
            });
            runs.fold(0.0, f32::max)
        } else {
            max
        });
        match frame.kind {
            Kind::Cross => self.centres.push(centre(row, self.columns.start)),
            Kind::Encoder | Kind::Decoder => self.copies(frame, query, row),
        }
    }

    /// Notes the strong pairs of a row; gives its favourite key, the first of equal ones.
    fn find(&mut self, query: usize, row: &[f32], max: f32) -> usize {
        let start = self.columns.start;
        if max <= 0.0 {
            return 0;
        }
        let mut best = None;
        let strong = &mut self.strong;
        sweep::at_least(row, max.min(STRONG), |at| {
            let weight = row[at];
            if weight == max && best.is_none() {
                best = Some(start + at);
            }
            if weight >= STRONG {
                strong.push(Strong { query: query as u32, key: (start + at) as u32, weight });
            }
        });
        best.unwrap_or(start)
    }

    /// Weight on the previous token, on copies of this one, and on what followed them.
    fn copies(&mut self, frame: &Frame, query: usize, row: &[f32]) {
        let start = self.columns.start;
        let weight =
            |key: usize| key.checked_sub(start).and_then(|at| row.get(at)).map_or(0.0, |&w| f64::from(w));
        self.sums.previous += query.checked_sub(1).map_or(0.0, weight);
        for copy in frame.earlier(query) {
            self.sums.duplicate += weight(copy);
            self.sums.induction += weight(copy + 1);
        }
    }

    /// Brings columns of some rows into a row of the pictures.
    fn fold(&mut self, frame: &Frame, cell: usize, largest: &[f32], received: &[f32]) {
        let [_, across] = frame.picture();
        let row = (cell - self.row) * across;
        let columns = self.columns.clone();
        for col in 0..across {
            let span = span_of(col, frame.keys, across);
            let (from, until) = (span.start.max(columns.start), span.end.min(columns.end));
            if from >= until {
                continue;
            }
            let span = from - columns.start..until - columns.start;
            let max = largest[span.clone()].iter().fold(0.0f32, |a, &b| if b > a { b } else { a });
            self.largest[row + col] = self.largest[row + col].max(max);
            self.added[row + col] += received[span].iter().sum::<f32>();
        }
        for (sum, &weight) in self.received.iter_mut().zip(received) {
            *sum += f64::from(weight);
        }
    }
}

/// Centre of mass of a row whose first key is `first`: in f64, since equal centres are to stay equal.
fn centre(row: &[f32], first: usize) -> f64 {
    const LANES: usize = 8;
    let mut lanes = [0f64; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for (at, chunk) in chunks.iter().enumerate() {
        for (lane, (sum, &weight)) in lanes.iter_mut().zip(chunk).enumerate() {
            *sum += f64::from(weight) * (first + at * LANES + lane) as f64;
        }
    }
    let from = first + chunks.len() * LANES;
    let rest = rest.iter().zip(from..).map(|(&weight, at)| f64::from(weight) * at as f64);
    lanes.iter().sum::<f64>() + rest.sum::<f64>()
}

/// The profiles of a site's heads, as they grow while its attention is computed.
#[derive(Debug)]
pub struct Profiles {
    frame: Arc<Frame>,
    /// The number of the first one.
    first: usize,
    heads: Vec<Mutex<Profile>>,
}

impl Profiles {
    /// Of no row yet.
    pub fn new(frame: Arc<Frame>, heads: usize) -> Self {
        let heads = (0..heads).map(|_| Mutex::new(Profile::new(&frame))).collect();
        Self { frame, first: 0, heads }
    }

    /// That of head `head` alone.
    pub fn one(frame: Frame, head: usize) -> Self {
        Self { first: head, ..Self::new(Arc::new(frame), 1) }
    }

    /// Whether these are for maps `[heads, queries, keys]`.
    pub fn fit(&self, shape: [usize; 3]) -> bool {
        shape == [self.heads.len(), self.frame.queries, self.frame.keys]
    }

    /// The profiles, complete once every row was seen.
    pub fn finish(self) -> Vec<Profile> {
        let inner = |head: Mutex<Profile>| head.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.heads.into_iter().map(inner).collect()
    }
}

impl Watch for Profiles {
    fn rows(
        &self,
        head: usize,
        first: usize,
        count: usize,
        columns: Range<usize>,
        weights: &[f32],
        stride: usize,
    ) {
        let part = Part::of(&self.frame, first, count, columns, weights, stride);
        if let Some(head) = self.heads.get(head - self.first) {
            head.lock().unwrap_or_else(PoisonError::into_inner).add(part);
        }
    }
}
