//! Python objects that a state dict consists of: the calls that rebuild tensors, and storages kept outside
//! the pickle.

use super::machine::Machine;
use super::{
    Global, MOST_TENSORS, MOST_VALUES, PickleResult, PickleValue, PickledTensor, StorageRef, ValueId, pairs,
};

impl<'a> Machine<'a> {
    pub(super) fn value(&self, id: ValueId) -> &PickleValue<'a> {
        self.values.get(id as usize).unwrap_or(&PickleValue::None)
    }

    pub(super) fn items(&self, id: ValueId) -> &[ValueId] {
        match self.value(id) {
            PickleValue::Tuple(items) | PickleValue::List(items) => items,
            _ => &[],
        }
    }

    fn size(&self, id: Option<ValueId>) -> PickleResult<usize> {
        match id.map(|id| self.value(id)) {
            Some(&PickleValue::Int(int)) => usize::try_from(int).map_err(|_| format!("a size of {int}")),
            _ => Err("a size in the pickle is no number".into()),
        }
    }

    pub(super) fn sizes(&self, id: Option<ValueId>) -> PickleResult<Vec<usize>> {
        let ids = id.map(|id| self.items(id)).unwrap_or_default();
        if ids.len() > 16 {
            return Err(format!("a tensor of {} dimensions", ids.len()));
        }
        ids.iter().map(|&id| self.size(Some(id))).collect()
    }

    /// Calls `callee` with a tuple of arguments and pushes what it returns.
    pub(super) fn call(&mut self, callee: ValueId, arguments: ValueId) -> PickleResult<()> {
        let PickleValue::Global(callee) = self.value(callee) else {
            return Err("the pickle calls what cannot be called".into());
        };
        let callee = Global::clone(callee);
        let argument = |machine: &Self, at: usize| machine.items(arguments).get(at).copied();
        let first = argument(self, 0);
        let value = match callee {
            Global::Inert => PickleValue::Opaque,
            Global::ModelOutput => PickleValue::Dict(Vec::new()),
            Global::Tuple => match first {
                // A tuple does not change, so it need not be copied.
                Some(id) if matches!(self.value(id), PickleValue::Tuple(_)) => return self.push_id(id),
                Some(id) => {
                    self.count_copied(self.items(id).len())?;
                    PickleValue::Tuple(self.items(id).to_vec())
                }
                None => PickleValue::Tuple(Vec::new()),
            },
            Global::Dict => {
                // Python 2 gave an OrderedDict's items as a list of pairs.
                let items = first.map(|id| self.items(id)).unwrap_or_default();
                let lengths = items.iter().map(|&pair| 1 + self.items(pair).len());
                self.count_copied(lengths.fold(0, usize::saturating_add))?;
                let items = first.map(|id| self.items(id)).unwrap_or_default();
                PickleValue::Dict(items.iter().flat_map(|&pair| pairs(self.items(pair))).collect())
            }
            Global::RebuildParameter => match first.map(|id| self.value(id)) {
                Some(PickleValue::Tensor(_)) => return first.map_or(Ok(()), |id| self.push_id(id)),
                _ => return Err("a parameter that is no tensor".into()),
            },
            Global::RebuildTensor => {
                let Some(PickleValue::Storage(storage)) = first.map(|id| self.value(id)) else {
                    return Err("a tensor without a storage".into());
                };
                let shape = self.sizes(argument(self, 2))?;
                let strides = self.sizes(argument(self, 3))?;
                if shape.len() != strides.len() {
                    return Err(format!("a tensor of shape {shape:?} with strides {strides:?}"));
                }
                let offset = self.size(argument(self, 1))?;
                let storage = StorageRef::clone(storage);
                self.count_tensor()?;
                PickleValue::Tensor(Box::new(PickledTensor { storage, offset, shape, strides }))
            }
            Global::NewArray => PickleValue::Array(None),
            Global::ArrayOfBytes => self.array_of_bytes(arguments)?,
            Global::ElementType => self.element_type(first),
            Global::Storage(_) => return Err("a storage made without its bytes".into()),
        };
        self.push(value)
    }

    /// Counts a tensor before it is made.
    pub(super) fn count_tensor(&mut self) -> PickleResult<()> {
        self.tensors += 1;
        match self.tensors > MOST_TENSORS {
            true => Err(format!("it holds more than {MOST_TENSORS} tensors")),
            false => Ok(()),
        }
    }

    /// Counts items before they are copied.
    fn count_copied(&mut self, count: usize) -> PickleResult<()> {
        self.copied = self.copied.saturating_add(count);
        match self.copied {
            copied if copied > MOST_VALUES => {
                Err(format!("the pickle copies more than {MOST_VALUES} values"))
            }
            _ => Ok(()),
        }
    }

    /// Reads a reference to a storage: `("storage", class, key, device, elements[, view])`, where a view is
    /// `None` or `(key, offset, elements)`.
    pub(super) fn storage(&self, id: ValueId) -> PickleResult<PickleValue<'a>> {
        let items = self.items(id);
        let field = |at: usize| items.get(at).map(|&id| self.value(id));
        let (
            Some(PickleValue::Text("storage")),
            Some(PickleValue::Global(class)),
            Some(&PickleValue::Text(key)),
        ) = (field(0), field(1), field(2))
        else {
            return Err("an object kept outside the pickle is no storage".into());
        };
        let Global::Storage(dtype) = &**class else {
            return Err("an object kept outside the pickle is no storage".into());
        };
        let view = match field(5) {
            Some(PickleValue::Tuple(view)) => {
                Some((self.size(view.get(1).copied())?, self.size(view.get(2).copied())?))
            }
            _ => None,
        };
        Ok(PickleValue::Storage(Box::new(StorageRef { dtype: dtype.clone(), key, view })))
    }
}
