//! CPU arithmetic for the forward pass: functions over slices, without tensors or models.
//!
//! Each kernel is written once over a vector trait, compiled for every instruction set that the target may
//! have, and the best one that the processor supports is chosen at run time. [`threads::run`] sets the number
//! of threads.

#![allow(
    unsafe_code,
    reason = "SIMD, uninitialised buffers and threads that share them; every block says why it is sound"
)]

pub mod activation;
pub mod attention;
pub mod buffer;
pub mod divergence;
pub mod elementwise;
pub mod gemm;
pub mod int8;
mod math;
pub mod matvec;
pub mod norm;
pub mod packed;
mod pages;
pub mod row_stats;
pub mod simd;
pub mod softmax;
mod team;
pub mod test_data;
pub mod threads;
mod tile;
