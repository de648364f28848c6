//! Values that the kernels compute, as nodes of candle's autograd graph. Candle's own operations would keep
//! every intermediate value, and compute gradients of weights that nobody asks for.

use std::sync::{Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp1, CustomOp3, Layout, Shape, Tensor};

use super::cpu::kernels_on;
use crate::error::Result;

/// An operation whose value is known. `gradients` turns a gradient of the value into those of the arguments.
struct Node<F> {
    value: Mutex<Option<Vec<f32>>>,
    shape: Shape,
    gradients: F,
}

impl<F> Node<F> {
    fn new(value: &Tensor, gradients: F) -> Result<Self> {
        let values = value.flatten_all()?.to_vec1()?;
        Ok(Self { value: Mutex::new(Some(values)), shape: value.shape().clone(), gradients })
    }

    /// Hands out the value, once.
    fn take(&self) -> candle_core::Result<(CpuStorage, Shape)> {
        let value = self.value.lock().unwrap_or_else(PoisonError::into_inner).take();
        let value = value.ok_or_else(|| candle_core::Error::msg("the value of a node is taken"))?;
        Ok((CpuStorage::F32(value), self.shape.clone()))
    }
}

impl<F: Fn(&Tensor) -> Result<Tensor>> CustomOp1 for Node<F> {
    fn name(&self) -> &'static str {
        "kernel"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        self.take()
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, gradient: &Tensor) -> candle_core::Result<Option<Tensor>> {
        (self.gradients)(gradient).map(Some).map_err(candle_core::Error::msg)
    }
}

impl<F: Fn(&Tensor) -> Result<[Tensor; 3]>> CustomOp3 for Node<F> {
    fn name(&self) -> &'static str {
        "kernel"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        self.take()
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [a, b, c] = (self.gradients)(gradient).map_err(candle_core::Error::msg)?;
        Ok((Some(a), Some(b), Some(c)))
    }
}

/// Returns true if gradients go through `x`, and the kernels compute on its device.
pub(super) fn in_graph(x: &Tensor) -> bool {
    x.track_op() && kernels_on(x.device())
}

/// Adds `value`, a function of `x` that was computed outside of the graph, as a node. `gradient` turns a
/// gradient of the value into that of `x`.
pub(super) fn node(
    x: &Tensor,
    value: &Tensor,
    gradient: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static,
) -> Result<Tensor> {
    Ok(x.apply_op1(Node::new(value, gradient)?)?)
}

/// Adds a function of three arguments like [`node`].
pub(super) fn node3(
    [a, b, c]: [&Tensor; 3],
    value: &Tensor,
    gradients: impl Fn(&Tensor) -> Result<[Tensor; 3]> + Send + Sync + 'static,
) -> Result<Tensor> {
    Ok(a.apply_op3(b, c, Node::new(value, gradients)?)?)
}
