//! From a picture to the values that a model reads.

use super::resize::resize_in_steps;
use super::settings::{PixelSize, TargetSize, Thumbnail};
use super::{ImageProcessor, MAX_PIXELS, Resampling, RgbPicture, Rotation, resize};
use crate::axis::PixelBox;

/// Grey from which on a pixel is paper, on a scale where the darkest one is 0 and the lightest one 255.
const PAPER: f64 = 200.0;

/// Values of a picture, as a model reads them.
#[derive(Clone, Debug, PartialEq)]
pub struct PixelValues {
    /// `[3, height, width]`
    pub values: Vec<f32>,
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
}

/// A picture, prepared for a model.
#[derive(Clone, Debug)]
pub struct PreparedPicture {
    /// The picture that places refer to: the original one, turned if the settings ask for it.
    pub picture: RgbPicture,
    /// The values that the model reads.
    pub pixels: PixelValues,
    /// Place of the first pixel of the model's input in the picture.
    origin: [f64; 2],
    /// Pixels of the picture for each pixel of the model's input.
    scale: [f64; 2],
    /// Notes for the user on what was done.
    pub notes: Vec<String>,
}

impl PreparedPicture {
    /// Returns the part of the picture under the `width` x `height` pixels of the model's input from `x`, `y`
    /// on; `None` if all of them are padding.
    pub fn place(&self, [x, y]: [usize; 2], [width, height]: [usize; 2]) -> Option<PixelBox> {
        let along = |axis: usize, from: usize, length: usize, side: usize| {
            let at = |pixel: usize| self.origin[axis] + pixel as f64 * self.scale[axis];
            (at(from).clamp(0.0, side as f64), at(from + length).clamp(0.0, side as f64))
        };
        let (left, right) = along(0, x, width, self.picture.width());
        let (top, bottom) = along(1, y, height, self.picture.height());
        let place = PixelBox { x: left, y: top, w: right - left, h: bottom - top }.rounded();
        (place.w > 0.0 && place.h > 0.0).then_some(place)
    }
}

impl ImageProcessor {
    /// Prepares a picture for the model.
    pub fn prepare(&self, picture: RgbPicture) -> PreparedPicture {
        let mut notes = Vec::new();
        let mut picture = picture;
        let tall = |height: usize, width: usize| height.cmp(&width);
        let wanted = tall(self.frame.height, self.frame.width);
        let mut kept = self.kept(&picture);
        if self.align_long_axis && wanted.is_ne() && tall(kept[3], kept[2]) == wanted.reverse() {
            picture = picture.rotated(Rotation::Quarter);
            kept = self.kept(&picture);
            notes.push(
                "the model's settings turn this picture by 90 degrees; places are those after it".into(),
            );
        }
        let [left, top, width, height] = kept;
        let cropped = [width, height] != [picture.width(), picture.height()];
        if cropped {
            notes.push(format!(
                "margins are cut off: the model sees {width} x {height} pixels from {left},{top} on"
            ));
        }
        let part = cropped.then(|| picture.part([left as isize, top as isize], [width, height]));
        let mut seen = self.scaled(part.as_ref().unwrap_or(&picture), &mut notes);
        let scale = [width as f64 / seen.width() as f64, height as f64 / seen.height() as f64];
        let mut shift = [0isize; 2];
        if self.pad {
            let frame = self.frame;
            shift = [
                -before(frame.width as isize - seen.width() as isize),
                -before(frame.height as isize - seen.height() as isize),
            ];
            seen = seen.part(shift, [frame.width, frame.height]);
        }
        if let Some(crop) = self.center_crop {
            let cropped = [crop_start(seen.width(), crop.width), crop_start(seen.height(), crop.height)];
            seen = seen.part(cropped, [crop.width, crop.height]);
            shift = [shift[0] + cropped[0], shift[1] + cropped[1]];
        }
        let origin = [left as f64 + shift[0] as f64 * scale[0], top as f64 + shift[1] as f64 * scale[1]];
        PreparedPicture { pixels: self.values(&seen), picture, origin, scale, notes }
    }

    /// Left, top, width and height of the part of a picture that is kept.
    fn kept(&self, picture: &RgbPicture) -> [usize; 4] {
        match self.crop_margin {
            true => text_box(picture),
            false => [0, 0, picture.width(), picture.height()],
        }
    }

    /// Scales a picture as the settings ask. Adds a note if its proportions change that should stay.
    fn scaled(&self, picture: &RgbPicture, notes: &mut Vec<String>) -> RgbPicture {
        let own = PixelSize { height: picture.height(), width: picture.width() };
        let wanted = self.resize.map(|size| match size {
            TargetSize::Exact(size) => size,
            TargetSize::ShortestEdge(edge) => by_shortest_edge(own, edge),
        });
        let thumbnail = self.thumbnail.zip(thumbnail_size(wanted.unwrap_or(own), self.frame));
        let first = wanted.and_then(|size| {
            let bounded = bounded(size);
            if bounded != size && thumbnail.is_some() {
                // The picture itself is scaled to the thumbnail, of the size that the larger one would have had.
                return None;
            }
            if bounded != size {
                let PixelSize { height, width } = bounded;
                notes.push(format!(
                    "the picture's proportions change: scaled to {width} x {height} pixels, since the {} x {} that the \
                     model's settings ask for are too many",
                    size.width, size.height
                ));
            }
            Some(bounded)
        });
        let scaled = first.map(|size| resize(picture, size.width, size.height, self.filter));
        let current = scaled.as_ref().unwrap_or(picture);
        match thumbnail {
            Some((Thumbnail::Plain, size)) => resize(current, size.width, size.height, self.filter),
            Some((Thumbnail::InSteps, size)) => {
                resize_in_steps(current, size.width, size.height, Resampling::Bicubic)
            }
            None => scaled.unwrap_or_else(|| picture.clone()),
        }
    }

    /// Applies factor, mean and standard deviation to each colour.
    fn values(&self, picture: &RgbPicture) -> PixelValues {
        let pixels = picture.width() * picture.height();
        let mut values = Vec::with_capacity(3 * pixels);
        for colour in 0..3 {
            let mut table = [0f32; 256];
            for (value, entry) in table.iter_mut().enumerate() {
                let scaled = value as f32 * self.rescale;
                *entry = match self.normalize {
                    Some([mean, std]) => (scaled - mean[colour]) / std[colour],
                    None => scaled,
                };
            }
            let pixels = picture.values().as_chunks::<3>().0;
            values.extend(pixels.iter().map(|pixel| table[usize::from(pixel[colour])]));
        }
        PixelValues { values, height: picture.height(), width: picture.width() }
    }
}

/// Returns the padding before a picture, of `free` pixels in all.
fn before(free: isize) -> isize {
    free.div_euclid(2)
}

/// Returns the first pixel of a crop of `wanted` pixels from the middle of `side`.
fn crop_start(side: usize, wanted: usize) -> isize {
    match wanted > side {
        true => -(((wanted - side) / 2) as isize),
        false => ((side - wanted) / 2) as isize,
    }
}

/// Returns the size whose shorter side is `edge`, proportions kept.
fn by_shortest_edge(PixelSize { height, width }: PixelSize, edge: usize) -> PixelSize {
    let long = |long: usize, short: usize| edge.saturating_mul(long) / short;
    match width <= height {
        true => PixelSize { height: long(height, width), width: edge },
        false => PixelSize { height: edge, width: long(width, height) },
    }
}

/// Returns a size with the shorter side of `size`, at most 8192 pixels, and no more pixels than a picture may have:
/// a line of one pixel would become as long as memory.
fn bounded(size: PixelSize) -> PixelSize {
    let most = MAX_PIXELS as usize / size.height.min(size.width).max(1);
    PixelSize { height: size.height.min(most), width: size.width.min(most) }
}

/// Returns the size of a thumbnail of a picture of `size` within `frame`, as transformers' `thumbnail` does it;
/// `None` if the picture fits.
fn thumbnail_size(size: PixelSize, frame: PixelSize) -> Option<PixelSize> {
    let PixelSize { height: in_height, width: in_width } = size;
    let (mut height, mut width) = (in_height.min(frame.height), in_width.min(frame.width));
    if (height, width) == (in_height, in_width) {
        return None;
    }
    match in_height.cmp(&in_width) {
        std::cmp::Ordering::Greater => width = in_width.saturating_mul(height) / in_height,
        std::cmp::Ordering::Less => height = in_height.saturating_mul(width) / in_width,
        std::cmp::Ordering::Equal => {}
    }
    Some(PixelSize { height: height.max(1), width: width.max(1) })
}

/// Returns left, top, width and height of all that is darker than paper; the whole picture if it is plain.
fn text_box(picture: &RgbPicture) -> [usize; 4] {
    // Pillow's weights of red, green and blue, in 65,536ths.
    let grey = |pixel: &[u8]| {
        let [r, g, b] = [pixel[0], pixel[1], pixel[2]].map(u32::from);
        ((r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16) as u8
    };
    let (mut darkest, mut lightest) = (u8::MAX, u8::MIN);
    for value in picture.values().chunks_exact(3).map(grey) {
        (darkest, lightest) = (darkest.min(value), lightest.max(value));
    }
    let range = f64::from(lightest - darkest);
    let dark = |pixel: &[u8]| f64::from(grey(pixel) - darkest) / range * 255.0 < PAPER;
    let [mut left, mut right, mut top, mut bottom] = [usize::MAX, 0, usize::MAX, 0];
    for y in 0..picture.height() {
        let mut row = picture.row(y).chunks_exact(3);
        let Some(first) = row.position(dark) else { continue };
        let last = picture.row(y).chunks_exact(3).rposition(dark).unwrap_or(first);
        (left, right) = (left.min(first), right.max(last));
        (top, bottom) = (top.min(y), bottom.max(y));
    }
    match darkest == lightest {
        true => [0, 0, picture.width(), picture.height()],
        false => [left, top, right - left + 1, bottom - top + 1],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn processor(kind: &str, settings: Value) -> ImageProcessor {
        let mut file = settings;
        file["image_processor_type"] = json!(format!("{kind}ImageProcessor"));
        ImageProcessor::read(Some(file)).unwrap()
    }

    fn white(width: usize, height: usize) -> RgbPicture {
        RgbPicture::new(width, height, vec![255; width * height * 3]).unwrap()
    }

    #[test]
    fn places_refer_to_the_original_picture() {
        let vit = processor("ViT", json!({"size": {"height": 32, "width": 320}}));
        let line = vit.prepare(white(640, 48));
        assert_eq!((line.pixels.height, line.pixels.width), (32, 320));
        assert_eq!(line.place([8, 16], [8, 16]), Some(PixelBox { x: 16.0, y: 24.0, w: 16.0, h: 24.0 }));
        assert!(line.pixels.values.iter().all(|value| (value - 1.0).abs() < 1e-6));
    }

    #[test]
    fn padding_has_no_place() {
        let donut = processor("Donut", json!({"size": {"height": 100, "width": 80}}));
        let page = donut.prepare(white(160, 160));
        assert_eq!((page.pixels.height, page.pixels.width), (100, 80));
        assert_eq!(page.place([0, 0], [80, 10]), None);
        assert_eq!(page.place([0, 0], [40, 20]), Some(PixelBox { x: 0.0, y: 0.0, w: 80.0, h: 20.0 }));
        // Black before the values are normalised.
        assert_eq!((page.pixels.values[0], page.pixels.values[80 * 10]), (-1.0, 1.0));
    }

    #[test]
    fn long_lines_keep_their_proportions() {
        let size = |width: usize, height: usize| PixelSize { height, width };
        let thumbnail = |line: PixelSize| thumbnail_size(by_shortest_edge(line, 1920), size(1920, 2560));
        assert_eq!(thumbnail(size(800, 40)), Some(size(1920, 96)));
        assert_eq!(thumbnail(size(40, 800)), Some(size(128, 2560)));
        // 80 x 160,000,000 pixels before the thumbnail would be too many.
        let donut = processor("Donut", json!({"size": {"height": 100, "width": 80}}));
        let line = donut.prepare(white(2_000_000, 1));
        assert_eq!((line.pixels.height, line.pixels.width), (100, 80));
        assert!(line.notes.is_empty(), "{:?}", line.notes);
        let bright = line.pixels.values[..8000].iter().filter(|&&value| value > 0.0).count();
        assert_eq!(bright, 80);
        assert_eq!(bounded(size(38_400, 1920)), size(38_400, 1920));
        assert_eq!(bounded(size(1 << 30, 2000)), size(50_000, 2000));
    }

    #[test]
    fn crops_are_from_the_middle() {
        let deit = processor("DeiT", json!({"size": 64, "crop_size": 32}));
        let picture = deit.prepare(white(128, 64));
        assert_eq!(picture.place([0, 0], [16, 16]), Some(PixelBox { x: 32.0, y: 16.0, w: 32.0, h: 16.0 }));
    }

    #[test]
    fn margins_are_cut_off_and_places_lie_within() {
        let mut rgb = vec![255; 10 * 8 * 3];
        for (x, y) in [(3, 2), (6, 5)] {
            rgb[(y * 10 + x) * 3..][..3].fill(0);
        }
        let page = RgbPicture::new(10, 8, rgb).unwrap();
        assert_eq!(text_box(&page), [3, 2, 4, 4]);
        assert_eq!(text_box(&white(4, 3)), [0, 0, 4, 3]);
        let nougat = processor("Nougat", json!({"size": {"height": 8, "width": 8}})).prepare(page);
        assert_eq!(nougat.place([4, 0], [4, 8]), Some(PixelBox { x: 5.0, y: 2.0, w: 2.0, h: 4.0 }));
        assert!(nougat.notes[0].contains("4 x 4 pixels from 3,2"), "{:?}", nougat.notes);
    }

    #[test]
    fn a_long_axis_is_aligned() {
        let settings = json!({"size": {"height": 20, "width": 10}, "do_align_long_axis": true});
        let donut = processor("Donut", settings);
        assert_eq!(donut.prepare(white(40, 20)).picture.width(), 20);
        assert_eq!(donut.prepare(white(20, 40)).picture.width(), 20);
        assert!(donut.prepare(white(20, 20)).notes.is_empty());
    }
}
