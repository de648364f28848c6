//! Times of the steps of a run.

use std::time::Instant;

/// Times of the steps of a run, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Timings {
    /// Reading of the texts, or of the recording or the picture up to the features that the model takes.
    pub tokenize_ms: f64,
    /// The model's front end, from features to the encoder's first layer; 0 for a text, whose embedding is part
    /// of each pass.
    pub embed_ms: f64,
    /// Generation of the target; 0 if it was given.
    pub generate_ms: f64,
    /// The recorded pass through encoder and decoder, including predictions and logits if they are kept; the
    /// median of repeated passes.
    pub capture_ms: f64,
}

/// Returns the milliseconds since `start`.
pub(super) fn ms(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

/// Sorts the values and returns their median; 0 if there are none.
pub(super) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[n / 2],
        n => (values[n / 2 - 1] + values[n / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&mut []), 0.0);
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
