//! Network blocks without model names.

pub mod kernels;
