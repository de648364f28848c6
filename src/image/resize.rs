//! Scaling of pictures as Pillow does it: 8 bits between the passes, weights in fixed point.

use std::f64::consts::PI;

use super::RgbPicture;

/// Bits after the point of the weights.
const PRECISION: u32 = 22;

/// Filter of a scaling, with Pillow's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resampling {
    /// The pixel under the centre.
    Nearest,
    /// Sinc windowed by a sinc, three lobes.
    Lanczos,
    /// Triangle.
    Bilinear,
    /// Cubic convolution with a = -0.5.
    Bicubic,
    /// Mean of the pixels underneath.
    Box,
    /// Hamming window of one lobe.
    Hamming,
}

impl Resampling {
    /// Returns the filter of Pillow's number, as in preprocessor_config.json.
    pub fn of_number(number: u64) -> Option<Self> {
        [Self::Nearest, Self::Lanczos, Self::Bilinear, Self::Bicubic, Self::Box, Self::Hamming]
            .get(usize::try_from(number).ok()?)
            .copied()
    }

    /// Reach of the filter in pixels of the larger of the two pictures.
    fn support(self) -> f64 {
        match self {
            Self::Nearest | Self::Box => 0.5,
            Self::Bilinear | Self::Hamming => 1.0,
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }

    /// Weight at a distance from the centre.
    fn weight(self, x: f64) -> f64 {
        let distance = x.abs();
        match self {
            Self::Nearest | Self::Box => f64::from(u8::from(x > -0.5 && x <= 0.5)),
            Self::Bilinear => (1.0 - distance).max(0.0),
            Self::Hamming if distance >= 1.0 => 0.0,
            Self::Hamming => sinc(distance) * (0.54 + 0.46 * (PI * distance).cos()),
            Self::Bicubic => {
                const A: f64 = -0.5;
                if distance < 1.0 {
                    ((A + 2.0) * distance - (A + 3.0)) * distance * distance + 1.0
                } else if distance < 2.0 {
                    (((distance - 5.0) * distance + 8.0) * distance - 4.0) * A
                } else {
                    0.0
                }
            }
            Self::Lanczos if distance >= 3.0 => 0.0,
            Self::Lanczos => sinc(distance) * sinc(distance / 3.0),
        }
    }
}

/// `sin(pi x) / (pi x)`
fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// Scales a picture to `width` x `height` pixels. Filters reach further where the picture shrinks, which keeps
/// lines that are thinner than a pixel of the result. The two passes come in the order of Pillow 13: columns first
/// where the height shrinks by more than twice as many pixels as the width does, otherwise rows first.
pub fn resize(picture: &RgbPicture, width: usize, height: usize, filter: Resampling) -> RgbPicture {
    let (width, height) = (width.max(1), height.max(1));
    if filter == Resampling::Nearest {
        return nearest(picture, width, height);
    }
    scaled(picture, [picture.width() as f64, picture.height() as f64], [width, height], filter)
}

/// Scales a picture as [`resize`] does, after shrinking it by whole factors where it is still at least twice as
/// large as the result then (Pillow's `reducing_gap` of 2).
pub(super) fn resize_in_steps(
    picture: &RgbPicture,
    width: usize,
    height: usize,
    filter: Resampling,
) -> RgbPicture {
    const GAP: f64 = 2.0;
    let factor = |from: usize, to: usize| ((from as f64 / to.max(1) as f64 / GAP) as usize).max(1);
    let factors = [factor(picture.width(), width), factor(picture.height(), height)];
    if factors == [1, 1] || filter == Resampling::Nearest {
        return resize(picture, width, height, filter);
    }
    let sides = [picture.width() as f64 / factors[0] as f64, picture.height() as f64 / factors[1] as f64];
    scaled(&shrunk(picture, factors), sides, [width.max(1), height.max(1)], filter)
}

/// Shrinks a picture by whole factors. Each pixel is the mean of a rectangle, which the edge may cut off.
fn shrunk(picture: &RgbPicture, [across, down]: [usize; 2]) -> RgbPicture {
    let (width, height) = (picture.width().div_ceil(across), picture.height().div_ceil(down));
    let mut rgb = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        let rows = y * down..((y + 1) * down).min(picture.height());
        for x in 0..width {
            let columns = x * across..((x + 1) * across).min(picture.width());
            let mut sums = [0usize; 3];
            for row in rows.clone() {
                let pixels = picture.row(row)[columns.start * 3..columns.end * 3].chunks_exact(3);
                pixels.for_each(|pixel| {
                    sums.iter_mut().zip(pixel).for_each(|(sum, &value)| *sum += usize::from(value));
                });
            }
            let count = rows.len() * columns.len();
            rgb.extend(sums.map(|sum| ((sum + count / 2) / count) as u8));
        }
    }
    RgbPicture::new(width, height, rgb).unwrap_or_else(|| RgbPicture::black(width, height))
}

/// Scales the part of a picture from its top left corner to `sides` pixels, which may end within a pixel.
fn scaled(
    picture: &RgbPicture,
    sides: [f64; 2],
    [width, height]: [usize; 2],
    filter: Resampling,
) -> RgbPicture {
    let across = |picture: &RgbPicture| along_rows(picture, sides[0], width, filter);
    let down = |picture: &RgbPicture| along_columns(picture, sides[1], height, filter);
    let changes = |side: f64, from: usize, to: usize| from != to || side != from as f64;
    let [shorter, narrower] =
        [picture.height() as isize - height as isize, picture.width() as isize - width as isize];
    match [changes(sides[0], picture.width(), width), changes(sides[1], picture.height(), height)] {
        [true, true] if shorter > 0 && shorter > 2 * narrower => across(&down(picture)),
        [true, true] => down(&across(picture)),
        [true, false] => across(picture),
        [false, true] => down(picture),
        [false, false] => picture.clone(),
    }
}

fn nearest(picture: &RgbPicture, width: usize, height: usize) -> RgbPicture {
    let place = |at: usize, from: usize, to: usize| ((at as f64 + 0.5) * (from as f64 / to as f64)) as usize;
    let columns: Vec<usize> = (0..width).map(|x| place(x, picture.width(), width)).collect();
    let mut rgb = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        let y = place(y, picture.height(), height);
        columns.iter().for_each(|&x| rgb.extend(picture.pixel(x, y)));
    }
    RgbPicture::new(width, height, rgb).unwrap_or_else(|| RgbPicture::black(width, height))
}

/// Pixels that one pixel of the result is made of.
struct Taps {
    first: usize,
    /// Weights in fixed point.
    weights: Vec<i32>,
}

/// Computes the pixels of a line that each pixel of a line of `to` pixels is made of, as [`weights`] does.
fn taps(from: usize, side: f64, to: usize, filter: Resampling) -> Vec<Taps> {
    let one = f64::from(1u32 << PRECISION);
    let fixed = |(first, weights): (usize, Vec<f64>)| {
        // `round` is half away from zero, as in Pillow.
        Taps { first, weights: weights.iter().map(|weight| (weight * one).round() as i32).collect() }
    };
    weights(from, side, to, filter).map(fixed).collect()
}

/// For each pixel of a line of `to` pixels, which show the first `side` of `from` pixels, returns the first one that
/// it is made of, and the weights of this one and of those that follow. They sum to 1.
fn weights(from: usize, side: f64, to: usize, filter: Resampling) -> impl Iterator<Item = (usize, Vec<f64>)> {
    let scale = side / to as f64;
    let stretch = scale.max(1.0);
    let reach = filter.support() * stretch;
    let of_pixel = move |at: usize| {
        let centre = (at as f64 + 0.5) * scale;
        let first = (centre - reach + 0.5).max(0.0) as usize;
        let last = ((centre + reach + 0.5) as usize).min(from);
        let weights = (first..last).map(|x| filter.weight((x as f64 - centre + 0.5) / stretch));
        let weights: Vec<f64> = weights.collect();
        let sum: f64 = weights.iter().sum();
        let sum = if sum == 0.0 { 1.0 } else { sum };
        (first, weights.iter().map(|weight| weight / sum).collect())
    };
    (0..to).map(of_pixel)
}

/// Scales a picture to `width` x `height` pixels without rounding, as PyTorch's `interpolate` does it with
/// `antialias`. Returns values of 0 to 255, `[height, width, 3]`.
pub(super) fn scaled_values(
    picture: &RgbPicture,
    width: usize,
    height: usize,
    filter: Resampling,
) -> Vec<f32> {
    let [whole_width, whole_height] = [picture.width(), picture.height()].map(|side| side as f64);
    let across: Vec<(usize, Vec<f64>)> = weights(picture.width(), whole_width, width, filter).collect();
    let mut scaled = Vec::with_capacity(width * height * 3);
    // A row of the result before it is scaled across: one row of the picture's width is all that is held.
    let mut wide = vec![0f64; picture.width() * 3];
    for (first, down) in weights(picture.height(), whole_height, height, filter) {
        wide.fill(0.0);
        for (y, weight) in (first..).zip(&down) {
            wide.iter_mut().zip(picture.row(y)).for_each(|(sum, &value)| *sum += f64::from(value) * weight);
        }
        for (first, weights) in &across {
            let mut sums = [0f64; 3];
            for (pixel, weight) in wide[first * 3..].chunks_exact(3).zip(weights) {
                sums.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += value * weight);
            }
            scaled.extend(sums.map(|sum| sum as f32));
        }
    }
    scaled
}

/// Rounds a sum in fixed point to 8 bits.
fn clip(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

/// Start of a sum: one half.
const HALF: i32 = 1 << (PRECISION - 1);

fn along_rows(picture: &RgbPicture, side: f64, width: usize, filter: Resampling) -> RgbPicture {
    let taps = taps(picture.width(), side, width, filter);
    let mut rgb = Vec::with_capacity(width * picture.height() * 3);
    for y in 0..picture.height() {
        let row = picture.row(y).as_chunks::<3>().0;
        rgb.extend(taps.iter().flat_map(|Taps { first, weights }| {
            let mut sums = [HALF; 3];
            for (&[red, green, blue], &weight) in row[*first..].iter().zip(weights) {
                sums[0] += i32::from(red) * weight;
                sums[1] += i32::from(green) * weight;
                sums[2] += i32::from(blue) * weight;
            }
            sums.map(clip)
        }));
    }
    RgbPicture::new(width, picture.height(), rgb)
        .unwrap_or_else(|| RgbPicture::black(width, picture.height()))
}

fn along_columns(picture: &RgbPicture, side: f64, height: usize, filter: Resampling) -> RgbPicture {
    let width = picture.width();
    let mut rgb = Vec::with_capacity(width * height * 3);
    let mut sums = vec![HALF; width * 3];
    for Taps { first, weights } in taps(picture.height(), side, height, filter) {
        sums.fill(HALF);
        for (at, weight) in weights.into_iter().enumerate() {
            for (sum, &value) in sums.iter_mut().zip(picture.row(first + at)) {
                *sum += i32::from(value) * weight;
            }
        }
        rgb.extend(sums.iter().map(|&sum| clip(sum)));
    }
    RgbPicture::new(width, height, rgb).unwrap_or_else(|| RgbPicture::black(width, height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_picture_stays_plain() {
        let grey = RgbPicture::new(7, 5, vec![77; 105]).unwrap();
        for number in 0..6 {
            let filter = Resampling::of_number(number).unwrap();
            for (width, height) in [(1, 1), (3, 9), (20, 5), (7, 5)] {
                let scaled = resize(&grey, width, height, filter);
                assert_eq!((scaled.width(), scaled.height()), (width, height));
                assert!(scaled.values().iter().all(|&value| value == 77), "{filter:?} {width} x {height}");
            }
        }
        assert_eq!(Resampling::of_number(6), None);
    }

    #[test]
    fn shrinking_takes_the_mean_and_nearest_one_pixel() {
        let values = [0, 0, 0, 100, 100, 100, 50, 50, 50, 250, 250, 250];
        let line = RgbPicture::new(4, 1, values.to_vec()).unwrap();
        assert_eq!(resize(&line, 2, 1, Resampling::Box).values(), [50, 50, 50, 150, 150, 150]);
        assert_eq!(resize(&line, 2, 1, Resampling::Nearest).values(), [100, 100, 100, 250, 250, 250]);
    }
}
