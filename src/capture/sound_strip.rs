//! Picture of a recording: what the strip above maps shows.

use safetensors::tensor::TensorView;

use super::tensors::{Parsed, matrix};
use crate::axis::{AxisItem, ItemKind};
use crate::matrix::{Matrix, span_of};

/// Tensor of a capture file with the bands, `[frames, bands]`.
pub const BANDS: &str = "source.sound";

/// Tensor of a capture file with the peaks, `[1, frames]`.
pub const PEAKS: &str = "source.peaks";

/// Number of bands of frequencies that are kept.
const MOST_BANDS: usize = 40;

/// Loudness of the frames of a source, by frequency and as a whole.
#[derive(Clone, Debug, PartialEq)]
pub struct SoundStrip {
    /// Log-mel features of each frame, scaled to 0 to 1: `[frames, bands]`, low frequencies first.
    pub bands: Matrix,
    /// Largest absolute sample of each frame, 0 to 1.
    pub peaks: Vec<f32>,
}

impl SoundStrip {
    /// Creates the strip of `frames` frames from log-mel features `[hops, bins]` and the samples. A frame has
    /// `stride` hops of features and `step` samples; what lies after the last frame is left out.
    pub fn new(
        features: &[f32],
        bins: usize,
        samples: &[f32],
        frames: usize,
        [stride, step]: [usize; 2],
    ) -> Self {
        let bands = bins.min(MOST_BANDS);
        let heard = &features[..features.len().min(frames * stride * bins)];
        let least = heard.iter().copied().fold(f32::INFINITY, f32::min);
        let range = heard.iter().copied().fold(f32::NEG_INFINITY, f32::max) - least;
        let level = |frame: usize, band: usize| {
            let rows = (frame * stride..(frame + 1) * stride)
                .filter_map(|hop| heard.get(hop * bins..(hop + 1) * bins));
            let values = rows.flat_map(|row| &row[span_of(band, bins, bands)]);
            let (sum, count) =
                values.fold((0f32, 0f32), |(sum, count), value| (sum + value - least, count + 1.0));
            if range > 0.0 && count > 0.0 { (sum / count / range).clamp(0.0, 1.0) } else { 0.0 }
        };
        let peak = |frame: usize| {
            let part = samples.iter().skip(frame * step).take(step);
            part.fold(0f32, |peak, sample| peak.max(sample.abs())).min(1.0)
        };
        Self { bands: Matrix::from_fn(frames, bands, level), peaks: (0..frames).map(peak).collect() }
    }

    /// Reads the strip of a source from a capture file's tensors; `None` if it has none.
    pub(super) fn read<'a>(
        find: &dyn Fn(&str) -> Option<TensorView<'a>>,
        source: &[AxisItem],
    ) -> Parsed<Option<Self>> {
        let (Some(bands), Some(peaks)) = (find(BANDS), find(PEAKS)) else { return Ok(None) };
        let frames = source.iter().filter(|item| matches!(item.kind, ItemKind::Frame { .. })).count();
        let count = bands.shape().last().copied().filter(|count| (1..=1 << 10).contains(count));
        let count =
            count.ok_or_else(|| format!("{BANDS} has shape {:?}, not [frames, bands]", bands.shape()))?;
        let bands = matrix(BANDS, &bands, [frames, count])?;
        let peaks = matrix(PEAKS, &peaks, [1, frames])?.as_slice().to_vec();
        Ok(Some(Self { bands, peaks }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_take_the_mean_of_their_features_and_the_peak_of_their_samples() {
        // Four hops of two bins, two hops and three samples a frame.
        let features = [0.0, 1.0, 2.0, 1.0, 4.0, 0.0, 4.0, 2.0];
        let samples = [0.1, -0.5, 0.2, 0.0, 0.3, -2.0, 0.9];
        let strip = SoundStrip::new(&features, 2, &samples, 2, [2, 3]);
        assert_eq!(strip.bands.as_slice(), [0.25, 0.25, 1.0, 0.25]);
        assert_eq!(strip.peaks, [0.5, 1.0]);
        let silent = SoundStrip::new(&[-1.0; 160], 80, &[0.0; 9], 1, [2, 9]);
        assert_eq!((silent.bands.cols(), silent.bands.max(), silent.peaks[0]), (40, 0.0, 0.0));
    }
}
