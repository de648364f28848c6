//! Colour maps, which turn a value in `0..=1` into a colour.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use colorous::Gradient;
use serde::{Deserialize, Serialize};

use super::xterm;

/// A colour map. In all but [`Colormap::Diverging`] lightness changes monotonically, so that the order of the
/// weights survives greyscale printing and colour-vision deficiency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Colormap {
    /// Dark violet to yellow; matplotlib's default, by van der Walt and Smith.
    #[default]
    Viridis,
    /// Dark blue to yellow, made for colour-vision deficiency (Nuñez, Anderton and Renslow 2018).
    Cividis,
    /// Black through magenta to near-white.
    Magma,
    /// Black to white, for dark screens.
    Grays,
    /// White to black, for paper.
    Ink,
    /// Blue through white (at 0.5) to red, for differences.
    Diverging,
}

/// Number of colours in a map. It is small enough that adjacent cells often share a colour, which saves
/// terminal output over SSH, and large enough that a colour bar looks smooth.
const COLORS: usize = 64;

/// Precomputed colours of every map, because a frame looks up thousands of them.
static TABLE: LazyLock<[[[u8; 3]; COLORS]; Colormap::ALL.len()]> = LazyLock::new(|| {
    Colormap::ALL.map(|map| std::array::from_fn(|step| map.at(step as f64 / (COLORS - 1) as f64)))
});

/// Numbers of the colours of every map in the 256-colour palette.
static INDEXED: LazyLock<[Vec<u8>; Colormap::ALL.len()]> =
    LazyLock::new(|| Colormap::ALL.map(|map| xterm::ramp(&TABLE[map as usize], map != Colormap::Diverging)));

impl Colormap {
    /// All colour maps, in the order in which the screen cycles through them.
    pub const ALL: [Colormap; 6] =
        [Self::Viridis, Self::Cividis, Self::Magma, Self::Grays, Self::Ink, Self::Diverging];

    /// Returns the name used in options and settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Viridis => "viridis",
            Self::Cividis => "cividis",
            Self::Magma => "magma",
            Self::Grays => "grays",
            Self::Ink => "ink",
            Self::Diverging => "diverging",
        }
    }

    /// Returns the red, green and blue components for `t`, which is clamped to `0..=1` and quantised to 64
    /// steps. NaN counts as 0.
    pub fn color(self, t: f32) -> [u8; 3] {
        let t = if t.is_nan() { 0.0 } else { t.clamp(0.0, 1.0) };
        TABLE[self as usize][(t * (COLORS - 1) as f32).round() as usize]
    }

    /// Returns the number in the 256-colour palette for `t`, as [`Colormap::color`].
    pub fn indexed(self, t: f32) -> u8 {
        let t = if t.is_nan() { 0.0 } else { t.clamp(0.0, 1.0) };
        INDEXED[self as usize][(t * (COLORS - 1) as f32).round() as usize]
    }

    /// Returns the colour for `t` in `0..=1`, not quantised.
    fn at(self, t: f64) -> [u8; 3] {
        let (gradient, t): (Gradient, f64) = match self {
            Self::Viridis => (colorous::VIRIDIS, t),
            Self::Cividis => (colorous::CIVIDIS, t),
            Self::Magma => (colorous::MAGMA, t),
            Self::Grays => (colorous::GREYS, 1.0 - t),
            Self::Ink => (colorous::GREYS, t),
            Self::Diverging => (colorous::RED_BLUE, 1.0 - t),
        };
        gradient.eval_continuous(t).into_array()
    }
}

impl fmt::Display for Colormap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Colormap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|map| map.name() == text).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|map| map.name()).collect();
            format!("'{text}' is not one of {}", names.join(", "))
        })
    }
}

/// Returns black or white, whichever has the higher contrast ratio (WCAG 2.1) on `background`.
pub fn ink(background: [u8; 3]) -> [u8; 3] {
    static LINEAR: LazyLock<[f32; 256]> = LazyLock::new(|| {
        std::array::from_fn(|channel| {
            let c = channel as f32 / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        })
    });
    let [r, g, b] = background.map(|channel| LINEAR[usize::from(channel)]);
    let luminance = 0.2126 * r + 0.7152 * g + 0.0722 * b;
    // Equal contrast with both where (L + 0.05)^2 = 1.05 * 0.05.
    if luminance > 0.179 { [0, 0, 0] } else { [255, 255, 255] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_those_of_the_published_maps() {
        assert_eq!(Colormap::Viridis.color(0.0), [0x44, 0x01, 0x54]);
        assert_eq!(Colormap::Viridis.color(1.0), [0xfd, 0xe7, 0x25]);
        assert_eq!(Colormap::Ink.color(0.0), [255, 255, 255]);
        assert_eq!(Colormap::Grays.color(0.0), [0, 0, 0]);
    }

    #[test]
    fn anything_outside_is_clamped() {
        for map in Colormap::ALL {
            assert_eq!(map.color(-3.0), map.color(0.0));
            assert_eq!(map.color(7.0), map.color(1.0));
            assert_eq!(map.color(f32::NAN), map.color(0.0));
        }
    }

    #[test]
    fn a_map_has_at_most_64_colours() {
        let mut seen: Vec<_> = (0..=10_000).map(|i| Colormap::Viridis.color(i as f32 / 10_000.0)).collect();
        seen.dedup();
        assert_eq!(seen.len(), 64);
    }

    #[test]
    fn names_are_read_back() {
        for map in Colormap::ALL {
            assert_eq!(map.name().parse(), Ok(map));
        }
        assert!("jet".parse::<Colormap>().unwrap_err().contains("viridis"));
    }

    #[test]
    fn ink_contrasts() {
        assert_eq!(ink([0xfd, 0xe7, 0x25]), [0, 0, 0]);
        assert_eq!(ink([0x44, 0x01, 0x54]), [255, 255, 255]);
    }
}
