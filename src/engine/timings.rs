//! How long the steps of a run took.

/// Milliseconds of each step of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Timings {
    /// Texts to ids.
    pub tokenize_ms: f64,
    /// The search for a target; 0 where one was given.
    pub generate_ms: f64,
    /// The recorded passes through encoder and decoder, with the scores over the vocabulary where they are wanted;
    /// the median where they ran several times.
    pub capture_ms: f64,
}

/// The median, in place; 0 of nothing.
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
