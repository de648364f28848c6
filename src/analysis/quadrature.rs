//! Numerical integration.

/// Nodes and weights of Gauss-Legendre quadrature with `count` points on the interval from 0 to 1: the weighted
/// sum of a function's values at the nodes is its integral, exact for polynomials of degree `2 count - 1`.
pub fn gauss_legendre(count: usize) -> Vec<[f64; 2]> {
    let n = count as f64;
    let node = |at: usize| {
        // Newton's method from an approximation of the root of the Legendre polynomial (Tricomi 1950).
        let mut x = (std::f64::consts::PI * (at as f64 + 0.75) / (n + 0.5)).cos();
        let mut slope = 1.0;
        for _ in 0..100 {
            let (mut last, mut value) = (0.0, 1.0);
            for k in 0..count {
                let k = k as f64;
                (last, value) = (value, ((2.0 * k + 1.0) * x * value - k * last) / (k + 1.0));
            }
            slope = n * (x * value - last) / (x * x - 1.0);
            let step = value / slope;
            x -= step;
            if step.abs() < 1e-15 {
                break;
            }
        }
        [(1.0 - x) / 2.0, 1.0 / ((1.0 - x * x) * slope * slope)]
    };
    (0..count).map(node).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polynomials_are_integrated_exactly() {
        for count in [1, 2, 5, 50] {
            let points = gauss_legendre(count);
            for degree in [0, 1, 2 * count - 1] {
                let sum: f64 = points.iter().map(|[x, weight]| weight * x.powi(degree as i32)).sum();
                assert!(
                    (sum - 1.0 / (degree as f64 + 1.0)).abs() < 1e-12,
                    "{count} points, degree {degree}: {sum}"
                );
            }
        }
    }
}
