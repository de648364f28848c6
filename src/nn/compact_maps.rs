//! Attention maps in compact form: the queries, keys and position bias that they can be recomputed from.
//! Their size grows with the length of the text, that of maps with its square.

use std::ops::Range;

use attn_tui_kernels::attention::{self, DiagonalBias, HeadVectors, KeyPart, MaskedPair, RowObserver};
use attn_tui_kernels::buffer::ArcBuilder;
use rayon::prelude::*;

use super::{ExtraKeys, Visible};

/// The maps of one site in compact form.
#[derive(Clone, Debug, PartialEq)]
pub struct CompactMaps {
    /// Number of heads.
    pub heads: usize,
    /// Number of heads with keys of their own.
    pub key_heads: usize,
    /// Number of queries.
    pub queries: usize,
    /// Number of keys of the sequence itself, extra keys not included.
    pub keys: usize,
    /// Width of a head's vectors.
    pub width: usize,
    /// Factor on the scores.
    pub scale: f32,
    /// Soft cap on the scores.
    pub softcap: Option<f32>,
    /// Keys that each query may attend to.
    pub visible: Visible,
    /// Position bias by diagonals, `[heads, queries + keys - 1]`. The first is that of the last query and
    /// the first key.
    pub bias: Option<Vec<f32>>,
    /// Extra keys after those of the sequence.
    pub extra: Option<ExtraKeys>,
    /// Part of the keys whose weights the maps show.
    pub part: KeyPart,
    /// Pairs that are masked in addition.
    pub masked: Vec<MaskedPair>,
    /// `[queries, heads, width]`
    pub query: Vec<f32>,
    /// `[keys + extra keys, key_heads, width]`
    pub key: Vec<f32>,
}

impl CompactMaps {
    /// Checks that the lengths of all parts fit each other.
    pub fn check(&self) -> Result<(), String> {
        let Self { heads, key_heads, queries, keys, width, .. } = *self;
        let all = keys + self.extra.as_ref().map_or(0, |extra| extra.count);
        let length = |what: &str, found: usize, expected: Option<usize>| match expected {
            Some(expected) if expected == found => Ok(()),
            _ => Err(format!("the {what} has {found} values, which does not fit the others")),
        };
        if key_heads == 0 || !heads.is_multiple_of(key_heads) || queries * keys * width == 0 {
            return Err(format!(
                "{heads} heads of {width} over {key_heads}, {queries} x {keys}, are no maps"
            ));
        }
        let product = |a: usize, b: usize, c: usize| a.checked_mul(b)?.checked_mul(c);
        length("query", self.query.len(), product(queries, heads, width))?;
        length("key", self.key.len(), product(all, key_heads, width))?;
        if let Some(bias) = &self.bias {
            length("bias", bias.len(), product(heads, queries + keys - 1, 1))?;
        }
        if !self.visible.is_sound() {
            return Err("groups of nothing".into());
        }
        match &self.extra {
            Some(extra) => extra.check(heads),
            None if self.part == KeyPart::Extra => Err("the maps are of keys that are not there".into()),
            None => Ok(()),
        }
    }

    /// Shape of the maps, `[heads, queries, keys]`.
    pub fn shape(&self) -> [usize; 3] {
        let extra = self.extra.as_ref().map_or(0, |extra| extra.count);
        let keys = if self.part == KeyPart::Extra { extra } else { self.keys };
        [self.heads, self.queries, keys]
    }

    /// Size in bytes.
    pub fn bytes(&self) -> usize {
        let bias = self.bias.as_ref().map_or(0, Vec::len);
        let extra = self.extra.as_ref().map_or(0, ExtraKeys::values);
        4 * (self.query.len() + self.key.len() + bias + extra)
    }

    /// Returns the vectors of a query and of a key of a head, `[width]` each; `None` out of range.
    pub fn vectors(&self, head: usize, query: usize, key: usize) -> Option<[&[f32]; 2]> {
        let Self { heads, key_heads, width, .. } = *self;
        let key_head = head / (heads / key_heads);
        let query = (query * heads + head) * width;
        let key = (key * key_heads + key_head) * width;
        Some([self.query.get(query..query + width)?, self.key.get(key..key + width)?])
    }

    /// Computes the scores of a head before bias and mask, `[queries, keys]`: `scale Q Kᵀ`, with the
    /// soft cap if there is one. Requires [`CompactMaps::check`] to have returned `Ok`.
    ///
    /// # Panics
    /// If `head` is out of range.
    pub fn content(&self, head: usize) -> Vec<f32> {
        let Self { heads, key_heads, keys, width, scale, softcap, .. } = *self;
        let key_head = head / (heads / key_heads);
        let vector = |of: &[f32], at: usize| of[at * width..(at + 1) * width].to_vec();
        let keys: Vec<_> = (0..keys).map(|key| vector(&self.key, key * key_heads + key_head)).collect();
        let row = |query: usize| {
            let query = vector(&self.query, query * heads + head);
            let score = |key: &Vec<f32>| {
                let score = scale * query.iter().zip(key).map(|(q, k)| q * k).sum::<f32>();
                softcap.map_or(score, |softcap| softcap * (score / softcap).tanh())
            };
            keys.iter().map(score).collect::<Vec<_>>()
        };
        (0..self.queries).into_par_iter().flat_map_iter(row).collect()
    }

    /// Returns true if a query of a head may attend to a key.
    pub fn sees(&self, head: usize, query: usize, key: usize) -> bool {
        self.visible.sees(query, key, self.keys) && !self.masked.contains(&MaskedPair { head, query, key })
    }

    /// The position bias of a query and a key; `None` if the site has none.
    pub fn bias(&self, head: usize, query: usize, key: usize) -> Option<f32> {
        let diagonals = self.queries + self.keys - 1;
        self.bias.as_ref()?.get(head * diagonals + self.queries - 1 + key - query).copied()
    }

    /// Computes rows `rows` of a head's map, `[rows, keys]`, with exactly the values of the pass. Requires
    /// [`CompactMaps::check`] to have returned `Ok`.
    ///
    /// # Panics
    /// If the head or the rows are out of range.
    pub fn rows(&self, head: usize, rows: Range<usize>) -> Vec<f32> {
        let (kernel, query, key) = self.kernel();
        kernel.weights(self.part, head, rows, query, key)
    }

    /// Appends [`CompactMaps::rows`] to `to`.
    ///
    /// # Panics
    /// As [`CompactMaps::rows`], and if there is no room for them.
    pub fn rows_into(&self, head: usize, rows: Range<usize>, to: &mut ArcBuilder) {
        let (kernel, query, key) = self.kernel();
        kernel.weights_into(self.part, head, rows, query, key, to);
    }

    /// Computes the map of `head` a block of rows at a time for `observer`; nothing is kept. Requires
    /// [`CompactMaps::check`] to have returned `Ok`.
    ///
    /// # Panics
    /// If `head` is out of range.
    pub fn observe(&self, head: usize, observer: &dyn RowObserver) {
        let (kernel, query, key) = self.kernel();
        kernel.show(self.part, head, query, key, observer);
    }

    fn kernel(&self) -> (attention::AttentionKernel<'_>, HeadVectors<'_>, HeadVectors<'_>) {
        let Self { heads, key_heads, queries, keys, width, scale, softcap, visible, .. } = *self;
        let kernel = attention::AttentionKernel {
            heads,
            kv_heads: key_heads,
            queries,
            keys,
            width,
            scale,
            softcap,
            bias: self.bias.as_deref().map(|lines| DiagonalBias { lines }),
            visible,
            past: 0,
            extra: self.extra.as_ref().map(ExtraKeys::kernel),
            masked: &self.masked,
        };
        let query = HeadVectors { data: &self.query, position: heads * width, head: width };
        let key = HeadVectors { data: &self.key, position: key_heads * width, head: width };
        (kernel, query, key)
    }
}
