//! PNG export.

use std::path::Path;

use super::canvas::{self, Canvas};
use super::font::Fonts;
use super::options::Options;
use super::prepared::PreparedExport;
use super::scene::{Scene, Shape};
use crate::capture::Capture;
use crate::error::{Error, Result};
use crate::image::RgbPicture;

/// Extension of its files.
pub const EXTENSION: &str = "png";

/// Prepares the export of a capture.
///
/// # Errors
/// [`Error::NoSuchHead`] if the selection is empty; [`Error::Usage`] if the picture would be too large;
/// [`Error::Io`] and [`Error::BadFile`] for the font.
pub fn prepare<'a>(capture: &'a Capture, options: &Options) -> Result<PreparedExport<'a>> {
    prepare_scene(options.font.as_deref(), options.pixels, |fonts| options.scene(capture, fonts))
}

/// Prepares the export of the scene that `lay_out` makes with some fonts: the built-in one, that of the file
/// `font`, and installed ones for characters that these lack. Tells the characters that no font has.
///
/// # Errors
/// Those of `lay_out`; [`Error::Usage`] if the picture would be too large; [`Error::Io`] and [`Error::BadFile`] for
/// the font.
pub fn prepare_scene(
    font: Option<&Path>,
    pixels: f32,
    lay_out: impl Fn(&Fonts) -> Result<Scene>,
) -> Result<PreparedExport<'static>> {
    let mut fonts = font.map_or_else(Fonts::built_in, Fonts::with)?;
    let mut scene = lay_out(&fonts)?;
    let missing = missing_in(&scene, &fonts);
    if !missing.is_empty() {
        fonts.add_installed(&missing);
        scene = lay_out(&fonts)?;
    }
    let mut export = PreparedExport::whole(render(&scene, &fonts, pixels)?);
    export.missing = missing_in(&scene, &fonts);
    Ok(export)
}

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

/// Encodes a picture as a PNG file; `None` is the encoder's own compression.
///
/// # Errors
/// Those of the encoder.
pub fn encode_picture(
    picture: &RgbPicture,
    compression: Option<png::Compression>,
) -> std::result::Result<Vec<u8>, png::EncodingError> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, picture.width() as u32, picture.height() as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    if let Some(compression) = compression {
        encoder.set_compression(compression);
    }
    let mut writer = encoder.write_header()?;
    writer.write_image_data(picture.values())?;
    writer.finish()?;
    Ok(file)
}

/// Returns the characters of a scene that no font has.
fn missing_in(scene: &Scene, fonts: &Fonts) -> Vec<char> {
    let texts = scene.shapes.iter().filter_map(|shape| match shape {
        Shape::Text(text) => Some(text.content.as_str()),
        _ => None,
    });
    fonts.missing(&texts.collect::<String>())
}
