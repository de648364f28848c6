//! Options for a recording.

use std::path::PathBuf;

use clap::Args;
use clap::builder::TypedValueParser;

use super::parsers::{named, whole};
use crate::cli::stdin;
use crate::engine::AudioOptions;
use crate::error::Result;
use crate::generate::SpeechTask;

/// Options for a recording.
#[derive(Args, Clone)]
pub struct AudioArgs {
    /// Recording for a speech model: WAV, FLAC, MP3, OGG Vorbis or M4A (AAC-LC); `-` reads standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "source", help_heading = "Sound")]
    pub audio: Option<PathBuf>,
    /// Channel to hear, from 0 [default: the mean of all].
    #[arg(long, value_name = "N", value_parser = whole::<usize>, help_heading = "Sound")]
    channel: Option<usize>,
    /// Second from which on the recording is heard.
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0, help_heading = "Sound",
          value_parser = seconds)]
    from: f64,
    /// Keep all positions after the recording apart, instead of their summed weight as one last key.
    #[arg(long, help_heading = "Sound")]
    padding: bool,
    /// Text to write: what was said, or its English translation [default: the model's generation config].
    #[arg(long, help_heading = "Sound", value_parser = tasks())]
    task: Option<SpeechTask>,
    /// Write timestamps into the text.
    #[arg(long, help_heading = "Sound")]
    timestamps: bool,
}

impl AudioArgs {
    /// The engine's options for the recording; `None` if none is given. Reads standard input for `-`.
    ///
    /// # Errors
    /// Those of [`stdin::bytes`].
    pub fn options(&self) -> Result<Option<AudioOptions>> {
        let Some(path) = &self.audio else { return Ok(None) };
        let bytes = if path.as_os_str() == "-" { Some(stdin::bytes()?) } else { None };
        Ok(Some(AudioOptions { bytes, ..self.of(path.clone()) }))
    }

    /// Returns true unless positions are summed, whose values are not kept.
    pub fn keeps_values(&self) -> bool {
        self.audio.is_none() || self.padding
    }

    /// The engine's options for the recording in a file.
    pub fn of(&self, path: PathBuf) -> AudioOptions {
        AudioOptions {
            path,
            bytes: None,
            channel: self.channel,
            from: self.from,
            padding: self.padding,
            task: self.task,
            timestamps: self.timestamps,
        }
    }
}

fn tasks() -> impl TypedValueParser<Value = SpeechTask> {
    named(SpeechTask::ALL.map(SpeechTask::name))
}

/// Parses a time in seconds.
fn seconds(text: &str) -> std::result::Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=1e7).contains(&value) => Ok(value),
        _ => Err("must be a number of seconds, 0 or more".into()),
    }
}
