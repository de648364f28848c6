//! Tensors that are read when they are first used.

use std::sync::{Arc, LazyLock};

use candle_core::Tensor;

use crate::error::{Error, Result};

/// Result of reading a tensor; the error is one line.
type ReadResult = std::result::Result<Tensor, String>;

/// A tensor that is read when it is first used: a model opens without its small tensors, and those of experts
/// that no token takes are never read. Cloning is free.
#[derive(Clone, Debug)]
pub struct LazyTensor(Arc<LazyLock<ReadResult, Box<dyn FnOnce() -> ReadResult + Send>>>);

impl LazyTensor {
    /// Creates a tensor that `read` returns.
    pub fn new(read: impl FnOnce() -> ReadResult + Send + 'static) -> Self {
        Self(Arc::new(LazyLock::new(Box::new(read))))
    }

    /// Returns the tensor; the first call reads it.
    ///
    /// # Errors
    /// [`Error::Engine`] if it cannot be read.
    pub fn get(&self) -> Result<&Tensor> {
        LazyLock::force(&self.0).as_ref().map_err(|why| Error::Engine(why.clone()))
    }
}

impl From<Tensor> for LazyTensor {
    fn from(tensor: Tensor) -> Self {
        Self::new(|| Ok(tensor))
    }
}
