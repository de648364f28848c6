//! Regions of a picture that rows of cross-attention lie on.

use super::distances::PatchPlaces;
use crate::axis::PixelBox;

/// Share of a row's largest weight from which on a patch belongs to a region.
const THRESHOLD: f32 = 0.3;

/// Part of a picture that a row of attention lies on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PictureRegion {
    /// The smallest rectangle around the region.
    pub place: PixelBox,
    /// Centre of the weight in the region, as x and y.
    pub point: [f64; 2],
    /// Share of the row's weight that lies in the region.
    pub share: f32,
}

impl PictureRegion {
    /// Joins the regions of the tokens of a word: the rectangle around all, the mean of points and shares.
    pub fn joined(regions: &[Self]) -> Option<Self> {
        let (first, others) = regions.split_first()?;
        let count = regions.len() as f64;
        let mean = |axis: usize| regions.iter().map(|region| region.point[axis]).sum::<f64>() / count;
        Some(Self {
            place: others.iter().fold(first.place, |all, region| all.union(region.place)),
            point: [mean(0), mean(1)],
            share: regions.iter().map(|region| region.share).sum::<f32>() / count as f32,
        })
    }
}

/// A word, or a token, of a text that was read from a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct BoxedWord {
    /// The word.
    pub text: String,
    /// Region that it was read from; `None` if no weight lies on the picture.
    pub region: Option<PictureRegion>,
    /// Probability that the model gives the word, the mean over its tokens.
    pub probability: Option<f32>,
}

/// Finds the region around the largest weight of a row: the patches that touch one another and weigh at least
/// three tenths of it. `places` are those of the row's keys; keys without a place, such as class tokens,
/// belong to no region but count in the row's weight. `None` if no patch has any weight.
pub fn region(row: &[f32], places: &[Option<PixelBox>]) -> Option<PictureRegion> {
    let placed =
        || row.iter().zip(places).enumerate().filter_map(|(at, (&w, place))| Some((at, w, (*place)?)));
    let (peak, largest, _) = placed().filter(|(_, w, _)| *w > 0.0).max_by(|a, b| a.1.total_cmp(&b.1))?;
    let strong: Vec<_> = placed().filter(|(_, w, _)| *w >= THRESHOLD * largest).collect();
    let mut taken: Vec<bool> = strong.iter().map(|(at, ..)| *at == peak).collect();
    let mut frontier: Vec<usize> = taken.iter().position(|&taken| taken).into_iter().collect();
    while let Some(from) = frontier.pop() {
        for to in 0..strong.len() {
            if !taken[to] && touch(strong[from].2, strong[to].2) {
                taken[to] = true;
                frontier.push(to);
            }
        }
    }
    let inside =
        || strong.iter().zip(&taken).filter(|(_, taken)| **taken).map(|((_, w, place), _)| (*w, *place));
    let weight: f64 = inside().map(|(w, _)| f64::from(w)).sum();
    let point = [0, 1]
        .map(|axis| inside().map(|(w, place)| f64::from(w) * place.centre()[axis]).sum::<f64>() / weight);
    let place = inside().map(|(_, place)| place).reduce(PixelBox::union)?;
    let all: f64 = row.iter().map(|&w| f64::from(w)).sum();
    Some(PictureRegion { place: place.rounded(), point, share: (weight / all) as f32 })
}

/// Returns true if two rectangles share an edge or a corner. Places are rounded to hundredths.
fn touch(a: PixelBox, b: PixelBox) -> bool {
    const ROUNDED: f64 = 0.05;
    let along = |from: f64, length: f64, other: f64, other_length: f64| {
        from <= other + other_length + ROUNDED && other <= from + length + ROUNDED
    };
    along(a.x, a.w, b.x, b.w) && along(a.y, a.h, b.y, b.h)
}

/// Measures how local some rows of a head are, from 0 to 1: one minus the mean distance of the weight from
/// its centre, as a share of the same distance of even weights. Weight that lies on no patch counts as far
/// away.
pub fn locality<'a>(rows: impl Iterator<Item = &'a [f32]>, places: &[Option<PixelBox>]) -> f32 {
    let places = PatchPlaces::new(places);
    let (mut sum, mut count) = (0.0, 0u16);
    for row in rows {
        sum += places.row_spread(0, row).locality;
        count = count.saturating_add(1);
    }
    if count == 0 { 0.0 } else { sum / f32::from(count) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axis::AxisItem;

    /// A class token and two rows of four patches of 10 x 20 pixels.
    fn places() -> Vec<Option<PixelBox>> {
        AxisItem::picture(2, 4).iter().map(AxisItem::place).collect()
    }

    #[test]
    fn a_region_is_connected_and_around_the_peak() {
        // The second peak, at the left, is not connected; corners do connect.
        let row = [0.1, 0.2, 0.0, 0.3, 0.0, 0.05, 0.0, 0.0, 0.25];
        let found = region(&row, &places()).unwrap();
        assert_eq!(found.place, PixelBox { x: 20.0, y: 0.0, w: 20.0, h: 40.0 });
        let row = [0.1, 0.4, 0.2, 0.0, 0.2, 0.0, 0.0, 0.0, 0.1];
        let found = region(&row, &places()).unwrap();
        assert_eq!(found.place, PixelBox { x: 0.0, y: 0.0, w: 20.0, h: 20.0 });
        assert!((found.point[0] - (0.4 * 5.0 + 0.2 * 15.0) / 0.6).abs() < 1e-6 && found.point[1] == 10.0);
        assert!((found.share - 0.6).abs() < 1e-6);
        assert_eq!(region(&[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], &places()), None);
    }

    #[test]
    fn words_are_around_their_tokens() {
        let of = |x: f64, share: f32| PictureRegion {
            place: PixelBox { x, y: 0.0, w: 10.0, h: 5.0 },
            point: [x + 5.0, 2.0],
            share,
        };
        let word = PictureRegion::joined(&[of(0.0, 0.25), of(30.0, 0.75)]).unwrap();
        assert_eq!(word.place, PixelBox { x: 0.0, y: 0.0, w: 40.0, h: 5.0 });
        assert_eq!((word.point, word.share), ([20.0, 2.0], 0.5));
        assert_eq!(PictureRegion::joined(&[]), None);
    }

    #[test]
    fn one_patch_is_local_and_even_weights_are_not() {
        let places = places();
        let one = [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        let class = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        let even = [0.0; 9].map(|_: f32| 1.0 / 9.0);
        let of = |row: &[f32]| locality([row].into_iter(), &places);
        assert_eq!([of(&one), of(&class)], [1.0, 0.0]);
        assert!(of(&even) < 1e-6);
        assert_eq!(locality(std::iter::empty(), &places), 0.0);
    }
}
