//! Gini coefficients of rows of weights.

/// Number of weights from which on a radix sort is faster than comparisons.
const MANY: usize = 768;

/// Bits of a digit, and the number of digits of a weight below 2, whose upper two bits are 0.
const DIGIT: u32 = 10;
const DIGITS: usize = 3;

/// Computes Gini coefficients of rows with buffers that are reused.
#[derive(Default)]
pub struct Gini {
    sorted: Vec<u32>,
    spare: Vec<u32>,
}

impl Gini {
    /// Gini coefficient of a row of `count` weights, those of `weights` and zeros: 0 for equal weights,
    /// towards 1 if one has all, 0 if all are zero. No weight is negative.
    pub fn of(&mut self, weights: &[f32], count: usize) -> f64 {
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

/// Gini coefficient of a row of `count` weights from the sum of `|a - b|` over all pairs of the first
/// `len`, each pair once. The others are 0. `sum` is that of the weights.
pub fn gini_of_differences(differences: f32, sum: f64, len: usize, count: usize) -> f64 {
    // Each weight differs from each of the zeros by itself.
    let all = f64::from(differences) + count.saturating_sub(len) as f64 * sum;
    if sum > 0.0 { all / (count as f64 * sum) } else { 0.0 }
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
            assert!((found - expected).abs() < 1e-9, "{len} of {count}: {found}, {expected}");
            let difference = |a: &f32| weights.iter().map(|b| (a - b).abs()).sum::<f32>();
            let differences = weights.iter().map(difference).sum::<f32>() / 2.0;
            let sum = weights.iter().copied().map(f64::from).sum();
            let found = gini_of_differences(differences, sum, len, count);
            assert!((found - expected).abs() < 1e-5, "{len} of {count}: {found}, {expected}");
            let large: Vec<f32> = weights.iter().map(|weight| 1e6 * weight).collect();
            assert!((gini.of(&large, count) - expected).abs() < 1e-6);
        }
        assert_eq!(gini.of(&[0.0; 4], 4), 0.0);
        assert_eq!(gini.of(&[0.25; 4], 4), 0.0);
        assert!((gini.of(&[1.0], 4) - 0.75).abs() < 1e-12);
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
