//! Arrays of NumPy. Their values lie in the pickle itself.

use std::ops::Range;

use super::machine::Machine;
use super::{PickleResult, PickleValue, PickledArray, TensorDtype, ValueId};

impl<'a> Machine<'a> {
    /// Returns the element type that `numpy.dtype(name, ...)` makes.
    pub(super) fn element_type(&self, name: Option<ValueId>) -> PickleValue<'a> {
        match name.map(|id| self.value(id)) {
            Some(PickleValue::Text(name)) => {
                // Texts and objects have names with a length, or none at all.
                let dtype = TensorDtype::of_numpy(name);
                dtype.map_or(PickleValue::Opaque, |dtype| PickleValue::Dtype(Box::new(dtype)))
            }
            _ => PickleValue::Opaque,
        }
    }

    /// Applies the state `state` to the object on top of the stack: that of an array or of an element type.
    /// Others do not need theirs.
    pub(super) fn set_state(&mut self, state: ValueId) -> PickleResult<()> {
        let top = self.top()?;
        let value = match self.value(top) {
            // version, shape, dtype, column-major, values
            PickleValue::Array(None) => match *self.items(state) {
                [_, shape, dtype, order, values] => {
                    let column_major = matches!(self.value(order), PickleValue::Int(1));
                    self.numpy_array(shape, dtype, values, column_major)?
                }
                _ => PickleValue::Opaque,
            },
            // version, order of bytes, ...
            PickleValue::Dtype(_)
                if self
                    .items(state)
                    .get(1)
                    .is_some_and(|&order| matches!(self.value(order), PickleValue::Text(">"))) =>
            {
                PickleValue::Opaque
            }
            _ => return Ok(()),
        };
        if let Some(slot) = self.values.get_mut(top as usize) {
            *slot = value;
        }
        Ok(())
    }

    /// Returns the array that `_frombuffer(values, dtype, shape, order)` makes.
    pub(super) fn array_of_bytes(&mut self, arguments: ValueId) -> PickleResult<PickleValue<'a>> {
        match *self.items(arguments) {
            [values, dtype, shape, order] => {
                let column_major = matches!(self.value(order), PickleValue::Text("F"));
                self.numpy_array(shape, dtype, values, column_major)
            }
            _ => Ok(PickleValue::Opaque),
        }
    }

    /// Returns an array; [`PickleValue::Opaque`] for one of texts, of objects or without its bytes.
    fn numpy_array(
        &mut self,
        shape: ValueId,
        dtype: ValueId,
        values: ValueId,
        column_major: bool,
    ) -> PickleResult<PickleValue<'a>> {
        let shape = self.sizes(Some(shape))?;
        let (PickleValue::Dtype(dtype), PickleValue::Bytes(bytes)) = (self.value(dtype), self.value(values))
        else {
            return Ok(PickleValue::Opaque);
        };
        let (dtype, bytes): (TensorDtype, Range<usize>) = (TensorDtype::clone(dtype), bytes.clone());
        let size = shape.iter().try_fold(dtype.size(), |size, &side| size.checked_mul(side));
        if size != Some(bytes.len()) {
            return Err(format!("an array of shape {shape:?} with {} bytes", bytes.len()));
        }
        self.count_tensor()?;
        Ok(PickleValue::Array(Some(Box::new(PickledArray { dtype, shape, column_major, bytes }))))
    }
}
