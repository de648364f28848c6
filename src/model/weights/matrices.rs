//! Tensors for blocks, which stay in their files as long as possible.

use std::ops::Range;
use std::sync::Arc;

use attn_tui_kernels::packed::Packed;
use attn_tui_kernels::simd::element::Elements;
use candle_core::{Device, Tensor};

use super::{TensorEntry, TensorLocation, Weights, missing};
use crate::error::Result;
use crate::model::tensor_values::pack_view;
use crate::nn::{FileWeight, LazyTensor, Weight, elements};

impl Weights {
    /// Like [`Weights::get`], for a tensor that is read when it is first used, or now if `device` has memory
    /// of its own.
    ///
    /// # Errors
    /// As [`Weights::get`].
    pub fn lazy(&self, names: &[String], shape: &[usize], device: &Device) -> Result<LazyTensor> {
        if self.shapes_only || !Weight::packs_on(device) {
            return self.get(names, shape, device).map(LazyTensor::from);
        }
        let (name, entry) = self.find(names, shape)?.ok_or_else(|| missing(names))?;
        if !entry.is_float() {
            return Err(entry.no_floats(name));
        }
        let (file, name, entry) = (self.files.get(entry.location.file).cloned(), name.clone(), entry.clone());
        Ok(LazyTensor::new(move || {
            let values = entry.read(file.as_ref(), &name).map_err(|e| e.to_string())?;
            Tensor::from_vec(values, &entry.location.shape[..], &Device::Cpu).map_err(|e| e.to_string())
        }))
    }

    /// Like [`Weights::get`], for a matrix that takes part in products or look-ups: in the form that the
    /// kernels of `device` use, and read from the file itself if possible.
    ///
    /// # Errors
    /// As [`Weights::get`].
    pub fn matrix(&self, names: &[String], shape: [usize; 2], device: &Device) -> Result<Weight> {
        if self.shapes_only {
            return Ok(Weight::Tensor(self.get(names, &shape, device)?));
        }
        if !Weight::packs_on(device) {
            return Ok(Weight::from(self.get(names, &shape, device)?));
        }
        let (name, entry) = self.find(names, &shape)?.ok_or_else(|| missing(names))?;
        if let Some(weight) = self.state().matrices.get(&entry.location) {
            return Ok(weight.clone());
        }
        let weight = match self.file_weight(entry, shape) {
            Some(stored) => Weight::File(Arc::new(stored)),
            None => {
                let [outputs, inputs] = shape;
                let plain = [inputs, 1];
                let strides = entry.location.strides.as_deref().unwrap_or(&plain);
                let packed = match (elements(self.bytes(entry), &entry.dtype), strides) {
                    (Some(elements), &[row, column]) => pack_view(elements, shape, [row, column]),
                    _ => Packed::new(&self.read(name, entry)?, outputs, inputs),
                };
                self.release(entry);
                Weight::Packed(Arc::new(packed))
            }
        };
        self.state().matrices.insert(entry.location.clone(), weight.clone());
        Ok(weight)
    }

    /// Like [`Weights::matrix`], for the transposed `columns` of a matrix of `shape`.
    ///
    /// # Errors
    /// As [`Weights::get`].
    pub fn transposed(
        &self,
        names: &[String],
        shape: [usize; 2],
        columns: Range<usize>,
        device: &Device,
    ) -> Result<Weight> {
        if self.shapes_only || !Weight::packs_on(device) {
            let part = self.get(names, &shape, device)?.narrow(1, columns.start, columns.len())?.t()?;
            return Ok(if self.shapes_only { Weight::Tensor(part) } else { part.contiguous()?.into() });
        }
        let (name, entry) = self.find(names, &shape)?.ok_or_else(|| missing(names))?;
        let [inputs, width] = shape;
        let view = |all: Elements, [row, column]: [usize; 2]| {
            let first = (columns.start * column).min(all.len());
            pack_view(all.part(first..all.len()), [columns.len(), inputs], [column, row])
        };
        let packed = match (elements(self.bytes(entry), &entry.dtype), entry.location.strides.as_deref()) {
            (Some(all), Some(&[row, column])) => view(all, [row, column]),
            (Some(all), None) => view(all, [width, 1]),
            _ => view(Elements::F32(&self.read(name, entry)?), [width, 1]),
        };
        self.release(entry);
        Ok(Weight::Packed(Arc::new(packed)))
    }

    /// Returns the matrices that are read from their file.
    pub fn file_weights(&self) -> Vec<Arc<FileWeight>> {
        let state = self.state();
        let stored = |weight: &Weight| match weight {
            Weight::File(stored) => Some(Arc::clone(stored)),
            _ => None,
        };
        state.matrices.values().filter_map(stored).collect()
    }

    /// Returns the weight that is read from the file itself, if that is possible.
    fn file_weight(&self, entry: &TensorEntry, shape: [usize; 2]) -> Option<FileWeight> {
        let TensorLocation { file, range, strides, .. } = &entry.location;
        let file = self.files.get(*file).filter(|_| strides.is_none())?;
        FileWeight::new(file.clone(), range.clone(), entry.dtype.clone(), shape, self.packs)
    }

    fn bytes(&self, entry: &TensorEntry) -> &[u8] {
        entry.bytes(self.files.get(entry.location.file))
    }

    /// Releases the memory of a tensor of which there is a packed copy.
    fn release(&self, entry: &TensorEntry) {
        if let Some(file) = self.files.get(entry.location.file) {
            file.release(entry.location.range.clone());
        }
    }
}
