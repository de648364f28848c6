//! Reads Python pickles without running anything: a machine that knows the opcodes and the few names which
//! a torch state dict consists of, and refuses all else. Protocols 2 to 5
//! (<https://peps.python.org/pep-0307/>, <https://peps.python.org/pep-3154/>).
//!
//! Values lie in one arena and refer to each other by number: cycles and deep nesting in a hostile file cost
//! nothing, neither when it is read nor when it is dropped.

use std::collections::HashMap;

/// A value's number in the arena.
pub(super) type Id = u32;

/// No state dict comes near it; a hostile file meets it before memory runs out.
const MOST_VALUES: usize = 4_000_000;

/// What the bytes of a storage are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Dtype {
    F32,
    F64,
    F16,
    BF16,
    /// Anything that is no weight: integers, booleans, quantised values.
    Other {
        name: String,
        size: usize,
    },
}

impl Dtype {
    /// Bytes of one element.
    pub(super) fn size(&self) -> usize {
        match self {
            Dtype::F64 => 8,
            Dtype::F32 => 4,
            Dtype::F16 | Dtype::BF16 => 2,
            Dtype::Other { size, .. } => *size,
        }
    }

    /// The name that PyTorch gives it.
    pub(super) fn name(&self) -> &str {
        match self {
            Dtype::F64 => "float64",
            Dtype::F32 => "float32",
            Dtype::F16 => "float16",
            Dtype::BF16 => "bfloat16",
            Dtype::Other { name, .. } => name,
        }
    }

    fn of_storage(class: &str) -> Option<Self> {
        let other = |name: &str, size| Dtype::Other { name: name.into(), size };
        Some(match class {
            "FloatStorage" => Dtype::F32,
            "DoubleStorage" => Dtype::F64,
            "HalfStorage" => Dtype::F16,
            "BFloat16Storage" => Dtype::BF16,
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

/// Where a tensor's elements lie: a storage, known by its key in the file.
#[derive(Clone, Debug)]
pub(super) struct Storage<'a> {
    pub dtype: Dtype,
    pub key: &'a str,
    /// A part of another storage: first element and elements (old files only).
    pub view: Option<(usize, usize)>,
}

/// A tensor: a storage seen with an offset, a shape and strides, all in elements.
#[derive(Clone, Debug)]
pub(super) struct Tensor<'a> {
    pub storage: Storage<'a>,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

/// A Python value, as far as state dicts need one.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    None,
    Int(i64),
    Text(&'a str),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Global),
    Storage(Storage<'a>),
    Tensor(Tensor<'a>),
    /// Harmless and of no use here: floats, bytes, sets, devices.
    Opaque,
}

/// The names that may be called.
#[derive(Clone, Debug)]
pub(super) enum Global {
    Dict,
    RebuildTensor,
    RebuildParameter,
    Tuple,
    Storage(Dtype),
    /// Its call gives [`Value::Opaque`].
    Inert,
}

/// One pickle, read.
pub(super) struct Pickle<'a> {
    values: Vec<Value<'a>>,
    root: Id,
    /// Bytes of the input that it took.
    pub used: usize,
}

impl<'a> Pickle<'a> {
    /// Reads the pickle at the start of `input`.
    ///
    /// # Errors
    /// One line that says what was found.
    pub(super) fn read(input: &'a [u8]) -> Result<Self, String> {
        let mut machine = Machine {
            input,
            at: 0,
            values: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            pushes: 0,
        };
        let root = machine.run()?;
        Ok(Pickle { values: machine.values, root, used: machine.at })
    }

    /// The whole pickle's value.
    pub(super) fn root(&self) -> &Value<'a> {
        self.value(self.root)
    }

    /// Every storage that the pickle refers to.
    pub(super) fn storages(&self) -> impl Iterator<Item = &Storage<'a>> {
        self.values.iter().filter_map(|value| match value {
            Value::Storage(storage) => Some(storage),
            _ => None,
        })
    }

    /// A value by number.
    pub(super) fn value(&self, id: Id) -> &Value<'a> {
        self.values.get(id as usize).unwrap_or(&Value::None)
    }
}

struct Machine<'a> {
    input: &'a [u8],
    at: usize,
    values: Vec<Value<'a>>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    pushes: usize,
}

type Step<T> = Result<T, String>;

impl<'a> Machine<'a> {
    fn run(&mut self) -> Step<Id> {
        loop {
            let at = self.at;
            let op = self.byte()?;
            match op {
                b'.' => return self.pop(),
                0x80 => {
                    let protocol = self.byte()?;
                    if protocol > 5 {
                        return Err(format!("pickle protocol {protocol} is unknown"));
                    }
                }
                0x95 => drop(self.take(8)?),
                b'(' => self.marks.push(self.stack.len()),
                b'0' => drop(self.pop()?),
                b'1' => drop(self.cut_at_mark()?),
                b'2' => {
                    let top = self.top()?;
                    self.push_id(top)?;
                }
                b'N' => self.push(Value::None)?,
                0x88 => self.push(Value::Int(1))?,
                0x89 => self.push(Value::Int(0))?,
                b'J' => {
                    let int = i32::from_le_bytes(self.array()?);
                    self.push(Value::Int(int.into()))?;
                }
                b'K' => {
                    let int = self.byte()?;
                    self.push(Value::Int(int.into()))?;
                }
                b'M' => {
                    let int = u16::from_le_bytes(self.array()?);
                    self.push(Value::Int(int.into()))?;
                }
                0x8a => {
                    let len = self.byte()? as usize;
                    self.long(len)?;
                }
                0x8b => {
                    let len = self.len32()?;
                    self.long(len)?;
                }
                b'G' => {
                    self.take(8)?;
                    self.push(Value::Opaque)?;
                }
                b'X' | b'T' => {
                    let len = self.len32()?;
                    self.text(len)?;
                }
                0x8c | b'U' => {
                    let len = self.byte()? as usize;
                    self.text(len)?;
                }
                0x8d => {
                    let len = self.len64()?;
                    self.text(len)?;
                }
                b'B' => {
                    let len = self.len32()?;
                    self.blob(len)?;
                }
                b'C' => {
                    let len = self.byte()? as usize;
                    self.blob(len)?;
                }
                0x8e | 0x96 => {
                    let len = self.len64()?;
                    self.blob(len)?;
                }
                b')' => self.push(Value::Tuple(Vec::new()))?,
                0x85 => self.tuple(1)?,
                0x86 => self.tuple(2)?,
                0x87 => self.tuple(3)?,
                b't' => {
                    let items = self.cut_at_mark()?;
                    self.push(Value::Tuple(items))?;
                }
                b']' => self.push(Value::List(Vec::new()))?,
                b'l' => {
                    let items = self.cut_at_mark()?;
                    self.push(Value::List(items))?;
                }
                b'a' => {
                    let item = self.pop()?;
                    self.extend(vec![item])?;
                }
                b'e' => {
                    let items = self.cut_at_mark()?;
                    self.extend(items)?;
                }
                b'}' => self.push(Value::Dict(Vec::new()))?,
                b'd' => {
                    let items = self.cut_at_mark()?;
                    self.push(Value::Dict(pairs(&items)))?;
                }
                b's' => {
                    let value = self.pop()?;
                    let key = self.pop()?;
                    self.set_items(&[key, value])?;
                }
                b'u' => {
                    let items = self.cut_at_mark()?;
                    self.set_items(&items)?;
                }
                0x8f => self.push(Value::Opaque)?,
                0x90 => drop(self.cut_at_mark()?),
                0x91 => {
                    self.cut_at_mark()?;
                    self.push(Value::Opaque)?;
                }
                b'c' => {
                    let module = self.line()?;
                    let name = self.line()?;
                    self.push(Value::Global(global(module, name)?))?;
                }
                0x93 => {
                    let (name, module) = (self.pop()?, self.pop()?);
                    let (Some(&Value::Text(module)), Some(&Value::Text(name))) =
                        (self.values.get(module as usize), self.values.get(name as usize))
                    else {
                        return Err("a name in the pickle is no text".into());
                    };
                    self.push(Value::Global(global(module, name)?))?;
                }
                b'R' | 0x81 => {
                    let arguments = self.pop()?;
                    let callee = self.pop()?;
                    let value = self.call(callee, arguments)?;
                    self.push(value)?;
                }
                b'b' => drop(self.pop()?),
                b'q' => {
                    let slot = self.byte()?;
                    self.remember(slot.into())?;
                }
                b'r' => {
                    let slot = u32::from_le_bytes(self.array()?);
                    self.remember(slot)?;
                }
                0x94 => self.remember(u32::try_from(self.memo.len()).unwrap_or(u32::MAX))?,
                b'h' => {
                    let slot = self.byte()?;
                    self.recall(slot.into())?;
                }
                b'j' => {
                    let slot = u32::from_le_bytes(self.array()?);
                    self.recall(slot)?;
                }
                b'Q' => {
                    let tuple = self.pop()?;
                    let storage = self.storage(tuple)?;
                    self.push(storage)?;
                }
                other => {
                    return Err(format!(
                        "pickle opcode {other:#04x} at byte {at} is not one of a state dict"
                    ));
                }
            }
        }
    }

    fn byte(&mut self) -> Step<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn take(&mut self, len: usize) -> Step<&'a [u8]> {
        let end = self.at.checked_add(len).filter(|&end| end <= self.input.len());
        let Some(end) = end else {
            return Err(format!("the pickle is cut off at byte {}", self.input.len()));
        };
        let bytes = &self.input[self.at..end];
        self.at = end;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Step<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn len32(&mut self) -> Step<usize> {
        self.array().map(|bytes| u32::from_le_bytes(bytes) as usize)
    }

    fn len64(&mut self) -> Step<usize> {
        let len = u64::from_le_bytes(self.array()?);
        usize::try_from(len).map_err(|_| format!("a string of {len} bytes"))
    }

    fn line(&mut self) -> Step<&'a str> {
        let rest = self.input.get(self.at..).unwrap_or_default();
        // Module and class names are short: do not search a gigabyte of weights for a newline.
        let end = rest
            .iter()
            .take(1024)
            .position(|&byte| byte == b'\n')
            .ok_or("a name in the pickle never ends")?;
        self.at += end + 1;
        std::str::from_utf8(&rest[..end]).map_err(|_| "a name in the pickle is not UTF-8".into())
    }

    fn push(&mut self, value: Value<'a>) -> Step<()> {
        let id = self.values.len() as Id;
        self.values.push(value);
        self.push_id(id)
    }

    fn push_id(&mut self, id: Id) -> Step<()> {
        self.pushes += 1;
        if self.pushes > MOST_VALUES {
            return Err(format!("the pickle has more than {MOST_VALUES} values"));
        }
        self.stack.push(id);
        Ok(())
    }

    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Step<Id> {
        if self.stack.len() <= self.floor() {
            return Err("the pickle takes more values than it made".into());
        }
        self.stack.pop().ok_or_else(|| "the pickle is empty".into())
    }

    fn top(&self) -> Step<Id> {
        self.stack.last().copied().ok_or_else(|| "the pickle takes more values than it made".into())
    }

    fn cut_at_mark(&mut self) -> Step<Vec<Id>> {
        let mark = self.marks.pop().ok_or("the pickle lacks a mark")?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn long(&mut self, len: usize) -> Step<()> {
        let bytes = self.take(len)?;
        if len > 8 {
            return self.push(Value::Opaque);
        }
        let sign = bytes.last().map_or(0, |&high| if high & 0x80 != 0 { 0xff } else { 0 });
        let mut wide = [sign; 8];
        wide[..len].copy_from_slice(bytes);
        self.push(Value::Int(i64::from_le_bytes(wide)))
    }

    fn text(&mut self, len: usize) -> Step<()> {
        let bytes = self.take(len)?;
        self.push(std::str::from_utf8(bytes).map_or(Value::Opaque, Value::Text))
    }

    fn blob(&mut self, len: usize) -> Step<()> {
        self.take(len)?;
        self.push(Value::Opaque)
    }

    fn tuple(&mut self, len: usize) -> Step<()> {
        if self.stack.len() < self.floor() + len {
            return Err("the pickle takes more values than it made".into());
        }
        let items = self.stack.split_off(self.stack.len() - len);
        self.push(Value::Tuple(items))
    }

    fn top_value(&mut self) -> Step<&mut Value<'a>> {
        let top = self.top()? as usize;
        self.values.get_mut(top).ok_or_else(|| "the pickle is empty".into())
    }

    fn extend(&mut self, items: Vec<Id>) -> Step<()> {
        match self.top_value()? {
            Value::List(list) => list.extend(items),
            Value::Opaque => {}
            _ => return Err("the pickle appends to what is no list".into()),
        }
        Ok(())
    }

    fn set_items(&mut self, items: &[Id]) -> Step<()> {
        match self.top_value()? {
            Value::Dict(dict) => dict.extend(pairs(items)),
            Value::Opaque => {}
            _ => return Err("the pickle sets items of what is no dict".into()),
        }
        Ok(())
    }

    fn remember(&mut self, slot: u32) -> Step<()> {
        let top = self.top()?;
        self.memo.insert(slot, top);
        Ok(())
    }

    fn recall(&mut self, slot: u32) -> Step<()> {
        let id =
            *self.memo.get(&slot).ok_or_else(|| format!("the pickle recalls slot {slot}, never filled"))?;
        self.push_id(id)
    }

    fn value(&self, id: Id) -> &Value<'a> {
        self.values.get(id as usize).unwrap_or(&Value::None)
    }

    fn items(&self, id: Id) -> &[Id] {
        match self.value(id) {
            Value::Tuple(items) | Value::List(items) => items,
            _ => &[],
        }
    }

    fn size(&self, id: Option<&Id>) -> Step<usize> {
        match id.map(|&id| self.value(id)) {
            Some(&Value::Int(int)) => usize::try_from(int).map_err(|_| format!("a size of {int}")),
            _ => Err("a size in the pickle is no number".into()),
        }
    }

    fn sizes(&self, id: Option<&Id>) -> Step<Vec<usize>> {
        let ids = id.map(|&id| self.items(id)).unwrap_or_default();
        if ids.len() > 16 {
            return Err(format!("a tensor of {} dimensions", ids.len()));
        }
        ids.iter().map(|id| self.size(Some(id))).collect()
    }

    fn call(&self, callee: Id, arguments: Id) -> Step<Value<'a>> {
        let Value::Global(callee) = self.value(callee) else {
            return Err("the pickle calls what cannot be called".into());
        };
        let arguments = self.items(arguments);
        Ok(match callee {
            Global::Inert => Value::Opaque,
            Global::Tuple => {
                Value::Tuple(arguments.first().map(|&id| self.items(id).to_vec()).unwrap_or_default())
            }
            Global::Dict => {
                // Python 2 gave an OrderedDict's items as a list of pairs.
                let items = arguments.first().map(|&id| self.items(id)).unwrap_or_default();
                Value::Dict(items.iter().flat_map(|&pair| pairs(self.items(pair))).collect())
            }
            Global::RebuildParameter => match arguments.first().map(|&id| self.value(id)) {
                Some(Value::Tensor(tensor)) => Value::Tensor(tensor.clone()),
                _ => return Err("a parameter that is no tensor".into()),
            },
            Global::RebuildTensor => {
                let Some(Value::Storage(storage)) = arguments.first().map(|&id| self.value(id)) else {
                    return Err("a tensor without a storage".into());
                };
                let shape = self.sizes(arguments.get(2))?;
                let strides = self.sizes(arguments.get(3))?;
                if shape.len() != strides.len() {
                    return Err(format!("a tensor of shape {shape:?} with strides {strides:?}"));
                }
                let offset = self.size(arguments.get(1))?;
                Value::Tensor(Tensor { storage: storage.clone(), offset, shape, strides })
            }
            Global::Storage(_) => return Err("a storage made without its bytes".into()),
        })
    }

    /// `("storage", class, key, device, elements[, view])`, where a view is `None` or `(key, offset, elements)`.
    fn storage(&self, id: Id) -> Step<Value<'a>> {
        let items = self.items(id);
        let field = |at: usize| items.get(at).map(|&id| self.value(id));
        let (
            Some(Value::Text("storage")),
            Some(Value::Global(Global::Storage(dtype))),
            Some(&Value::Text(key)),
        ) = (field(0), field(1), field(2))
        else {
            return Err("an object kept outside the pickle is no storage".into());
        };
        let view = match field(5) {
            Some(Value::Tuple(view)) => Some((self.size(view.get(1))?, self.size(view.get(2))?)),
            _ => None,
        };
        Ok(Value::Storage(Storage { dtype: dtype.clone(), key, view }))
    }
}

fn pairs(items: &[Id]) -> Vec<(Id, Id)> {
    items.chunks_exact(2).filter_map(|pair| Some((*pair.first()?, *pair.get(1)?))).collect()
}

fn global(module: &str, name: &str) -> Step<Global> {
    Ok(match (module, name) {
        ("collections", "OrderedDict" | "defaultdict") | ("builtins" | "__builtin__", "dict") => Global::Dict,
        ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor") => Global::RebuildTensor,
        ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Global::RebuildParameter,
        ("torch", "Size") | ("builtins" | "__builtin__", "tuple") => Global::Tuple,
        ("torch" | "torch.storage" | "torch.cuda", class) if class.ends_with("Storage") => Global::Storage(
            Dtype::of_storage(class).ok_or_else(|| format!("storage class '{class}' is unknown"))?,
        ),
        ("torch", "device" | "float32" | "float16" | "bfloat16" | "float64" | "int64" | "int32" | "bool")
        | ("builtins" | "__builtin__", "set" | "int" | "float" | "str")
        | ("argparse", "Namespace")
        | ("torch.serialization", "_get_layout")
        | ("_codecs", "encode") => Global::Inert,
        _ => {
            return Err(format!("it refers to Python's '{module}.{name}', which is no part of a state dict"));
        }
    })
}
