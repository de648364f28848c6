//! Element-wise activation functions.

use super::math;
use super::simd::{Simd, Task, dispatch};
use super::threads::{self, SharedPtr};

/// An activation function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// `max(x, 0)`
    Relu,
    /// `x Φ(x)`
    Gelu,
    /// The tanh approximation of GELU.
    GeluTanh,
    /// `x σ(x)`
    Silu,
    /// `tanh x`
    Tanh,
}

/// Values per task.
const BLOCK: usize = 1 << 14;

/// Applies `function` to every value in place, on the current threads.
pub fn apply(function: Function, values: &mut [f32]) {
    let len = values.len();
    let all = SharedPtr(values.as_mut_ptr());
    threads::for_each(len.div_ceil(BLOCK), len, |block| {
        let start = block * BLOCK;
        // SAFETY: the blocks are disjoint and lie within the slice.
        unsafe { dispatch(Apply { function, values: all.at(start), len: BLOCK.min(len - start) }) }
    });
}

/// Computes `gate = function(gate) * up` in place, on the current threads.
///
/// # Panics
/// If the lengths differ.
pub fn apply_gated(function: Function, gate: &mut [f32], up: &[f32]) {
    assert_eq!(gate.len(), up.len());
    let len = gate.len();
    let all = SharedPtr(gate.as_mut_ptr());
    threads::for_each(len.div_ceil(BLOCK), len, |block| {
        let start = block * BLOCK;
        let up = &up[start..len.min(start + BLOCK)];
        // SAFETY: the blocks are disjoint and lie within the slice.
        unsafe {
            let gate = std::slice::from_raw_parts_mut(all.at(start), up.len());
            dispatch(Apply { function, values: gate.as_mut_ptr(), len: gate.len() });
            gate.iter_mut().zip(up).for_each(|(gate, up)| *gate *= up);
        }
    });
}

/// Task that applies `function` to `len` values.
struct Apply {
    function: Function,
    values: *mut f32,
    len: usize,
}

impl Task for Apply {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the contract of the task: `values` is valid for `len` values.
        unsafe { in_place::<S>(self.function, self.values, self.len) }
    }
}

/// Applies `function` to `len` values in place.
///
/// # Safety
/// `values` is valid for `len` values; the processor has the instructions of `S`.
#[inline(always)]
pub(super) unsafe fn in_place<S: Simd>(function: Function, values: *mut f32, len: usize) {
    macro_rules! map {
        ($f:path) => {{
            let whole = len - len % S::LANES;
            let mut at = 0;
            while at < whole {
                S::store(values.add(at), $f(S::load(values.add(at))));
                at += S::LANES;
            }
            if at < len {
                let part = S::load_part(values.add(at), len - at, 0.0);
                S::store_part(values.add(at), $f(part), len - at);
            }
        }};
    }
    // SAFETY: every access is below `len`; the last, partial vector is loaded and stored by its length.
    unsafe {
        match function {
            Function::Relu => map!(math::relu::<S>),
            Function::Gelu => map!(math::gelu::<S>),
            Function::GeluTanh => map!(math::gelu_tanh::<S>),
            Function::Silu => map!(math::silu::<S>),
            Function::Tanh => map!(math::tanh::<S>),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Level, dispatch_at};

    /// The error function as a sum of its series, or of its continued fraction far out.
    fn erfc(x: f64) -> f64 {
        if x < 0.0 {
            return 2.0 - erfc(-x);
        }
        if x < 3.0 {
            let (mut term, mut sum) = (x, x);
            for n in 1..200 {
                term *= -x * x / f64::from(n);
                sum += term / f64::from(2 * n + 1);
            }
            return 1.0 - sum * 2.0 / std::f64::consts::PI.sqrt();
        }
        let fraction = (1..200).rev().fold(x, |f, n| x + f64::from(n) / 2.0 / f);
        (-x * x).exp() / fraction / std::f64::consts::PI.sqrt()
    }

    fn reference(function: Function, x: f64) -> f64 {
        match function {
            Function::Relu => x.max(0.0),
            Function::Gelu => x * 0.5 * erfc(-x / 2f64.sqrt()),
            Function::GeluTanh => {
                let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
                0.5 * x * (1.0 + u.tanh())
            }
            Function::Silu => x / (1.0 + (-x).exp()),
            Function::Tanh => x.tanh(),
        }
    }

    #[test]
    fn every_function_at_every_level_matches_double_precision() {
        let all = [Function::Relu, Function::Gelu, Function::GeluTanh, Function::Silu, Function::Tanh];
        for level in Level::available() {
            for function in all {
                let inputs: Vec<f32> =
                    (-3003..3004).map(|i| i as f32 * 0.01).chain([-100.0, 100.0]).collect();
                let mut values = inputs.clone();
                // SAFETY: an available level, and slices of the right lengths.
                unsafe {
                    dispatch_at(level, Apply { function, values: values.as_mut_ptr(), len: values.len() });
                };
                for (x, y) in inputs.iter().zip(values) {
                    let expected = reference(function, f64::from(*x));
                    let error = (f64::from(y) - expected).abs();
                    assert!(
                        error <= 1e-6_f64.max(expected.abs() * 4e-7),
                        "{function:?} {level:?} {x}: {y}, {expected}"
                    );
                }
            }
        }
    }

    #[test]
    fn not_a_number_stays_so() {
        for function in [Function::Gelu, Function::GeluTanh, Function::Silu, Function::Tanh] {
            let mut values = vec![f32::NAN; 33];
            apply(function, &mut values);
            assert!(values.iter().all(|v| v.is_nan()), "{function:?}");
        }
    }

    #[test]
    fn a_gate_multiplies() {
        let mut gate: Vec<f32> = (0..40_000).map(|i| (i % 7) as f32 - 3.0).collect();
        let up: Vec<f32> = (0..40_000).map(|i| (i % 5) as f32).collect();
        let expected: Vec<f32> = gate.iter().zip(&up).map(|(g, u)| g.max(0.0) * u).collect();
        apply_gated(Function::Relu, &mut gate, &up);
        assert_eq!(gate, expected);
    }
}
