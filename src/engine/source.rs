//! Sources of runs: what the encoder reads, with the items that label it.

use std::sync::Arc;

use candle_core::Tensor;

use super::protocol::ImageOptions;
use crate::axis::{AxisItem, Media, Sequence};
use crate::capture::SoundStrip;
use crate::error::{Error, Result};
use crate::image::RgbPicture;
use crate::model::EncoderInput;

/// Source of a run, read and ready for the encoder.
#[derive(Clone, Debug)]
pub struct Source {
    sequence: Sequence,
    /// Ids of the tokens among the items; empty if the source is no text.
    ids: Vec<u32>,
    /// Input of the encoder's first layer; `None` to embed the ids.
    states: Option<Tensor>,
    media: Option<Media>,
    sound: Option<SoundStrip>,
    /// The picture that the items are places of, perhaps scaled down.
    picture: Option<Arc<RgbPicture>>,
    /// Options that the picture was read with.
    image: Option<ImageOptions>,
    /// Notes for the user on how the source was read.
    notes: Vec<String>,
    /// Milliseconds that the model's front end took.
    embed_ms: f64,
}

impl Source {
    /// Creates a source of tokens, which the model embeds.
    pub fn tokens(sequence: Sequence) -> Self {
        let ids = sequence.ids();
        Self {
            ids,
            sequence,
            states: None,
            media: None,
            sound: None,
            picture: None,
            image: None,
            notes: Vec::new(),
            embed_ms: 0.0,
        }
    }

    /// Creates a source that a front end has turned into `states`, `[1, positions, d_model]`, positions
    /// included. The text of `sequence` is what the screen and exports show as the source. Its last item may
    /// stand for several positions ([`ItemKind::Rest`](crate::axis::ItemKind::Rest)).
    ///
    /// # Errors
    /// [`Error::Text`] if there are no items, or the items stand for more or fewer positions.
    pub fn states(sequence: Sequence, states: Tensor) -> Result<Self> {
        let (_, positions, _) = states.dims3()?;
        match sequence.items.iter().map(AxisItem::positions).sum::<usize>() {
            0 => Err(Error::Text("the source is empty".into())),
            items if items != positions => {
                Err(Error::Text(format!("the source has {items} items for {positions} positions")))
            }
            _ => Ok(Self { states: Some(states), ..Self::tokens(sequence) }),
        }
    }

    /// [`Source::states`] for an encoder whose positions merge from layer to layer: the items are those of its last
    /// states.
    pub(super) fn merging_states(sequence: Sequence, states: Tensor) -> Self {
        Self { states: Some(states), ..Self::tokens(sequence) }
    }

    /// The same source, with the file that it comes from and notes for the user.
    #[must_use]
    pub fn with_media(self, media: Media, notes: Vec<String>) -> Self {
        Self { media: Some(media), notes, ..self }
    }

    /// The same source, with the loudness of its frames.
    #[must_use]
    pub fn with_sound(self, sound: SoundStrip) -> Self {
        Self { sound: Some(sound), ..self }
    }

    /// Loudness of the source's frames, if it is a recording.
    pub fn sound(&self) -> Option<&SoundStrip> {
        self.sound.as_ref()
    }

    /// The same source, with the picture that its items are places of and the options that it was read with.
    #[must_use]
    pub fn with_picture(self, picture: Arc<RgbPicture>, image: ImageOptions) -> Self {
        Self { picture: Some(picture), image: Some(image), ..self }
    }

    /// Options that the picture was read with, if the source is one.
    pub fn image(&self) -> Option<&ImageOptions> {
        self.image.as_ref()
    }

    /// The same source, with the milliseconds that the model's front end took.
    #[must_use]
    pub(super) fn with_embed_ms(self, embed_ms: f64) -> Self {
        Self { embed_ms, ..self }
    }

    /// Milliseconds that the model's front end took to turn features into states.
    pub(super) fn embed_ms(&self) -> f64 {
        self.embed_ms
    }

    /// States ready for the encoder's first layer; `None` for a text.
    pub fn embedded(&self) -> Option<&Tensor> {
        self.states.as_ref()
    }

    /// The picture that the items are places of, perhaps scaled down.
    pub fn picture(&self) -> Option<&Arc<RgbPicture>> {
        self.picture.as_ref()
    }

    /// The file that the source comes from, if it is no text.
    pub fn media(&self) -> Option<&Media> {
        self.media.as_ref()
    }

    /// Notes for the user on how the source was read.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The text and the items.
    pub fn sequence(&self) -> &Sequence {
        &self.sequence
    }

    /// The items along the source's axis.
    pub fn items(&self) -> &[AxisItem] {
        &self.sequence.items
    }

    /// Number of positions of the encoder's last states.
    pub(super) fn positions(&self) -> usize {
        self.sequence.items.iter().map(AxisItem::positions).sum()
    }

    /// Ids of the tokens among the items, for the settings of generation that look at the source.
    pub(super) fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Input of the encoder.
    pub(super) fn input(&self) -> EncoderInput<'_> {
        self.states.as_ref().map_or(EncoderInput::Ids(&self.ids), EncoderInput::States)
    }
}
