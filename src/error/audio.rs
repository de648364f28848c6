//! Errors of recordings.

/// An error of reading a recording, or of a model that reads none.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AudioError {
    /// The file is in no format that is known.
    #[error("{file} is not a sound file of a known format")]
    NotAudio {
        /// Name of the file.
        file: String,
    },
    /// The file has no track with sound.
    #[error("{file} has no audio track")]
    NoTrack {
        /// Name of the file.
        file: String,
    },
    /// The codec of the track is not decoded.
    #[error("{file} is coded as {codec}, which is not decoded")]
    Codec {
        /// Name of the file.
        file: String,
        /// Name of the codec.
        codec: String,
    },
    /// The file breaks off before any sound, or its contents contradict each other.
    #[error("{file} is damaged: {why}")]
    Damaged {
        /// Name of the file.
        file: String,
        /// Reason.
        why: String,
    },
    /// There is no sound in the file.
    #[error("{file} holds no sound")]
    Empty {
        /// Name of the file.
        file: String,
    },
    /// A sample is infinite or not a number.
    #[error("{file}: the sample at {seconds:.3} s is not a number")]
    NotNumbers {
        /// Name of the file.
        file: String,
        /// Time of the sample.
        seconds: f64,
    },
    /// The recording has fewer channels.
    #[error("{file} has {channels}: there is no channel {channel}", channels = channels(*count))]
    NoChannel {
        /// Name of the file.
        file: String,
        /// The channel that was asked for, from 0.
        channel: usize,
        /// Number of channels.
        count: usize,
    },
    /// The recording ends before the part that was asked for.
    #[error("{file} ends at {seconds:.2} s, before the {from:.2} s to begin at")]
    BeyondEnd {
        /// Name of the file.
        file: String,
        /// Length of the recording.
        seconds: f64,
        /// Begin of the part.
        from: f64,
    },
    /// Standard input is longer than what is kept in memory.
    #[error("standard input is longer than {}", crate::human::bytes(*limit))]
    TooLong {
        /// Most bytes that are read.
        limit: u64,
    },
    /// A speech model got no recording.
    #[error("{model} hears recordings: it needs a recording, not a text")]
    Needed {
        /// Name of the model.
        model: String,
    },
    /// A text model got a recording.
    #[error("{model} reads text: it cannot hear a recording")]
    NotHeard {
        /// Name of the model.
        model: String,
    },
}

impl AudioError {
    /// Returns a suggestion for the user in one line.
    pub fn hint(&self) -> String {
        const CONVERT: &str = "convert it, for instance with `ffmpeg -i INPUT -ar 16000 -ac 1 OUTPUT.wav`";
        match self {
            Self::NotAudio { .. } => {
                format!("WAV, FLAC, MP3, OGG Vorbis and M4A (AAC-LC) are read; {CONVERT}")
            }
            Self::NoTrack { .. } | Self::Codec { .. } | Self::Damaged { .. } | Self::NotNumbers { .. } => {
                CONVERT.into()
            }
            Self::Empty { .. } => "give a recording with at least one sample".into(),
            Self::NoChannel { count, .. } => {
                format!(
                    "--channel takes 0 to {}; without it the channels' mean is heard",
                    count.saturating_sub(1)
                )
            }
            Self::BeyondEnd { .. } => "give a smaller --from".into(),
            Self::TooLong { .. } => {
                "give the name of a recording, which is read as far as it is needed, or a shorter text".into()
            }
            Self::Needed { .. } => {
                "give --audio FILE; --target is what was said, and generated if it is absent".into()
            }
            Self::NotHeard { .. } => {
                "give --source TEXT, or a speech model such as openai/whisper-tiny".into()
            }
        }
    }
}

fn channels(count: usize) -> String {
    if count == 1 { "one channel, number 0".into() } else { format!("{count} channels, from 0") }
}
