//! Log-mel spectrograms as Whisper's feature extractor computes them.

use rayon::prelude::*;

use super::features::{FeatureFile, Features, normalise};
use super::fft::{Complex, Fft};
use crate::error::Result;

/// Largest transform, in samples.
const MAX_FFT: usize = 1 << 13;

/// Most samples of one window.
const MAX_SAMPLES: usize = 1 << 25;

/// Most bins of a spectrum.
const MAX_BINS: usize = 1 << 10;

/// Smallest power that is told from silence.
const FLOOR: f64 = 1e-10;

/// Highest frequency of the filters, in hertz.
const HIGHEST: f64 = 8000.0;

/// Settings of a log-mel spectrogram, and the tables that follow from them.
#[derive(Clone, Debug)]
pub struct LogMel {
    rate: u32,
    hop: usize,
    /// Samples of one window.
    samples: usize,
    padding: f32,
    /// True to scale samples to mean 0 and variance 1.
    normalise: bool,
    fft: Fft,
    /// Periodic Hann window.
    window: Vec<f64>,
    filters: Vec<MelFilter>,
}

/// A triangular filter over neighbouring frequencies.
#[derive(Clone, Debug)]
struct MelFilter {
    /// Number of the first frequency.
    first: usize,
    weights: Vec<f64>,
}

impl LogMel {
    /// Reads preprocessor_config.json, for a model that reads `bins` bins. Fields that are absent, or the whole
    /// file, have the defaults of transformers' `WhisperFeatureExtractor`. Filters that old files store are
    /// computed anew, as transformers does.
    ///
    /// # Errors
    /// [`crate::error::Error::BadFile`] for another kind of features, another number of bins, or sizes without
    /// sense.
    pub fn read(file: &FeatureFile, bins: usize) -> Result<Self> {
        file.check_kind("WhisperFeatureExtractor")?;
        let found = file.count("feature_size", bins, MAX_BINS)?;
        file.check_bins("feature_size", found, bins)?;
        let rate = file.count("sampling_rate", 16_000, 768_000)?;
        let size = file.count("n_fft", 400, MAX_FFT)?;
        let hop = file.count("hop_length", 160, MAX_FFT)?;
        let samples = file.count("chunk_length", 30, MAX_SAMPLES)?.saturating_mul(rate);
        if samples > MAX_SAMPLES || samples <= size || samples < hop {
            return Err(file.bad(format!("a window of {samples} samples is not possible")));
        }
        let angle = |n: usize| std::f64::consts::TAU * n as f64 / size as f64;
        Ok(Self {
            rate: rate as u32,
            hop,
            samples,
            padding: file.number("padding_value", 0.0)? as f32,
            normalise: file.flag("do_normalize", false)?,
            fft: Fft::new(size),
            window: (0..size).map(|n| 0.5 - 0.5 * angle(n).cos()).collect(),
            filters: filters(bins, size, rate),
        })
    }

    /// Samples a second.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Length of the window in seconds.
    pub fn seconds(&self) -> f64 {
        self.samples as f64 / f64::from(self.rate)
    }

    /// Samples from one frame to the next.
    pub fn hop(&self) -> usize {
        self.hop
    }

    /// Computes the features of samples at [`LogMel::rate`]. They are cut or padded to one window; the logarithms
    /// are cut off 8 below the largest one of the window, then mapped to about -1 to 1.
    pub fn features(&self, samples: &[f32]) -> Features {
        let heard = &samples[..samples.len().min(self.samples)];
        self.spectrogram(heard, self.samples)
    }

    /// Computes the features of samples at [`LogMel::rate`], at least those of one window. The logarithms are cut off
    /// 8 below the largest one of the whole recording.
    pub fn long_features(&self, samples: &[f32]) -> Features {
        self.spectrogram(samples, samples.len().max(self.samples))
    }

    /// Cuts features that [`LogMel::long_features`] computed to the window from frame `first` on. Features after
    /// the end are 0.
    pub fn window(&self, long: &Features, first: usize) -> Features {
        let (frames, bins) = (self.samples / self.hop, long.bins);
        let held = long.frames.saturating_sub(first).min(frames);
        let mut values = long.values[first.min(long.frames) * bins..][..held * bins].to_vec();
        values.resize(frames * bins, 0.0);
        Features { values, frames, bins, covered: long.covered.saturating_sub(first).min(held) }
    }

    /// Computes the features of `samples`, padded to `length`.
    fn spectrogram(&self, samples: &[f32], length: usize) -> Features {
        let mut window = samples.to_vec();
        if self.normalise {
            normalise(&mut window);
        }
        window.resize(length, self.padding);
        let (frames, bins) = (length / self.hop, self.filters.len());
        let mut values = vec![0f32; frames * bins];
        let largest = values.par_chunks_mut(2 * bins).enumerate().map(|(pair, rows)| {
            self.pair(&window, 2 * pair, rows);
            rows.iter().copied().fold(f32::MIN, f32::max)
        });
        let least = largest.reduce(|| f32::MIN, f32::max) - 8.0;
        values.iter_mut().for_each(|value| *value = (value.max(least) + 4.0) / 4.0);
        Features { values, frames, bins, covered: samples.len() / self.hop }
    }

    /// Computes the logarithms of frame `first` and of the next one, if `rows` has room for it. Both go through
    /// one transform, as real and imaginary part.
    fn pair(&self, window: &[f32], first: usize, rows: &mut [f32]) {
        let (size, bins) = (self.fft.size(), self.filters.len());
        let second = if rows.len() > bins { 1.0 } else { 0.0 };
        let sample =
            |frame: usize, n: usize| f64::from(window[self.reflected(window.len(), frame * self.hop + n)]);
        let input: Vec<Complex> = (0..size)
            .map(|n| {
                let next = if second > 0.0 { sample(first + 1, n) } else { 0.0 };
                [sample(first, n) * self.window[n], next * self.window[n]]
            })
            .collect();
        if input.iter().all(|value| *value == [0.0; 2]) {
            rows.fill(FLOOR.log10() as f32);
            return;
        }
        let mut spectrum = vec![[0.0; 2]; size];
        self.fft.transform(&input, &mut spectrum);
        let powers = |k: usize| {
            let ([a, b], [c, d]) = (spectrum[k], spectrum[(size - k) % size]);
            let power = |re: f64, im: f64| (re * re + im * im) / 4.0;
            [power(a + c, b - d), power(b + d, c - a)]
        };
        let powers: Vec<[f64; 2]> = (0..=size / 2).map(powers).collect();
        for (which, row) in rows.chunks_mut(bins).enumerate() {
            for (value, filter) in row.iter_mut().zip(&self.filters) {
                let powers = powers[filter.first..].iter().zip(&filter.weights);
                let sum: f64 = powers.map(|(power, weight)| power[which] * weight).sum();
                *value = sum.max(FLOOR).log10() as f32;
            }
        }
    }

    /// Index of a sample of a window of `length` samples with half a transform of reflected samples on either side.
    fn reflected(&self, length: usize, at: usize) -> usize {
        let half = self.fft.size() / 2;
        match at.checked_sub(half) {
            None => half - at,
            Some(at) if at >= length => 2 * (length - 1) - at,
            Some(at) => at,
        }
    }
}

/// Mel filters of Slaney's Auditory Toolbox (1998) over the frequencies of a transform, each scaled to the
/// same area.
fn filters(bins: usize, size: usize, rate: usize) -> Vec<MelFilter> {
    let highest = mel(HIGHEST);
    let corner = |at: usize| hertz(highest * at as f64 / (bins + 1) as f64);
    let frequency = |k: usize| (rate / 2) as f64 * k as f64 / (size / 2) as f64;
    let filter = |bin: usize| {
        let [low, middle, high] = [corner(bin), corner(bin + 1), corner(bin + 2)];
        let weight = |k: usize| {
            let rising = (frequency(k) - low) / (middle - low);
            let falling = (high - frequency(k)) / (high - middle);
            rising.min(falling).max(0.0) * 2.0 / (high - low)
        };
        let inside = |k: &usize| frequency(*k) > low && frequency(*k) < high;
        let first = (0..=size / 2).find(inside).unwrap_or(0);
        MelFilter { first, weights: (first..=size / 2).take_while(inside).map(weight).collect() }
    };
    (0..bins).map(filter).collect()
}

/// Frequency from which on the mel scale is logarithmic.
const LINEAR_UP_TO: f64 = 1000.0;

/// Mel of [`LINEAR_UP_TO`].
const LINEAR_MELS: f64 = 15.0;

/// `ln 6.4 / 27`, the step of the logarithmic part.
fn log_step() -> f64 {
    6.4f64.ln() / 27.0
}

fn mel(hertz: f64) -> f64 {
    match hertz < LINEAR_UP_TO {
        true => hertz * LINEAR_MELS / LINEAR_UP_TO,
        false => LINEAR_MELS + (hertz / LINEAR_UP_TO).ln() / log_step(),
    }
}

fn hertz(mel: f64) -> f64 {
    match mel < LINEAR_MELS {
        true => mel * LINEAR_UP_TO / LINEAR_MELS,
        false => LINEAR_UP_TO * ((mel - LINEAR_MELS) * log_step()).exp(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(file: serde_json::Value) -> Result<LogMel> {
        LogMel::read(&FeatureFile::new(Some(file)), 80)
    }

    #[test]
    fn settings_without_sense_are_refused() {
        assert_eq!(read(json!({})).unwrap().seconds(), 30.0);
        let why = |file: serde_json::Value| read(file).unwrap_err().to_string();
        assert!(why(json!({"feature_size": 128})).contains("the model reads 80 bins"));
        assert!(why(json!({"n_fft": 0})).starts_with("preprocessor_config.json: n_fft is 0"));
        assert!(why(json!({"chunk_length": 1 << 20})).contains("not possible"));
        assert!(why(json!({"hop_length": "160"})).starts_with("preprocessor_config.json"));
        assert!(why(json!({"feature_extractor_type": "Wav2Vec2FeatureExtractor"})).contains("Wav2Vec2"));
    }

    #[test]
    fn silence_is_flat_and_covers_nothing_where_there_is_nothing() {
        let mel = read(json!({"chunk_length": 1})).unwrap();
        let features = mel.features(&[]);
        assert_eq!((features.frames, features.bins, features.covered), (100, 80, 0));
        assert!(features.values.iter().all(|&value| value == -1.5));
        assert_eq!(mel.features(&[0.0; 40_000]).covered, 100);
    }
}
