//! The arithmetic of the forward pass on the CPU: functions over slices, without tensors or models.
//!
//! Each kernel is written once over [`simd`]'s vectors, compiled for every instruction set, and chosen while
//! the program runs. [`threads::run`] says over how many threads they go.

pub mod activation;
pub mod attention;
pub mod gemm;
pub mod int8;
mod math;
pub mod matvec;
pub mod norm;
pub mod pairs;
pub mod simd;
pub mod softmax;
pub mod sweep;
mod team;
pub mod threads;
mod tile;

#[cfg(test)]
pub(super) mod test {
    /// Numbers in -1..1 that look random and are the same on every run.
    pub fn noise(len: usize, seed: u64) -> Vec<f32> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        (0..len)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
            })
            .collect()
    }
}
