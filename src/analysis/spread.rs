//! Mean and standard deviation of a stream of values.

/// Mean and standard deviation, in constant memory (Welford 1962).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    count: usize,
    mean: f64,
    squares: f64,
}

impl Spread {
    /// Adds a value.
    pub fn add(&mut self, value: f32) {
        let value = f64::from(value);
        self.count += 1;
        let before = value - self.mean;
        self.mean += before / self.count as f64;
        self.squares += before * (value - self.mean);
    }

    /// Number of values.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Their mean; `None` without values.
    pub fn mean(&self) -> Option<f32> {
        (self.count > 0).then_some(self.mean as f32)
    }

    /// Their sample standard deviation (over `count - 1`); `None` below two values.
    pub fn deviation(&self) -> Option<f32> {
        (self.count > 1).then(|| (self.squares / (self.count - 1) as f64).sqrt() as f32)
    }

    /// Half of the width of the mean's 95 % confidence interval, by the normal distribution; `None` below two
    /// values.
    pub fn half_interval(&self) -> Option<f32> {
        self.deviation().map(|deviation| 1.96 * deviation / (self.count as f32).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_deviation() {
        let mut spread = Spread::default();
        assert_eq!((spread.mean(), spread.deviation()), (None, None));
        [2.0, 4.0, 9.0].into_iter().for_each(|value| spread.add(value));
        assert_eq!(spread.mean(), Some(5.0));
        assert!((spread.deviation().unwrap() - 13f32.sqrt()).abs() < 1e-6);
        assert!((spread.half_interval().unwrap() - 1.96 * (13f32 / 3.0).sqrt()).abs() < 1e-6);
    }
}
