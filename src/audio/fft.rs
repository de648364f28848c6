//! Discrete Fourier transform of any length.

use std::f64::consts::TAU;

/// A complex number, real part first.
pub(super) type Complex = [f64; 2];

fn product([a, b]: Complex, [c, d]: Complex) -> Complex {
    [a * c - b * d, a * d + b * c]
}

/// Mixed-radix fast Fourier transform (Cooley and Tukey 1965) of one length.
#[derive(Clone, Debug)]
pub(super) struct Fft {
    /// Prime factors of the length.
    factors: Vec<usize>,
    /// `exp(-2πi k/n)` for `k` in `0..n`.
    roots: Vec<Complex>,
}

impl Fft {
    /// Prepares transforms of `size` values.
    ///
    /// # Panics
    /// If `size` is 0.
    pub fn new(size: usize) -> Self {
        assert!(size > 0, "a transform of nothing");
        let (mut factors, mut left, mut factor) = (Vec::new(), size, 2);
        while left > 1 {
            while left.is_multiple_of(factor) {
                factors.push(factor);
                left /= factor;
            }
            factor += 1;
        }
        let root = |k: usize| {
            let angle = -TAU * k as f64 / size as f64;
            [angle.cos(), angle.sin()]
        };
        Self { factors, roots: (0..size).map(root).collect() }
    }

    /// Number of values.
    pub fn size(&self) -> usize {
        self.roots.len()
    }

    /// Transforms `input` into `output`; both have [`Fft::size`] values.
    pub fn transform(&self, input: &[Complex], output: &mut [Complex]) {
        let largest = self.factors.iter().copied().max().unwrap_or(1);
        self.step(input, 1, output, &self.factors, &mut vec![[0.0; 2]; largest]);
    }

    /// Transforms every `stride`-th value of `input`, `output.len()` values in all.
    fn step(
        &self,
        input: &[Complex],
        stride: usize,
        output: &mut [Complex],
        factors: &[usize],
        terms: &mut [Complex],
    ) {
        let Some((&radix, rest)) = factors.split_first() else {
            output[0] = input[0];
            return;
        };
        let part = output.len() / radix;
        for (r, output) in output.chunks_exact_mut(part).enumerate() {
            self.step(&input[r * stride..], stride * radix, output, rest, terms);
        }
        let size = self.size();
        for k in 0..part {
            for (r, term) in terms[..radix].iter_mut().enumerate() {
                *term = product(output[r * part + k], self.roots[r * k * stride]);
            }
            for q in 0..radix {
                let mut sum = terms[0];
                for (r, &term) in terms[..radix].iter().enumerate().skip(1) {
                    let [re, im] = product(term, self.roots[r * q * (size / radix) % size]);
                    sum = [sum[0] + re, sum[1] + im];
                }
                output[q * part + k] = sum;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_gives_the_sum_of_its_definition() {
        for size in [1, 2, 7, 12, 25, 400] {
            let input: Vec<Complex> =
                (0..size).map(|i| [(i as f64 * 0.7).sin(), (i as f64 * 1.3).cos()]).collect();
            let mut output = vec![[0.0; 2]; size];
            Fft::new(size).transform(&input, &mut output);
            for (k, found) in output.iter().enumerate() {
                let mut sum = [0.0; 2];
                for (n, value) in input.iter().enumerate() {
                    let angle = -TAU * (k * n % size) as f64 / size as f64;
                    let [re, im] = product(*value, [angle.cos(), angle.sin()]);
                    sum = [sum[0] + re, sum[1] + im];
                }
                assert!((sum[0] - found[0]).hypot(sum[1] - found[1]) < 1e-9, "{size}: {k}");
            }
        }
    }
}
