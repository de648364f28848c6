//! How long work reports what it does and hears that it should stop.

use crate::human::{bytes, duration};

/// What a long step is doing now.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// Fetching a file from the hub.
    Download {
        /// File name within the repository.
        file: String,
        /// Bytes on disk so far, resumed ones included.
        done: u64,
        /// Size of the whole file, where the server told it.
        total: Option<u64>,
        /// Bytes a second, averaged over the last seconds.
        speed: f64,
    },
    /// Reading weights: tensors read so far and in all.
    Load {
        /// Tensors read.
        done: usize,
        /// Tensors in all.
        total: usize,
    },
    /// The encoder is running.
    Encode,
    /// Generating the target: what is there so far.
    Generate {
        /// Tokens generated so far.
        tokens: usize,
        /// The text so far (the best beam's).
        text: String,
    },
    /// The teacher-forced pass that records the maps.
    Capture {
        /// Layers done, encoder and decoder together.
        done: usize,
        /// Layers in all.
        total: usize,
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
        }
    }
}

/// The last `width` characters of a text, on one line.
fn tail(text: &str, width: usize) -> String {
    let count = text.chars().count();
    text.chars().skip(count.saturating_sub(width)).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Listens to a long step and may stop it.
pub trait Watch: Send + Sync {
    /// Called whenever there is something new to tell; must return quickly.
    fn progress(&self, progress: Progress);

    /// Asked between small steps; once it is true the work stops with [`crate::error::Error::Cancelled`].
    fn cancelled(&self) -> bool {
        false
    }

    /// `Err(Cancelled)` once the work should stop.
    fn check(&self) -> crate::error::Result<()> {
        if self.cancelled() { Err(crate::error::Error::Cancelled) } else { Ok(()) }
    }
}

/// Listens to nothing and never stops.
pub struct Unwatched;

impl Watch for Unwatched {
    fn progress(&self, _: Progress) {}
}
