//! Reader of Python pickles that runs no code: it knows the opcodes and the few names of which a torch state
//! dict consists, and refuses everything else. Protocols 2 to 5 (<https://peps.python.org/pep-0307/>,
//! <https://peps.python.org/pep-3154/>).
//!
//! Values lie in one arena and refer to each other by number, so that cycles and deep nesting in a hostile
//! file are harmless, both when it is read and when it is dropped.

mod arrays;
mod machine;
mod objects;

use std::ops::Range;

use machine::Machine;

/// Number of a value in the arena.
pub type ValueId = u32;

/// Limit on the number of values, and on the number of items that calls copy: far above any state dict, and
/// reached by a hostile file before memory runs out.
const MOST_VALUES: usize = 2_000_000;

/// Limit on the number of tensors, which are larger than other values.
pub const MOST_TENSORS: usize = 1 << 17;

/// Number type of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TensorDtype {
    F32,
    F64,
    F16,
    BF16,
    /// Any type that weights do not have: integers, booleans, quantised values.
    Other {
        name: String,
        size: usize,
    },
}

impl TensorDtype {
    /// Returns the bytes of one element.
    pub fn size(&self) -> usize {
        match self {
            TensorDtype::F64 => 8,
            TensorDtype::F32 => 4,
            TensorDtype::F16 | TensorDtype::BF16 => 2,
            TensorDtype::Other { size, .. } => *size,
        }
    }

    /// Returns the name that PyTorch gives it.
    pub fn name(&self) -> &str {
        match self {
            TensorDtype::F64 => "float64",
            TensorDtype::F32 => "float32",
            TensorDtype::F16 => "float16",
            TensorDtype::BF16 => "bfloat16",
            TensorDtype::Other { name, .. } => name,
        }
    }

    /// Returns the type that NumPy names so, without the order of bytes; `None` for objects and texts.
    fn of_numpy(name: &str) -> Option<Self> {
        let other = |name: &str, size| TensorDtype::Other { name: name.into(), size };
        Some(match name {
            "f8" => TensorDtype::F64,
            "f4" => TensorDtype::F32,
            "f2" => TensorDtype::F16,
            "i8" => other("int64", 8),
            "i4" => other("int32", 4),
            "b1" => other("bool", 1),
            "u1" => other("uint8", 1),
            _ => return None,
        })
    }

    /// Returns the type of a storage class, or `None` for an unknown class.
    fn of_storage(class: &str) -> Option<Self> {
        let other = |name: &str, size| TensorDtype::Other { name: name.into(), size };
        Some(match class {
            "FloatStorage" => TensorDtype::F32,
            "DoubleStorage" => TensorDtype::F64,
            "HalfStorage" => TensorDtype::F16,
            "BFloat16Storage" => TensorDtype::BF16,
            "LongStorage" => other("int64", 8),
            "IntStorage" => other("int32", 4),
            "ShortStorage" => other("int16", 2),
            "CharStorage" => other("int8", 1),
            "ByteStorage" | "UntypedStorage" => other("uint8", 1),
            "BoolStorage" => other("bool", 1),
            "QInt8Storage" => other("qint8", 1),
            "QUInt8Storage" => other("quint8", 1),
            "QInt32Storage" => other("qint32", 4),
            "ComplexFloatStorage" => other("complex64", 8),
            "ComplexDoubleStorage" => other("complex128", 16),
            _ => return None,
        })
    }
}

/// Reference to a storage, the buffer of a tensor's elements, by its key in the file.
#[derive(Clone, Debug)]
pub struct StorageRef<'a> {
    pub dtype: TensorDtype,
    pub key: &'a str,
    /// First element and number of elements, for a part of another storage (old files only).
    pub view: Option<(usize, usize)>,
}

/// A tensor: a storage with an offset, a shape and strides, all in elements.
#[derive(Clone, Debug)]
pub struct PickledTensor<'a> {
    pub storage: StorageRef<'a>,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

/// An array of NumPy, whose values lie in the pickle itself.
#[derive(Clone, Debug)]
pub struct PickledArray {
    pub dtype: TensorDtype,
    pub shape: Vec<usize>,
    /// True if the first axis runs fastest (Fortran's order).
    pub column_major: bool,
    /// Position of the values in the pickle.
    pub bytes: Range<usize>,
}

/// A Python value of a kind that state dicts contain.
#[derive(Clone, Debug)]
pub enum PickleValue<'a> {
    None,
    Int(i64),
    Text(&'a str),
    Tuple(Vec<ValueId>),
    List(Vec<ValueId>),
    Dict(Vec<(ValueId, ValueId)>),
    // Boxed, as the arena holds a value of this size for every byte of a hostile file.
    Global(Box<Global>),
    Storage(Box<StorageRef<'a>>),
    Tensor(Box<PickledTensor<'a>>),
    /// Bytes, by their position in the pickle.
    Bytes(Range<usize>),
    /// An element type of NumPy.
    Dtype(Box<TensorDtype>),
    /// An array of NumPy; `None` until its state is known.
    Array(Option<Box<PickledArray>>),
    /// A harmless value that is not needed: a float, a set, a device.
    Opaque,
}

/// Python names that a pickle may call.
#[derive(Clone, Debug)]
pub enum Global {
    Dict,
    /// A dict that is made empty, whatever the arguments.
    ModelOutput,
    RebuildTensor,
    RebuildParameter,
    Tuple,
    Storage(TensorDtype),
    /// NumPy's array without its state.
    NewArray,
    /// NumPy's array from bytes.
    ArrayOfBytes,
    /// NumPy's element type.
    ElementType,
    /// A name whose call makes [`PickleValue::Opaque`].
    Inert,
}

/// A pickle that has been read.
pub struct Pickle<'a> {
    values: Vec<PickleValue<'a>>,
    root: ValueId,
    /// Number of input bytes that it takes up.
    pub used: usize,
}

impl<'a> Pickle<'a> {
    /// Reads the pickle at the start of `input`.
    ///
    /// # Errors
    /// One line about what was found.
    pub fn read(input: &'a [u8]) -> Result<Self, String> {
        let mut machine = Machine::new(input);
        let root = machine.run()?;
        Ok(machine.finish(root))
    }

    /// Returns the value of the whole pickle.
    pub fn root(&self) -> &PickleValue<'a> {
        self.value(self.root)
    }

    /// Returns every storage that the pickle refers to.
    pub fn storages(&self) -> impl Iterator<Item = &StorageRef<'a>> {
        self.values.iter().filter_map(|value| match value {
            PickleValue::Storage(storage) => Some(&**storage),
            _ => None,
        })
    }

    /// Returns a value by number.
    pub fn value(&self, id: ValueId) -> &PickleValue<'a> {
        self.values.get(id as usize).unwrap_or(&PickleValue::None)
    }
}

/// Result of one step; the error is one line for the user.
type PickleResult<T> = Result<T, String>;

/// Groups items into pairs of key and value.
fn pairs(items: &[ValueId]) -> Vec<(ValueId, ValueId)> {
    items.chunks_exact(2).filter_map(|pair| Some((*pair.first()?, *pair.get(1)?))).collect()
}

impl Global {
    /// Finds a name that a state dict may refer to.
    ///
    /// # Errors
    /// The name, for any other one.
    fn find(module: &str, name: &str) -> PickleResult<Self> {
        Ok(match (module, name) {
            ("collections", "OrderedDict" | "defaultdict") | ("builtins" | "__builtin__", "dict") => {
                Global::Dict
            }
            // A model's output is a dict of its fields.
            (module, name)
                if ["transformers.modeling_outputs", "transformers.generation.utils"].contains(&module)
                    && name.contains("Output") =>
            {
                Global::ModelOutput
            }
            ("transformers.cache_utils", _) => Global::Inert,
            ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor") => Global::RebuildTensor,
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => {
                Global::RebuildParameter
            }
            ("torch", "Size") | ("builtins" | "__builtin__", "tuple") => Global::Tuple,
            ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => Global::NewArray,
            ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer") => Global::ArrayOfBytes,
            ("numpy", "dtype") => Global::ElementType,
            ("numpy", "ndarray") | ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => {
                Global::Inert
            }
            ("torch.storage", "_load_from_bytes") => {
                return Err("it holds tensors in a plain pickle, which torch.save does not write".into());
            }
            ("torch" | "torch.storage" | "torch.cuda", class) if class.ends_with("Storage") => {
                Global::Storage(
                    TensorDtype::of_storage(class)
                        .ok_or_else(|| format!("storage class '{class}' is unknown"))?,
                )
            }
            (
                "torch",
                "device" | "float32" | "float16" | "bfloat16" | "float64" | "int64" | "int32" | "bool",
            )
            | ("builtins" | "__builtin__", "set" | "int" | "float" | "str")
            | ("argparse", "Namespace")
            | ("torch.serialization", "_get_layout")
            | ("_codecs", "encode") => Global::Inert,
            _ => {
                return Err(format!(
                    "it refers to Python's '{module}.{name}', which is no part of a state dict"
                ));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls `callee` with the same argument `calls` times; `end` makes the argument of a thousand numbers.
    fn repeated(callee: &str, end: &[u8], calls: usize) -> Vec<u8> {
        let mut pickle = [b"\x80\x02(", &b"K\x01".repeat(1000)[..], end, b"q\x000"].concat();
        pickle.extend(format!("c{callee}\nq\x010](").bytes());
        pickle.extend(b"h\x01h\x00\x85R".repeat(calls));
        pickle.extend(b"e.");
        pickle
    }

    #[test]
    fn a_tuple_that_is_converted_again_and_again_is_one_value() {
        let bytes = repeated("torch\nSize", b"t", 20_000);
        let pickle = Pickle::read(&bytes).unwrap();
        let PickleValue::List(items) = pickle.root() else { panic!("a list") };
        assert!(items.len() == 20_000 && items.iter().all(|item| item == &items[0]));
    }

    #[test]
    fn copies_marks_and_values_are_limited() {
        let error = |bytes: &[u8]| Pickle::read(bytes).err().unwrap();
        assert!(error(&repeated("torch\nSize", b"l", 3000)).contains("copies more than"));
        assert!(error(&repeated("builtins\ndict", b"l", 3000)).contains("copies more than"));
        for op in [b"(", b"N"] {
            let bytes = [b"\x80\x02", &op.repeat(MOST_VALUES + 1)[..]].concat();
            assert!(error(&bytes).contains("more than"));
        }
        let bytes = [b"\x80\x02N", &b"\x94".repeat(10)[..], b"."].concat();
        assert!(Pickle::read(&bytes).is_ok());
    }

    #[test]
    fn values_stay_small() {
        assert!(size_of::<PickleValue>() <= 32);
    }
}
