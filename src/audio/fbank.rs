//! Filter banks of Kaldi, as transformers' `Speech2TextFeatureExtractor` computes them.

use rayon::prelude::*;

use super::features::{FeatureFile, Features};
use super::fft::{Complex, Fft};
use crate::error::Result;

/// Samples of a frame, 25 ms at 16 kHz.
const FRAME: usize = 400;

/// Samples from one frame to the next, 10 ms at 16 kHz.
const HOP: usize = 160;

/// Samples of a transform; a frame is padded with zeros.
const SIZE: usize = 512;

/// Samples are those of 16-bit integers.
const SCALE: f64 = 32768.0;

/// Factor of the sample before in the difference that raises high frequencies.
const PRE_EMPHASIS: f64 = 0.97;

/// Smallest energy of a filter as transformers writes it: about the epsilon of 32-bit floats.
const FLOOR: f64 = 1.192_092_955_078_125e-7;

/// Lowest frequency of the filters, in hertz.
const LOWEST: f64 = 20.0;

/// Settings of filter banks, and the tables that follow from them.
#[derive(Clone, Debug)]
pub struct FilterBanks {
    rate: u32,
    /// Longest sound in samples.
    samples: usize,
    /// True to normalise the mean and the variance of each bin over the recording.
    normalised: [bool; 2],
    fft: Fft,
    /// Povey's window.
    window: Vec<f64>,
    /// The weights of each bin, from number `.0` of the frequencies on.
    filters: Vec<(usize, Vec<f64>)>,
}

/// The scale of O'Shaughnessy (1987).
fn mel(hertz: f64) -> f64 {
    1127.0 * (1.0 + hertz / 700.0).ln()
}

impl FilterBanks {
    /// Reads the settings, for a model that reads `bins` bins and hears at most `seconds`.
    ///
    /// # Errors
    /// Those of [`FeatureFile`].
    pub fn read(file: &FeatureFile, bins: usize, seconds: usize) -> Result<Self> {
        file.check_kind("Speech2TextFeatureExtractor")?;
        let found = file.count("num_mel_bins", bins, 1 << 10)?;
        file.check_bins("num_mel_bins", found, bins)?;
        let rate = file.count("sampling_rate", 16_000, 768_000)?;
        let normalise = file.flag("do_ceptral_normalize", true)?;
        let angle = |n: usize| std::f64::consts::TAU * n as f64 / (FRAME - 1) as f64;
        Ok(Self {
            rate: rate as u32,
            samples: seconds * rate,
            normalised: [
                normalise && file.flag("normalize_means", true)?,
                normalise && file.flag("normalize_vars", true)?,
            ],
            fft: Fft::new(SIZE),
            window: (0..FRAME).map(|n| (0.5 - 0.5 * angle(n).cos()).powf(0.85)).collect(),
            filters: filters(bins, rate),
        })
    }

    /// Samples a second.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Length of the longest sound in seconds.
    pub fn seconds(&self) -> f64 {
        self.samples as f64 / f64::from(self.rate)
    }

    /// Samples from one frame to the next.
    pub fn hop(&self) -> usize {
        HOP
    }

    /// Computes the features of samples at [`FilterBanks::rate`]. A sound shorter than a frame has none.
    pub fn features(&self, samples: &[f32]) -> Features {
        let heard = &samples[..samples.len().min(self.samples)];
        let frames = heard.len().checked_sub(FRAME).map_or(0, |rest| rest / HOP + 1);
        let bins = self.filters.len();
        let mut values = vec![0f32; frames * bins];
        values
            .par_chunks_mut(bins)
            .enumerate()
            .for_each(|(frame, row)| self.frame(&heard[frame * HOP..][..FRAME], row));
        for bin in 0..bins {
            self.normalise(&mut values, bin);
        }
        Features { values, frames, bins, covered: frames }
    }

    /// Computes the logarithms of one frame's filters.
    fn frame(&self, samples: &[f32], row: &mut [f32]) {
        let scaled = || samples.iter().map(|&sample| f64::from(sample) * SCALE);
        let mean = scaled().sum::<f64>() / FRAME as f64;
        let centred: Vec<f64> = scaled().map(|sample| sample - mean).collect();
        let before = std::iter::once(centred[0]).chain(centred.iter().copied());
        let mut input: Vec<Complex> = centred
            .iter()
            .zip(before)
            .zip(&self.window)
            .map(|((sample, before), window)| [(sample - PRE_EMPHASIS * before) * window, 0.0])
            .collect();
        input.resize(SIZE, [0.0; 2]);
        let mut spectrum = vec![[0.0; 2]; SIZE];
        self.fft.transform(&input, &mut spectrum);
        let power = |[re, im]: Complex| re * re + im * im;
        for (value, (first, weights)) in row.iter_mut().zip(&self.filters) {
            let sum: f64 =
                spectrum[*first..].iter().zip(weights).map(|(&bin, weight)| power(bin) * weight).sum();
            *value = sum.max(FLOOR).ln() as f32;
        }
    }

    /// Normalises the mean and the variance of a bin over all frames.
    fn normalise(&self, values: &mut [f32], bin: usize) {
        let bins = self.filters.len();
        let all: Vec<f64> = values.iter().skip(bin).step_by(bins).map(|&x| f64::from(x)).collect();
        let count = all.len().max(1) as f64;
        let mean = all.iter().sum::<f64>() / count;
        let deviation = (all.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count).sqrt();
        let [means, variances] = self.normalised;
        for value in values.iter_mut().skip(bin).step_by(bins) {
            let centred = f64::from(*value) - if means { mean } else { 0.0 };
            // A bin that never changes, as in silence, has no variance to divide by.
            let divisor = if variances && deviation > 0.0 { deviation } else { 1.0 };
            *value = (centred / divisor) as f32;
        }
    }
}

/// Triangles over the frequencies of a transform, on the mel scale.
fn filters(bins: usize, rate: usize) -> Vec<(usize, Vec<f64>)> {
    let (low, high) = (mel(LOWEST), mel((rate / 2) as f64));
    let corner = |at: usize| low + (high - low) * at as f64 / (bins + 1) as f64;
    let frequency = |k: usize| mel(rate as f64 / SIZE as f64 * k as f64);
    let filter = |bin: usize| {
        let [left, middle, right] = [corner(bin), corner(bin + 1), corner(bin + 2)];
        let inside = |k: &usize| frequency(*k) > left && frequency(*k) < right;
        let weight = |k: usize| {
            let rising = (frequency(k) - left) / (middle - left);
            let falling = (right - frequency(k)) / (right - middle);
            rising.min(falling).max(0.0)
        };
        let first = (0..=SIZE / 2).find(inside).unwrap_or(0);
        (first, (first..=SIZE / 2).take_while(inside).map(weight).collect())
    };
    (0..bins).map(filter).collect()
}
