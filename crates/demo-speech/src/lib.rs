//! A recorded run of Whisper tiny.en on three seconds of speech, and the step of the guided tour that shows it.
//! README.md says where both come from.

/// The run, as attn-tui's capture file.
pub static CAPTURE: &[u8] = include_bytes!("../speech.safetensors");

/// The step of the tour, in the tour's format.
pub static TOUR_STEP: &str = include_str!("../tour-step.md");
