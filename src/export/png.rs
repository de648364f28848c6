//! PNG export.

use super::canvas::{self, Canvas};
use super::font::Fonts;
use super::scene::Scene;
use crate::error::{Error, Result};

/// Largest number of pixels. The limit keeps memory below 2 GB.
const MOST_PIXELS: f32 = 4e8;

/// Renders a scene as a PNG file with `scale` pixels per unit of length.
///
/// The file states a resolution of `scale` pixels per 1/96 inch, so that the picture prints at the same size
/// at every scale.
///
/// # Errors
/// [`Error::Usage`] if the picture would be too large.
pub fn render(scene: &Scene, fonts: &Fonts, scale: f32) -> Result<Vec<u8>> {
    if scene.width * scene.height * scale * scale > MOST_PIXELS {
        return Err(Error::Usage("the picture is too large: choose a smaller --scale".into()));
    }
    let canvas = canvas::draw(scene, fonts, scale);
    let bad = |e: png::EncodingError| Error::BadFile { file: "png".into(), why: e.to_string() };
    encode(&canvas, scale, &scene.description).map_err(bad)
}

fn encode(
    canvas: &Canvas,
    scale: f32,
    description: &str,
) -> std::result::Result<Vec<u8>, png::EncodingError> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, canvas.width as u32, canvas.height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let per_meter = (scale * 96.0 / 0.0254).round() as u32;
    encoder.set_pixel_dims(Some(png::PixelDimensions {
        xppu: per_meter,
        yppu: per_meter,
        unit: png::Unit::Meter,
    }));
    encoder.add_itxt_chunk("Description".into(), description.into())?;
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&canvas.pixels)?;
    writer.finish()?;
    Ok(file)
}
