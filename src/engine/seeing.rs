//! Front end of vision models: picture to encoder states.

use std::sync::Arc;

use super::media::MediaFile;
use super::protocol::ImageOptions;
use super::source::Source;
use crate::axis::{AxisItem, Media, Sequence};
use crate::error::{Error, Result};
use crate::files::ModelFiles;
use crate::image::{
    ImageProcessor, PreparedPicture, Resampling, RgbPicture, Rotation, read as read_picture, resize,
};
use crate::model::{FrontEndSpec, Model, ModelSpec, PatchesSpec};

/// Most pixels of the copy of a picture that a capture holds.
const MAX_KEPT: usize = 1 << 20;

/// Front end of a vision model.
pub(super) struct Seeing {
    processor: ImageProcessor,
    patches: PatchesSpec,
}

impl Seeing {
    /// Reads the settings of a model's front end; `None` if the model reads no pictures.
    ///
    /// # Errors
    /// [`Error::BadFile`] for settings that do not fit the model.
    pub fn open(files: &ModelFiles, spec: &ModelSpec) -> Result<Option<Self>> {
        let Some(FrontEndSpec::Patches(patches)) = spec.front_end() else { return Ok(None) };
        let processor = ImageProcessor::read(files.json("preprocessor_config.json")?)?;
        let [height, width] = patches.picture;
        if let Some([made_height, made_width]) = processor.size().filter(|size| *size != patches.picture) {
            return Err(Error::BadFile {
                file: "preprocessor_config.json".into(),
                why: format!(
                    "its pictures have {made_width} x {made_height} pixels, and the model reads {width} x {height}"
                ),
            });
        }
        Ok(Some(Self { processor, patches: patches.clone() }))
    }

    /// Reads a picture.
    pub fn source(&self, model: &Model, options: &ImageOptions) -> Result<Source> {
        let MediaFile { name: file, bytes, sha256 } = MediaFile::open(&options.path, options.bytes.as_ref())?;
        let mut read = read_picture(&bytes, &file)?;
        if options.rotation != Rotation::None {
            read.picture = read.picture.rotated(options.rotation);
            read.notes.push(format!(
                "{file}: turned by {} degrees; places are those after it",
                options.rotation.name()
            ));
        }
        let mut prepared = self.processor.prepare(read.picture);
        let mut notes = read.notes;
        notes.append(&mut prepared.notes);
        let pixels = &prepared.pixels;
        let states = model.embed_pixels(&pixels.values, [pixels.height, pixels.width])?;
        let items = self.items(&prepared);
        let size = Some([prepared.picture.width(), prepared.picture.height()]);
        let picture = Arc::new(small(prepared.picture));
        let sequence = Sequence { text: file.clone(), items };
        let source = Source::states(sequence, states)?.with_media(Media { file, sha256, size }, notes);
        Ok(source.with_picture(picture))
    }

    /// The items of class tokens and patches.
    fn items(&self, prepared: &PreparedPicture) -> Vec<AxisItem> {
        let [rows, columns] = self.patches.grid();
        let [height, width] = self.patches.patch;
        let class = self.patches.class_tokens.iter().map(|token| AxisItem::class(token.label));
        let places = (0..rows).flat_map(|row| (0..columns).map(move |column| [column * width, row * height]));
        let patches =
            places.map(|corner| AxisItem::patch(prepared.place(corner, [width, height]).unwrap_or_default()));
        class.chain(patches).collect()
    }
}

/// Scales a picture down to what a capture holds.
fn small(picture: RgbPicture) -> RgbPicture {
    let (width, height) = (picture.width(), picture.height());
    if width * height <= MAX_KEPT {
        return picture;
    }
    let scale = (MAX_KEPT as f64 / (width * height) as f64).sqrt();
    let side = |side: usize| ((side as f64 * scale) as usize).clamp(1, MAX_KEPT);
    resize(&picture, side(width), side(height), Resampling::Bilinear)
}
