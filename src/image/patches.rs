//! From a picture to patches in variable numbers, as Pix2Struct (Lee et al. 2023) reads them.

use serde_json::Value;

use super::resize::scaled_values;
use super::settings::{FILE, MAX_SIDE, flag};
use super::{Resampling, RgbPicture};
use crate::axis::PixelBox;
use crate::error::{Error, Result};

/// Most patches of a picture that are read, whatever the settings say.
const MAX_PATCHES: u64 = 1 << 14;

/// Most pixels of all patches together.
const MAX_PATCH_PIXELS: u64 = MAX_SIDE * MAX_SIDE;

/// The steps from a picture to the patches that a model reads.
#[derive(Clone, Debug, PartialEq)]
pub struct PatchProcessor {
    /// Height and width of a patch in pixels.
    patch: [usize; 2],
    /// Most patches of a picture.
    most: usize,
    /// True to bring each picture to mean 0 and standard deviation 1.
    normalize: bool,
    /// True if the model answers questions that are drawn above the picture.
    asks: bool,
}

/// Patches of a picture, as a model reads them.
#[derive(Clone, Debug, PartialEq)]
pub struct PatchValues {
    /// `[rows, columns, height, width, 3]`
    pub values: Vec<f32>,
    /// Numbers of rows and columns.
    pub grid: [usize; 2],
    /// The part of the picture under each patch, row by row.
    pub places: Vec<PixelBox>,
}

impl PatchProcessor {
    /// Reads the settings of a model; `None` stands for a file that is missing.
    ///
    /// # Errors
    /// [`Error::BadFile`] for settings that are missing, wrong or not followed.
    pub fn read(file: Option<&Value>) -> Result<Self> {
        let bad = |why: String| Error::BadFile { file: FILE.into(), why };
        let file = file.ok_or_else(|| bad("missing; it says how pictures are scaled".into()))?;
        let number = |value: &Value, key: &str, default: u64, most: u64| match value.get(key) {
            None | Some(Value::Null) => Ok::<_, Error>(default as usize),
            Some(value) => {
                let found = value.as_u64().filter(|number| (1..=most).contains(number));
                let found = found.ok_or_else(|| bad(format!("{key} is {value}, not 1 to {most}")))?;
                Ok(found as usize)
            }
        };
        let flag = |key: &str, default: bool| flag(file, key, default).map_err(bad);
        let size = file.get("patch_size").cloned().unwrap_or(Value::Null);
        let patch @ [height, width] =
            [number(&size, "height", 16, MAX_SIDE)?, number(&size, "width", 16, MAX_SIDE)?];
        let most = number(file, "max_patches", 2048, MAX_PATCHES)?;
        if [height, width, most].iter().map(|&count| count as u64).product::<u64>() > MAX_PATCH_PIXELS {
            return Err(bad(format!(
                "max_patches is {most}: so many patches of {height} x {width} pixels have more than {MAX_PATCH_PIXELS}"
            )));
        }
        Ok(Self { patch, most, normalize: flag("do_normalize", true)?, asks: flag("is_vqa", false)? })
    }

    /// Number of values of a patch.
    pub fn values(&self) -> usize {
        3 * self.patch[0] * self.patch[1]
    }

    /// Note for the user if the model answers questions.
    pub fn note(&self) -> Option<&'static str> {
        self.asks.then_some(
            "this model answers a question that stands above the picture, drawn in Arial; the picture is read as it \
             is, so it must show its question already",
        )
    }

    /// Prepares a picture for the model: scales it so that at most as many patches as are allowed cover it,
    /// proportions nearly kept.
    pub fn prepare(&self, picture: &RgbPicture) -> PatchValues {
        let [height, width] = self.patch;
        let [rows, columns] = grid([picture.height(), picture.width()], self.patch, self.most);
        let mut scaled = scaled_values(picture, columns * width, rows * height, Resampling::Bilinear);
        if self.normalize {
            let (mean, deviation) = moments(picture.values());
            scaled.iter_mut().for_each(|value| *value = ((f64::from(*value) - mean) / deviation) as f32);
        }
        let row_of_pixels = columns * width * 3;
        let mut values = Vec::with_capacity(scaled.len());
        let mut places = Vec::with_capacity(rows * columns);
        let [high, wide] = [picture.height() as f64 / rows as f64, picture.width() as f64 / columns as f64];
        for row in 0..rows {
            for column in 0..columns {
                for y in row * height..(row + 1) * height {
                    let from = y * row_of_pixels + column * width * 3;
                    values.extend_from_slice(&scaled[from..from + width * 3]);
                }
                let place = PixelBox { x: column as f64 * wide, y: row as f64 * high, w: wide, h: high };
                places.push(place.rounded());
            }
        }
        PatchValues { values, grid: [rows, columns], places }
    }
}

/// Numbers of rows and columns of patches for a picture. The order of the operations is the reference's, whose
/// results are cut to whole numbers.
fn grid(picture: [usize; 2], patch: [usize; 2], most: usize) -> [usize; 2] {
    let ([height, width], [high, wide]) = (picture.map(|side| side as f64), patch.map(|side| side as f64));
    let scale = (most as f64 * (high / height) * (wide / width)).sqrt();
    let count = |side: f64, patch: f64| ((scale * side / patch) as usize).clamp(1, most);
    [count(height, high), count(width, wide)]
}

/// Mean and standard deviation of all values of a picture; the deviation is at least the inverse square root of
/// their number.
fn moments(values: &[u8]) -> (f64, f64) {
    let count = values.len().max(1) as f64;
    let (sum, squares) = values.iter().fold((0u64, 0u64), |(sum, squares), &value| {
        (sum + u64::from(value), squares + u64::from(value) * u64::from(value))
    });
    let mean = sum as f64 / count;
    let variance = (squares as f64 / count - mean * mean).max(0.0);
    (mean, variance.sqrt().max(1.0 / count.sqrt()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn as_many_patches_as_allowed_cover_the_picture() {
        // Values of transformers' extract_flattened_patches.
        assert_eq!(grid([37, 211], [16, 16], 2048), [18, 108]);
        assert_eq!(grid([81, 23], [16, 16], 64), [15, 4]);
        assert_eq!(grid([1, 4000], [16, 16], 64), [1, 64]);
        let file = json!({"max_patches": 8, "patch_size": {"height": 2, "width": 2}});
        let picture = RgbPicture::new(8, 4, vec![7; 96]).unwrap();
        let made = PatchProcessor::read(Some(&file)).unwrap().prepare(&picture);
        assert_eq!((made.grid, made.values.len()), ([2, 4], 96));
        assert_eq!(made.places[5], PixelBox { x: 2.0, y: 2.0, w: 2.0, h: 2.0 });
        // A plain picture has no deviation.
        assert!(made.values.iter().all(|value| value.abs() < 1e-5));
    }

    #[test]
    fn wrong_settings_are_told() {
        let why = |file: Value| PatchProcessor::read(Some(&file)).unwrap_err().to_string();
        assert!(why(json!({"max_patches": 0})).contains("max_patches is 0"));
        assert!(why(json!({"patch_size": {"height": 100_000}})).contains("height"));
        assert!(why(json!({"is_vqa": 1})).contains("is_vqa"));
        assert!(PatchProcessor::read(None).unwrap_err().to_string().contains("missing"));
        let asks = PatchProcessor::read(Some(&json!({"is_vqa": true}))).unwrap();
        assert!(asks.note().is_some_and(|note| note.contains("question")));
    }
}
