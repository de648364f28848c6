//! Python objects that a state dict consists of: the calls that rebuild tensors, and storages kept outside
//! the pickle.

use super::machine::Machine;
use super::{Global, PickleResult, PickleValue, PickledTensor, StorageRef, ValueId, pairs};

impl<'a> Machine<'a> {
    fn value(&self, id: ValueId) -> &PickleValue<'a> {
        self.values.get(id as usize).unwrap_or(&PickleValue::None)
    }

    fn items(&self, id: ValueId) -> &[ValueId] {
        match self.value(id) {
            PickleValue::Tuple(items) | PickleValue::List(items) => items,
            _ => &[],
        }
    }

    fn size(&self, id: Option<&ValueId>) -> PickleResult<usize> {
        match id.map(|&id| self.value(id)) {
            Some(&PickleValue::Int(int)) => usize::try_from(int).map_err(|_| format!("a size of {int}")),
            _ => Err("a size in the pickle is no number".into()),
        }
    }

    fn sizes(&self, id: Option<&ValueId>) -> PickleResult<Vec<usize>> {
        let ids = id.map(|&id| self.items(id)).unwrap_or_default();
        if ids.len() > 16 {
            return Err(format!("a tensor of {} dimensions", ids.len()));
        }
        ids.iter().map(|id| self.size(Some(id))).collect()
    }

    /// Returns what calling `callee` with a tuple of arguments makes.
    pub(super) fn call(&self, callee: ValueId, arguments: ValueId) -> PickleResult<PickleValue<'a>> {
        let PickleValue::Global(callee) = self.value(callee) else {
            return Err("the pickle calls what cannot be called".into());
        };
        let arguments = self.items(arguments);
        Ok(match callee {
            Global::Inert => PickleValue::Opaque,
            Global::Tuple => {
                PickleValue::Tuple(arguments.first().map(|&id| self.items(id).to_vec()).unwrap_or_default())
            }
            Global::Dict => {
                // Python 2 gave an OrderedDict's items as a list of pairs.
                let items = arguments.first().map(|&id| self.items(id)).unwrap_or_default();
                PickleValue::Dict(items.iter().flat_map(|&pair| pairs(self.items(pair))).collect())
            }
            Global::RebuildParameter => match arguments.first().map(|&id| self.value(id)) {
                Some(PickleValue::Tensor(tensor)) => PickleValue::Tensor(tensor.clone()),
                _ => return Err("a parameter that is no tensor".into()),
            },
            Global::RebuildTensor => {
                let Some(PickleValue::Storage(storage)) = arguments.first().map(|&id| self.value(id)) else {
                    return Err("a tensor without a storage".into());
                };
                let shape = self.sizes(arguments.get(2))?;
                let strides = self.sizes(arguments.get(3))?;
                if shape.len() != strides.len() {
                    return Err(format!("a tensor of shape {shape:?} with strides {strides:?}"));
                }
                let offset = self.size(arguments.get(1))?;
                PickleValue::Tensor(PickledTensor { storage: storage.clone(), offset, shape, strides })
            }
            Global::Storage(_) => return Err("a storage made without its bytes".into()),
        })
    }

    /// Reads a reference to a storage: `("storage", class, key, device, elements[, view])`, where a view is
    /// `None` or `(key, offset, elements)`.
    pub(super) fn storage(&self, id: ValueId) -> PickleResult<PickleValue<'a>> {
        let items = self.items(id);
        let field = |at: usize| items.get(at).map(|&id| self.value(id));
        let (
            Some(PickleValue::Text("storage")),
            Some(PickleValue::Global(Global::Storage(dtype))),
            Some(&PickleValue::Text(key)),
        ) = (field(0), field(1), field(2))
        else {
            return Err("an object kept outside the pickle is no storage".into());
        };
        let view = match field(5) {
            Some(PickleValue::Tuple(view)) => Some((self.size(view.get(1))?, self.size(view.get(2))?)),
            _ => None,
        };
        Ok(PickleValue::Storage(StorageRef { dtype: dtype.clone(), key, view }))
    }
}
