//! Options for a picture.

use std::path::PathBuf;

use clap::Args;
use clap::builder::TypedValueParser;

use super::parsers::{named, rectangle};
use crate::axis::PixelBox;
use crate::cli::stdin;
use crate::engine::ImageOptions;
use crate::error::Result;
use crate::image::Rotation;

/// Options for a picture.
#[derive(Args, Clone)]
pub struct ImageArgs {
    /// Picture for a vision model: PNG, JPEG, WebP, TIFF, BMP or GIF; `-` reads standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["source", "audio"], help_heading = "Picture")]
    pub image: Option<PathBuf>,
    /// Turn the picture clockwise before the model sees it, in degrees. The orientation that a photograph
    /// states is not applied.
    #[arg(long, default_value = "0", value_parser = rotations(), help_heading = "Picture")]
    rotate: Rotation,
    /// Text that the model's text begins with: the token of a task, such as `<s_cord-v2>` of a Donut model,
    /// or the first words of a caption. A special token at its beginning takes the place of the start token.
    #[arg(long, value_name = "TEXT", help_heading = "Picture")]
    prompt: Option<String>,
    /// Paint a rectangle of the picture with its mean colour before the model sees it: its left and its upper
    /// edge, its width and its height in pixels. May be given several times.
    #[arg(long, value_name = "X,Y,W,H", value_parser = rectangle, help_heading = "Picture")]
    pub cover: Vec<PixelBox>,
}

impl ImageArgs {
    /// The engine's options for the picture; `None` if none is given. Reads standard input for `-`.
    ///
    /// # Errors
    /// Those of [`stdin::bytes`].
    pub fn options(&self) -> Result<Option<ImageOptions>> {
        let path = match &self.image {
            Some(path) => path,
            // The picture is the model's example.
            None if !self.cover.is_empty() || self.prompt.is_some() => {
                return Ok(Some(self.of(PathBuf::new())));
            }
            None => return Ok(None),
        };
        let bytes = if path.as_os_str() == "-" { Some(stdin::bytes()?) } else { None };
        Ok(Some(ImageOptions { bytes, ..self.of(path.clone()) }))
    }

    /// The engine's options for the picture in a file.
    pub fn of(&self, path: PathBuf) -> ImageOptions {
        let (prompt, covered) = (self.prompt.clone(), self.cover.clone());
        ImageOptions { path, bytes: None, rotation: self.rotate, prompt, covered }
    }
}

fn rotations() -> impl TypedValueParser<Value = Rotation> {
    named(Rotation::ALL.map(Rotation::name))
}
