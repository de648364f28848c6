//! Progress reports and cancellation of long operations.

use crate::human::{bytes, duration};

/// Progress of a long operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// Downloading a file from the hub.
    Download {
        /// Name of the file within the repository.
        file: String,
        /// Bytes on disk, including those of earlier runs.
        done: u64,
        /// Size of the file in bytes, if the server sent it.
        total: Option<u64>,
        /// Bytes per second, averaged over the last seconds.
        speed: f64,
    },
    /// Reading weights.
    Load {
        /// Tensors read.
        done: usize,
        /// Number of tensors.
        total: usize,
    },
    /// Running the encoder.
    Encode,
    /// Generating the target.
    Generate {
        /// Tokens generated so far.
        tokens: usize,
        /// Text of the best beam so far.
        text: String,
    },
    /// Recording the maps in the teacher-forced pass.
    Capture {
        /// Layers done, of encoder and decoder together.
        done: usize,
        /// Number of layers of encoder and decoder together.
        total: usize,
    },
    /// Running the model many times.
    Runs {
        /// Runs done.
        done: usize,
        /// Number of runs, if it is known.
        total: Option<usize>,
    },
    /// Measuring the sentences of a corpus.
    Scan {
        /// Sentences measured, those of earlier runs included.
        done: u64,
        /// Sentences per second of this run.
        rate: f64,
        /// Share of the corpus that was read, if its size is known.
        fraction: Option<f64>,
        /// Seconds left, if they can be told.
        left: Option<f64>,
    },
}

impl std::fmt::Display for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Progress::Download { file, done, total, speed } => {
                write!(f, "{file}: {}", bytes(*done))?;
                if let Some(total) = total {
                    write!(f, " of {}", bytes(*total))?;
                }
                if *speed > 0.0 {
                    write!(f, ", {}/s", bytes(*speed as u64))?;
                    if let Some(total) = total {
                        write!(f, ", {} left", duration(total.saturating_sub(*done) as f64 / speed))?;
                    }
                }
                Ok(())
            }
            Progress::Load { done, total } => write!(f, "loading weights: {done} of {total} tensors"),
            Progress::Encode => write!(f, "encoding the source"),
            Progress::Generate { tokens, text } => {
                write!(f, "generating, token {tokens}: {}", tail(text, 60))
            }
            Progress::Capture { done, total } => write!(f, "capturing: layer {done} of {total}"),
            Progress::Runs { done, total: Some(total) } => write!(f, "running: {done} of {total}"),
            Progress::Runs { done, total: None } => write!(f, "running: {done} done"),
            Progress::Scan { done, rate, fraction, left } => {
                write!(f, "scanning: {done} sentences, {rate:.0}/s")?;
                if let Some(fraction) = fraction {
                    write!(f, ", {:.0} %", 100.0 * fraction)?;
                }
                if let Some(left) = left {
                    write!(f, ", {} left", duration(*left))?;
                }
                Ok(())
            }
        }
    }
}

/// The last `width` characters of a text, on one line.
fn tail(text: &str, width: usize) -> String {
    let count = text.chars().count();
    text.chars().skip(count.saturating_sub(width)).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Observer of a long operation, which may cancel it.
pub trait Watch: Send + Sync {
    /// Receives progress; must return quickly.
    fn progress(&self, progress: Progress);

    /// Returns true if the operation should stop with [`crate::error::Error::Cancelled`]. Called often.
    fn cancelled(&self) -> bool {
        false
    }

    /// Returns `Err(Cancelled)` if the operation should stop.
    fn check(&self) -> crate::error::Result<()> {
        if self.cancelled() { Err(crate::error::Error::Cancelled) } else { Ok(()) }
    }
}

/// Ignores progress and never cancels.
pub struct Unwatched;

impl Watch for Unwatched {
    fn progress(&self, _: Progress) {}
}
