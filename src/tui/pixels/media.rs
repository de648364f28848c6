//! Painting of the picture that a model reads, with weights over it, and of the spectrum that it hears.

use std::ops::Range;

use super::IndexedImage;
use crate::axis::PixelBox;
use crate::capture::SoundStrip;
use crate::image::RgbPicture;
use crate::paint::overlay;
use crate::tui::app::App;
use crate::tui::cache::Cache;
use crate::tui::layout::{LitPicture, SpectrumPicture};
use crate::tui::theme::{LEVELS, Theme};

/// Width of the frame around a selected patch, in pixels.
const FRAME: usize = 2;

/// Paints the source's picture: a patch lights up with its weight, and selected patches have a frame.
pub fn lit(app: &App, cache: &mut Cache, picture: &LitPicture) -> Option<RgbPicture> {
    let (cell_width, cell_height) = app.pixels.cell();
    let size = [usize::from(picture.area.width) * cell_width, usize::from(picture.area.height) * cell_height];
    let theme = &app.theme;
    let mut rgb = match cache.picture(app, size) {
        Some(original) => original.values().to_vec(),
        None => vec![theme.paper(); size[0] * size[1]].concat(),
    };
    for (patch, level) in &picture.patches {
        let Some(level) = *level else { continue };
        let color = theme.weight_color(level);
        let [columns, rows] = pixels(*patch, picture.size, size);
        for y in rows {
            let row = &mut rgb[3 * (y * size[0] + columns.start)..3 * (y * size[0] + columns.end)];
            for pixel in row.as_chunks_mut::<3>().0 {
                *pixel = overlay(*pixel, color, level);
            }
        }
    }
    let palette = &theme.palette;
    for (patch, color) in [
        (picture.window, palette.bar),
        (picture.key, palette.selected_ground),
        (picture.query, palette.accent),
    ] {
        if let Some(patch) = patch {
            frame(&mut rgb, size, pixels(patch, picture.size, size), color);
        }
    }
    RgbPicture::new(size[0], size[1], rgb)
}

/// Returns the columns and rows of pixels of a patch of a picture that is drawn in `drawn` pixels.
fn pixels(patch: PixelBox, size: [f64; 2], drawn: [usize; 2]) -> [Range<usize>; 2] {
    let along = |axis: usize, from: f64, length: f64| {
        let scale = drawn[axis] as f64 / size[axis].max(1.0);
        let at = |place: f64| ((place * scale).round().max(0.0) as usize).min(drawn[axis]);
        at(from)..at(from + length)
    };
    [along(0, patch.x, patch.w), along(1, patch.y, patch.h)]
}

/// Draws a frame along the inner edge of a rectangle.
fn frame(rgb: &mut [u8], [width, _]: [usize; 2], [columns, rows]: [Range<usize>; 2], color: [u8; 3]) {
    for y in rows.clone() {
        for x in columns.clone() {
            let edge = (x - columns.start).min(columns.end - 1 - x).min(y - rows.start).min(rows.end - 1 - y);
            if edge < FRAME {
                rgb[3 * (y * width + x)..][..3].copy_from_slice(&color);
            }
        }
    }
}

/// Paints the spectrum of the frames above each column, high frequencies at the top.
pub fn spectrum(
    picture: &SpectrumPicture,
    sound: &SoundStrip,
    (cell_width, cell_height): (usize, usize),
    theme: &Theme,
) -> IndexedImage {
    let (width, height) =
        (usize::from(picture.area.width) * cell_width, usize::from(picture.area.height) * cell_height);
    let steps = (LEVELS - 1) as f32;
    let mut image = IndexedImage { width, height, pixels: vec![0; width * height], palette: vec![[0; 3]] };
    image.palette.extend((0..LEVELS).map(|step| theme.colormap.color(step as f32 / steps)));
    let bands = sound.bands.cols();
    for x in 0..width {
        let frames = picture.columns.get(x / cell_width).cloned().unwrap_or_default();
        if frames.is_empty() || bands == 0 {
            continue;
        }
        let own = covered(x % cell_width, cell_width, frames.len());
        let own = frames.start + own.start..(frames.start + own.end).min(sound.bands.rows());
        for y in 0..height {
            let band = covered(height - 1 - y, height, bands);
            let values = own.clone().flat_map(|frame| &sound.bands.row(frame)[band.clone()]);
            let (sum, count) = values.fold((0f32, 0f32), |(sum, count), value| (sum + value, count + 1.0));
            let level = (sum / count.max(1.0)).clamp(0.0, 1.0);
            image.pixels[y * width + x] = 1 + (level * steps).round() as u8;
        }
    }
    image
}

/// Returns which of `len` values pixel `at` of `pixels` covers, at least one.
fn covered(at: usize, pixels: usize, len: usize) -> Range<usize> {
    let start = at * len / pixels.max(1);
    start..((at + 1) * len).div_ceil(pixels.max(1)).clamp(start + 1, len.max(start + 1))
}
