//! Input data for tests and benchmarks.

use super::simd::element::{Bf16, Element, F16};

/// Returns `len` pseudo-random numbers in -1..1, the same ones on every run for the same `seed`.
pub fn noise(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect()
}

/// Returns [`noise`] in half precision.
pub fn f16_noise(len: usize, seed: u64) -> Vec<F16> {
    noise(len, seed).into_iter().map(F16::narrow).collect()
}

/// Returns [`noise`] in bfloat16.
pub fn bf16_noise(len: usize, seed: u64) -> Vec<Bf16> {
    noise(len, seed).into_iter().map(Bf16::narrow).collect()
}
