//! A picture in memory.

use std::str::FromStr;

use crate::axis::PixelBox;

/// Pixels of a picture: red, green and blue, 8 bits each, row by row.
#[derive(Clone, PartialEq, Eq)]
pub struct RgbPicture {
    width: usize,
    height: usize,
    /// `[height, width, 3]`
    rgb: Vec<u8>,
}

impl RgbPicture {
    /// Creates a picture from `[height, width, 3]` values; `None` if their number differs or a side is 0.
    pub fn new(width: usize, height: usize, rgb: Vec<u8>) -> Option<Self> {
        let expected = width.checked_mul(height)?.checked_mul(3)?;
        (expected > 0 && rgb.len() == expected).then_some(Self { width, height, rgb })
    }

    /// Creates a black picture of at least one pixel.
    pub fn black(width: usize, height: usize) -> Self {
        let (width, height) = (width.max(1), height.max(1));
        Self { width, height, rgb: vec![0; width * height * 3] }
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The values, `[height, width, 3]`.
    pub fn values(&self) -> &[u8] {
        &self.rgb
    }

    /// The values of a row of pixels, `[width, 3]`.
    pub fn row(&self, y: usize) -> &[u8] {
        &self.rgb[y * self.width * 3..][..self.width * 3]
    }

    /// A pixel; the nearest one of the picture for places outside.
    pub fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        let at = (y.min(self.height - 1) * self.width + x.min(self.width - 1)) * 3;
        [self.rgb[at], self.rgb[at + 1], self.rgb[at + 2]]
    }

    /// Copies the part of `width` x `height` pixels whose top left corner is `x`, `y`. Pixels outside the
    /// picture are black.
    #[must_use]
    pub fn part(&self, [x, y]: [isize; 2], [width, height]: [usize; 2]) -> Self {
        let mut part = Self::black(width, height);
        let columns = x.max(0)..(x + part.width as isize).min(self.width as isize);
        let rows = y.max(0)..(y + part.height as isize).min(self.height as isize);
        if columns.is_empty() {
            return part;
        }
        for row in rows {
            let from = (row as usize * self.width + columns.start as usize) * 3;
            let to = ((row - y) as usize * part.width + (columns.start - x) as usize) * 3;
            let bytes = columns.len() * 3;
            part.rgb[to..to + bytes].copy_from_slice(&self.rgb[from..from + bytes]);
        }
        part
    }

    /// Paints rectangles with the mean colour of the picture.
    #[must_use]
    pub fn covered(mut self, places: &[PixelBox]) -> Self {
        if places.is_empty() {
            return self;
        }
        let mut sums = [0u64; 3];
        for pixel in self.rgb.as_chunks::<3>().0 {
            sums.iter_mut().zip(pixel).for_each(|(sum, &part)| *sum += u64::from(part));
        }
        let pixels = (self.width * self.height) as u64;
        let mean = sums.map(|sum| ((sum + pixels / 2) / pixels) as u8);
        for place in places {
            let along = |from: f64, length: f64, side: usize| {
                let at = |place: f64| (place.round().max(0.0) as usize).min(side);
                at(from)..at(from + length)
            };
            let columns = along(place.x, place.w, self.width);
            for y in along(place.y, place.h, self.height) {
                let row =
                    &mut self.rgb[3 * (y * self.width + columns.start)..3 * (y * self.width + columns.end)];
                row.as_chunks_mut::<3>().0.fill(mean);
            }
        }
        self
    }

    /// Turns the picture.
    #[must_use]
    pub fn rotated(self, rotation: Rotation) -> Self {
        let (width, height) = (self.width, self.height);
        let sides = match rotation {
            Rotation::None => return self,
            Rotation::Half => (width, height),
            Rotation::Quarter | Rotation::ThreeQuarters => (height, width),
        };
        let mut turned = Self::black(sides.0, sides.1);
        for (at, pixel) in turned.rgb.chunks_exact_mut(3).enumerate() {
            let (x, y) = (at % sides.0, at / sides.0);
            let (from_x, from_y) = match rotation {
                Rotation::None | Rotation::Half => (width - 1 - x, height - 1 - y),
                Rotation::Quarter => (y, height - 1 - x),
                Rotation::ThreeQuarters => (width - 1 - y, x),
            };
            pixel.copy_from_slice(&self.pixel(from_x, from_y));
        }
        turned
    }
}

impl std::fmt::Debug for RgbPicture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RgbPicture[{} x {}]", self.width, self.height)
    }
}

/// A turn of a picture, clockwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Rotation {
    /// No turn.
    #[default]
    None,
    /// 90 degrees.
    Quarter,
    /// 180 degrees.
    Half,
    /// 270 degrees.
    ThreeQuarters,
}

impl Rotation {
    /// All turns.
    pub const ALL: [Self; 4] = [Self::None, Self::Quarter, Self::Half, Self::ThreeQuarters];

    /// The angle in degrees, which is also the name.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "0",
            Self::Quarter => "90",
            Self::Half => "180",
            Self::ThreeQuarters => "270",
        }
    }
}

impl FromStr for Rotation {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|rotation| rotation.name() == name);
        found.ok_or_else(|| format!("'{name}' is not one of {}", Self::ALL.map(Self::name).join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rectangles_get_the_mean_colour() {
        let picture =
            RgbPicture::new(3, 2, vec![0, 0, 0, 30, 60, 90, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0]).unwrap();
        let place = PixelBox { x: 1.2, y: -5.0, w: 9.0, h: 6.0 };
        let covered = picture.clone().covered(&[place]);
        assert_eq!(covered.values()[..9], [0, 0, 0, 5, 10, 16, 5, 10, 16]);
        assert_eq!(covered.row(1), picture.row(1));
        assert_eq!(picture.clone().covered(&[]), picture);
    }

    /// A picture whose red values are given.
    fn red(width: usize, height: usize, values: &[u8]) -> RgbPicture {
        RgbPicture::new(width, height, values.iter().flat_map(|&value| [value, 0, 0]).collect()).unwrap()
    }

    fn reds(picture: &RgbPicture) -> Vec<u8> {
        picture.values().iter().step_by(3).copied().collect()
    }

    #[test]
    fn turns_are_clockwise() {
        let picture = red(3, 2, &[1, 2, 3, 4, 5, 6]);
        for (rotation, width, expected) in [
            (Rotation::None, 3, [1, 2, 3, 4, 5, 6]),
            (Rotation::Quarter, 2, [4, 1, 5, 2, 6, 3]),
            (Rotation::Half, 3, [6, 5, 4, 3, 2, 1]),
            (Rotation::ThreeQuarters, 2, [3, 6, 2, 5, 1, 4]),
        ] {
            let turned = picture.clone().rotated(rotation);
            assert_eq!((turned.width(), reds(&turned)), (width, expected.to_vec()), "{rotation:?}");
            assert_eq!(rotation.name().parse(), Ok(rotation));
        }
    }

    #[test]
    fn parts_are_black_outside() {
        let picture = red(3, 2, &[1, 2, 3, 4, 5, 6]);
        assert_eq!(reds(&picture.part([1, 1], [2, 1])), [5, 6]);
        assert_eq!(reds(&picture.part([-1, -1], [3, 2])), [0, 0, 0, 0, 1, 2]);
        assert_eq!(reds(&picture.part([9, 9], [1, 1])), [0]);
    }

    #[test]
    fn sizes_must_fit() {
        assert!(RgbPicture::new(2, 1, vec![0; 5]).is_none());
        assert!(RgbPicture::new(0, 1, Vec::new()).is_none());
        assert!(RgbPicture::new(usize::MAX, 2, Vec::new()).is_none());
    }
}
