//! Pictures: files to pixels, pixels to the values that vision models read.
//!
//! Every step is a pure function: [`read`] decodes a file, [`resize`] scales as Pillow does, and
//! [`ImageProcessor`] and [`PatchProcessor`] do what the model's preprocessor_config.json asks for.

mod decode;
mod patches;
mod processor;
mod resize;
mod rgb;
mod settings;

pub use decode::{DecodedPicture, MAX_PIXELS, read};
pub use patches::{PatchProcessor, PatchValues};
pub use processor::{PixelValues, PreparedPicture};
pub use resize::{Resampling, resize};
pub use rgb::{RgbPicture, Rotation};
pub use settings::ImageProcessor;
