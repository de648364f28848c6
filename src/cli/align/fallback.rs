//! Options of `align --whole` by which a window is generated again.

use clap::Args;

use crate::cli::output;
use crate::engine::TranscribedWindow;
use crate::generate::{Fallback, Verdict};

/// Options by which a window of a long recording is generated again at another temperature, or left out.
#[derive(Args)]
pub struct FallbackArgs {
    /// Temperatures to generate a window at, in order, such as 0,0.2,0.4,0.6,0.8,1: the next one is taken if
    /// a threshold below is missed. 0 takes the likeliest tokens; above it tokens are sampled, with --seed.
    #[arg(long, value_name = "LIST", requires = "whole")]
    #[arg(value_delimiter = ',', value_parser = temperature, help_heading = "Sound")]
    temperatures: Vec<f32>,
    /// Generate a window again if its tokens compress by more than N: the text repeats itself. transformers'
    /// documentation takes 1.35.
    #[arg(long, value_name = "N", requires = "whole", value_parser = number, help_heading = "Sound")]
    compression_ratio: Option<f64>,
    /// Generate a window again if the mean log-probability of its tokens is below N, such as -1.
    #[arg(long, value_name = "N", requires = "whole", allow_negative_numbers = true)]
    #[arg(value_parser = number, help_heading = "Sound")]
    log_probability: Option<f64>,
    /// Leave a window out if the probability of no speech is above N, such as 0.6, and the mean
    /// log-probability is below --log-probability.
    #[arg(long, value_name = "N", requires = "log_probability")]
    #[arg(value_parser = number, help_heading = "Sound")]
    no_speech: Option<f64>,
}

impl FallbackArgs {
    /// The engine's thresholds.
    pub fn fallback(&self) -> Fallback {
        Fallback {
            temperatures: self.temperatures.clone(),
            compression_ratio: self.compression_ratio,
            log_probability: self.log_probability,
            no_speech: self.no_speech,
        }
    }
}

fn temperature(text: &str) -> std::result::Result<f32, String> {
    match text.trim().parse::<f32>() {
        Ok(value) if (0.0..=10.0).contains(&value) => Ok(value),
        _ => Err("must be a number from 0 to 10".into()),
    }
}

fn number(text: &str) -> std::result::Result<f64, String> {
    text.parse::<f64>().ok().filter(|value| value.is_finite()).ok_or_else(|| "must be a number".into())
}

/// Notes that a window was generated at a higher temperature, or left out.
pub(super) fn note_fallback(window: &TranscribedWindow) {
    let (Some(measures), first) = (window.measures, window.capture.source.items.first()) else { return };
    let begin = first.map_or("", |item| item.piece.as_str());
    let numbers = format!(
        "compression ratio {:.2}, mean log-probability {:.2}, no speech {:.2}",
        measures.compression_ratio, measures.log_probability, measures.no_speech
    );
    match (window.verdict, window.temperature) {
        (Verdict::LeftOut, _) => output::note(&format!("the window from {begin} is left out: {numbers}")),
        (verdict, Some(temperature)) if temperature > 0.0 || verdict == Verdict::Again => {
            let kept = if verdict == Verdict::Again { ", still beyond the thresholds" } else { "" };
            output::note(&format!(
                "the window from {begin} is generated at temperature {temperature}{kept}: {numbers}"
            ));
        }
        _ => {}
    }
}
