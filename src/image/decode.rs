//! Picture files to pixels.

use std::io::Cursor;

use image::error::{ImageError, LimitErrorKind};
use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ExtendedColorType, ImageDecoder, ImageReader, Limits};

use super::RgbPicture;
use crate::error::{PictureError, Result};
use crate::files::Bytes;
use crate::panics;

/// Most pixels of a picture that is decoded.
pub const MAX_PIXELS: u64 = 100_000_000;

/// Most bytes that a decoder may allocate beside the pixels.
const MAX_ALLOCATED: u64 = 1 << 30;

/// A decoded picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedPicture {
    /// Its pixels.
    pub picture: RgbPicture,
    /// Notes for the user on what was left out or not applied.
    pub notes: Vec<String>,
}

/// Decodes the picture file `bytes`: PNG, JPEG, WebP, TIFF, BMP or GIF, of which the first frame. Its format
/// is told by its contents; `file` names it in errors. The size is checked before any pixel is decoded.
///
/// As in Pillow's `convert("RGB")`, alpha is dropped, 16 bits a colour become their upper 8 and CMYK becomes RGB;
/// 16 bits of grey become their upper 8, too, where Pillow cuts off at 255. An orientation that the file asks for is
/// not applied (transformers' pipelines apply it).
///
/// # Errors
/// Those of [`PictureError`] that are about files.
pub fn read(bytes: &Bytes, file: &str) -> Result<DecodedPicture> {
    let damaged = |why: String| PictureError::Damaged { file: file.into(), why }.into();
    panics::catch(|| decode(bytes, file)).unwrap_or_else(|why| Err(damaged(why)))
}

fn decode(bytes: &Bytes, file: &str) -> Result<DecodedPicture> {
    let name = || file.to_string();
    if bytes.is_empty() {
        return Err(PictureError::Empty { file: name() }.into());
    }
    let mut reader = ImageReader::new(Cursor::new(&bytes[..]))
        .with_guessed_format()
        .map_err(|error| PictureError::Damaged { file: name(), why: error.to_string() })?;
    if reader.format().is_none() {
        return Err(PictureError::NotAPicture { file: name() }.into());
    }
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_ALLOCATED);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|error| told(error, file))?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(PictureError::TooLarge { file: name(), width, height }.into());
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut notes = Vec::new();
    if let Some(turn) = turn(orientation) {
        notes.push(format!("{file} asks to be {turn}"));
    }
    let cmyk = matches!(decoder.original_color_type(), ExtendedColorType::Cmyk8 | ExtendedColorType::Cmyk16);
    if cmyk || jpeg_colours(bytes) == Some(4) {
        notes.push(format!("{file}: its CMYK colours became RGB without a colour profile"));
    }
    if decoder.color_type() == ColorType::Rgb32F || decoder.color_type() == ColorType::Rgba32F {
        return Err(PictureError::Format { file: name(), what: "its pixels are fractions".into() }.into());
    }
    let decoded = DynamicImage::from_decoder(decoder).map_err(|error| told(error, file))?;
    let (picture, dropped) = rgb(decoded);
    notes.extend(dropped.map(|what| format!("{file}: {what}")));
    let picture = RgbPicture::new(width as usize, height as usize, picture);
    let picture = picture.ok_or_else(|| PictureError::Empty { file: name() })?;
    Ok(DecodedPicture { picture, notes })
}

/// Returns the values of a picture, `[height, width, 3]`, and what was dropped.
fn rgb(decoded: DynamicImage) -> (Vec<u8>, Option<&'static str>) {
    const ALPHA: &str = "its transparency is left out";
    const BITS: &str = "its 16 bits a colour became 8";
    let upper = |value: u16| (value >> 8) as u8;
    let grey = |value: u8| [value; 3];
    match decoded {
        DynamicImage::ImageRgb8(picture) => (picture.into_raw(), None),
        DynamicImage::ImageLuma8(picture) => (picture.into_raw().into_iter().flat_map(grey).collect(), None),
        DynamicImage::ImageLumaA8(picture) => {
            let clear = picture.pixels().any(|pixel| pixel.0[1] < 255);
            let values = picture.pixels().flat_map(|pixel| grey(pixel.0[0])).collect();
            (values, clear.then_some(ALPHA))
        }
        DynamicImage::ImageRgba8(picture) => {
            let clear = picture.pixels().any(|pixel| pixel.0[3] < 255);
            let values = picture.pixels().flat_map(|pixel| [pixel.0[0], pixel.0[1], pixel.0[2]]).collect();
            (values, clear.then_some(ALPHA))
        }
        DynamicImage::ImageLuma16(picture) => {
            (picture.pixels().flat_map(|pixel| grey(upper(pixel.0[0]))).collect(), Some(BITS))
        }
        DynamicImage::ImageLumaA16(picture) => {
            (picture.pixels().flat_map(|pixel| grey(upper(pixel.0[0]))).collect(), Some(BITS))
        }
        DynamicImage::ImageRgb16(picture) => {
            (picture.into_raw().into_iter().map(upper).collect(), Some(BITS))
        }
        DynamicImage::ImageRgba16(picture) => {
            let values = picture.pixels().flat_map(|pixel| [0, 1, 2].map(|at| upper(pixel.0[at])));
            (values.collect(), Some(BITS))
        }
        other => (other.into_rgb8().into_raw(), None),
    }
}

/// Returns the number of colours of a JPEG file, which its decoder does not tell; `None` for other files.
fn jpeg_colours(bytes: &[u8]) -> Option<u8> {
    let mut rest = bytes.strip_prefix(&[0xff, 0xd8])?;
    while let [0xff, marker, high, low, segment @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        // Frame headers: precision, height, width, number of colours.
        if matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc) {
            return segment.get(5).copied();
        }
        rest = segment.get(length.saturating_sub(2)..)?;
    }
    None
}

/// Returns the turn that a file asks for, in words.
fn turn(orientation: Orientation) -> Option<String> {
    let by = |degrees: usize| {
        format!(
            "turned by {degrees} degrees before it is shown; models see it as it is stored, unless --rotate {degrees} \
             turns it"
        )
    };
    match orientation {
        Orientation::NoTransforms => None,
        Orientation::Rotate90 => Some(by(90)),
        Orientation::Rotate180 => Some(by(180)),
        Orientation::Rotate270 => Some(by(270)),
        Orientation::FlipHorizontal
        | Orientation::FlipVertical
        | Orientation::Rotate90FlipH
        | Orientation::Rotate270FlipH => {
            Some("mirrored before it is shown; models see it as it is stored".into())
        }
    }
}

/// The error of a decoder.
fn told(error: ImageError, file: &str) -> PictureError {
    let file = file.to_string();
    match error {
        ImageError::Unsupported(error) => PictureError::Format { file, what: error.to_string() },
        ImageError::Limits(error) if error.kind() == LimitErrorKind::InsufficientMemory => {
            PictureError::Damaged { file, why: "decoding it takes more memory than a picture needs".into() }
        }
        error => PictureError::Damaged { file, why: error.to_string() },
    }
}
