//! Front end of vision models: picture to encoder states.

use std::sync::Arc;
use std::time::Instant;

use candle_core::Tensor;

use super::media::MediaFile;
use super::protocol::ImageOptions;
use super::source::Source;
use super::timings::ms;
use crate::axis::{AxisItem, Media, PixelBox, Sequence};
use crate::error::{Error, Result};
use crate::files::ModelFiles;
use crate::image::{
    DecodedPicture, ImageProcessor, PatchProcessor, PixelValues, PreparedPicture, Resampling, RgbPicture,
    Rotation, read as read_picture, resize,
};
use crate::model::{FrontEndSpec, Model, ModelSpec, PatchesSpec, VariablePatchesSpec};
use crate::progress::Watch;

/// Most pixels of the copy of a picture that a capture holds.
const MAX_KEPT: usize = 1 << 20;

/// Front end of a vision model.
pub(super) enum Seeing {
    /// That of a model that reads pictures of one size.
    Pixels(ImageProcessor, PatchesSpec),
    /// That of a model that reads patches in variable numbers.
    Patches(PatchProcessor),
}

/// A picture as the encoder reads it.
struct SeenPicture {
    /// The picture that the items are places of.
    picture: RgbPicture,
    items: Vec<AxisItem>,
    /// Input of the encoder's first layer, `[1, positions, d_model]`.
    states: Tensor,
    /// Milliseconds that embedding took.
    embed_ms: f64,
    notes: Vec<String>,
}

impl Seeing {
    /// Reads the settings of a model's front end; `None` if the model reads no pictures.
    ///
    /// # Errors
    /// [`Error::BadFile`] for settings that do not fit the model.
    pub fn open(files: &ModelFiles, spec: &ModelSpec) -> Result<Option<Self>> {
        const FILE: &str = "preprocessor_config.json";
        match spec.front_end() {
            Some(FrontEndSpec::Patches(patches)) => {
                Self::of_pixels(ImageProcessor::read(files.json(FILE)?)?, patches).map(Some)
            }
            Some(FrontEndSpec::VariablePatches(patches)) => {
                let processor = PatchProcessor::read(files.json(FILE)?.as_ref())?;
                Self::of_patches(processor, patches).map(Some)
            }
            Some(FrontEndSpec::Convolutions(_)) | None => Ok(None),
        }
    }

    fn of_pixels(processor: ImageProcessor, patches: &PatchesSpec) -> Result<Self> {
        let [height, width] = patches.picture;
        if let Some([made_height, made_width]) = processor.size().filter(|size| *size != patches.picture) {
            return Err(Error::BadFile {
                file: "preprocessor_config.json".into(),
                why: format!(
                    "its pictures have {made_width} x {made_height} pixels, and the model reads {width} x {height}"
                ),
            });
        }
        Ok(Self::Pixels(processor, patches.clone()))
    }

    fn of_patches(processor: PatchProcessor, patches: &VariablePatchesSpec) -> Result<Self> {
        if processor.values() != patches.values {
            return Err(Error::BadFile {
                file: "preprocessor_config.json".into(),
                why: format!(
                    "its patches have {} values, and the model reads {}",
                    processor.values(),
                    patches.values
                ),
            });
        }
        Ok(Self::Patches(processor))
    }

    /// Reads a picture.
    ///
    /// # Errors
    /// Those of the file; [`Error::Usage`] for a covered rectangle outside of the picture.
    pub fn source(&self, model: &Model, options: &ImageOptions) -> Result<Source> {
        let (media, read) = decoded(options)?;
        let mut seen = self.seen(model, read.picture.covered(&options.covered))?;
        let mut notes = read.notes;
        notes.append(&mut seen.notes);
        let picture = Arc::new(small(seen.picture));
        let sequence = Sequence { text: media.file.clone(), items: seen.items };
        let source = match model.spec().merges_positions() {
            true => Source::merging_states(sequence, seen.states),
            false => Source::states(sequence, seen.states)?,
        };
        let source = source.with_media(media, notes).with_picture(picture, options.clone());
        Ok(source.with_embed_ms(seen.embed_ms))
    }

    /// Reads a picture, and calls `each` with the encoder's inputs with one of several rectangles covered,
    /// `together` of them at a time.
    ///
    /// # Errors
    /// As [`Seeing::source`]; those of `each`.
    pub fn covered(
        &self,
        model: &Model,
        options: &ImageOptions,
        (places, together): (&[PixelBox], usize),
        watch: &dyn Watch,
        each: &mut dyn FnMut(&[Tensor]) -> Result<()>,
    ) -> Result<()> {
        let (_, read) = decoded(options)?;
        let states = |place: &PixelBox| {
            watch.check()?;
            let covered: Vec<PixelBox> = options.covered.iter().chain([place]).copied().collect();
            Ok(self.seen(model, read.picture.clone().covered(&covered))?.states)
        };
        for part in places.chunks(together.max(1)) {
            each(&part.iter().map(states).collect::<Result<Vec<_>>>()?)?;
        }
        Ok(())
    }

    /// Prepares a picture and embeds it.
    fn seen(&self, model: &Model, picture: RgbPicture) -> Result<SeenPicture> {
        Ok(match self {
            Self::Pixels(processor, patches) => {
                let prepared = processor.prepare(picture);
                let items = items(patches, &prepared);
                let PixelValues { values, height, width } = prepared.pixels;
                let start = Instant::now();
                SeenPicture {
                    states: model.embed_pixels(values, [height, width])?,
                    embed_ms: ms(start),
                    items,
                    picture: prepared.picture,
                    notes: prepared.notes,
                }
            }
            Self::Patches(processor) => {
                let patches = processor.prepare(&picture);
                let start = Instant::now();
                SeenPicture {
                    states: model.embed_patches(patches.values, patches.grid)?,
                    embed_ms: ms(start),
                    items: patches.places.into_iter().map(AxisItem::patch).collect(),
                    picture,
                    notes: processor.note().map(String::from).into_iter().collect(),
                }
            }
        })
    }
}

/// The items of class tokens and of the patches that leave the encoder.
fn items(patches: &PatchesSpec, prepared: &PreparedPicture) -> Vec<AxisItem> {
    let [rows, columns] = patches.merged_grid();
    let [height, width] = patches.merged_patch();
    let class = patches.class_tokens.iter().map(|token| AxisItem::class(token.label));
    let corners = (0..rows).flat_map(|row| (0..columns).map(move |column| [column * width, row * height]));
    let places =
        corners.map(|corner| AxisItem::patch(prepared.place(corner, [width, height]).unwrap_or_default()));
    class.chain(places).collect()
}

/// Reads and turns a picture.
fn decoded(options: &ImageOptions) -> Result<(Media, DecodedPicture)> {
    let MediaFile { name: file, bytes, sha256 } = MediaFile::open(&options.path, options.bytes.as_ref())?;
    let mut read = read_picture(&bytes, &file)?;
    if options.rotation != Rotation::None {
        read.picture = read.picture.rotated(options.rotation);
        let degrees = options.rotation.name();
        read.notes.push(format!("{file}: turned by {degrees} degrees; places are those after it"));
    }
    let (width, height) = (read.picture.width(), read.picture.height());
    let outside = |place: &&PixelBox| place.x >= width as f64 || place.y >= height as f64;
    if let Some(PixelBox { x, y, w, h }) = options.covered.iter().find(outside) {
        return Err(Error::Usage(format!(
            "the rectangle {x},{y},{w},{h} lies outside of {file}, which has {width} x {height} pixels"
        )));
    }
    Ok((Media { file, sha256, size: Some([width, height]) }, read))
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
