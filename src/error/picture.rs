//! Errors of pictures.

/// An error of reading a picture, or of a model that reads none.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// The file is in no format that is known.
    #[error("{file} is not a picture of a known format")]
    NotAPicture {
        /// Name of the file.
        file: String,
    },
    /// The file uses a form of its format that is not decoded.
    #[error("{file} is not decoded: {what}")]
    Format {
        /// Name of the file.
        file: String,
        /// The form.
        what: String,
    },
    /// The file breaks off, or its contents contradict each other.
    #[error("{file} is damaged: {why}")]
    Damaged {
        /// Name of the file.
        file: String,
        /// Reason.
        why: String,
    },
    /// There are no pixels in the file.
    #[error("{file} holds no picture")]
    Empty {
        /// Name of the file.
        file: String,
    },
    /// The picture has more pixels than are decoded.
    #[error("{file} has {width} x {height} pixels, more than the 100 million that are decoded")]
    TooLarge {
        /// Name of the file.
        file: String,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// A vision model got no picture.
    #[error("{model} reads pictures: it needs a picture, not a text or a recording")]
    Needed {
        /// Name of the model.
        model: String,
    },
    /// A model that reads text or sound got a picture.
    #[error("{model} cannot see a picture: it {reads}")]
    NotSeen {
        /// Name of the model.
        model: String,
        /// Its own medium as a verb and an object, such as "reads texts".
        reads: &'static str,
    },
}

impl PictureError {
    /// Returns a suggestion for the user in one line.
    pub fn hint(&self) -> String {
        const CONVERT: &str = "save it as PNG, for instance with `magick INPUT OUTPUT.png`";
        match self {
            Self::NotAPicture { .. } => {
                format!("PNG, JPEG, WebP, TIFF, BMP and GIF are read; {CONVERT}")
            }
            Self::Format { .. } | Self::Damaged { .. } => CONVERT.into(),
            Self::Empty { .. } => "give a picture with at least one pixel".into(),
            Self::TooLarge { .. } => {
                "scale it down: models read a few hundred thousand pixels, for instance `magick INPUT -resize \
                 4000x4000 OUTPUT.png`"
                    .into()
            }
            Self::Needed { .. } => {
                "give --image FILE; --target is the text in it, and generated if it is absent".into()
            }
            Self::NotSeen { reads, .. } if reads.contains("text") => {
                "give --source TEXT, or a vision model such as microsoft/trocr-base-printed".into()
            }
            Self::NotSeen { .. } => "give --audio FILE".into(),
        }
    }
}
