//! Pictures with weights over them.

use std::sync::Arc;

use super::FigureStyle;
use crate::axis::PixelBox;
use crate::capture::Capture;
use crate::export::scene::{Area, Bitmap};
use crate::image::{Resampling, RgbPicture, resize};
use crate::paint::overlay;

/// Longest side of a picture in a figure.
const LONGEST: f32 = 640.0;

/// Pixels of a bitmap per unit of length.
const PIXELS: f32 = 2.0;

/// Grey of a picture that the capture does not hold.
const PAPER: u8 = 236;

/// The picture of a capture in a figure: its size and the scale of its places.
pub struct PicturePlate {
    picture: Option<Arc<RgbPicture>>,
    /// Units of length per pixel of the picture.
    scale: f32,
    /// Width and height.
    pub size: [f32; 2],
}

impl PicturePlate {
    /// Prepares the picture of a capture; `None` if its source is no picture.
    pub fn of(capture: &Capture) -> Option<Self> {
        let places = capture.source.items.iter().filter_map(|item| item.place());
        let reach = places.reduce(PixelBox::union)?;
        let [width, height] = capture
            .media
            .as_ref()
            .and_then(|media| media.size)
            .map_or([reach.x + reach.w, reach.y + reach.h], |size| size.map(|side| side as f64));
        let [width, height] = [width.max(1.0) as f32, height.max(1.0) as f32];
        let scale = LONGEST / width.max(height);
        Some(Self { picture: capture.picture.clone(), scale, size: [width * scale, height * scale] })
    }

    /// Area of a part of the picture whose top left corner is drawn at `x`, `y`.
    pub fn area(&self, place: PixelBox, [x, y]: [f32; 2]) -> Area {
        let [left, top, width, height] =
            [place.x, place.y, place.w, place.h].map(|length| length as f32 * self.scale);
        Area { x: x + left, y: y + top, width, height }
    }

    /// Draws the picture at `x`, `y` with levels in `0..=1` over its parts. Without any it keeps its colours.
    pub fn bitmap(&self, levels: &[(PixelBox, f32)], style: &FigureStyle, [x, y]: [f32; 2]) -> Bitmap {
        let [width, height] = self.size.map(|side| ((side * PIXELS).round() as usize).max(1));
        let picture = match &self.picture {
            Some(picture) => resize(picture, width, height, Resampling::Bicubic),
            None => RgbPicture::new(width, height, vec![PAPER; width * height * 3])
                .unwrap_or_else(|| RgbPicture::black(width, height)),
        };
        let picture = if levels.is_empty() { picture } else { self.lit(&picture, levels, style) };
        let area = Area { x, y, width: self.size[0], height: self.size[1] };
        Bitmap { area, picture: Arc::new(picture) }
    }

    /// Lays levels over a picture.
    fn lit(&self, picture: &RgbPicture, levels: &[(PixelBox, f32)], style: &FigureStyle) -> RgbPicture {
        let (width, height) = (picture.width(), picture.height());
        let mut of_pixel = vec![0f32; width * height];
        for &(place, level) in levels {
            let at = |length: f64, most: usize| {
                ((length as f32 * self.scale * PIXELS).round().max(0.0) as usize).min(most)
            };
            let columns = at(place.x, width)..at(place.x + place.w, width);
            for y in at(place.y, height)..at(place.y + place.h, height) {
                let row = &mut of_pixel[y * width..][columns.clone()];
                row.iter_mut().for_each(|known| *known = known.max(level));
            }
        }
        let pixels = picture.values().chunks_exact(3).zip(of_pixel);
        let rgb = pixels
            .flat_map(|(own, level)| overlay([own[0], own[1], own[2]], style.colormap.color(level), level));
        RgbPicture::new(width, height, rgb.collect()).unwrap_or_else(|| RgbPicture::black(width, height))
    }
}
