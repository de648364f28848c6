//! Gini coefficients of rows of weights.
//!
//! The coefficient of `n` weights in ascending order is `sum_k (2k - n - 1) w_k / (n sum_k w_k)`. Sorting a
//! long row takes longer than everything else that is computed of it. So weights are only counted in bins, and
//! all weights of a bin get the mean of their ranks. What that misses, the differences within bins, is bounded
//! by the number of weights in each bin and its width. If the bound is above [`TOLERANCE`], the row is sorted.

/// Number of weights from which on counting is faster than comparisons.
const MANY: usize = 768;

/// Largest error of a coefficient.
const TOLERANCE: f64 = 2e-7;

/// Number of bins.
const BINS: usize = 1 << 13;

/// Weights below this share of the mean are in one bin: whatever their ranks are, the error is below
/// [`TOLERANCE`].
const LEAST_SHARE: f64 = 1.0 / (1 << 22) as f64;

/// Bits of a digit, and the number of digits of a weight below 2, whose upper two bits are 0.
const DIGIT: u32 = 10;
const DIGITS: usize = 3;

/// Computes Gini coefficients of rows with buffers that are reused.
#[derive(Default)]
pub struct Gini {
    sorted: Vec<u32>,
    spare: Vec<u32>,
    bins: Vec<u32>,
}

impl Gini {
    /// Gini coefficient of a row of `count` weights, those of `weights` and zeros: 0 for equal weights,
    /// towards 1 if one has all, 0 if all are zero. No weight is negative.
    pub fn of(&mut self, weights: &[f32], count: usize) -> f64 {
        let counted = if weights.len() < MANY { None } else { self.by_bins(weights, count) };
        counted.unwrap_or_else(|| self.by_order(weights, count))
    }

    /// Computes the coefficient from the number of weights in each bin; `None` if it may be wrong by more
    /// than [`TOLERANCE`].
    fn by_bins(&mut self, weights: &[f32], count: usize) -> Option<f64> {
        // The bits of positive numbers are in the order of the numbers. Minus 1, those of 0 are the largest.
        let least = weights.iter().fold(u32::MAX, |least, w| least.min(w.to_bits().wrapping_sub(1)));
        let largest = weights.iter().fold(0, |largest, w| largest.max(w.to_bits()));
        let total = sum_of(weights, f64::from);
        let n = count as f64;
        let clip = (LEAST_SHARE * total / n) as f32;
        let lowest = least.saturating_add(1).max(clip.to_bits());
        if lowest > largest || largest >= f32::INFINITY.to_bits() {
            return None;
        }
        // Bins after the first, which is that of weights below `lowest`, are `step` wide in bits.
        let shift = (0..u32::BITS).find(|shift| ((largest - lowest) >> shift) as usize <= BINS - 2)?;
        let step = 1 << shift;
        let bin = |weight: &f32| ((weight.to_bits() + step).saturating_sub(lowest) >> shift) as usize;
        self.bins.clear();
        self.bins.resize(bin(&f32::from_bits(largest)) + 1, 0);
        for weight in weights {
            self.bins[bin(weight)] += 1;
        }
        // The sum of the differences of `c` numbers that lie within `width` is at most `width c² / 4`.
        let most = |width: f32, c: u32| f64::from(width) * (u64::from(c) * u64::from(c) / 4) as f64;
        let clipped = if least.saturating_add(1) < lowest { clip } else { 0.0 };
        let (mut below, mut bound, mut from) = (count - weights.len().min(count), 0.0, lowest);
        for (at, slot) in self.bins.iter_mut().enumerate() {
            let c = *slot;
            let until = if at == 0 { from } else { from + step };
            let width = if at == 0 { clipped } else { f32::from_bits(until - 1) - f32::from_bits(from) };
            bound += most(width, c);
            // Twice the mean rank of the bin, minus n + 1.
            *slot = ((2 * below + c as usize) as f32 - count as f32).to_bits();
            below += c as usize;
            from = until;
        }
        let ranked = sum_of(weights, |w| f64::from(f32::from_bits(self.bins[bin(&w)])) * f64::from(w));
        // The differences within bins are half of their bound, give or take the other half.
        let scale = n * total;
        (bound / 2.0 <= TOLERANCE * scale).then(|| (ranked + bound / 2.0) / scale)
    }

    /// Computes the coefficient from the sorted weights.
    fn by_order(&mut self, weights: &[f32], count: usize) -> f64 {
        self.sorted.clear();
        // The bits of positive numbers are in the order of the numbers.
        self.sorted.extend(weights.iter().filter(|weight| **weight > 0.0).map(|weight| weight.to_bits()));
        self.sort();
        let n = count as f64;
        let (mut sum, mut ranked) = (0.0f64, 0.0f64);
        for (rank, &bits) in (count.saturating_sub(self.sorted.len())..).zip(&self.sorted) {
            let weight = f64::from(f32::from_bits(bits));
            sum += weight;
            ranked += (2.0 * (rank + 1) as f64 - n - 1.0) * weight;
        }
        if sum > 0.0 { ranked / (n * sum) } else { 0.0 }
    }

    fn sort(&mut self) {
        const PLACES: usize = 1 << DIGIT;
        let digit = |bits: u32, at: usize| (bits >> (at as u32 * DIGIT)) as usize % PLACES;
        let small = |bits: u32| bits >> (DIGITS as u32 * DIGIT) == 0;
        if self.sorted.len() < MANY || !self.sorted.iter().all(|&bits| small(bits)) {
            return self.sorted.sort_unstable();
        }
        let mut places = [[0u32; PLACES]; DIGITS];
        for &bits in &self.sorted {
            for (at, places) in places.iter_mut().enumerate() {
                places[digit(bits, at)] += 1;
            }
        }
        for places in &mut places {
            let mut next = 0;
            for place in places {
                next += std::mem::replace(place, next);
            }
        }
        self.spare.resize(self.sorted.len(), 0);
        for (at, places) in places.iter_mut().enumerate() {
            for &bits in &self.sorted {
                let place = &mut places[digit(bits, at)];
                self.spare[*place as usize] = bits;
                *place += 1;
            }
            std::mem::swap(&mut self.sorted, &mut self.spare);
        }
    }
}

/// Sum of `of` every weight, in several partial sums, which do not wait for each other.
fn sum_of(weights: &[f32], of: impl Fn(f32) -> f64) -> f64 {
    let mut sums = [0f64; 8];
    let (chunks, rest) = weights.as_chunks::<8>();
    for chunk in chunks {
        for (sum, weight) in sums.iter_mut().zip(chunk) {
            *sum += of(*weight);
        }
    }
    sums.iter().sum::<f64>() + rest.iter().map(|weight| of(*weight)).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use attn_tui_kernels::test_data::noise;

    /// Half the mean difference of any two weights, over the mean.
    fn by_pairs(weights: &[f32], count: usize) -> f64 {
        let mut all: Vec<f64> = weights.iter().map(|&weight| f64::from(weight)).collect();
        all.resize(count, 0.0);
        let differences: f64 = all.iter().flat_map(|a| all.iter().map(move |b| (a - b).abs())).sum();
        differences / (2.0 * (count * count) as f64) / (all.iter().sum::<f64>() / count as f64)
    }

    #[test]
    fn sorting_agrees_with_all_pairs() {
        let mut gini = Gini::default();
        for (len, count, power) in [(1, 1, 1), (5, 9, 2), (700, 700, 8), (MANY, 1000, 3), (1500, 1500, 9)] {
            let weights: Vec<f32> = noise(len, 3).iter().map(|x| x.abs().powi(power)).collect();
            let (found, expected) = (gini.of(&weights, count), by_pairs(&weights, count));
            assert!((found - expected).abs() < TOLERANCE, "{len} of {count}: {found}, {expected}");
            let sorted = gini.by_order(&weights, count);
            assert!((sorted - expected).abs() < 1e-9, "{len} of {count}: {sorted}, {expected}");
            let large: Vec<f32> = weights.iter().map(|weight| 1e6 * weight).collect();
            assert!((gini.of(&large, count) - expected).abs() < 1e-6);
        }
        assert_eq!(gini.of(&[0.0; 4], 4), 0.0);
        assert_eq!(gini.of(&[0.25; 4], 4), 0.0);
        assert!((gini.of(&[1.0], 4) - 0.75).abs() < 1e-12);
    }

    #[test]
    fn counting_agrees_with_sorting_or_gives_up() {
        let mut gini = Gini::default();
        let of = |len: usize, count: usize, weight: &dyn Fn(f32) -> f32| {
            let weights: Vec<f32> = noise(len, 7).iter().map(|&x| weight(x)).collect();
            (weights, count)
        };
        let softmax = |sharpness: f32| move |x: f32| (sharpness * (x - 1.0)).exp();
        for (weights, count) in [
            of(5000, 5000, &softmax(0.001)),
            of(5000, 7000, &softmax(1.0)),
            of(5000, 5000, &softmax(12.0)),
            of(5000, 5000, &softmax(60.0)),
            of(5000, 5000, &|x| x.abs().powi(9)),
            of(5000, 9000, &|x| if x > 0.5 { x } else { 0.0 }),
            of(5000, 5000, &|_| 0.3),
        ] {
            let (found, expected) = (gini.by_bins(&weights, count), gini.by_order(&weights, count));
            let found = found.unwrap_or_else(|| panic!("no coefficient, but {expected}"));
            assert!((found - expected).abs() <= TOLERANCE, "{found}, {expected}");
        }
        assert_eq!(gini.by_bins(&[0.3; 2000], 2000), Some(0.0));
        assert_eq!(gini.by_bins(&[0.0; 2000], 2000), None);
        // Nearly equal weights beside a large one, and a few equal ones beside small ones, share a bin.
        let (mut weights, count) = of(5000, 5000, &|x| 1e-6 * (1.0 + 1e-4 * x));
        weights[17] = 1.0;
        for weights in [weights, of(5000, 5000, &|x| if x > 0.999 { 0.5 } else { 1e-30 }).0] {
            assert_eq!(gini.by_bins(&weights, count), None);
            assert_eq!(gini.of(&weights, count), gini.by_order(&weights, count));
        }
    }

    #[test]
    fn digits_and_comparisons_sort_alike() {
        let sorted = noise(3000, 9).iter().map(|x| x.abs().powi(7).to_bits()).collect();
        let mut gini = Gini { sorted, ..Gini::default() };
        gini.sorted.extend([0.0f32, f32::MIN_POSITIVE, 1e-42, 1.0, 1.999].map(f32::to_bits));
        let mut expected = gini.sorted.clone();
        expected.sort_unstable();
        gini.sort();
        assert_eq!(gini.sorted, expected);
    }
}
