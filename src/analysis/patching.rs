//! Activation patching: what activations of a clean run restore in a corrupt one (Vig et al. 2020,
//! "Investigating Gender Bias in Language Models Using Causal Mediation Analysis"; Meng et al. 2022,
//! "Locating and Editing Factual Associations in GPT").

use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::str::FromStr;

use crate::matrix::Matrix;
use crate::site::{Head, Kind, Site};

/// Kinds of activations that can be taken from one run into another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ActivationKind {
    /// The vectors that a head reads (`z`), at all of its queries.
    #[default]
    Heads,
    /// The residual stream that enters a layer, at one position.
    Resid,
    /// The output of a layer's feed-forward block, at one position.
    Mlp,
    /// The weights of a head, which then read the values of the corrupt run.
    Pattern,
    /// The encoder's output, at one position of the source.
    Encoder,
}

impl ActivationKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Heads, Self::Resid, Self::Mlp, Self::Pattern, Self::Encoder];

    /// The name in options and columns.
    pub fn name(self) -> &'static str {
        match self {
            Self::Heads => "heads",
            Self::Resid => "resid",
            Self::Mlp => "mlp",
            Self::Pattern => "pattern",
            Self::Encoder => "encoder",
        }
    }

    /// Returns true if the activations are those of heads, not of positions.
    pub fn is_of_heads(self) -> bool {
        matches!(self, Self::Heads | Self::Pattern)
    }
}

impl fmt::Display for ActivationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for ActivationKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == text);
        found.ok_or_else(|| format!("'{text}' is not one of {}", Self::ALL.map(Self::name).join(", ")))
    }
}

/// An activation that is taken from one run into another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PatchedActivation {
    /// Kind of the activation.
    pub kind: ActivationKind,
    /// Site of a head; otherwise encoder or decoder with the layer.
    pub site: Site,
    /// Number of a head; otherwise the position in the corrupt run.
    pub at: usize,
}

/// A single weight that is taken from one run into another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PatchedLink {
    /// The head.
    pub head: Head,
    /// Row of the corrupt run's map.
    pub query: usize,
    /// Column of the corrupt run's map.
    pub key: usize,
}

/// Places that two source texts have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PositionMap {
    /// Positions in the clean and in the corrupt text, in the order of the latter.
    pub pairs: Vec<[usize; 2]>,
    /// True if the texts have the same length and every position belongs to the same one of the other.
    pub whole: bool,
}

/// Positions of a clean and a corrupt text that belong together, in order: `3-5:4-6`, or `3:4`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanPair {
    clean: RangeInclusive<usize>,
    corrupt: RangeInclusive<usize>,
}

impl FromStr for SpanPair {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let span = |text: &str| {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            let (first, last) = (first.parse::<usize>().ok()?, last.parse::<usize>().ok()?);
            (first <= last && last < usize::MAX).then_some(first..=last)
        };
        let spans = text.split_once(':').and_then(|(clean, corrupt)| Some((span(clean)?, span(corrupt)?)));
        let (clean, corrupt) =
            spans.ok_or("must be positions of the clean and the corrupt text, such as 3-5:4-6")?;
        match clean.end() - clean.start() == corrupt.end() - corrupt.start() {
            true => Ok(Self { clean, corrupt }),
            false => Err(format!("'{text}' has more positions on one side than on the other")),
        }
    }
}

impl fmt::Display for SpanPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { clean, corrupt } = self;
        write!(f, "{}-{}:{}-{}", clean.start(), clean.end(), corrupt.start(), corrupt.end())
    }
}

impl PositionMap {
    /// Maps the positions of given spans, for texts of these lengths.
    ///
    /// # Errors
    /// A position that a text lacks, or a position of the corrupt text that is given twice.
    pub fn given(spans: &[SpanPair], [clean, corrupt]: [usize; 2]) -> Result<Self, String> {
        let mut pairs = Vec::new();
        for span in spans {
            for (name, positions, length) in
                [("clean", &span.clean, clean), ("corrupt", &span.corrupt, corrupt)]
            {
                if *positions.end() >= length {
                    return Err(format!("{span}: the {name} source has {length} positions, counted from 0"));
                }
            }
            pairs.extend(span.clean.clone().zip(span.corrupt.clone()).map(|(of, to)| [of, to]));
        }
        pairs.sort_unstable_by_key(|[clean, corrupt]| [*corrupt, *clean]);
        if let Some(twice) = pairs.windows(2).find(|pair| pair[0][1] == pair[1][1]) {
            return Err(format!("position {} of the corrupt source is given twice", twice[0][1]));
        }
        let whole = clean == corrupt && pairs.len() == corrupt && pairs.iter().all(|[of, to]| of == to);
        Ok(Self { pairs, whole })
    }

    /// Returns the positions of a clean and a corrupt text of these lengths that belong to none of the other.
    pub fn alone(&self, lengths: [usize; 2]) -> [Vec<usize>; 2] {
        [0, 1].map(|side| {
            let paired = |at: &usize| self.pairs.iter().any(|pair| pair[side] == *at);
            (0..lengths[side]).filter(|at| !paired(at)).collect()
        })
    }

    /// Maps the positions of two texts of the same length one to one. If their lengths differ, those of the
    /// longest common prefix and, after it, of the longest common suffix belong together.
    pub fn of(clean: &[u32], corrupt: &[u32]) -> Self {
        let whole = clean.len() == corrupt.len();
        let shorter = clean.len().min(corrupt.len());
        let equal = |pairs: &mut dyn Iterator<Item = (&u32, &u32)>, most: usize| {
            pairs.take(most).take_while(|(a, b)| a == b).count()
        };
        let prefix = if whole { shorter } else { equal(&mut clean.iter().zip(corrupt), shorter) };
        let backwards = &mut clean.iter().rev().zip(corrupt.iter().rev());
        let suffix = equal(backwards, shorter - prefix);
        let ends = (1..=suffix).rev().map(|back| [clean.len() - back, corrupt.len() - back]);
        Self { pairs: (0..prefix).map(|at| [at, at]).chain(ends).collect(), whole }
    }

    /// Returns the position in the clean text that belongs to one in the corrupt text.
    pub fn clean_of(&self, corrupt: usize) -> Option<usize> {
        self.pairs.iter().find(|[_, at]| *at == corrupt).map(|[clean, _]| *clean)
    }
}

/// Scores of each target token: log-probabilities, or differences to those of a contrasting token, in nats.
#[derive(Clone, Debug, PartialEq)]
pub struct PatchScores<T = PatchedActivation> {
    /// Of the clean run, `[target]`.
    pub clean: Vec<f32>,
    /// Of the corrupt run, forced to the clean target, `[target]`.
    pub corrupt: Vec<f32>,
    /// Of the corrupt run with one activation, or one weight, of the clean run, `[target]`.
    pub patched: Vec<(T, Vec<f32>)>,
}

impl<T: Copy> PatchScores<T> {
    /// Sums the scores over `rows` of the target.
    pub fn effects(&self, rows: Range<usize>) -> PatchEffects<T> {
        let sum = |scores: &[f32]| {
            let scores = scores.get(rows.clone()).unwrap_or_default();
            scores.iter().map(|&score| f64::from(score)).sum::<f64>()
        };
        let corrupt = sum(&self.corrupt);
        let patched = self.patched.iter();
        PatchEffects {
            clean: sum(&self.clean) as f32,
            corrupt: corrupt as f32,
            changes: patched.map(|(what, scores)| (*what, (sum(scores) - corrupt) as f32)).collect(),
        }
    }
}

/// Largest difference between the scores of two equal runs, relative to scores over 1.
const ROUNDING: f32 = 1e-5;

/// Effects of patches on the score of some rows of the target, measured or estimated.
#[derive(Clone, Debug, PartialEq)]
pub struct PatchEffects<T = PatchedActivation> {
    /// Score of the clean run, in nats.
    pub clean: f32,
    /// Score of the corrupt run, in nats.
    pub corrupt: f32,
    /// Change of the corrupt run's score by each patch, in nats.
    pub changes: Vec<(T, f32)>,
}

impl<T> Default for PatchEffects<T> {
    fn default() -> Self {
        Self { clean: 0.0, corrupt: 0.0, changes: Vec::new() }
    }
}

impl<T: Copy + Ord> PatchEffects<T> {
    /// Returns the `most` largest changes, by absolute value, the largest first.
    pub fn strongest(&self, most: usize) -> Vec<(T, f32)> {
        let mut strongest = StrongestChanges::new(most);
        self.changes.iter().for_each(|(what, change)| strongest.add(*what, *change));
        strongest.finish()
    }
}

impl<T> PatchEffects<T> {
    /// Returns a change as the share of the difference between the runs that it restores, `(patched - corrupt)
    /// / (clean - corrupt)`; `None` if the runs differ by rounding errors alone.
    pub fn effect(&self, change: f32) -> Option<f32> {
        let whole = self.clean - self.corrupt;
        (whole.abs() > ROUNDING * self.clean.abs().max(1.0)).then(|| change / whole)
    }
}

impl PatchEffects {
    /// Returns the effects as a map for each kind of site: `[layers, heads]`, or `[layers, positions]` with
    /// as many columns as the last position needs. NaN where nothing was patched.
    pub fn maps(&self) -> Vec<(Kind, Matrix)> {
        let of_kind = |kind| {
            let changes = || self.changes.iter().filter(move |(what, _)| what.site.kind == kind);
            let layers = changes().map(|(what, _)| what.site.layer + 1).max()?;
            let columns = changes().map(|(what, _)| what.at + 1).max()?;
            let mut values = vec![f32::NAN; layers * columns];
            for (what, change) in changes() {
                values[what.site.layer * columns + what.at] = self.effect(*change).unwrap_or(f32::NAN);
            }
            Some((kind, Matrix::new(layers, columns, values)))
        };
        Kind::ALL.into_iter().filter_map(of_kind).collect()
    }
}

/// Collects the largest changes, by absolute value, of many.
pub struct StrongestChanges<T> {
    most: usize,
    found: Vec<(T, f32)>,
}

impl<T: Copy + Ord> StrongestChanges<T> {
    /// Creates a collection of the `most` largest.
    pub fn new(most: usize) -> Self {
        Self { most, found: Vec::new() }
    }

    /// Adds a change.
    pub fn add(&mut self, what: T, change: f32) {
        self.found.push((what, change));
        if self.found.len() / 2 > self.most {
            self.keep_most();
        }
    }

    /// Returns the changes, the largest first.
    pub fn finish(mut self) -> Vec<(T, f32)> {
        self.keep_most();
        self.found
    }

    fn keep_most(&mut self) {
        self.found.sort_unstable_by(|(a_at, a), (b_at, b)| {
            b.abs().total_cmp(&a.abs()).then_with(|| a_at.cmp(b_at))
        });
        self.found.truncate(self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_map_by_length_or_by_common_ends() {
        let pairs = |clean: &[u32], corrupt: &[u32]| PositionMap::of(clean, corrupt).pairs;
        assert_eq!(pairs(&[1, 2, 3], &[7, 8, 9]), [[0, 0], [1, 1], [2, 2]]);
        assert_eq!(pairs(&[1, 2, 3, 4], &[1, 9, 9, 3, 4]), [[0, 0], [2, 3], [3, 4]]);
        // Prefix and suffix do not overlap in the shorter text.
        assert_eq!(pairs(&[5, 5, 5], &[5, 5]), [[0, 0], [1, 1]]);
        assert!(pairs(&[1, 2], &[3, 4, 5]).is_empty());
        let map = PositionMap::of(&[1, 2, 3, 4], &[1, 9, 9, 3, 4]);
        assert_eq!((map.whole, map.clean_of(3), map.clean_of(1)), (false, Some(2), None));
        assert_eq!(map.alone([4, 5]), [vec![1], vec![1, 2]]);
    }

    #[test]
    fn given_spans_map_their_positions() {
        let map = |text: &str, lengths| {
            let spans: Result<Vec<SpanPair>, _> = text.split(',').map(str::parse).collect();
            PositionMap::given(&spans?, lengths)
        };
        let found = map("3-4:0-1,0:2", [5, 3]).unwrap();
        assert_eq!((found.pairs, found.whole), (vec![[3, 0], [4, 1], [0, 2]], false));
        assert!(map("0-2:0-2", [3, 3]).unwrap().whole && !map("0-1:0-1", [3, 3]).unwrap().whole);
        for (text, says) in [
            ("0-2:0-1", "more positions"),
            ("2-1:2-1", "must be positions"),
            ("4", "must be positions"),
            ("0-3:0-3", "clean source has 3"),
            ("0:3", "corrupt source has 3"),
            ("0-1:0-1,2:1", "position 1 of the corrupt source is given twice"),
        ] {
            let error = map(text, [3, 3]).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn effects_are_shares_of_the_difference() {
        let head = |layer, at| PatchedActivation {
            kind: ActivationKind::Heads,
            site: Site::new(Kind::Cross, layer),
            at,
        };
        let scores = PatchScores {
            clean: vec![-1.0, -2.0],
            corrupt: vec![-3.0, -2.0],
            patched: vec![(head(0, 1), vec![-2.0, -2.0]), (head(1, 0), vec![-3.0, -3.0])],
        };
        let effects = scores.effects(0..2);
        assert_eq!((effects.clean, effects.corrupt), (-3.0, -5.0));
        assert_eq!(effects.changes, [(head(0, 1), 1.0), (head(1, 0), -1.0)]);
        let [(Kind::Cross, map)] = &effects.maps()[..] else { panic!() };
        assert_eq!((map.get(0, 1), map.get(1, 0)), (Some(0.5), Some(-0.5)));
        assert!(map.get(0, 0).unwrap().is_nan());
        assert_eq!(scores.effects(1..2).effect(1.0), None);
    }
}
