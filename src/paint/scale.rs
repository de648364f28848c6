//! Scales, which map a weight into `0..=1`, the argument of a colour map or a character ramp.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::matrix::Matrix;

/// Curve from relative weight to shade.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Curve {
    /// Proportional.
    #[default]
    Linear,
    /// Square root, which makes small weights visible.
    Sqrt,
    /// Logarithm over three decades below the top; 1/1000 of the top and less become 0.
    Log,
}

/// Choice of the weight that is painted as 1, the top of the scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Range {
    /// Largest weight of the row, but at least [`row_floor`], so that the strongest key of every query gets
    /// the full colour unless the row is nearly uniform.
    #[default]
    Row,
    /// Largest weight of the map.
    Map,
    /// 1, so that shades can be compared between heads.
    Absolute,
}

/// A scale: curve, range and gamma.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Scale {
    /// Curve from relative weight to shade.
    pub curve: Curve,
    /// Choice of the weight that is painted as 1.
    pub range: Range,
    /// Exponent applied to the shade, in tenths: 10 leaves it unchanged, less makes small weights brighter.
    pub gamma: u8,
}

/// Exponents that the screen steps through, in tenths.
pub const GAMMAS: [u8; 9] = [3, 4, 5, 7, 10, 14, 20, 25, 30];

impl Default for Scale {
    fn default() -> Self {
        Self { curve: Curve::default(), range: Range::default(), gamma: 10 }
    }
}

/// Number of decades that [`Curve::Log`] spans.
const DECADES: f32 = 3.0;

/// Returns the smallest weight that gets the full colour in a row over `keys` keys: twice the uniform weight.
/// A row that spreads its weight evenly then looks even instead of bright.
pub fn row_floor(keys: usize) -> f32 {
    (2.0 / keys.max(1) as f32).min(1.0)
}

/// Returns the number of keys that row `row` of a map of `rows` by `keys` attends to, where `causal` maps hide
/// the keys after the query. The map may be pooled.
pub fn keys_seen(row: usize, (rows, keys): (usize, usize), causal: bool) -> usize {
    if causal { ((row + 1) * keys).div_ceil(rows.max(1)).min(keys) } else { keys }
}

impl Scale {
    /// Creates a scale with a gamma of 1.
    pub fn new(curve: Curve, range: Range) -> Self {
        Self { curve, range, ..Self::default() }
    }

    /// Returns the weight that is painted as 1, given the largest weight of the row and of the map, and the
    /// number of keys that the row attends to.
    pub fn top(self, row_max: f32, map_max: f32, keys: usize) -> f32 {
        match self.range {
            Range::Row => row_max.max(row_floor(keys)),
            Range::Map => map_max,
            Range::Absolute => 1.0,
        }
    }

    /// Maps a weight into `0..=1`; `top` (see [`Scale::top`]) becomes 1. Returns 0 if `top` is not positive.
    pub fn unit(self, weight: f32, top: f32) -> f32 {
        if top <= 0.0 || top.is_nan() || weight.is_nan() {
            return 0.0;
        }
        let share = (weight / top).clamp(0.0, 1.0);
        let shade = match self.curve {
            Curve::Linear => share,
            Curve::Sqrt => share.sqrt(),
            Curve::Log => (1.0 + share.log10() / DECADES).max(0.0),
        };
        if self.gamma == 10 { shade } else { shade.powf(self.exponent()) }
    }

    /// Inverts [`Scale::unit`]: returns the weight that becomes `t`, for the numbers beside a colour bar.
    pub fn weight(self, t: f32, top: f32) -> f32 {
        let t = t.clamp(0.0, 1.0).powf(1.0 / self.exponent());
        top * match self.curve {
            Curve::Linear => t,
            Curve::Sqrt => t * t,
            Curve::Log => 10f32.powf((t - 1.0) * DECADES),
        }
    }

    fn exponent(self) -> f32 {
        f32::from(self.gamma.max(1)) / 10.0
    }

    /// Maps every weight of a map into `0..=1`; the result has the shape of the map. `causal` maps hide the
    /// keys after the query.
    pub fn map(self, map: &Matrix, causal: bool) -> Matrix {
        let map_max = if self.range == Range::Map { map.max() } else { 0.0 };
        let mut data = Vec::with_capacity(map.rows() * map.cols());
        for i in 0..map.rows() {
            let row = map.row(i);
            let row_max = row.iter().copied().fold(0.0, f32::max);
            let top = self.top(row_max, map_max, keys_seen(i, (map.rows(), map.cols()), causal));
            data.extend(row.iter().map(|&weight| self.unit(weight, top)));
        }
        Matrix::new(map.rows(), map.cols(), data)
    }
}

macro_rules! named {
    ($type:ident { $($variant:ident = $name:literal),+ }) => {
        impl $type {
            /// All values, in the order in which the screen cycles through them.
            pub const ALL: &[$type] = &[$($type::$variant),+];

            /// Returns the name used in options and settings.
            pub fn name(self) -> &'static str {
                match self { $($type::$variant => $name),+ }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }

        impl FromStr for $type {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($name => Ok($type::$variant),)+
                    _ => Err(format!("'{text}' is not one of {}", [$($name),+].join(", "))),
                }
            }
        }
    };
}

named!(Curve { Linear = "linear", Sqrt = "sqrt", Log = "log" });
named!(Range { Row = "row", Map = "map", Absolute = "absolute" });

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_choose_the_top() {
        let map = Matrix::new(2, 4, vec![0.6, 0.3, 0.1, 0.0, 0.8, 0.2, 0.0, 0.0]);
        let scaled = |range| Scale::new(Curve::Linear, range).map(&map, false);
        let expected = Matrix::new(2, 4, vec![1.0, 0.3 / 0.6, 0.1 / 0.6, 0.0, 1.0, 0.25, 0.0, 0.0]);
        assert_eq!(scaled(Range::Row), expected);
        let expected = map.as_slice().iter().map(|weight| weight / 0.8).collect();
        assert_eq!(scaled(Range::Map), Matrix::new(2, 4, expected));
        assert_eq!(scaled(Range::Absolute), map);
    }

    #[test]
    fn uniform_rows_are_half_bright() {
        let row = |weights: &[f32], causal| {
            let map = Matrix::new(1, weights.len(), weights.to_vec());
            Scale::default().map(&map, causal).as_slice().to_vec()
        };
        assert_eq!(row(&[0.25; 4], false), [0.5; 4]);
        assert_eq!(row(&[0.5, 0.5, 0.0, 0.0], false), [1.0, 1.0, 0.0, 0.0]);
        // The first row of a causal map sees one key, the second two.
        let causal = Matrix::new(2, 2, vec![1.0, 0.0, 0.5, 0.5]);
        assert_eq!(Scale::default().map(&causal, true).as_slice(), [1.0, 0.0, 0.5, 0.5]);
        assert_eq!([1, 2, 3, 100].map(|keys| keys_seen(1, (4, keys), true)), [1, 1, 2, 50]);
    }

    #[test]
    fn curves() {
        assert_eq!(Scale::new(Curve::Sqrt, Range::Row).unit(0.25, 1.0), 0.5);
        let log = Scale::new(Curve::Log, Range::Row);
        assert!((log.unit(0.01, 1.0) - 1.0 / 3.0).abs() < 1e-6);
        assert_eq!(log.unit(1e-9, 1.0), 0.0);
        assert_eq!(log.unit(0.0, 1.0), 0.0);
    }

    #[test]
    fn gamma_bends_the_shade() {
        let scale = |gamma| Scale { gamma, ..Scale::new(Curve::Linear, Range::Absolute) };
        assert_eq!(scale(10).unit(0.25, 1.0), 0.25);
        assert!((scale(5).unit(0.25, 1.0) - 0.5).abs() < 1e-6);
        assert!((scale(20).unit(0.5, 1.0) - 0.25).abs() < 1e-6);
        assert!((scale(20).weight(0.25, 1.0) - 0.5).abs() < 1e-6);
    }

    #[test]
    fn a_row_of_zeros_is_dark() {
        assert_eq!(Scale::default().map(&Matrix::new(1, 2, vec![0.0, 0.0]), false).as_slice(), &[0.0, 0.0]);
    }

    proptest! {
        #[test]
        fn unit_and_weight_undo_each_other(weight in 0.002f32..1.0, which in 0usize..3) {
            let scale = Scale::new(Curve::ALL[which], Range::Absolute);
            let t = scale.unit(weight, 1.0);
            prop_assert!((0.0..=1.0).contains(&t));
            prop_assert!((scale.weight(t, 1.0) - weight).abs() < 1e-4);
        }
    }
}
