//! Metrics of single heads.
//!
//! `A` is the head's map, `[queries, keys]` with `Q` rows and `K` columns, rows summing to 1; `i` is a
//! query, `j` a key, `d_ij` their distance ([`MapAxes::distances`]), `n_i` the number of keys that row `i`
//! may attend to (`i + 1` in decoder self-attention, otherwise `K`). Means over rows weigh all rows
//! equally.

use std::sync::Arc;

use super::distances::{Distances, far_weight};
use super::map_axes::MapAxes;
use super::profile::{HeadProfile, ProfileAxes};
use crate::matrix::Matrix;
use crate::site::Kind;

/// Default distance beyond which keys are far, in tokens.
pub const FAR: f32 = 4.0;

/// Mean weight above which a key is a sink (Gu et al. 2024, "When Attention Sink Emerges in Language
/// Models", epsilon).
pub const SINK: f32 = 0.3;

/// Distance up to which keys are neighbours: the row's own position and two on either side.
pub const LOCAL: usize = 2;

/// One column of a table of heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Stable name: column of a table, key of a JSON object, argument of `--sort`.
    pub name: &'static str,
    /// A few words that explain it to a user.
    pub about: &'static str,
    /// Its definition: the formula and the paper, in Markdown.
    pub definition: &'static str,
    /// True if its values are whole numbers.
    pub whole: bool,
}

/// A field of [`HeadMetrics`] as a number.
trait MetricValue {
    const WHOLE: bool;
    fn value(self) -> Option<f32>;
}

impl MetricValue for f32 {
    const WHOLE: bool = false;
    fn value(self) -> Option<f32> {
        Some(self)
    }
}

impl MetricValue for Option<f32> {
    const WHOLE: bool = false;
    fn value(self) -> Option<f32> {
        self
    }
}

impl MetricValue for usize {
    const WHOLE: bool = true;
    fn value(self) -> Option<f32> {
        Some(self as f32)
    }
}

impl MetricValue for Option<usize> {
    const WHOLE: bool = true;
    fn value(self) -> Option<f32> {
        self.map(|value| value as f32)
    }
}

impl MetricValue for Option<isize> {
    const WHOLE: bool = true;
    fn value(self) -> Option<f32> {
        self.map(|value| value as f32)
    }
}

macro_rules! head_metrics {
    ($($(#[doc = $doc:literal])+ $field:ident: $type:ty = $about:literal,)+) => {
        /// The metrics of one head. Every metric of a map without rows is 0.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct HeadMetrics {
            $($(#[doc = $doc])+ pub $field: $type,)+
        }

        impl HeadMetrics {
            /// Every metric, in the order of the table's columns.
            pub const COLUMNS: &[Column] = &[
                $(Column {
                    name: stringify!($field),
                    about: $about,
                    definition: concat!($($doc, "\n"),+),
                    whole: <$type as MetricValue>::WHOLE,
                },)+
            ];

            /// A metric by its name; `None` where there is no such metric, or this kind of map has none.
            pub fn get(&self, name: &str) -> Option<f32> {
                match name {
                    $(stringify!($field) => MetricValue::value(self.$field),)+
                    _ => None,
                }
            }

            /// The values of [`HeadMetrics::COLUMNS`], in their order.
            pub fn values(&self) -> Vec<Option<f32>> {
                vec![$(MetricValue::value(self.$field)),+]
            }
        }
    };
}

head_metrics! {
    /// Mean entropy of the rows in nats, `mean_i H_i` with `H_i = -sum_j A_ij ln A_ij` (Ghader and Monz 2017,
    /// "What does Attention in Neural Machine Translation Pay Attention to?"). 0 to `ln K`.
    entropy: f32 = "mean entropy of the rows, nats",
    /// `mean_i H_i / ln n_i` over the rows with at least two keys: 0 one key, 1 uniform.
    entropy_norm: f32 = "entropy over that of a uniform row, 0 to 1",
    /// Effective number of keys, `mean_i exp H_i`: 1 to `K`.
    effective_keys: f32 = "exp of the entropy: keys in use",
    /// `mean_i max_j A_ij` over keys that are no special token (Voita et al. 2019, "Analyzing Multi-Head
    /// Self-Attention", section 4, who leave the end token out). 0 to 1.
    confidence: f32 = "mean of the rows' largest weight, special tokens left out",
    /// Mean distance in tokens, `sum_ij A_ij d_ij / sum_ij A_ij` (Vig and Belinkov 2019, "Analyzing the
    /// Structure of Attention in a Transformer Language Model"; in cross maps from the alignment diagonal).
    /// Between the patches of a picture it is that in the plane, in widths and heights of a patch, over pairs of
    /// patches. Cross maps of a picture have no distances.
    mean_distance: Option<f32> = "mean distance of query and key, tokens",
    /// Far mass `L_d = mean_i sum_{d_ij > d} A_ij` for the distance `d` that `--far` sets. 0 to 1.
    /// Not in cross maps of a picture.
    far_mass: Option<f32> = "weight on keys farther than d tokens",
    /// Far mass over the far mass of a map whose rows are uniform over their `n_i` keys: above 1 the head
    /// seeks distance. 0 where no key is far.
    far_ratio: Option<f32> = "far mass over that of uniform rows",
    /// Smallest whole distance within which 90 % of the weight lies. Not in cross maps of a picture.
    span90: Option<usize> = "distance within which 90 % of the weight lies, tokens",
    /// The most frequent offset `p` of the row's favourite key from the diagonal, `argmax_j A_ij = i + p` (in
    /// cross maps from the rounded diagonal); of equally frequent ones the nearest to 0, then the negative. Patches
    /// of a picture are counted row by row; cross maps of a picture have no diagonal.
    offset: Option<isize> = "most frequent offset of a row's largest weight",
    /// Share of the rows whose favourite key lies at `offset`; from 0.9 on Voita et al. 2019
    /// call a head positional. 0 to 1.
    offset_share: Option<f32> = "share of the rows at that offset; from 0.9 a positional head",
    /// Share of the rows whose favourite key lies on the diagonal (in cross maps the rounded one). 0 to 1. Not in
    /// cross maps of a picture.
    diagonal: Option<f32> = "share of the rows whose largest weight is on the diagonal",
    /// Previous-token score `sum_{ij} A_ij [j = i - 1] / sum A` (after TransformerLens's head detector).
    /// Self-attention only. 0 to 1.
    previous: Option<f32> = "weight on the previous token",
    /// Duplicate-token score `sum_{ij} A_ij [x_j = x_i, j < i] / sum A`, `x` being token ids.
    /// Self-attention only. 0 to 1.
    duplicate: Option<f32> = "weight on earlier copies of the same token",
    /// Induction score `sum_{ij} A_ij [x_{j-1} = x_i, 1 <= j <= i] / sum A`: weight on what followed an
    /// earlier copy. Self-attention only. 0 to 1.
    induction: Option<f32> = "weight on what followed an earlier copy",
    /// Sink score `max_k alpha_k`, `alpha_k` being the mean of `A_ik` over the rows that may look at `k`
    /// (Gu et al. 2024), over keys that at least half of the rows may look at; above 0.3 a sink. 0 to 1.
    sink: f32 = "largest mean weight of one key; above 0.3 a sink",
    /// The key of `sink`, counted from 0; of equal ones the first.
    sink_key: usize = "position of that key",
    /// `mean_i sum_{j special} A_ij` (Clark et al. 2019, "What Does BERT Look At?"). Keys that are tokens only.
    /// 0 to 1.
    special_mass: Option<f32> = "weight on special tokens",
    /// `mean_i sum_{j special or punctuation} A_ij`, punctuation being pieces without a letter or digit (Clark
    /// et al. 2019, section 3.2). Keys that are tokens only. 0 to 1.
    separator_mass: Option<f32> = "weight on special tokens and punctuation",
    /// `mean_i sum_{d_ij <= 2} A_ij`: weight on the row's own position and two on either side. 0 to 1. Not in
    /// cross maps of a picture.
    local_mass: Option<f32> = "weight on keys at most 2 tokens away",
    /// Local mass over the local mass of a map whose rows are uniform over their `n_i` keys: above 1 the head
    /// seeks neighbours. 0 where no key is local.
    local_ratio: Option<f32> = "local mass over that of uniform rows",
    /// Share of neighbouring rows whose centre of mass `c_i = sum_j j A_ij` does not go back,
    /// `c_{i+1} >= c_i`. Cross-attention over texts and recordings with at least two rows only. 0 to 1.
    monotonicity: Option<f32> = "share of steps on which the cross-attention does not go back",
    /// Mean over the keys that are no special token of `min(1, sum_i A_ij)` (the term of Wu et al. 2016's
    /// coverage penalty). Cross-attention only. 0 to 1.
    coverage: Option<f32> = "how much of the source got its share of attention",
    /// `mean_i A_i,rest`: weight on the positions after a recording, which are one key. Recordings shorter than
    /// the model's window only. 0 to 1.
    rest_mass: Option<f32> = "weight on the positions after a recording",
    /// Mean spread of the rows over a picture: `mean_i sum_j A_ij |p_j - c_i| / sum_j A_ij` over patches `j`, `p_j`
    /// being the centre of a patch and `c_i` the centre of the row's weight. Maps whose keys are patches only.
    spread: Option<f32> = "mean distance of a row's weight from its centre on the picture, pixels",
    /// Concentration of the rows' weight on a picture: the mean of the weight on patches times `1 - min(1, s_i /
    /// s)`, `s_i` being the spread of row `i` and `s` that of even weights. Maps whose keys are patches only. 0
    /// even, 1 one patch.
    locality: Option<f32> = "how close together a row's weight lies on the picture, 0 to 1",
    /// Mean Gini coefficient of the rows over their `n_i` keys: 0 uniform, towards 1 one key.
    /// Absent unless it is asked for, since ranking the weights of every row takes long.
    gini: Option<f32> = "inequality of a row's weights: 0 uniform, 1 one key",
    /// `mean_i` of the sum of row `i`'s five largest weights. 0 to 1.
    top5_mass: f32 = "weight of a row's five largest keys",
}

/// Computes the metrics of one map, `[queries, keys]`. Keys farther than `far` tokens are far.
pub fn head_metrics(map: &Matrix, context: &MapAxes, far: f32) -> HeadMetrics {
    let axes = Arc::new(context.profile_axes([map.rows(), map.cols()]).with_gini());
    let mut measure = Measure::new(&axes, context, far);
    measure.add(0, map);
    measure.finish()
}

/// Computes the metrics of a map that comes in blocks of rows.
pub struct Measure<'a> {
    context: &'a MapAxes<'a>,
    far: f32,
    axes: Arc<ProfileAxes>,
    profile: HeadProfile,
    distances: Distances,
    far_mass: f64,
}

impl<'a> Measure<'a> {
    /// Starts the metrics of a map whose profile has `axes`. Keys farther than `far` tokens are far.
    pub fn new(axes: &Arc<ProfileAxes>, context: &'a MapAxes<'a>, far: f32) -> Self {
        Self {
            context,
            far,
            profile: HeadProfile::new(axes),
            axes: Arc::clone(axes),
            distances: context.distances(),
            far_mass: 0.0,
        }
    }

    /// Adds a block of rows, the first of which is row `first`.
    pub fn add(&mut self, first: usize, rows: &Matrix) {
        self.profile.add_rows(first, rows, &self.axes);
        if is_uneven(self.context, self.far) {
            self.far_mass += far_weight(rows, first, &self.distances, self.far);
        }
    }

    /// Returns the metrics of all rows.
    pub fn finish(self) -> HeadMetrics {
        let rows = self.profile.rows.max(1) as f64;
        let mut metrics = metrics(&self.profile, self.context, self.far);
        if is_uneven(self.context, self.far) {
            let [uniform, _] = uniform_weight(&self.profile, self.context, self.far);
            metrics.far_mass = Some((self.far_mass / rows) as f32);
            metrics.far_ratio = Some(ratio(self.far_mass, uniform));
        }
        metrics
    }
}

/// Returns true if the far mass cannot be computed from weights by whole distances, as profiles store them.
pub fn is_uneven(context: &MapAxes, far: f32) -> bool {
    far.fract() != 0.0
        && match context.kind {
            Kind::Decoder => false,
            Kind::Encoder => context.keys_are_patches(),
            Kind::Cross => !context.keys_are_patches(),
        }
}

/// Computes the metrics from a head's profile, without [`HeadMetrics::gini`] if the profile has none. For
/// `far` see [`is_uneven`].
pub fn metrics(profile: &HeadProfile, context: &MapAxes, far: f32) -> HeadMetrics {
    if profile.rows == 0 {
        return HeadMetrics { gini: Some(0.0), ..HeadMetrics::default() };
    }
    let HeadProfile { rows, sums, .. } = profile;
    let tokens = context.keys_are_tokens();
    let mean = |sum: f64| (sum / *rows as f64) as f32;
    let share = |sum: f64| if sums.total > 0.0 { (sum / sums.total) as f32 } else { 0.0 };
    let own = |sum: f64| (context.kind != Kind::Cross).then(|| share(sum));
    let (sink_key, sink) = strongest_sink(profile, context.kind);
    let patches = context.keys_are_patches();
    let received = |counts: &dyn Fn(usize) -> bool| {
        let keys = profile.received.iter().enumerate().filter(|(key, _)| counts(*key));
        mean(keys.fold(0.0, |sum, (_, weight)| sum + weight))
    };
    let by_distance = match patches && context.kind == Kind::Cross {
        true => HeadMetrics::default(),
        false => distance_metrics(profile, context, far),
    };
    HeadMetrics {
        entropy: mean(sums.entropy),
        entropy_norm: (sums.entropy_norm / sums.choices.max(1) as f64) as f32,
        effective_keys: mean(sums.effective_keys),
        confidence: mean(sums.confidence),
        previous: own(sums.previous),
        duplicate: own(sums.duplicate).filter(|_| tokens),
        induction: own(sums.induction).filter(|_| tokens),
        sink,
        sink_key,
        special_mass: tokens.then(|| received(&|key| context.special(key))),
        separator_mass: tokens.then(|| received(&|key| context.separator(key))),
        monotonicity: monotonicity(profile, context.kind).filter(|_| !patches),
        coverage: coverage(profile, context),
        rest_mass: context.rest().and_then(|key| profile.received.get(key)).map(|&weight| mean(weight)),
        spread: patches.then(|| mean(sums.spread)),
        locality: patches.then(|| mean(sums.locality)),
        gini: sums.gini.map(mean),
        top5_mass: mean(sums.top),
        ..by_distance
    }
}

/// Computes the metrics of distances and offsets alone.
fn distance_metrics(profile: &HeadProfile, context: &MapAxes, far: f32) -> HeadMetrics {
    let rows = profile.rows as f64;
    let mean = |sum: f64| Some((sum / rows) as f32);
    let (offset, at_offset) = most_frequent(&profile.offsets);
    let on_diagonal = profile.offsets.iter().filter(|&&offset| offset == 0).count();
    let beyond = profile.by_distance.iter().enumerate().filter(|(distance, _)| *distance as f32 > far);
    let far_mass = beyond.fold(0.0, |sum, (_, weight)| sum + weight);
    let [far_uniform, _] = uniform_weight(profile, context, far);
    let local = profile.by_distance.iter().take(LOCAL + 1).sum::<f64>();
    let [_, local_uniform] = uniform_weight(profile, context, LOCAL as f32);
    // Class tokens before the patches of a picture have no distance.
    let total = match context.keys_are_patches() {
        true => profile.by_distance.iter().sum(),
        false => profile.sums.total,
    };
    HeadMetrics {
        mean_distance: Some(ratio(profile.sums.distance, total)),
        far_mass: mean(far_mass),
        far_ratio: Some(ratio(far_mass, far_uniform)),
        span90: Some(span(profile, 0.9 * if context.keys_are_patches() { total } else { rows })),
        offset: Some(offset),
        offset_share: mean(at_offset as f64),
        diagonal: mean(on_diagonal as f64),
        local_mass: mean(local),
        local_ratio: Some(ratio(local, local_uniform)),
        ..HeadMetrics::default()
    }
}

/// Returns `part / whole`, or 0 if there is no whole.
fn ratio(part: f64, whole: f64) -> f32 {
    if whole > 0.0 { (part / whole) as f32 } else { 0.0 }
}

/// Weight of a map with rows uniform over their keys on keys farther than `far`, and on all others, summed over
/// the rows.
fn uniform_weight(profile: &HeadProfile, context: &MapAxes, far: f32) -> [f64; 2] {
    if let Distances::Patches(patches) = context.distances() {
        return patches.pairs_beyond(far).map(|pairs| pairs as f64 / profile.keys.max(1) as f64);
    }
    let share = |query: usize| {
        let keys = context.kind.visible(query, profile.keys).len();
        let diagonal = f64::from(context.kind.diagonal(query, profile.rows, profile.keys));
        let first = (diagonal - f64::from(far)).ceil().max(0.0);
        let last = (diagonal + f64::from(far)).floor().min(keys as f64 - 1.0);
        (keys as f64 - (last - first + 1.0).max(0.0)) / keys.max(1) as f64
    };
    let beyond = (0..profile.rows).map(share).sum();
    [beyond, profile.rows as f64 - beyond]
}

/// The smallest whole distance within which a weight lies, summed over the rows.
fn span(profile: &HeadProfile, wanted: f64) -> usize {
    let rows = profile.rows as f64;
    let mut within = 0.0;
    for (distance, weight) in profile.by_distance.iter().enumerate() {
        within += weight;
        // The rows of an f32 map sum to 1 only to about 1e-7.
        if within >= wanted - 1e-6 * rows {
            return distance;
        }
    }
    profile.by_distance.len().saturating_sub(1)
}

fn strongest_sink(profile: &HeadProfile, kind: Kind) -> (usize, f32) {
    let alphas = profile.received.iter().enumerate().filter_map(|(k, &weight)| {
        let rows = rows_that_see(kind, k, profile.rows);
        (2 * rows >= profile.rows && rows > 0).then(|| (k, (weight / rows as f64) as f32))
    });
    alphas.fold((0, 0.0), |best, next| if next.1 > best.1 { next } else { best })
}

fn monotonicity(profile: &HeadProfile, kind: Kind) -> Option<f32> {
    let centres = &profile.centres;
    if kind != Kind::Cross || centres.len() < 2 {
        return None;
    }
    let forward = centres.windows(2).filter(|pair| pair[1] >= pair[0]).count();
    Some(forward as f32 / (centres.len() - 1) as f32)
}

fn coverage(profile: &HeadProfile, context: &MapAxes) -> Option<f32> {
    if context.kind != Kind::Cross {
        return None;
    }
    let plain = profile.received.iter().enumerate().filter(|(j, _)| !context.special(*j));
    let (sum, count) = plain.fold((0.0, 0usize), |(sum, count), (_, &got)| (sum + got.min(1.0), count + 1));
    Some(if count == 0 { 0.0 } else { (sum / count as f64) as f32 })
}

/// Number of `rows` queries that may attend to key `k`.
pub(super) fn rows_that_see(kind: Kind, k: usize, rows: usize) -> usize {
    match kind {
        Kind::Decoder => rows.saturating_sub(k),
        Kind::Encoder | Kind::Cross => rows,
    }
}

/// Most frequent value and its count; of equally frequent ones the nearest to 0, then the negative one.
fn most_frequent(offsets: &[i32]) -> (isize, usize) {
    let mut sorted = offsets.to_vec();
    sorted.sort_unstable();
    let runs = sorted.chunk_by(|a, b| a == b).map(|run| (run[0] as isize, run.len()));
    let better = |a: (isize, usize), b: (isize, usize)| {
        b.1 > a.1 || (b.1 == a.1 && (b.0.abs(), b.0) < (a.0.abs(), a.0))
    };
    runs.reduce(|best, next| if better(best, next) { next } else { best }).unwrap_or((0, 0))
}
