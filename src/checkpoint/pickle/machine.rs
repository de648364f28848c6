//! The stack machine that runs a pickle's opcodes.

use std::collections::HashMap;

use super::{Global, MOST_VALUES, Pickle, PickleResult, PickleValue, ValueId, pairs};

/// State of the machine while it reads a pickle.
pub(super) struct Machine<'a> {
    input: &'a [u8],
    at: usize,
    pub(super) values: Vec<PickleValue<'a>>,
    stack: Vec<ValueId>,
    marks: Vec<usize>,
    memo: HashMap<u32, ValueId>,
    pushes: usize,
    /// Number of items that calls have copied.
    pub(super) copied: usize,
    /// Number of tensors made.
    pub(super) tensors: usize,
}

impl<'a> Machine<'a> {
    /// Creates a machine at the start of `input`.
    pub(super) fn new(input: &'a [u8]) -> Self {
        Machine {
            input,
            at: 0,
            values: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            pushes: 0,
            copied: 0,
            tensors: 0,
        }
    }

    /// Returns the pickle whose value is `root`.
    pub(super) fn finish(self, root: ValueId) -> Pickle<'a> {
        Pickle { values: self.values, root, used: self.at }
    }

    /// Runs the opcodes up to the stop; returns the value on top of the stack.
    pub(super) fn run(&mut self) -> PickleResult<ValueId> {
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
                b'(' => self.mark()?,
                b'0' => drop(self.pop()?),
                b'1' => drop(self.cut_at_mark()?),
                b'2' => {
                    let top = self.top()?;
                    self.push_id(top)?;
                }
                b'N' => self.push(PickleValue::None)?,
                0x88 => self.push(PickleValue::Int(1))?,
                0x89 => self.push(PickleValue::Int(0))?,
                b'J' => {
                    let int = i32::from_le_bytes(self.array()?);
                    self.push(PickleValue::Int(int.into()))?;
                }
                b'K' => {
                    let int = self.byte()?;
                    self.push(PickleValue::Int(int.into()))?;
                }
                b'M' => {
                    let int = u16::from_le_bytes(self.array()?);
                    self.push(PickleValue::Int(int.into()))?;
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
                    self.push(PickleValue::Opaque)?;
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
                b')' => self.push(PickleValue::Tuple(Vec::new()))?,
                0x85 => self.tuple(1)?,
                0x86 => self.tuple(2)?,
                0x87 => self.tuple(3)?,
                b't' => {
                    let items = self.cut_at_mark()?;
                    self.push(PickleValue::Tuple(items))?;
                }
                b']' => self.push(PickleValue::List(Vec::new()))?,
                b'l' => {
                    let items = self.cut_at_mark()?;
                    self.push(PickleValue::List(items))?;
                }
                b'a' => {
                    let item = self.pop()?;
                    self.extend(vec![item])?;
                }
                b'e' => {
                    let items = self.cut_at_mark()?;
                    self.extend(items)?;
                }
                b'}' => self.push(PickleValue::Dict(Vec::new()))?,
                b'd' => {
                    let items = self.cut_at_mark()?;
                    self.push(PickleValue::Dict(pairs(&items)))?;
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
                0x8f => self.push(PickleValue::Opaque)?,
                0x90 => drop(self.cut_at_mark()?),
                0x91 => {
                    self.cut_at_mark()?;
                    self.push(PickleValue::Opaque)?;
                }
                b'c' => {
                    let module = self.line()?;
                    let name = self.line()?;
                    self.push(PickleValue::Global(Box::new(Global::find(module, name)?)))?;
                }
                0x93 => {
                    let (name, module) = (self.pop()?, self.pop()?);
                    let (Some(&PickleValue::Text(module)), Some(&PickleValue::Text(name))) =
                        (self.values.get(module as usize), self.values.get(name as usize))
                    else {
                        return Err("a name in the pickle is no text".into());
                    };
                    self.push(PickleValue::Global(Box::new(Global::find(module, name)?)))?;
                }
                b'R' | 0x81 => {
                    let arguments = self.pop()?;
                    let callee = self.pop()?;
                    self.call(callee, arguments)?;
                }
                b'b' => {
                    let state = self.pop()?;
                    self.set_state(state)?;
                }
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

    fn byte(&mut self) -> PickleResult<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn take(&mut self, len: usize) -> PickleResult<&'a [u8]> {
        let end = self.at.checked_add(len).filter(|&end| end <= self.input.len());
        let Some(end) = end else {
            return Err(format!("the pickle is cut off at byte {}", self.input.len()));
        };
        let bytes = &self.input[self.at..end];
        self.at = end;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> PickleResult<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn len32(&mut self) -> PickleResult<usize> {
        self.array().map(|bytes| u32::from_le_bytes(bytes) as usize)
    }

    fn len64(&mut self) -> PickleResult<usize> {
        let len = u64::from_le_bytes(self.array()?);
        usize::try_from(len).map_err(|_| format!("a string of {len} bytes"))
    }

    /// Reads a name up to the newline.
    fn line(&mut self) -> PickleResult<&'a str> {
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

    /// Adds a value to the arena and pushes it.
    pub(super) fn push(&mut self, value: PickleValue<'a>) -> PickleResult<()> {
        let id = self.values.len() as ValueId;
        self.values.push(value);
        self.push_id(id)
    }

    /// Pushes a value of the arena.
    pub(super) fn push_id(&mut self, id: ValueId) -> PickleResult<()> {
        self.pushes += 1;
        limit(self.pushes)?;
        self.stack.push(id);
        Ok(())
    }

    /// Marks the top of the stack.
    fn mark(&mut self) -> PickleResult<()> {
        self.marks.push(self.stack.len());
        limit(self.marks.len())
    }

    /// Returns the length of the stack below the last mark.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> PickleResult<ValueId> {
        if self.stack.len() <= self.floor() {
            return Err("the pickle takes more values than it made".into());
        }
        self.stack.pop().ok_or_else(|| "the pickle is empty".into())
    }

    pub(super) fn top(&self) -> PickleResult<ValueId> {
        self.stack.last().copied().ok_or_else(|| "the pickle takes more values than it made".into())
    }

    /// Pops everything above the last mark, and the mark.
    fn cut_at_mark(&mut self) -> PickleResult<Vec<ValueId>> {
        let mark = self.marks.pop().ok_or("the pickle lacks a mark")?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn long(&mut self, len: usize) -> PickleResult<()> {
        let bytes = self.take(len)?;
        if len > 8 {
            return self.push(PickleValue::Opaque);
        }
        let sign = bytes.last().map_or(0, |&high| if high & 0x80 != 0 { 0xff } else { 0 });
        let mut wide = [sign; 8];
        wide[..len].copy_from_slice(bytes);
        self.push(PickleValue::Int(i64::from_le_bytes(wide)))
    }

    fn text(&mut self, len: usize) -> PickleResult<()> {
        let bytes = self.take(len)?;
        self.push(std::str::from_utf8(bytes).map_or(PickleValue::Opaque, PickleValue::Text))
    }

    fn blob(&mut self, len: usize) -> PickleResult<()> {
        self.take(len)?;
        self.push(PickleValue::Bytes(self.at - len..self.at))
    }

    fn tuple(&mut self, len: usize) -> PickleResult<()> {
        if self.stack.len() < self.floor() + len {
            return Err("the pickle takes more values than it made".into());
        }
        let items = self.stack.split_off(self.stack.len() - len);
        self.push(PickleValue::Tuple(items))
    }

    fn top_value(&mut self) -> PickleResult<&mut PickleValue<'a>> {
        let top = self.top()? as usize;
        self.values.get_mut(top).ok_or_else(|| "the pickle is empty".into())
    }

    fn extend(&mut self, items: Vec<ValueId>) -> PickleResult<()> {
        match self.top_value()? {
            PickleValue::List(list) => list.extend(items),
            PickleValue::Opaque => {}
            _ => return Err("the pickle appends to what is no list".into()),
        }
        Ok(())
    }

    fn set_items(&mut self, items: &[ValueId]) -> PickleResult<()> {
        match self.top_value()? {
            PickleValue::Dict(dict) => dict.extend(pairs(items)),
            PickleValue::Opaque => {}
            _ => return Err("the pickle sets items of what is no dict".into()),
        }
        Ok(())
    }

    /// Copies the top of the stack to a slot of the memo.
    fn remember(&mut self, slot: u32) -> PickleResult<()> {
        let top = self.top()?;
        self.memo.insert(slot, top);
        limit(self.memo.len())
    }

    /// Pushes the value in a slot of the memo.
    fn recall(&mut self, slot: u32) -> PickleResult<()> {
        let id =
            *self.memo.get(&slot).ok_or_else(|| format!("the pickle recalls slot {slot}, never filled"))?;
        self.push_id(id)
    }
}

/// Checks a count of values, marks or slots of the memo.
fn limit(count: usize) -> PickleResult<()> {
    if count > MOST_VALUES { Err(format!("the pickle has more than {MOST_VALUES} values")) } else { Ok(()) }
}
