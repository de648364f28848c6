//! preprocessor_config.json of a vision model.

use serde_json::Value;

use super::Resampling;
use crate::error::{Error, Result};

/// Largest side that a picture is scaled to, in pixels.
pub(super) const MAX_SIDE: u64 = 8192;

/// Mean and standard deviation of each colour that bring colours to -1 to 1.
const HALF: [[f32; 3]; 2] = [[0.5; 3]; 2];

/// Mean and standard deviation of the colours of ImageNet.
const IMAGENET: [[f32; 3]; 2] = [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]];

/// Name of the settings' file.
pub(super) const FILE: &str = "preprocessor_config.json";

/// Height and width in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PixelSize {
    pub height: usize,
    pub width: usize,
}

/// Size that a picture is scaled to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TargetSize {
    /// This height and width; proportions change.
    Exact(PixelSize),
    /// This length of the shorter side; proportions stay.
    ShortestEdge(usize),
}

/// The steps from a picture to the values that a model reads, in the order of the fields.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageProcessor {
    /// True to cut off the margins around all that is darker than paper.
    pub(super) crop_margin: bool,
    /// True to turn the picture where its longer side is not that of the result.
    pub(super) align_long_axis: bool,
    pub(super) resize: Option<TargetSize>,
    pub(super) filter: Resampling,
    /// Further scaling, proportions kept, so that the picture fits into `frame`.
    pub(super) thumbnail: Option<Thumbnail>,
    /// True to fill up to `frame` with black, the picture in the middle.
    pub(super) pad: bool,
    /// Size for thumbnails and padding.
    pub(super) frame: PixelSize,
    pub(super) center_crop: Option<PixelSize>,
    /// Factor on the values.
    pub(super) rescale: f32,
    /// Mean and standard deviation of each colour, after the factor.
    pub(super) normalize: Option<[[f32; 3]; 2]>,
}

/// Way of scaling a picture to a thumbnail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thumbnail {
    /// With the processor's own filter.
    Plain,
    /// Bicubic, in steps.
    InSteps,
}

/// Defaults of a kind of processor.
struct Defaults {
    size: PixelSize,
    filter: Resampling,
    crop: Option<PixelSize>,
    normal: [[f32; 3]; 2],
    /// Thumbnails of Donut and Nougat, whose proportions stay; the rest is filled.
    document: Option<Thumbnail>,
}

impl ImageProcessor {
    /// Reads the settings of a model; `None` stands for a file that is missing.
    ///
    /// # Errors
    /// [`Error::BadFile`] for settings that are missing, wrong or not followed.
    pub fn read(file: Option<Value>) -> Result<Self> {
        let bad = |why: String| Error::BadFile { file: FILE.into(), why };
        let file = file.ok_or_else(|| bad("missing; it says how pictures are scaled".into()))?;
        Self::parse(&file).map_err(bad)
    }

    /// Size of the results, if all have the same.
    pub fn size(&self) -> Option<[usize; 2]> {
        let size = match (self.center_crop, self.pad, self.resize) {
            (Some(crop), _, _) => crop,
            (None, true, _) => self.frame,
            (None, false, Some(TargetSize::Exact(size))) => size,
            _ => return None,
        };
        Some([size.height, size.width])
    }

    fn parse(file: &Value) -> std::result::Result<Self, String> {
        let flag = |key: &str, default: bool| flag(file, key, default);
        let defaults = defaults(file)?;
        let size = file.get("size").filter(|size| !size.is_null());
        // Donut's older files have width before height.
        let donut = defaults.document == Some(Thumbnail::Plain);
        let document = defaults.document.is_some();
        let resize = size.map(|size| target("size", size, donut)).transpose()?;
        let resize = resize.unwrap_or(TargetSize::Exact(defaults.size));
        let frame = match resize {
            TargetSize::Exact(size) => size,
            TargetSize::ShortestEdge(_) if document => {
                return Err("size needs a height and a width".into());
            }
            TargetSize::ShortestEdge(edge) => PixelSize { height: edge, width: edge },
        };
        let resize = match document {
            true => TargetSize::ShortestEdge(frame.height.min(frame.width)),
            false => resize,
        };
        let filter = match file.get("resample").filter(|value| !value.is_null()) {
            None => defaults.filter,
            Some(value) => value.as_u64().and_then(Resampling::of_number).ok_or_else(|| {
                format!("resample is {value}, not the number of one of Pillow's filters, 0 to 5")
            })?,
        };
        let crop = match file.get("crop_size").filter(|size| !size.is_null()) {
            Some(size) => match target("crop_size", size, false)? {
                TargetSize::Exact(size) => Some(size),
                TargetSize::ShortestEdge(_) => return Err("crop_size needs a height and a width".into()),
            },
            None => defaults.crop,
        };
        let center_crop = flag("do_center_crop", defaults.crop.is_some())?;
        let center_crop = match (center_crop, crop) {
            (true, None) => return Err("do_center_crop needs a crop_size".into()),
            (true, crop) => crop,
            (false, _) => None,
        };
        let [mean, std] = defaults.normal;
        let (mean, std) = (colours(file, "image_mean", mean)?, colours(file, "image_std", std)?);
        if std.contains(&0.0) {
            return Err("image_std holds 0".into());
        }
        let factor = match file.get("rescale_factor").filter(|value| !value.is_null()) {
            None => 1.0 / 255.0,
            Some(value) => {
                value.as_f64().ok_or_else(|| format!("rescale_factor is {value}, not a number"))? as f32
            }
        };
        let thumbnail = flag("do_thumbnail", true)?;
        Ok(Self {
            crop_margin: defaults.document == Some(Thumbnail::InSteps) && flag("do_crop_margin", true)?,
            align_long_axis: document && flag("do_align_long_axis", false)?,
            resize: flag("do_resize", true)?.then_some(resize),
            filter,
            thumbnail: defaults.document.filter(|_| thumbnail),
            pad: document && flag("do_pad", true)?,
            frame,
            center_crop,
            // Older files have no step of its own for the factor and always apply it.
            rescale: if flag("do_rescale", true)? { factor } else { 1.0 },
            normalize: flag("do_normalize", true)?.then_some([mean, std]),
        })
    }
}

/// Reads a truth value.
pub(super) fn flag(file: &Value, key: &str, default: bool) -> std::result::Result<bool, String> {
    match file.get(key) {
        None | Some(Value::Null) => Ok(default),
        Some(value) => value.as_bool().ok_or_else(|| format!("{key} is {value}, not true or false")),
    }
}

/// Returns the defaults of the kind of processor that the file names.
fn defaults(file: &Value) -> std::result::Result<Defaults, String> {
    let name =
        ["image_processor_type", "feature_extractor_type"].iter().find_map(|key| file.get(key)?.as_str());
    let name = name.ok_or("it names no image_processor_type")?;
    let kind = name.trim_end_matches("Pil").trim_end_matches("Fast");
    let kind = kind.trim_end_matches("ImageProcessor").trim_end_matches("FeatureExtractor");
    let square = |side| PixelSize { height: side, width: side };
    let vit = Defaults {
        size: square(224),
        filter: Resampling::Bilinear,
        crop: None,
        normal: HALF,
        document: None,
    };
    Ok(match kind {
        "ViT" => vit,
        "DeiT" => Defaults { size: square(256), filter: Resampling::Bicubic, crop: Some(square(224)), ..vit },
        "Donut" => Defaults {
            size: PixelSize { height: 2560, width: 1920 },
            document: Some(Thumbnail::Plain),
            ..vit
        },
        "Nougat" => Defaults {
            size: PixelSize { height: 896, width: 672 },
            normal: IMAGENET,
            document: Some(Thumbnail::InSteps),
            ..vit
        },
        _ => {
            return Err(format!(
                "{name} is not known; those of ViT, DeiT (TrOCR has either), Donut and Nougat are"
            ));
        }
    })
}

/// Reads a size: a number for a square, `{"height", "width"}`, `{"shortest_edge"}`, or a list, with width
/// first if `width_first`.
fn target(key: &str, value: &Value, width_first: bool) -> std::result::Result<TargetSize, String> {
    let wrong = || format!("{key} is {value}, not a size of 1 to {MAX_SIDE} pixels");
    let side = |value: &Value| {
        let side = value.as_u64().filter(|side| (1..=MAX_SIDE).contains(side));
        side.map(|side| side as usize).ok_or_else(wrong)
    };
    let exact = |height: &Value, width: &Value| {
        Ok(TargetSize::Exact(PixelSize { height: side(height)?, width: side(width)? }))
    };
    match value {
        Value::Number(_) => exact(value, value),
        Value::Array(sides) => match &sides[..] {
            [width, height] if width_first => exact(height, width),
            [height, width] => exact(height, width),
            _ => Err(wrong()),
        },
        Value::Object(sides) => match (sides.get("height"), sides.get("width"), sides.get("shortest_edge")) {
            (Some(height), Some(width), _) => exact(height, width),
            (None, None, Some(edge)) if !sides.contains_key("longest_edge") => {
                Ok(TargetSize::ShortestEdge(side(edge)?))
            }
            _ => Err(wrong()),
        },
        _ => Err(wrong()),
    }
}

/// Reads a number for each colour, or one for all.
fn colours(file: &Value, key: &str, default: [f32; 3]) -> std::result::Result<[f32; 3], String> {
    let Some(value) = file.get(key).filter(|value| !value.is_null()) else { return Ok(default) };
    let wrong = || format!("{key} is {value}, not three numbers");
    let number = |value: &Value| value.as_f64().map(|number| number as f32);
    match value {
        Value::Array(list) => {
            let list: Option<Vec<f32>> = list.iter().map(number).collect();
            list.and_then(|list| list.try_into().ok()).ok_or_else(wrong)
        }
        value => number(value).map(|number| [number; 3]).ok_or_else(wrong),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn why(file: Value) -> String {
        ImageProcessor::read(Some(file)).unwrap_err().to_string()
    }

    #[test]
    fn sizes_come_in_several_forms() {
        for (size, expected) in [
            (json!(384), [384, 384]),
            (json!({"height": 32, "width": 320}), [32, 320]),
            (json!([30, 40]), [30, 40]),
        ] {
            let file = json!({"image_processor_type": "ViTImageProcessor", "size": size});
            assert_eq!(ImageProcessor::read(Some(file)).unwrap().size(), Some(expected));
        }
        let old = json!({"feature_extractor_type": "DonutFeatureExtractor", "size": [1920, 2560]});
        assert_eq!(ImageProcessor::read(Some(old)).unwrap().size(), Some([2560, 1920]));
        let deit = json!({"feature_extractor_type": "DeiTFeatureExtractor", "size": 256, "crop_size": 224});
        assert_eq!(ImageProcessor::read(Some(deit)).unwrap().size(), Some([224, 224]));
        let edge = json!({"image_processor_type": "ViTImageProcessorFast", "size": {"shortest_edge": 99}});
        assert_eq!(ImageProcessor::read(Some(edge)).unwrap().size(), None);
    }

    #[test]
    fn wrong_settings_are_told() {
        let with = |key: &str, value: Value| {
            let mut file = json!({"image_processor_type": "ViTImageProcessor"});
            file[key] = value;
            why(file)
        };
        assert!(with("size", json!(0)).contains("size is 0"));
        assert!(with("size", json!(100_000)).contains("8192"));
        assert!(with("resample", json!(9)).contains("0 to 5"));
        assert!(with("image_std", json!([1.0, 0.0, 1.0])).contains("holds 0"));
        assert!(with("image_mean", json!([1.0])).contains("three numbers"));
        assert!(with("do_resize", json!("yes")).contains("do_resize"));
        assert!(with("do_center_crop", json!(true)).contains("crop_size"));
        assert!(why(json!({"image_processor_type": "CLIPImageProcessor"})).contains("CLIP"));
        assert!(why(json!({})).contains("image_processor_type"));
        assert!(ImageProcessor::read(None).unwrap_err().to_string().contains("missing"));
    }
}
