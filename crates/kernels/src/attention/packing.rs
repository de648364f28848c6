//! Keys and values of a head, packed into panels that the products of blocks of queries read.

use super::{AttentionKernel, HeadVectors};
use crate::packed::Transpose;
use crate::simd::dispatch;
use crate::threads::SharedPtr;
use crate::tile::PANEL;

impl AttentionKernel<'_> {
    /// Returns the number of values of the packed keys of a head.
    pub(super) fn packed_keys(&self) -> usize {
        self.all().div_ceil(PANEL) * PANEL * self.width
    }

    /// Returns the number of values of the packed values of a head.
    pub(super) fn packed_values(&self) -> usize {
        self.width.div_ceil(PANEL) * PANEL * self.all()
    }

    /// Packs the keys of a head into panels of keys.
    ///
    /// # Safety
    /// `to` has room for [`AttentionKernel::packed_keys`] values.
    pub(super) unsafe fn pack_keys(&self, head: usize, key: HeadVectors, to: SharedPtr) {
        for first in (0..self.all()).step_by(PANEL) {
            let rows = PANEL.min(self.all() - first);
            // SAFETY: the caller ensures that the keys are there and that there is room.
            unsafe {
                dispatch(Transpose {
                    from: key.at(head, first),
                    stride: key.position,
                    rows,
                    len: self.width,
                    to: to.at(first * self.width),
                });
            }
        }
    }

    /// Packs the values of a head into panels of columns.
    ///
    /// # Safety
    /// `to` has room for [`AttentionKernel::packed_values`] values.
    pub(super) unsafe fn pack_values(&self, head: usize, value: HeadVectors, to: SharedPtr) {
        let (all, width) = (self.all(), self.width);
        for position in 0..all {
            let from = value.at(head, position);
            for first in (0..width).step_by(PANEL) {
                // SAFETY: the caller ensures that the values are there and that there is room.
                unsafe {
                    let to = to.at(first * all + position * PANEL);
                    std::ptr::copy_nonoverlapping(from.add(first), to, PANEL.min(width - first));
                }
            }
        }
    }
}
