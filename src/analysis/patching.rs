//! Activation patching: what activations of a clean run restore in a corrupt one (Vig et al. 2020,
//! "Investigating Gender Bias in Language Models Using Causal Mediation Analysis"; Meng et al. 2022, "Locating
//! and Editing Factual Associations in GPT").

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use crate::matrix::Matrix;
use crate::site::{Kind, Site};

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

/// Places that two source texts have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PositionMap {
    /// Positions in the clean and in the corrupt text, in order.
    pub pairs: Vec<[usize; 2]>,
    /// True if the texts have the same length, so that every position has its like.
    pub whole: bool,
}

impl PositionMap {
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
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PatchScores {
    /// Of the clean run, `[target]`.
    pub clean: Vec<f32>,
    /// Of the corrupt run, forced to the clean target, `[target]`.
    pub corrupt: Vec<f32>,
    /// Of the corrupt run with one activation of the clean run, `[target]`.
    pub patched: Vec<(PatchedActivation, Vec<f32>)>,
}

impl PatchScores {
    /// Sums the scores over `rows` of the target.
    pub fn effects(&self, rows: Range<usize>) -> PatchEffects {
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

/// Effects of patches on the score of some rows of the target, measured or estimated.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PatchEffects {
    /// Score of the clean run, in nats.
    pub clean: f32,
    /// Score of the corrupt run, in nats.
    pub corrupt: f32,
    /// Change of the corrupt run's score by each patch, in nats.
    pub changes: Vec<(PatchedActivation, f32)>,
}

impl PatchEffects {
    /// Returns a change as the share of the difference between the runs that it restores: `(patched - corrupt) /
    /// (clean - corrupt)`. `None` if the runs do not differ.
    pub fn effect(&self, change: f32) -> Option<f32> {
        let whole = self.clean - self.corrupt;
        (whole != 0.0).then(|| change / whole)
    }

    /// Returns the effects as a map for each kind of site: `[layers, heads]`, or `[layers, positions]` with as
    /// many columns as the last position needs. NaN where nothing was patched.
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
