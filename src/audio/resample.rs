//! Change of the sampling rate by band-limited interpolation.

use std::f64::consts::PI;

use rayon::prelude::*;

/// Zero crossings of the filter on either side.
const CROSSINGS: usize = 24;

/// Points of the filter's table between two zero crossings. Linear interpolation between them is off by less
/// than 1e-5.
const POINTS: usize = 512;

/// Shape of the Kaiser window; side lobes are 90 dB below the signal.
const BETA: f64 = 9.0;

/// Cut-off of the filter as a share of the lower rate's Nyquist frequency.
const CUTOFF: f64 = 0.945;

/// Samples computed by one thread at a time.
const BLOCK: usize = 1 << 14;

/// Converts samples from one rate to another, both in samples a second, with a Kaiser-windowed sinc filter
/// (Smith and Gossett 1984, "A flexible sampling-rate conversion method").
///
/// # Panics
/// If a rate is 0.
pub fn resample(samples: &[f32], from: u32, to: u32) -> Vec<f32> {
    assert!(from > 0 && to > 0, "a rate of 0");
    if from == to || samples.is_empty() {
        return samples.to_vec();
    }
    let (from, to) = (u64::from(from), u64::from(to));
    let count = (samples.len() as u64 * to).div_ceil(from) as usize;
    // Input samples from one zero crossing to the next: more than 1 where the rate goes down.
    let spread = (from as f64 / to as f64).max(1.0) / CUTOFF;
    let filter: Vec<f64> = (0..=CROSSINGS * POINTS + 1).map(filter).collect();
    let reach = spread * CROSSINGS as f64;
    let one = |at: usize| {
        let position = at as u64 * from;
        let centre = (position / to) as f64 + (position % to) as f64 / to as f64;
        let first = (centre - reach).ceil().max(0.0) as usize;
        let last = ((centre + reach).floor() as usize).min(samples.len() - 1);
        let mut sum = 0.0;
        for (n, sample) in (first..=last).zip(&samples[first.min(last)..]) {
            let place = (n as f64 - centre).abs() / spread * POINTS as f64;
            let (index, rest) = (place as usize, place.fract());
            sum += f64::from(*sample) * (filter[index] + rest * (filter[index + 1] - filter[index]));
        }
        (sum / spread) as f32
    };
    let mut converted = vec![0.0; count];
    converted.par_chunks_mut(BLOCK).enumerate().for_each(|(block, values)| {
        for (at, value) in values.iter_mut().enumerate() {
            *value = one(block * BLOCK + at);
        }
    });
    converted
}

/// The filter at point `at` of its table; 0 beyond the last zero crossing.
fn filter(at: usize) -> f64 {
    let x = at as f64 / POINTS as f64;
    let inside = 1.0 - (x / CROSSINGS as f64).powi(2);
    match at {
        0 => 1.0,
        _ if inside <= 0.0 => 0.0,
        _ => (PI * x).sin() / (PI * x) * bessel(BETA * inside.sqrt()) / bessel(BETA),
    }
}

/// Modified Bessel function of the first kind and order 0, by its power series.
fn bessel(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for k in 1..64 {
        term *= (x / (2.0 * f64::from(k))).powi(2);
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(frequency: f64, rate: u32, seconds: f64) -> Vec<f32> {
        let count = (f64::from(rate) * seconds) as usize;
        (0..count).map(|n| (2.0 * PI * frequency * n as f64 / f64::from(rate)).sin() as f32).collect()
    }

    #[test]
    fn a_tone_stays_the_same_tone() {
        for rate in [8000, 11_025, 22_050, 44_100, 48_000, 96_000, 44_101] {
            let found = resample(&tone(440.0, rate, 0.5), rate, 16_000);
            assert_eq!(found.len(), (rate as usize / 2 * 16_000).div_ceil(rate as usize), "{rate}");
            let expected = tone(440.0, 16_000, 0.5);
            // The ends lack samples on one side.
            for at in 400..7500 {
                assert!((found[at] - expected[at]).abs() < 2e-4, "{rate}: {} {}", found[at], expected[at]);
            }
        }
    }

    #[test]
    fn a_tone_above_half_the_rate_vanishes() {
        let found = resample(&tone(9500.0, 48_000, 0.2), 48_000, 16_000);
        assert!(found[400..2800].iter().all(|value| value.abs() < 1e-3));
    }
}
